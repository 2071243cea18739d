"""Batches, held-out rows and what validation leaves behind."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from sklearn_lwal import LwALClassifier, STDClassifier
from sklearn_lwal._training.batches import (
    LabelledRows,
    inference_batches,
    stratified_split,
)


def make_rows(n=11, subset=None, sparse=False):
    X = np.arange(3 * n, dtype=np.float32).reshape(n, 3)
    y, weight = np.arange(n) % 2, np.linspace(1, 2, n, dtype=np.float32)
    return LabelledRows(sp.csr_matrix(X) if sparse else X, y, weight, subset)


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("subset", [None, np.array([9, 2, 3, 5, 10, 7])])
def test_an_epoch_has_each_row_once_with_its_label_and_weight(subset, sparse):
    rows = make_rows(subset=subset, sparse=sparse)
    expected = np.arange(11) if subset is None else subset
    generator = torch.Generator().manual_seed(0)
    shuffled = list(rows.shuffled(4, generator))
    for batches in (shuffled, list(rows.in_order())):
        parts = zip(*batches, strict=True)
        X, y, weight, *places = (torch.cat(part).numpy() for part in parts)
        index = (X[:, 0] / 3).astype(int)
        assert sorted(index) == sorted(expected)
        np.testing.assert_array_equal(y, index % 2)
        np.testing.assert_allclose(weight, np.linspace(1, 2, 11)[index], rtol=1e-6)
        if places:
            np.testing.assert_array_equal(expected[places[0]], index)
    np.testing.assert_array_equal(index, expected)
    assert [float(x[0]) for x, _ in rows] == [3 * i for i in expected]


def test_batches_are_even_and_never_too_large():
    sizes = [len(y) for _, y, *_ in make_rows().shuffled(5, torch.Generator())]
    assert sizes == [4, 4, 3]


def test_the_order_is_that_of_a_bare_loop():
    order = torch.randperm(11, generator=torch.Generator().manual_seed(3))
    batches = make_rows().shuffled(11, torch.Generator().manual_seed(3))
    np.testing.assert_array_equal(next(batches)[0][:, 0] / 3, order)


def test_an_int_seed_gives_the_model_of_a_bare_loop(iris):
    X, y = (torch.from_numpy(part) for part in iris)
    torch.manual_seed(12)
    layer = torch.nn.Linear(4, 3)
    optimizer = torch.optim.Adam(layer.parameters(), lr=0.01)
    for _ in range(5):
        for index in torch.randperm(150).split(50):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(layer(X[index]), y[index]).backward()
            optimizer.step()
    plain = {"standardize": False, "average": False, "max_epochs": 5}
    clf = STDClassifier(lr=0.01, batch_size=50, random_state=12, **plain)
    latent = clf.fit(X, y).transform(X)
    np.testing.assert_allclose(latent, layer(X).detach(), atol=1e-5)


def test_inference_reads_a_bounded_number_of_rows(monkeypatch):
    monkeypatch.setattr("sklearn_lwal._training.batches.READ_ONCE_VALUES", 30)
    X = np.random.default_rng(0).normal(size=(25, 10))
    parts = list(inference_batches(X, "cpu", torch.float64))
    assert [len(part) for part in parts] == [3] * 8 + [1]
    np.testing.assert_array_equal(torch.cat(parts), X)


@pytest.mark.parametrize(
    "y",
    [
        np.repeat([0, 1, 2], [1, 40, 9]),
        np.repeat(np.arange(30), 2),
        np.array([0, 0, 1]),
    ],
    ids=["a single row of a class", "more classes than held-out rows", "tiny"],
)
def test_every_class_stays_in_training(y):
    for seed in range(20):
        rng = np.random.RandomState(seed)
        train, valid = stratified_split(y, 0.1, rng)
        assert len(valid) == np.ceil(0.1 * (np.bincount(y)[y] > 1).sum())
        assert sorted([*train, *valid]) == list(range(len(y)))
        assert set(y[train]) == set(y)


def test_nothing_to_hold_out():
    with pytest.raises(ValueError, match="at least 2 samples"):
        stratified_split(np.arange(4), 0.1, np.random.RandomState(0))


@pytest.mark.parametrize("options", [{}, {"update_every": 7}, {"label_momentum": 0.9}])
@pytest.mark.parametrize("hidden", [(), (6,)])
def test_validation_does_not_change_the_training(options, hidden, iris):
    clf = LwALClassifier(
        max_epochs=4, hidden_layer_sizes=hidden, random_state=0, **options
    )
    measured = clf.fit(*iris, eval_set=iris).net_.module_.state_dict()
    plain = clf.fit(*iris).net_.module_.state_dict()
    torch.testing.assert_close(measured, plain, rtol=0, atol=0)


def test_validation_sees_refined_labels(iris):
    clf = LwALClassifier(max_epochs=3, random_state=0).fit(*iris, eval_set=iris)
    assert clf.history_[-1]["valid_acc"] == pytest.approx(clf.score(*iris))
    logp = clf.predict_log_proba(iris[0])[np.arange(150), iris[1]]
    assert clf.history_[-1]["valid_loss"] == pytest.approx(-logp.mean(), abs=1e-5)


def test_class_weights_move_the_bias_of_one_hot_training_once(iris):
    X, y = iris
    clf = STDClassifier(class_weight={0: 100, 1: 1, 2: 1}, lr=1e-9, random_state=0)
    clf.partial_fit(X, y, classes=[0, 1, 2])
    bias = clf.net_.module_.head.linear.bias.detach().clone()
    assert bias.argmax() == 0
    clf.partial_fit(X, y)
    torch.testing.assert_close(clf.net_.module_.head.linear.bias.detach(), bias)


def overlapping(n=1000):
    rng = np.random.default_rng(0)
    y = (np.arange(n) % 10 == 0).astype(int)
    return rng.normal(size=(n, 2)) + y[:, None], y


@pytest.mark.parametrize("Classifier", [LwALClassifier, STDClassifier])
def test_class_weights_of_one_are_none_and_larger_ones_favour_a_class(Classifier):
    X, y = overlapping()
    shares = []
    for class_weight in (None, {0: 1, 1: 1}, {1: 2}, {1: 10}):
        clf = Classifier(class_weight=class_weight, max_epochs=50, random_state=0)
        shares.append((clf.fit(X, y).predict(X) == 1).mean())
    assert shares[0] == pytest.approx(shares[1], abs=0.002)
    assert shares[1] <= shares[2] < shares[3]


def test_class_weights_of_classes_that_a_chunk_lacks(iris):
    X, y = iris
    clf = LwALClassifier(class_weight={1: 2.0}, random_state=0)
    clf.partial_fit(X, y, classes=[0, 1, 2]).partial_fit(X[:10], y[:10])
    offset = clf.net_.module_.head.adaptive.class_offset
    torch.testing.assert_close(offset, torch.tensor([0.75, 1.5, 0.75]).log())


@pytest.mark.parametrize("weight", [-1.0, np.nan, np.inf])
def test_class_weights_that_are_none(weight, iris):
    with pytest.raises(ValueError, match="'class_weight' parameter"):
        LwALClassifier(class_weight={0: weight, 1: 1.0, 2: 1.0}).fit(*iris)


def test_partial_fit_refines_over_all_rows_so_far(iris):
    X, y = iris
    clf = LwALClassifier(random_state=0)
    for rows in np.array_split(np.random.RandomState(0).permutation(150), 10):
        clf.partial_fit(X[rows], y[rows], classes=[0, 1, 2])
    z = clf.transform(X)
    means = np.array([z[y == c].mean(0) for c in range(3)])
    np.testing.assert_allclose(clf.labels_, means, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("output_dim", 7),
        ("batch_size", 9),
        ("optimizer", "sgd"),
        ("hidden_layer_sizes", (4,)),
        ("net_params", {"optimizer__eps": 1e-7}),
    ],
)
def test_a_warm_start_refuses_what_it_can_not_change(name, value, iris):
    clf = LwALClassifier(warm_start=True, max_epochs=2, random_state=0).fit(*iris)
    before = clf.predict_proba(iris[0])
    with pytest.raises(ValueError, match=f"can not change .*{name}"):
        clf.set_params(**{name: value}).fit(*iris)
    np.testing.assert_array_equal(clf.predict_proba(iris[0]), before)
    clf.set_params(warm_start=False).fit(*iris)


@pytest.mark.parametrize(
    "options",
    [
        {"net_params": {"lr": 0.5}},
        {"net_params": {"callbacks": []}},
        {"net_params": {"optimizer__lr": 0.5}},
        {"net_params": {"optimizer__nonsense": 1}},
        {"net_params": {"nonsense": 1}},
        {"optimizer": str},
        {"optimizer": print},
        {"optimizer": torch.optim.LBFGS},
        {"callbacks": [3]},
        {"hidden_layer_sizes": [[2, 3]]},
        {"device": "meta"},
    ],
    ids=str,
)
def test_options_that_make_no_net(options, iris):
    with pytest.raises(ValueError, match=next(iter(options))):
        LwALClassifier(**options).fit(*iris)


def test_foreach_takes_the_place_of_fused(iris):
    clf = LwALClassifier(net_params={"optimizer__foreach": True}, max_epochs=1)
    assert not clf.fit(*iris).net_.optimizer_.defaults["fused"]


@pytest.mark.parametrize("name", ["checkpoint", "train_end_checkpoint"])
def test_checkpoints(name, iris, tmp_path):
    from skorch.callbacks import Checkpoint, TrainEndCheckpoint

    kind = Checkpoint if name == "checkpoint" else TrainEndCheckpoint
    callback = kind(dirname=tmp_path, f_history=None)
    LwALClassifier(callbacks=[callback], max_epochs=3).fit(*iris, eval_set=iris)
    assert any("params" in path.name for path in tmp_path.iterdir())


@pytest.mark.parametrize(
    "place",
    [
        "_training.row_storage.DenseRows.__init__",
        "classifiers._predict.inference_batches",
    ],
)
def test_out_of_memory_outside_of_a_step(place, iris, monkeypatch):
    def fail(*args):
        raise torch.OutOfMemoryError("CUDA out of memory")

    clf = LwALClassifier(max_epochs=1).fit(*iris)
    monkeypatch.setattr(f"sklearn_lwal.{place}", fail)
    with pytest.raises(MemoryError, match="fewer rows"):
        clf.fit(*iris).predict(iris[0])


def test_fit_where_gradients_are_switched_off(iris):
    clf = LwALClassifier(max_epochs=3, random_state=0)
    expected = clf.fit(*iris).predict_proba(iris[0])
    with torch.no_grad():
        np.testing.assert_array_equal(clf.fit(*iris).predict_proba(iris[0]), expected)


@pytest.mark.parametrize("Classifier", [LwALClassifier, STDClassifier])
def test_bfloat16_trains_the_layers_and_keeps_labels_in_float32(Classifier, iris):
    options = {"max_epochs": 30, "lr": 0.02, "hidden_layer_sizes": (16,)}
    clf = Classifier(precision="bfloat16", random_state=0, **options).fit(*iris)
    full = Classifier(random_state=0, **options).fit(*iris)
    assert clf.score(*iris) > 0.9
    assert clf.labels_.dtype == np.float32
    assert all(p.dtype == torch.float32 for p in clf.net_.module_.parameters())
    assert not np.array_equal(clf.transform(iris[0]), full.transform(iris[0]))
