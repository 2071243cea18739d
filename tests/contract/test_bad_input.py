"""Bad input raises before training; awkward data trains without NaN."""

import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from sklearn.datasets import make_blobs
from sklearn.exceptions import NotFittedError
from sklearn.utils._param_validation import InvalidParameterError
from skorch.callbacks import Callback

from sklearn_lwal import LwALClassifier, STDClassifier
from sklearn_lwal.heads.adaptive_head import AdaptiveHead
from sklearn_lwal.heads.one_hot import OneHotHead

HEADS = {LwALClassifier: AdaptiveHead, STDClassifier: OneHotHead}
both = pytest.mark.parametrize("Classifier", HEADS)


class NoTraining(Callback):
    def on_train_begin(self, net, **kwargs):
        raise AssertionError("training has started")


def untrained(Classifier, **options):
    return Classifier(callbacks=[NoTraining()], random_state=0, **options)


def assert_not_fitted(clf):
    with pytest.raises(NotFittedError):
        clf.predict([[0.0, 0.0]])


@both
def test_good_input_reaches_training(Classifier, iris):
    with pytest.raises(AssertionError, match="training has started"):
        untrained(Classifier).fit(*iris)


SHARED_BAD = [
    ("max_epochs", -1),
    ("max_epochs", 2.5),
    ("max_epochs", "many"),
    ("lr", 0.0),
    ("lr", -1e-3),
    ("lr", np.nan),
    ("lr", "auto"),
    ("optimizer", "no_such_optimizer"),
    ("optimizer", 3),
    ("batch_size", 0),
    ("batch_size", -5),
    ("batch_size", 2.5),
    ("batch_size", "big"),
    ("hidden_layer_sizes", (0,)),
    ("hidden_layer_sizes", (8, -1)),
    ("hidden_layer_sizes", (2.5,)),
    ("hidden_layer_sizes", "wide"),
    ("dropout", -0.1),
    ("dropout", 1.5),
    ("l2", -1.0),
    ("early_stopping", "yes"),
    ("validation_fraction", 0.0),
    ("validation_fraction", 1.5),
    ("n_iter_no_change", 0),
    ("tol", -1.0),
    ("class_weight", "unbalanced"),
    ("warm_start", "yes"),
    ("random_state", "seed"),
    ("verbose", -1),
    ("device", "no_such_device"),
    ("device", "cuda:99"),
    ("precision", "float8"),
    ("callbacks", 3),
    ("net_params", [1]),
    ("backbone", 3),
]
LWAL_BAD = [
    ("output_dim", 0),
    ("output_dim", -3),
    ("output_dim", 0.5),
    ("output_dim", np.nan),
    ("output_dim", np.inf),
    ("output_dim", "wide"),
    ("update_every", 0),
    ("update_every", -1),
    ("update_every", 1.5),
    ("update_every", "2"),
    ("warmup_steps", -1),
    ("warmup_steps", 0.5),
    ("repel_weight", -1.0),
    ("label_momentum", -0.1),
    ("label_momentum", 1.5),
    ("temperature", 0.0),
    ("temperature", -1.0),
    ("init", "no_such_init"),
    ("label_update", "no_such_update"),
    ("refine_labels", "yes"),
]
STD_BAD = [("label_smoothing", -0.1), ("label_smoothing", 1.5)]
BAD_PARAMETERS = [
    *((Classifier, *bad) for bad in SHARED_BAD for Classifier in HEADS),
    *((LwALClassifier, *bad) for bad in LWAL_BAD),
    *((STDClassifier, *bad) for bad in STD_BAD),
]


@pytest.mark.parametrize(("Classifier", "name", "value"), BAD_PARAMETERS)
def test_bad_parameter(Classifier, name, value, iris):
    clf = Classifier(random_state=0).set_params(**{name: value})
    if name != "callbacks":
        clf.set_params(callbacks=[NoTraining()])
    with pytest.raises(ValueError, match=name) as caught:
        clf.fit(*iris)
    got = value[-1] if isinstance(value, tuple | list) else value
    assert str(got) in str(caught.value)
    with pytest.raises(ValueError, match=name):
        clf.partial_fit(*iris, classes=[0, 1, 2])
    assert not hasattr(clf, "labels_")


