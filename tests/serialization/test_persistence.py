"""Classifiers that were saved and loaded are those that were fitted."""

import copy
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sklearn
import torch
from _helpers.rivals import CLASSIFIERS, RIVALS
from _helpers.saved import assert_equal, assert_same_model, forge, reloaded
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import LRScheduler

import sklearn_lwal
from sklearn_lwal import LwALClassifier, StaticLabelClassifier, STDClassifier
from sklearn_lwal._serialization.checks import check_unstored
from sklearn_lwal.heads.one_hot import OneHotHead

DATA = Path(__file__).parents[1] / "data"
QUICK = {"max_epochs": 2, "random_state": 0, "device": "cpu"}
HIDDEN = {"hidden_layer_sizes": (6, 5), "dropout": 0.3}
PAPER = {
    "init": "random",
    "label_update": "batch",
    "temperature": 1.0,
    "standardize": False,
    "average": False,
    "refine_labels": False,
}
VARIANTS = {
    "LwAL": LwALClassifier(),
    "LwAL hidden": LwALClassifier(**HIDDEN),
    "LwAL10, learned": LwALClassifier(output_dim=10.0, init="random", repel_weight=1.0),
    "paper": LwALClassifier(
        **PAPER, update_every=3, warmup_steps=2, label_momentum=0.5
    ),
    "bfloat16": LwALClassifier(precision="bfloat16", **HIDDEN),
    "LwAL weights": LwALClassifier(class_weight={0: 1, 1: 2.5, 2: 1}, l2=0.01),
    "early stopping": LwALClassifier(early_stopping=True, n_iter_no_change=1),
    "clipped": STDClassifier(max_grad_norm=0.1, batch_size=17, **HIDDEN),
    **RIVALS,
}
variants = pytest.mark.parametrize("clf", VARIANTS.values(), ids=VARIANTS)
both = pytest.mark.parametrize("Classifier", [LwALClassifier, STDClassifier])


def fitted(clf, iris, **options):
    return clone(clf).set_params(**QUICK | options).fit(*iris)


def assert_trains_on_alike(one, two, X, y):
    for clf in (one, two):
        clf.partial_fit(X[::2], y[::2])
        clf.partial_fit(X[:40], y[:40])
        clf.set_params(warm_start=True, lr=3e-3).fit(X, y, eval_set=(X, y))
    assert_same_but_for_seconds(one, two, X)


def assert_same_but_for_seconds(one, two, X):
    for clf in (one, two):
        for row in (*clf.history_, *clf.net_.history):
            row["dur"] = 0.0
        for row in clf.net_.history:
            row["batches"] = [{}]
    assert_same_model(one, two, X)


@variants
def test_round_trip_and_further_training(clf, iris, tmp_path):
    clf = fitted(clf, iris)
    again = reloaded(clf, tmp_path)
    assert again.get_params() == clf.get_params()
    assert_same_model(clf, again, iris[0])
    assert_trains_on_alike(clf, again, *iris)
    # And once more, of a model that was loaded and then trained.
    assert_same_model(again, reloaded(again, tmp_path), iris[0])


@pytest.mark.parametrize("Classifier", CLASSIFIERS)
@pytest.mark.parametrize("options", [{}, HIDDEN], ids=["linear", "hidden"])
def test_after_partial_fit(Classifier, options, iris, tmp_path):
    X, y = iris
    clf = Classifier(**QUICK, **options)
    clf.partial_fit(X[:60], y[:60], classes=[0, 1, 2]).partial_fit(X[40:], y[40:])
    again = reloaded(clf, tmp_path)
    assert again.n_iter_ == 2
    assert_same_model(clf, again, X)
    assert_trains_on_alike(clf, again, X, y)


OPTIMIZERS = ["adam", "adamw", "rmsprop", "sgd"]
OPTIMIZERS += [torch.optim.NAdam, torch.optim.Adagrad, torch.optim.Adamax]
OPTIMIZERS += [torch.optim.ASGD, torch.optim.RAdam, torch.optim.Rprop]
if hasattr(torch.optim, "Adafactor"):  # new in torch 2.5
    OPTIMIZERS.append(torch.optim.Adafactor)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_optimizers(optimizer, iris, tmp_path):
    clf = fitted(STDClassifier(**HIDDEN), iris, optimizer=optimizer)
    again = reloaded(clf, tmp_path)
    assert again.optimizer == optimizer
    assert_same_model(clf, again, iris[0])
    assert_trains_on_alike(clf, again, *iris)


