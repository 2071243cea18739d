"""Outputs and inputs of the fitted classifiers, and their place in scikit-learn."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
import sklearn
import torch
from rivals import CLASSIFIERS, RIVALS
from scipy.spatial.distance import cdist
from scipy.special import softmax
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale

from sklearn_lwal import (
    LabelEmbedClassifier,
    LwALClassifier,
    StaticLabelClassifier,
    STDClassifier,
)

both = pytest.mark.parametrize("Classifier", CLASSIFIERS)
EPOCHS = {"max_epochs": 4, "random_state": 0}
VARIANTS = {
    "LwAL": LwALClassifier(**EPOCHS),
    "LwAL10": LwALClassifier(output_dim=10.0, refine_labels=False, **EPOCHS),
    "LwAL hidden": LwALClassifier(hidden_layer_sizes=(8, 6), **EPOCHS),
    "STD": STDClassifier(**EPOCHS),
    "STD hidden": STDClassifier(hidden_layer_sizes=(8,), **EPOCHS),
    **{name: clone(clf).set_params(**EPOCHS) for name, clf in RIVALS.items()},
}
variants = pytest.mark.parametrize("clf", VARIANTS.values(), ids=VARIANTS)


@variants
def test_outputs_agree(clf, iris):
    X, y = iris
    clf = clone(clf).fit(X, y)
    predicted, proba = clf.predict(X), clf.predict_proba(X)
    assert proba.shape == (150, 3)
    assert (proba >= 0).all()
    np.testing.assert_allclose(proba.sum(1), 1, rtol=1e-5)
    np.testing.assert_array_equal(predicted, clf.classes_[proba.argmax(1)])
    scores = clf.decision_function(X)
    assert scores.shape == (150, 3)
    np.testing.assert_array_equal(predicted, clf.classes_[scores.argmax(1)])
    if not isinstance(clf, LabelEmbedClassifier):
        distance = cdist(clf.transform(X), clf.labels_)
        np.testing.assert_array_equal(predicted, clf.classes_[distance.argmin(1)])
    log_proba = clf.predict_log_proba(X)
    np.testing.assert_allclose(np.exp(log_proba), proba, rtol=1e-4, atol=1e-7)
    assert clf.score(X, y) == (predicted == y).mean()


@pytest.mark.parametrize(
    "clf", [LwALClassifier(temperature=1000.0, **EPOCHS), STDClassifier(**EPOCHS)]
)
def test_log_proba_does_not_underflow(clf, iris):
    X, y = iris
    log_proba = clone(clf).fit(X, y).predict_log_proba(1e4 * X)
    assert np.isfinite(log_proba).all()
    assert log_proba.min() < -200


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_probabilities_are_those_of_the_distances(temperature, iris):
    X, y = iris
    clf = LwALClassifier(temperature=temperature, **EPOCHS).fit(X, y)
    distance = cdist(clf.transform(X), clf.labels_)
    expected = softmax(-temperature * distance, axis=1)
    np.testing.assert_allclose(clf.predict_proba(X), expected, atol=1e-5)
    if temperature == 1:
        np.testing.assert_allclose(clf.decision_function(X), -distance, atol=1e-5)


@both
@pytest.mark.parametrize("prepare", [np.asarray, scale], ids=["raw", "scaled"])
def test_learns(Classifier, prepare):
    X, y = load_digits(return_X_y=True)
    X = prepare(X)
    clf = Classifier(random_state=0).fit(X[::2], y[::2])
    # Regression to one-hot labels is not as good.
    least = 0.9 if Classifier is StaticLabelClassifier else 0.93
    assert clf.score(X[1::2], y[1::2]) > least


OF_TWO = {
    "string": np.array(["no", "yes"]),
    "object": np.array(["no", "yes"], dtype=object),
    "bool": np.array([False, True]),
    "int": np.array([-1, 1]),
    "float": np.array([7.0, 9.0]),
    "uint8": np.array([3, 200], dtype=np.uint8),
}


@pytest.mark.parametrize(
    ("Classifier", "classes"),
    [
        *(pytest.param(LwALClassifier, c, id=name) for name, c in OF_TWO.items()),
        *((Classifier, OF_TWO["string"]) for Classifier in CLASSIFIERS[1:]),
    ],
)
def test_two_classes_of_any_kind(Classifier, classes):
    X, y = load_breast_cancer(return_X_y=True)
    X, y = scale(X), classes[y]
    clf = Classifier(max_epochs=3, random_state=0).fit(X, y, eval_set=(X, y))
    np.testing.assert_array_equal(clf.classes_, classes)
    predicted = clf.predict(X)
    assert predicted.dtype == classes.dtype
    assert clf.score(X, y) > 0.85
    assert clf.history_[-1]["valid_acc"] == pytest.approx(clf.score(X, y))
    scores, proba = clf.decision_function(X), clf.predict_proba(X)
    assert scores.shape == y.shape
    np.testing.assert_array_equal(predicted, classes[(scores > 0).astype(int)])
    log_odds = np.log(proba[:, 1]) - np.log(proba[:, 0])
    assert (np.sign(log_odds) == np.sign(scores)).all()


@both
def test_string_classes_in_partial_fit_and_class_weight(Classifier, iris):
    X, y = iris
    names = np.array(["c", "a", "b"])[y]
    clf = Classifier(class_weight={"a": 1.0, "b": 2.0, "c": 1.0}, **EPOCHS)
    clf.partial_fit(X, names, classes=["b", "c", "a"])
    assert clf.classes_.tolist() == ["a", "b", "c"]
    assert set(clf.predict(X)) <= {"a", "b", "c"}


@both
@pytest.mark.parametrize("Frame", [pd.DataFrame, pl.DataFrame])
def test_data_frames(Classifier, Frame, iris):
    X, y = iris
    names = ["a", "b", "c", "d"]
    frame = Frame(dict(zip(names, X.T, strict=True)))
    clf = Classifier(**EPOCHS).fit(frame, y)
    assert clf.feature_names_in_.tolist() == names
    assert clf.n_features_in_ == 4
    plain = Classifier(**EPOCHS).fit(X, y)
    assert not hasattr(plain, "feature_names_in_")
    np.testing.assert_array_equal(clf.predict_proba(frame), plain.predict_proba(X))


@both
@pytest.mark.parametrize(
    ("name", "Frame"), [("pandas", pd.DataFrame), ("polars", pl.DataFrame)]
)
def test_set_output(Classifier, name, Frame, iris):
    X, y = iris
    clf = Classifier(**EPOCHS).set_output(transform=name).fit(X, y)
    latent = clf.transform(X)
    assert isinstance(latent, Frame)
    names = [f"{Classifier.__name__.lower()}{i}" for i in range(3)]
    assert list(latent.columns) == names == clf.get_feature_names_out().tolist()
    assert isinstance(clf.predict_proba(X), np.ndarray)
    latent = make_pipeline(StandardScaler(), clf).set_output(transform=name)
    assert isinstance(latent.fit_transform(X, y), Frame)


def test_feature_names_out_count_the_latent(iris):
    clf = LwALClassifier(output_dim=7, **EPOCHS).fit(*iris)
    names = clf.get_feature_names_out()
    assert names.tolist() == [f"lwalclassifier{i}" for i in range(7)]


def whole_numbers(iris):
    """Features that every dtype holds exactly."""
    X, y = iris
    return np.round(3 * X).astype(np.float32), y


SPARSE = [sp.csr_array, sp.csc_array, sp.csr_matrix, sp.csc_matrix, sp.coo_array]


@pytest.mark.parametrize(
    ("name", "container"),
    [(name, sp.csr_array) for name in VARIANTS] + [("LwAL", c) for c in SPARSE[1:]],
)
def test_sparse_equals_dense(name, container, iris):
    clf, (X, y) = VARIANTS[name], whole_numbers(iris)
    dense = clone(clf).fit(X, y)
    sparse = clone(clf).fit(container(X), y, eval_set=(container(X), y))
    np.testing.assert_allclose(sparse.labels_, dense.labels_, rtol=1e-5, atol=2e-4)
    for method in ("predict_proba", "transform", "decision_function"):
        expected = getattr(dense, method)(X)
        np.testing.assert_allclose(
            getattr(sparse, method)(X), expected, rtol=1e-5, atol=2e-4
        )
        result = getattr(sparse, method)(container(X))
        np.testing.assert_allclose(result, expected, rtol=1e-5, atol=2e-4)


def read_only(X):
    X = X.copy()
    X.flags.writeable = False
    return X


INPUTS = {
    "float64": np.float64,
    "float16": np.float16,
    "int64": np.int64,
    "int8": np.int8,
    "Fortran": np.asfortranarray,
    "strided": lambda X: np.repeat(X, 2, axis=1)[:, ::2],
    "backwards": lambda X: X[::-1].copy()[::-1],
    "read-only": read_only,
    "big-endian": lambda X: X.astype(">f4"),
    "list": lambda X: X.tolist(),
    "object": lambda X: X.astype(object),
    "tensor": torch.tensor,
    "float64 tensor": lambda X: torch.tensor(X, dtype=torch.float64),
    "half tensor": lambda X: torch.tensor(X, dtype=torch.float16),
    "bfloat16 tensor": lambda X: torch.tensor(X, dtype=torch.bfloat16),
    "int tensor": lambda X: torch.tensor(X, dtype=torch.int64),
    "strided tensor": lambda X: torch.tensor(X.T.copy()).T,
    "tensor with gradient": lambda X: torch.tensor(X, requires_grad=True),
    "mixed frame": lambda X: pd.DataFrame(X).astype({0: "int64", 1: "float64"}),
}


# With any classifier: test_properties.
@pytest.mark.parametrize("convert", INPUTS.values(), ids=INPUTS)
def test_kinds_of_features(convert, iris):
    X, y = whole_numbers(iris)
    expected = LwALClassifier(**EPOCHS).fit(X, y)
    converted = convert(X)
    clf = LwALClassifier(**EPOCHS).fit(converted, y)
    np.testing.assert_array_equal(clf.labels_, expected.labels_)
    for method in ("predict", "predict_proba", "transform"):
        result = getattr(clf, method)(converted)
        assert isinstance(result, np.ndarray)
        assert not isinstance(result, np.matrix)
        np.testing.assert_allclose(result, getattr(expected, method)(X), atol=1e-6)
    np.testing.assert_array_equal(whole_numbers(iris)[0], X)


TARGETS = {
    "tensor": torch.tensor,
    "int32 tensor": lambda y: torch.tensor(y, dtype=torch.int32),
    "tensor with gradient": lambda y: torch.tensor(y * 1.0, requires_grad=True),
    "series": lambda y: pd.Series(y, index=range(7, 157)),
    "polars": pl.Series,
    "list": lambda y: y.tolist(),
    "float": np.float64,
    "read-only": read_only,
}


@pytest.mark.parametrize("convert", TARGETS.values(), ids=TARGETS)
def test_kinds_of_targets(convert, iris):
    X, y = iris
    clf = LwALClassifier(**EPOCHS).fit(torch.tensor(X), convert(y))
    expected = LwALClassifier(**EPOCHS).fit(X, y)
    np.testing.assert_array_equal(clf.predict(X), expected.predict(X))
    np.testing.assert_array_equal(clf.labels_, expected.labels_)
    assert clf.score(X, convert(y)) == expected.score(X, y)


@variants
def test_a_row_does_not_depend_on_its_neighbours(clf, iris):
    X, y = iris
    clf = clone(clf).fit(X, y)
    alone = np.vstack([clf.predict_proba(row[None]) for row in X[::10]])
    np.testing.assert_allclose(alone, clf.predict_proba(X)[::10], atol=1e-6)


@pytest.mark.parametrize(
    ("output_dim", "expected"), [(7, 7), (1, 1), (1.0, 3), (2.0, 6), (10.0, 30)]
)
def test_output_dim(output_dim, expected, iris):
    clf = LwALClassifier(output_dim=output_dim, **EPOCHS).fit(*iris)
    assert clf.labels_.shape == (3, expected)
    assert clf.labels_.dtype == np.float32
    assert clf.transform(iris[0]).shape == (150, expected)


def class_means(clf, X, y, weight=None):
    z = clf.transform(X)
    weight = np.ones(len(y)) if weight is None else weight
    return np.array(
        [np.average(z[y == c], axis=0, weights=weight[y == c]) for c in clf.classes_]
    )


@pytest.mark.parametrize("sizes", [(), (8,)])
@pytest.mark.parametrize("weighted", [False, True])
def test_refined_labels_are_class_means(sizes, weighted, iris):
    X, y = iris
    weight = np.random.RandomState(0).uniform(size=150) if weighted else None
    options = {"hidden_layer_sizes": sizes, "output_dim": 5, **EPOCHS}
    clf = LwALClassifier(**options).fit(X, y, sample_weight=weight)
    means = class_means(clf, X, y, weight)
    np.testing.assert_allclose(clf.labels_, means, atol=1e-5)
    coarse = LwALClassifier(refine_labels=False, batch_size=20, **options)
    coarse.fit(X, y, sample_weight=weight)
    assert np.abs(coarse.labels_ - class_means(coarse, X, y, weight)).max() > 1e-3


def test_labels_start_as_unit_vectors(iris):
    options = {"label_update": "batch", "refine_labels": False, "warmup_steps": 10**6}
    clf = LwALClassifier(output_dim=5, **options, **EPOCHS).fit(*iris)
    np.testing.assert_array_equal(clf.labels_, np.eye(3, 5))


def test_sample_weight_is_routed_through_a_pipeline(iris):
    X, y = iris
    weight = np.linspace(0, 2, 150)
    for Classifier in (LwALClassifier, STDClassifier):
        expected = Classifier(**EPOCHS).fit(X, y, sample_weight=weight)
        with sklearn.config_context(enable_metadata_routing=True):
            clf = Classifier(**EPOCHS).set_fit_request(sample_weight=True)
            clf.set_score_request(sample_weight=True)
            pipeline = make_pipeline("passthrough", clf)
            pipeline.fit(X, y, sample_weight=weight)
            score = pipeline.score(X, y, sample_weight=weight)
        np.testing.assert_array_equal(
            pipeline.predict_proba(X), expected.predict_proba(X)
        )
        assert score == expected.score(X, y, sample_weight=weight)
        unweighted = Classifier(**EPOCHS).fit(X, y).predict_proba(X)
        assert np.abs(unweighted - expected.predict_proba(X)).max() > 1e-3


def test_grid_search_swaps_the_classifiers(iris):
    X, y = iris
    pipeline = make_pipeline(StandardScaler(), LwALClassifier())
    grid = {
        "lwalclassifier": [LwALClassifier(random_state=0), STDClassifier()],
        "lwalclassifier__max_epochs": [1, 10],
    }
    search = GridSearchCV(pipeline, grid, cv=2, n_jobs=2, error_score="raise")
    search.fit(X, y)
    assert len(search.cv_results_["params"]) == 4
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.score(X, y) > 0.8
    # One epoch is enough for the one, not for the other.
    scores = search.cv_results_["mean_test_score"].reshape(2, 2)
    assert scores[0].min() > 0.9
    assert scores[1, 0] < scores[0, 0]


@both
def test_html_and_text(Classifier):
    clf = Classifier(lr=0.125)
    assert repr(clf) == f"{Classifier.__name__}(lr=0.125)"
    assert "0.125" in clf._repr_html_()
