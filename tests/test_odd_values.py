"""Values that can not be read or are too large: errors that say so, and no warnings."""

import decimal
import functools

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from rivals import CLASSIFIERS

from sklearn_lwal import (
    LabelEmbedClassifier,
    LabelSearchCV,
    LwALClassifier,
    StaticLabelClassifier,
    STDClassifier,
)

X = np.random.RandomState(0).normal(size=(9, 3)).astype(np.float32)
Y = np.arange(9) % 3
# More than a float can be.
HUGE = 10**400
QUICK = {"max_epochs": 1, "random_state": 0}
all_of_them = pytest.mark.parametrize("Classifier", CLASSIFIERS)


def new(Classifier=STDClassifier, **options):
    return Classifier(**QUICK, **options)


UNREADABLE = {
    "rows with gradient": [torch.ones(3, requires_grad=True) for _ in range(9)],
    "no values": torch.empty(9, 3, device="meta"),
    "too many digits": [[HUGE] * 3] * 9,
}


@pytest.mark.parametrize("rows", UNREADABLE.values(), ids=UNREADABLE)
def test_features_that_can_not_be_read(rows):
    with pytest.raises(ValueError, match="X can not be read"):
        new().fit(rows, Y)
    with pytest.raises(ValueError, match="X can not be read"):
        new().fit(X, Y).predict(rows)


def test_targets_and_weights_that_can_not_be_read():
    ones = [torch.ones((), requires_grad=True) for _ in range(9)]
    with pytest.raises(ValueError, match="y can not be read"):
        new().fit(X, torch.empty(9, device="meta"))
    with pytest.raises(ValueError, match="sample_weight can not be read"):
        new().fit(X, Y, sample_weight=ones)


@pytest.mark.parametrize("odd", [decimal.Decimal("sNaN"), torch.tensor([1j, 2.0])])
def test_classes_that_can_not_be_sorted(odd):
    classes = np.array([odd, 1, 2, odd], dtype=object)
    for clf in (new(), new().fit(X, Y)):
        with pytest.raises((ValueError, TypeError)):
            clf.partial_fit(X, Y, classes=classes)


def test_a_negated_view_of_a_tensor():
    view = torch.complex(torch.zeros(9, 3), -torch.tensor(X)).conj().imag
    assert view.is_neg()
    expected = new().fit(X, Y).predict_proba(X)
    np.testing.assert_array_equal(new().fit(view, Y).predict_proba(view), expected)


@pytest.mark.parametrize(
    "weight",
    [np.nan, np.inf, 1j, -1.0, HUGE, 1e300],
    ids=["NaN", "infinite", "complex", "negative", "huge", "large"],
)
def test_one_weight_for_all(weight):
    for train in (new().fit, new().partial_fit):
        more = {"classes": [0, 1, 2]} if train.__name__ == "partial_fit" else {}
        with pytest.raises(ValueError, match=r"weight|Complex"):
            train(X, Y, sample_weight=weight, **more)


@pytest.mark.parametrize("least", [1e-44, 1e-30, 1e-20])
def test_weights_of_very_different_sizes(least):
    weight = np.full(9, least)
    weight[[0, 4]] = 1
    clf = new(LwALClassifier).fit(X, Y, sample_weight=weight)
    assert (clf.predict(X)[[0, 4]] == Y[[0, 4]]).all()


def test_weights_too_large_for_their_sums():
    with pytest.raises(ValueError, match=r"weights are too large.*Scale them"):
        new(LwALClassifier).fit(X, Y, sample_weight=np.full(9, 1e38))


def test_labels_that_no_float_tells_apart():
    with pytest.raises(ValueError, match="Unknown label type"):
        new().partial_fit(X, Y, classes=[2**63, -5e-324])


@pytest.mark.parametrize(
    "value", [1 + 1j, HUGE, np.inf], ids=["complex", "huge", "infinite"]
)
def test_a_polars_frame_of_objects(value):
    columns = X.astype(object)
    columns[4, 1] = value
    frame = pl.DataFrame(
        {str(j): pl.Series(columns[:, j], dtype=pl.Object) for j in range(3)}
    )
    good = pl.DataFrame({str(j): X[:, j] for j in range(3)})
    with pytest.raises((ValueError, TypeError)):
        new().fit(good, Y).predict(frame)


@all_of_them
def test_answers_are_finite(Classifier):
    clf = new(Classifier).fit(X, Y)
    for method in ("predict", "predict_proba", "decision_function"):
        with pytest.raises(ValueError, match="Scale the features"):
            getattr(clf, method)(np.full((1, 3), 1e308))


@pytest.mark.parametrize("width", [2**62, 10**13])
def test_layers_that_no_memory_has_room_for(width):
    with pytest.raises(MemoryError, match="Lower output_dim or hidden_layer_sizes"):
        new(hidden_layer_sizes=(width,)).fit(X, Y)
    with pytest.raises(MemoryError, match="Lower output_dim or hidden_layer_sizes"):
        new(LwALClassifier, output_dim=width).fit(X, Y)


@pytest.mark.parametrize("betas", [(), {}, 3])
def test_options_that_the_optimizer_stumbles_over(betas):
    with pytest.raises(ValueError, match="net_params"):
        new(net_params={"optimizer__betas": betas}).fit(X, Y)


def test_an_optimizer_of_sparse_gradients():
    with pytest.raises(ValueError, match=r"optimizer.*SparseAdam"):
        new(optimizer=torch.optim.SparseAdam).fit(X, Y)