def test_options_of_the_optimizer(iris, tmp_path):
    groups = [("head*", {"lr": 0.1, "betas": (0.5, 0.9)}), ("hidden*", {"eps": 1e-3})]
    options = {"optimizer__amsgrad": True, "optimizer__param_groups": groups}
    clf = fitted(STDClassifier(**HIDDEN), iris, net_params=options)
    # The head's rate is a multiple of that at first.
    clf.set_params(lr=1e-2, warm_start=True).fit(*iris)
    again = reloaded(clf, tmp_path)
    assert again.net_params == options
    assert_same_model(clf, again, iris[0])
    assert_trains_on_alike(clf, again, *iris)


def test_what_callbacks_have_left(iris, tmp_path):
    X, y = iris
    schedule = (
        "rate",
        LRScheduler(
            torch.optim.lr_scheduler.OneCycleLR,
            max_lr=0.01,
            total_steps=100,
            step_every="batch",
        ),
    )
    clf = STDClassifier(**QUICK, callbacks=[schedule]).fit(X, y)
    with pytest.raises(ValueError, match=r"'callbacks'.*set_params\(callbacks=None\)"):
        clf.save(tmp_path / "model")
    again = reloaded(clf.set_params(callbacks=None), tmp_path)
    assert again.net_.history[-1, "batches"] == [{}]
    assert_equal(again.history_, clf.history_)
    assert_trains_on_alike(*(c.set_params(callbacks=None) for c in (clf, again)), X, y)


CLASSES = {
    "string": np.array(["a", "b", "cé"]),
    "wide": np.array(["a", "b", "c"], dtype="<U300"),
    "object": np.array(["a", "b\0", "\ud800"], dtype=object),
    "int8": np.array([-3, 0, 5], dtype=np.int8),
    "uint64": np.array([0, 1, 2**64 - 1], dtype=np.uint64),
    "big-endian": np.array([1, 2, 3], dtype=">i4"),
    "float": np.array([-1.0, 0.0, 7.0]),
    "float16": np.array([1, 2, 3], dtype=np.float16),
    "date": np.array(["2001-01-01", "2002-01-01", "2003-01-01"], dtype="M8[D]"),
    "bool": np.array([False, True]),
}


@both
@pytest.mark.parametrize("classes", CLASSES.values(), ids=CLASSES)
def test_classes_of_any_kind(Classifier, classes, iris, tmp_path):
    X, y = iris
    y = classes[y % len(classes)]
    clf = Classifier(**QUICK).fit(X, y)
    again = reloaded(clf, tmp_path)
    assert_same_model(clf, again, X)
    assert again.predict(X).dtype == classes.dtype
    assert again.score(X, y) == clf.score(X, y)
    assert_trains_on_alike(clf, again, X, y)


def test_classes_that_no_file_holds(iris, tmp_path):
    X, y = iris
    clf = STDClassifier(**QUICK).fit(X, y.astype(np.longdouble))
    with pytest.raises(ValueError, match="dtype float128"):
        clf.save(tmp_path / "model")


def test_feature_names_and_output(iris, tmp_path):
    X, y = iris
    frame = pd.DataFrame(X, columns=["a", "b", "../../c", "é"])
    clf = LwALClassifier(**QUICK).set_output(transform="pandas").fit(frame, y)
    again = reloaded(clf, tmp_path)
    assert_same_model(clf, again, frame)
    assert again.feature_names_in_.dtype == object
    pd.testing.assert_frame_equal(again.transform(frame), clf.transform(frame))
    with pytest.raises(ValueError, match="feature names"):
        again.predict(frame[["b", "a", "../../c", "é"]])