@both
@pytest.mark.parametrize("name", ["lr", "max_grad_norm"])
def test_an_int_that_no_float_holds(Classifier, name, iris):
    clf = untrained(Classifier, **{name: 10**400})
    message = f"The '{name}' parameter must fit a float. Got an int with 1329 bits."
    for fit in (clf.fit, lambda X, y: clf.partial_fit(X, y, classes=[0, 1, 2])):
        with pytest.raises(ValueError, match=message):
            fit(*iris)


@both
@pytest.mark.parametrize(("name", "value"), [("lr", -1.0), ("optimizer", "sdg")])
def test_bad_parameter_has_scikit_learns_error(Classifier, name, value, iris):
    clf = untrained(Classifier, **{name: value})
    pattern = f"The '{name}' parameter of {Classifier.__name__} must be"
    with pytest.raises(InvalidParameterError, match=pattern):
        clf.fit(*iris)


def as_frame(X):
    return pd.DataFrame(X, columns=["a", "b", "c", "d"])


CONTAINERS = {
    "array": np.asarray,
    "float64": np.float64,
    "csr": sp.csr_array,
    "csc": sp.csc_matrix,
    "frame": as_frame,
    "tensor": torch.tensor,
}


@both
@pytest.mark.parametrize("container", CONTAINERS.values(), ids=CONTAINERS)
def test_not_finite(Classifier, container, iris):
    X, y = iris[0].copy(), iris[1]
    good = Classifier(max_epochs=1).fit(container(X), y)
    good.callbacks = [NoTraining()]
    for value in (np.nan, np.inf, -np.inf):
        X[7, 2] = value
        bad = container(X)
        pattern = "X contains.*NaN" if np.isnan(value) else "X contains.*infinity"
        clf = untrained(Classifier)
        with pytest.raises(ValueError, match=pattern):
            clf.fit(bad, y)
        assert_not_fitted(clf)
        with pytest.raises(ValueError, match=pattern):
            good.predict(bad)
        with pytest.raises(ValueError, match=pattern):
            good.partial_fit(bad, y)


@both
def test_not_finite_column_is_named(Classifier, iris):
    X = as_frame(iris[0]).rename(columns={"c": "petal_length"})
    X.loc[7, "petal_length"] = np.nan
    with pytest.raises(ValueError, match="petal_length"):
        untrained(Classifier).fit(X, iris[1])


@both
def test_too_large_for_float32(Classifier, iris):
    X = iris[0].astype(np.float64)
    X[3, 1] = 1e300
    with pytest.raises(ValueError, match=r"infinity|too large"):
        untrained(Classifier).fit(X, iris[1])


Y = np.arange(150) % 3
NAN_TARGET = np.where(np.arange(150) == 3, np.nan, Y)
BAD_DATA = {
    "no rows": (np.empty((0, 4)), np.empty(0, int), r"0 sample.*minimum of 1"),
    "no columns": (np.empty((150, 0)), Y, r"0 feature.*minimum of 1"),
    "sparse, no rows": (sp.csr_array((0, 4)), np.empty(0, int), r"0 sample"),
    "tensor, no rows": (torch.empty(0, 4), np.empty(0, int), r"0 sample"),
    "one dimension": (np.zeros(150), Y, "2D"),
    "three dimensions": (np.zeros((150, 2, 2)), Y, "dim"),
    "tensor, one dimension": (torch.zeros(150), Y, "2D"),
    "complex": (np.zeros((150, 2), complex), Y, "[Cc]omplex"),
    "words": (np.full((150, 2), "word"), Y, "word"),
    "one class": (np.zeros((150, 2)), np.full(150, 4), r"1 class.*4|class.*4"),
    "y too short": (np.zeros((150, 2)), Y[:-1], "150.*149"),
    "y too short for a tensor": (torch.zeros(150, 2), Y[:-1], "150.*149"),
    "continuous y": (np.zeros((150, 2)), Y + 0.5, "(?i)unknown label type.*continuous"),
    "y with NaN": (np.zeros((150, 2)), NAN_TARGET, "y contains NaN"),
    "y of two columns": (np.zeros((150, 2)), np.zeros((150, 2), int), "y should be"),
    "no y": (np.zeros((150, 2)), None, "requires y"),
}