def test_parameters_that_can_not_be_read():
    odd = [torch.ones((), requires_grad=True)]
    with pytest.raises(ValueError, match="hidden_layer_sizes"):
        new(hidden_layer_sizes=odd).fit(X, Y)
    with pytest.raises(ValueError, match="class_weight"):
        new(class_weight={0: HUGE}).fit(X, Y)
    with pytest.raises(ValueError, match="label_embeddings"):
        new(StaticLabelClassifier, label_embeddings={0: [HUGE], 1: [1], 2: [2]}).fit(
            X, Y
        )


NAMES = [*"abcabcab"]
MISSING = {
    "None": [*NAMES, None],
    "NaN": [*NAMES, np.nan],
    "objects": np.array([*NAMES, np.nan], object),
    "pandas.NA": np.array([*NAMES, pd.NA], object),
    "str of pandas": pd.Series([*NAMES, None], dtype="string"),
    "categories": pd.Categorical([*NAMES, None]),
    "polars": pl.Series([*NAMES, None]),
    "numbers": [1, 2, None] * 3,
    "dates": np.array(["2020", "2021", "NaT"] * 3, "M8[D]"),
}


@pytest.mark.parametrize("y", MISSING.values(), ids=MISSING)
def test_targets_with_a_missing_value(y):
    clf = new().fit(X, [*NAMES, "c"])
    for train in (
        lambda: new().fit(X, y),
        lambda: new().fit(X, [*NAMES, "c"], eval_set=(X, y)),
        lambda: clf.partial_fit(X, y),
        lambda: clf.score(X, y),
    ):
        with pytest.raises(ValueError, match=r"Input y contains NaN\."):
            train()
    with pytest.raises(ValueError, match=r"Input classes contains NaN\."):
        clf.partial_fit(X, [*NAMES, "c"], classes=y)


class Held:
    """An array that only NumPy can read."""

    def __init__(self, array):
        self.array = array

    def __len__(self):
        return len(self.array)

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.array, dtype)


def test_arrays_that_only_numpy_reads():
    clf = new().fit(Held(X), Held(Y), eval_set=(Held(X), Held(Y)))
    assert clf.n_features_in_ == 3
    assert clf.score(Held(X), Held(Y)) == new().fit(X, Y).score(X, Y)
    with pytest.raises(ValueError, match="expecting 3 features"):
        clf.predict(Held(X[:, :2]))


@pytest.mark.parametrize("n", [1, 2, 3])
def test_several_pairs_to_validate_with(n):
    with pytest.raises(ValueError, match=rf"one pair \(X, y\)\. Got list of {n} pairs"):
        new().fit(X, Y, eval_set=[(X, Y)] * n)
    # A pair all the same.
    rows = tuple(map(tuple, X[:2].tolist()))
    assert "valid_acc" in new().fit(X, Y, eval_set=[rows, (0, 1)]).history_[-1]


def test_patience_without_end():
    options = {"early_stopping": True, "validation_fraction": 0.4, "max_epochs": 12}
    clf = STDClassifier(lr=1e-9, n_iter_no_change=np.inf, random_state=0, **options)
    assert clf.fit(X, Y).n_iter_ == 12


@pytest.mark.parametrize(
    ("Classifier", "options", "same"),
    [
        (LwALClassifier, {"update_every": HUGE}, {"update_every": 10**6}),
        (LwALClassifier, {"warmup_steps": 2**64}, {"warmup_steps": 10**6}),
        (LwALClassifier, {"warmup_steps": True}, {"warmup_steps": 1}),
        (STDClassifier, {"l2": 10**25}, {"l2": 1e25}),
        (LabelEmbedClassifier, {"temperature": 10**20}, {"temperature": 1e20}),
    ],
)
def test_numbers_of_many_digits(Classifier, options, same):
    clf = new(Classifier, **options).fit(X, Y)
    expected = new(Classifier, **same).fit(X, Y).predict_proba(X)
    np.testing.assert_array_equal(clf.predict_proba(X), expected)
    name, *_ = options
    grid = {name: [options[name], same[name]]}
    search = LabelSearchCV(new(Classifier), grid, cv=3, error_score="raise")
    scores = search.fit(X, Y).cv_results_["mean_test_score"]
    assert scores[0] == scores[1]


def test_a_latent_that_no_memory_holds():
    with pytest.raises(MemoryError, match="Lower output_dim"):
        new(LwALClassifier, output_dim=1e30).fit(X, Y)


@pytest.mark.skipif(
    torch.__version__ < "2.8", reason="compilers stumbled over autograd functions"
)
@pytest.mark.parametrize("update", ["features", "batch"])
def test_compiled_steps(monkeypatch, update):
    # The front end of the compiler alone, which needs no C++.
    eager = functools.partial(torch.compile, backend="aot_eager")
    monkeypatch.setattr(torch, "compile", eager)
    options = {"label_update": update, "max_epochs": 3}
    compiled = LwALClassifier(random_state=0, compile=True, **options).fit(X, Y)
    plain = LwALClassifier(random_state=0, **options).fit(X, Y)
    np.testing.assert_allclose(compiled.labels_, plain.labels_, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("sample_weight", [None, np.full(9, 1e30)])
def test_class_weights_beyond_float32(sample_weight):
    clf = new(class_weight={0: 1e30 if sample_weight is not None else 1e39, 1: 1, 2: 1})
    with pytest.raises(ValueError, match="too large for float32"):
        clf.fit(X, Y, sample_weight=sample_weight)