PARAMETERS = {
    "nothing": {"random_state": None},
    "random state": {"random_state": np.random.RandomState(3)},
    "device": {"device": torch.device("cpu")},
    "sizes as array": {"hidden_layer_sizes": np.array([3, 4], dtype=np.uint8)},
    "sizes as number": {"hidden_layer_sizes": 3},
    "NumPy's numbers": {"lr": np.float32(0.01), "tol": np.float64(0.01)},
    "weights by name": {"class_weight": {np.int64(0): 1.0, 1: np.float32(2), 2: 1}},
    "balanced": {"class_weight": "balanced"},
}


@pytest.mark.parametrize("options", PARAMETERS.values(), ids=PARAMETERS)
def test_parameters(options, iris, tmp_path):
    clf = LwALClassifier(**QUICK | copy.deepcopy(options)).fit(*iris)
    again = reloaded(clf, tmp_path)
    assert_equal(again.get_params(), clf.get_params())
    assert_same_model(clf, again, iris[0])
    if clf.class_weight != "balanced":
        early = {"early_stopping": True, "warm_start": True}
        for one in (clf, again):
            one.set_params(**early).fit(*iris)  # Draws the rows held out.
        assert_same_but_for_seconds(clf, again, iris[0])
    if isinstance(again.random_state, np.random.RandomState):
        assert again._rng is again.random_state


VECTORS = np.random.default_rng(0).normal(size=(3, 2))
EMBEDDINGS = {
    "array": VECTORS,
    "columns first": np.asfortranarray(VECTORS.astype(np.float32)),
    "lists": VECTORS.tolist(),
    "tensors": [torch.tensor(row) for row in VECTORS],
    "dict": {**dict(enumerate(VECTORS)), "another": VECTORS[0]},
    "by name": {str(i): row.tolist() for i, row in enumerate(VECTORS)},
    "function": lambda names: VECTORS,
    "DataFrame": pd.DataFrame(VECTORS[::-1], index=[2, 1, 0]),
}


@pytest.mark.parametrize("given", EMBEDDINGS.values(), ids=EMBEDDINGS)
def test_label_embeddings(given, iris, tmp_path):
    X, y = iris
    y = y.astype(str) if isinstance(given, dict) and "0" in given else y
    clf = StaticLabelClassifier(label_embeddings=given, **QUICK).fit(X, y)
    again = reloaded(clf, tmp_path)
    np.testing.assert_array_equal(again.labels_, VECTORS.astype(np.float32))
    if callable(given) or isinstance(given, pd.DataFrame):
        assert_equal(again.label_embeddings, clf.labels_)
    else:
        assert_equal(again.label_embeddings, given)
    clf.label_embeddings = again.label_embeddings
    if not isinstance(given, np.ndarray | dict):
        clf._built_from = again._built_from
    assert_same_model(clf, again, X)
    assert_trains_on_alike(clf, again, X, y)
    assert_equal(
        clone(again).set_params(warm_start=False).fit(X, y).labels_, clf.labels_
    )


def test_interrupted_training(iris, tmp_path):
    X, y = iris

    class Stop(LRScheduler):
        def on_batch_end(self, net, training, **kwargs):
            if len(net.history) == 2 and training:
                raise KeyboardInterrupt

    clf = LwALClassifier(**QUICK | {"max_epochs": 5}, callbacks=[Stop()], **HIDDEN)
    clf.fit(X, y).set_params(callbacks=None)
    assert (clf.n_iter_, len(clf.net_.history)) == (1, 2)
    again = reloaded(clf, tmp_path)
    assert again.n_iter_ == 1
    assert len(again.net_.history) == 2
    assert_trains_on_alike(clf, again, X, y)


def test_where_and_what_is_left_alone(iris, tmp_path):
    X, y = iris
    clf = LwALClassifier(**QUICK, **HIDDEN).fit(X, y)
    state, before = torch.get_rng_state(), pickle.dumps(np.random.get_state())
    copied = copy.deepcopy(clf)
    again = reloaded(clf, tmp_path)
    assert torch.equal(torch.get_rng_state(), state)
    assert pickle.dumps(np.random.get_state()) == before
    assert_same_model(clf, copied, X)
    assert not again.net_.module_.training
    assert all(p.grad is None for p in again.net_.module_.parameters())
    assert again.net_.device == "cpu"
    assert sklearn_lwal.load(str(tmp_path / "model.safetensors"), "cpu").n_iter_ == 2