@both
@pytest.mark.parametrize(("X", "y", "pattern"), BAD_DATA.values(), ids=BAD_DATA)
def test_bad_data(Classifier, X, y, pattern):
    clf = untrained(Classifier)
    with pytest.raises(ValueError, match=pattern):
        clf.fit(X, y)
    assert_not_fitted(clf)


BAD_WEIGHTS = {
    "too short": np.ones(149),
    "negative": np.r_[-1.0, np.ones(149)],
    "NaN": np.r_[np.nan, np.ones(149)],
    "all zero": np.zeros(150),
    "two columns": np.ones((150, 2)),
}


@both
@pytest.mark.parametrize("weight", BAD_WEIGHTS.values(), ids=BAD_WEIGHTS)
def test_bad_sample_weight(Classifier, weight, iris):
    with pytest.raises(ValueError, match=r"(?i)weight|inconsistent.*149"):
        untrained(Classifier).fit(*iris, sample_weight=weight)


@both
def test_weights_that_leave_one_class(Classifier, iris):
    X, y = iris
    clf = Classifier(max_epochs=20, random_state=0).fit(X, y, sample_weight=y == 1)
    np.testing.assert_array_equal(clf.classes_, [0, 1, 2])
    assert (clf.predict(X[y == 1]) == 1).all()


@both
def test_no_row_of_any_weight(Classifier, iris):
    X, y = (part[:50] for part in iris)
    for options, weight in (({0: 0.0, 1: 1.0, 2: 1.0}, None), (None, np.zeros(50))):
        clf = untrained(Classifier, class_weight=options)
        with pytest.raises(ValueError, match="non-zero"):
            clf.partial_fit(X, y, classes=[0, 1, 2], sample_weight=weight)
        assert_not_fitted(clf)


@both
def test_class_weight_of_an_unknown_class(Classifier, iris):
    with pytest.raises(ValueError, match="class_weight"):
        untrained(Classifier, class_weight={0: 1.0, 9: 2.0}).fit(*iris)


METHODS = [
    "predict",
    "predict_proba",
    "predict_log_proba",
    "decision_function",
    "transform",
]


@both
def test_before_fit(Classifier, iris):
    for method in METHODS:
        with pytest.raises(NotFittedError, match=Classifier.__name__):
            getattr(Classifier(), method)(iris[0])
    with pytest.raises(NotFittedError):
        Classifier().get_feature_names_out()
    with pytest.raises(NotFittedError):
        Classifier().score(*iris)


@both
@pytest.mark.parametrize("method", METHODS)
def test_wrong_columns_after_fit(Classifier, method, iris):
    X, y = iris
    clf = Classifier(max_epochs=1).fit(as_frame(X), y)
    method = getattr(clf, method)
    for container in (np.asarray, torch.tensor, sp.csr_array):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "X does not have valid feature names")
            with pytest.raises(ValueError, match=r"X has 3 features.*4 features"):
                method(container(X[:, :3]))
    with pytest.raises(ValueError, match="feature names should match"):
        method(as_frame(X)[["b", "a", "c", "d"]])
    with pytest.raises(ValueError, match=r"(?s)feature names should match.*spam"):
        method(as_frame(X).rename(columns={"b": "spam"}))


@both
def test_partial_fit_errors(Classifier, iris):
    X, y = iris
    clf = untrained(Classifier)
    with pytest.raises(ValueError, match="classes must be passed"):
        clf.partial_fit(X, y)
    with pytest.raises(ValueError, match="2"):
        clf.partial_fit(X, y, classes=[0, 1])
    with pytest.raises(ValueError, match="class"):
        clf.partial_fit(X, np.zeros(150, int), classes=[0])
    assert_not_fitted(clf)
    clf = Classifier(random_state=0).partial_fit(X, y, classes=[0, 1, 2])
    before = clf.predict_proba(X)
    clf.callbacks = [NoTraining()]
    with pytest.raises(ValueError, match="7"):
        clf.partial_fit(X, np.where(y == 2, 7, y))
    with pytest.raises(ValueError, match="7"):
        clf.partial_fit(X, y, classes=[0, 1, 2, 7])
    with pytest.raises(ValueError, match="X has 3 features"):
        clf.partial_fit(X[:, :3], y)
    np.testing.assert_array_equal(clf.predict_proba(X), before)
    with pytest.raises(ValueError, match=r"class_weight.*balanced.*partial_fit"):
        untrained(Classifier, class_weight="balanced").partial_fit(X, y, [0, 1, 2])