def test_a_device_that_is_asked_for_or_not_there(iris, tmp_path):
    path = tmp_path / "model"
    clf = fitted(STDClassifier(), iris, device="auto").set_params(device="cpu")
    clf.save(path)
    assert sklearn_lwal.load(path).device == "cpu"
    again = sklearn_lwal.load(path, torch.device("cpu"))
    assert again.device == torch.device("cpu")
    again.partial_fit(*iris)
    with pytest.raises(ValueError, match="'device' parameter must be"):
        sklearn_lwal.load(path, "abacus")
    other = "mps" if torch.cuda.is_available() else "cuda:0"

    def change(content, _):
        content["parameters"]["device"] = other

    forge(path, change)
    with pytest.warns(UserWarning, match="is not available") as caught:
        again = sklearn_lwal.load(path)
    assert caught[0].filename == __file__
    assert again.device == "auto"
    again.partial_fit(*iris)
    assert sklearn_lwal.load(path, "cpu").device == "cpu"


def test_nothing_is_unpickled(iris, tmp_path, monkeypatch):
    clf = fitted(LwALClassifier(), iris)
    clf.save(tmp_path / "model")

    def refuse(*args, **kwargs):
        raise AssertionError("pickle")

    for place in ("pickle.loads", "pickle.load", "pickle.Unpickler", "torch.load"):
        monkeypatch.setattr(place, refuse)
    for place in ("joblib.load", "pickle._Unpickler", "builtins.eval", "builtins.exec"):
        monkeypatch.setattr(place, refuse)
    clf.save(tmp_path / "another")
    sklearn_lwal.load(tmp_path / "model")
    for path in tmp_path.iterdir():
        assert b"\x80\x04" not in path.read_bytes()[:2000]


def test_last_step_of_a_pipeline(iris, tmp_path):
    X, y = iris
    pipeline = make_pipeline(StandardScaler(), LwALClassifier(**QUICK)).fit(X, y)
    again = reloaded(pipeline[-1], tmp_path)
    np.testing.assert_array_equal(
        again.predict_proba(pipeline[:-1].transform(X)), pipeline.predict_proba(X)
    )


def test_pickle_of_a_loaded_model(iris, tmp_path):
    again = reloaded(fitted(LwALClassifier(), iris), tmp_path)
    assert_same_model(again, pickle.loads(pickle.dumps(again)), iris[0])
    assert_same_model(again, copy.deepcopy(again), iris[0])
    with sklearn.config_context(display="diagram"):
        assert "LwALClassifier" in again._repr_html_()


def test_a_file_of_the_first_format(iris):
    """Written once, by this format's first version: it must stay readable."""
    clf = sklearn_lwal.load(DATA / "format_1.safetensors")
    expected = np.load(DATA / "format_1.npz")
    frame = pd.DataFrame(expected["X"], columns=expected["names"])
    proba = clf.predict_proba(frame)
    np.testing.assert_allclose(proba, expected["proba"], rtol=1e-4, atol=1e-7)
    np.testing.assert_array_equal(clf.classes_, expected["classes"])
    np.testing.assert_allclose(clf.labels_, expected["labels"], rtol=1e-6)
    assert clf.n_iter_ == 2
    assert clf.get_params()["hidden_layer_sizes"] == (4,)
    y = clf.predict(frame)
    clf.partial_fit(frame, y)
    assert clf.score(frame, y) > 0.8


def test_paths_that_are_none():
    with pytest.raises(TypeError, match="PathLike"):
        sklearn_lwal.load(None)


def test_too_many_classes_for_their_weights():
    """The identity that a head computes with is in no file, and may be far larger."""
    with torch.device("meta"):
        few_weights, enough = OneHotHead(4, 17_000), OneHotHead(2048, 21_841)
    with pytest.raises(ValueError, match="buffers that the file does not store"):
        check_unstored(few_weights)
    check_unstored(enough)