@both
def test_warm_start_with_other_classes(Classifier, iris):
    X, y = iris
    clf = Classifier(max_epochs=1, warm_start=True).fit(X, y)
    clf.callbacks = [NoTraining()]
    with pytest.raises(ValueError, match=r"classes.*5"):
        clf.fit(X, np.where(y == 2, 5, y))
    with pytest.raises(ValueError, match="X has 3 features"):
        clf.fit(X[:, :3], y)


BAD_EVAL_SETS = {
    "not a pair": (lambda X, y: X, "eval_set"),
    "y too short": (lambda X, y: (X, y[:-1]), "150.*149"),
    "too few columns": (lambda X, y: (X[:, :3], y), "3 features"),
    "unknown class": (lambda X, y: (X, y + 5), "eval_set.*7"),
    "NaN": (lambda X, y: (X * np.nan, y), "NaN"),
}


@both
@pytest.mark.parametrize(("make", "pattern"), BAD_EVAL_SETS.values(), ids=BAD_EVAL_SETS)
def test_bad_eval_set(Classifier, make, pattern, iris):
    clf = untrained(Classifier)
    with pytest.raises(ValueError, match=pattern):
        clf.fit(*iris, eval_set=make(*iris))
    assert_not_fitted(clf)


def assert_finite(clf, X):
    losses = [row["train_loss"] for row in clf.history_]
    assert losses
    for values in (losses, clf.labels_, clf.transform(X), clf.predict_proba(X)):
        assert np.isfinite(values).all()
    np.testing.assert_allclose(clf.predict_proba(X).sum(1), 1, rtol=1e-5)


def blobs(n_samples, centers=3, **options):
    X, y = make_blobs(n_samples, 5, centers=centers, random_state=0, **options)
    return X.astype(np.float32), y


def awkward_data():
    X, y = blobs(90)
    constant, zeros = X.copy(), X.copy()
    constant[:, 1] = 4.0
    zeros[::2] = 0
    rare = np.zeros(2_001, int)
    rare[1000] = 1
    many = np.random.RandomState(0).normal(size=(2_001, 2)).astype(np.float32)
    return {
        "class missing from a batch": (*blobs(40, 20), {"batch_size": 4}),
        "batches of one": (X[:20], y[:20], {"batch_size": 1}),
        "last batch of one": (X[:33], y[:33], {"batch_size": 32}),
        "fewer rows than a batch": (X[:9], y[:9], {"batch_size": 500}),
        "two rows": (X[:2], np.array([0, 1]), {}),
        "constant column": (constant, y, {}),
        "zero rows": (zeros, y, {}),
        "only zeros": (np.zeros_like(X), y, {}),
        "equal rows": (np.ones_like(X), y, {}),
        "huge": (X * 1e6, y, {}),
        "far away": (X + 1e6, y, {}),
        "unbalanced": (many, rare, {"max_epochs": 2}),
    }


AWKWARD = awkward_data()
OPTIONS = {
    "plain": {},
    "hidden": {"hidden_layer_sizes": (6,)},
    "balanced": {"class_weight": "balanced"},
    "repel": {"repel_weight": 10.0, "output_dim": 10.0},
    "momentum": {"label_momentum": 0.9, "update_every": 3, "warmup_steps": 2},
    "last batch": {"refine_labels": False, "update_every": 2},
}


@both
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("data", AWKWARD.values(), ids=AWKWARD)
def test_trains_without_nan(Classifier, options, data):
    X, y, more = data
    if not options.keys() <= Classifier().get_params().keys():
        options = {"l2": 0.1}
    options = {"max_epochs": 4, **options, **more}
    clf = Classifier(random_state=0, **options).fit(X, y)
    assert_finite(clf, X)
    if "class_weight" not in options:
        assert_finite(clf.partial_fit(X[:1], y[:1]), X)
