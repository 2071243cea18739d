"""Attributes of a fitted search: the values and types of GridSearchCV."""

import copy
import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
from _helpers.searches import (
    assert_same_answers,
    assert_same_results,
    both,
    check_same_answers,
    digits,
    wine,
)
from _helpers.trained import assert_same
from scipy.stats import loguniform
from sklearn.base import clone
from sklearn.metrics import f1_score, make_scorer
from sklearn.model_selection import (
    RandomizedSearchCV,
)

import sklearn_lwal
from sklearn_lwal import LabelSearchCV, LwALClassifier, STDClassifier

CLF = LwALClassifier(max_epochs=2, lr=5e-3, batch_size=32, random_state=0)
GRID = {"lr": [1e-3, 1e-2], "repel_weight": [0.0, 3.0]}
# Values of every kind that NumPy makes an array of its own way.
KINDS = [
    {"lr": [1e-3, 1e-2], "warmup_steps": [0, 2]},
    {"hidden_layer_sizes": [(), (4,), (4, 3)]},
    {"class_weight": [None, "balanced", {0: 2.0}], "average": [True, False]},
    {"output_dim": ["auto", 2, 1.0], "max_grad_norm": [None, 1.0]},
    [{"lr": [1e-3]}, {"temperature": ["learned", 1.0]}, {"repel_weight": [0, 1.5]}],
]


@pytest.fixture(scope="module")
def data():
    return wine()


@pytest.fixture(scope="module")
def fitted(data):
    return both(CLF, GRID, *data)


def assert_same_kind(ours, theirs):
    assert type(ours) is type(theirs)
    if isinstance(theirs, np.ndarray):
        assert ours.dtype == theirs.dtype
        assert ours.shape == theirs.shape
    if isinstance(theirs, np.ma.MaskedArray):
        np.testing.assert_array_equal(
            np.ma.getmaskarray(ours), np.ma.getmaskarray(theirs)
        )
        assert type(ours.fill_value) is type(theirs.fill_value)
        assert ours.tolist() == theirs.tolist()


class TestResults:
    @pytest.mark.parametrize("train", [False, True])
    @pytest.mark.parametrize("grid", KINDS)
    def test_keys_kinds_and_masks(self, data, grid, train):
        options = {"return_train_score": train, "cv": 2}
        ours, theirs = check_same_answers(CLF, grid, *data, **options)
        ours, theirs = ours.cv_results_, theirs.cv_results_
        assert list(ours) == list(theirs)
        for key in theirs:
            assert_same_kind(ours[key], theirs[key])

    def test_with_one_metric(self, data):
        options = {"scoring": "neg_log_loss", "return_train_score": True}
        ours, theirs = check_same_answers(CLF, GRID, *data, **options)
        assert list(ours.cv_results_) == list(theirs.cv_results_)
        np.testing.assert_array_equal(
            ours.cv_results_["rank_test_score"], theirs.cv_results_["rank_test_score"]
        )

    def test_fitted_attributes(self, fitted):
        ours, theirs = (
            {name for name in vars(search) if name.endswith("_")} for search in fitted
        )
        assert ours == theirs
        ours, theirs = fitted
        assert type(ours.refit_time_) is type(theirs.refit_time_)
        assert ours.scorer_.keys() == theirs.scorer_.keys()
        assert list(map(str, ours.scorer_.values())) == list(
            map(str, theirs.scorer_.values())
        )

    def test_times(self, fitted):
        results = fitted[0].cv_results_
        for name in ("mean_fit_time", "mean_score_time"):
            assert np.isfinite(results[name]).all()
            assert (results[name] >= 0).all()
        assert (results["mean_fit_time"] > 0).all()

    def test_a_frame(self, fitted):
        ours, theirs = (pd.DataFrame(search.cv_results_) for search in fitted)
        assert ours.dtypes.equals(theirs.dtypes)

    def test_the_same_candidate_twice(self, data):
        grid = [{"lr": [1e-2, 1e-3]}, {"lr": [1e-2]}]
        check_same_answers(CLF, grid, *data)
        grid = {"lr": [1e-2, 1e-2]}
        ours, _ = check_same_answers(CLF, grid, *data)
        first, second = ours.cv_results_["mean_test_neg_log_loss"]
        assert first == pytest.approx(second, abs=1e-6)

    def test_one_candidate(self, data):
        check_same_answers(CLF, {}, *data)
        check_same_answers(CLF, {"lr": [1e-2]}, *data)


def check_parts(estimator, X, y):
    """A scorer of the user's that returns several scores."""
    assert hasattr(estimator, "net_")
    assert isinstance(X, np.ndarray)
    proba = estimator.predict_proba(X)
    return {"sure": proba.max(1).mean(), "right": estimator.score(X, y)}


def by_rank(results):
    return int(np.argsort(results["rank_test_accuracy"], kind="stable")[1])


class TestScoring:
    @pytest.mark.parametrize(
        ("scoring", "refit"),
        [
            (None, True),
            ("balanced_accuracy", True),
            (["neg_log_loss", "roc_auc_ovr", "accuracy"], "roc_auc_ovr"),
            (("neg_log_loss", "f1_macro"), False),
            ({"a": "top_k_accuracy", "b": "neg_log_loss"}, "b"),
            ({"macro": make_scorer(f1_score, average="macro")}, "macro"),
            (["accuracy", "neg_log_loss"], by_rank),
            (check_parts, "sure"),
            (check_parts, False),
            ({"parts": lambda c, X, y: (c.labels_**2).mean() % 1}, "parts"),
            (lambda c, X, y: c.transform(X).std() % 1, True),
        ],
    )
    def test_any(self, data, scoring, refit):
        options = {"scoring": scoring, "refit": refit, "return_train_score": True}
        ours, theirs = check_same_answers(CLF, GRID, *data, **options)
        assert list(ours.cv_results_) == list(theirs.cv_results_)
        assert hasattr(ours, "predict") == hasattr(theirs, "predict")
        if refit and not callable(refit):
            X, y = data
            assert ours.score(X, y) == pytest.approx(theirs.score(X, y), abs=1e-3)

    def test_of_a_subclass(self, data):
        class Careful(LwALClassifier):
            def score(self, X, y, sample_weight=None):
                return float(self.predict_proba(X).max(1).mean())

            def predict(self, X):
                return super().predict(X) // 2

        clf = Careful(**CLF.get_params())
        check_same_answers(clf, GRID, *data, scoring=None)
        check_same_answers(clf, GRID, *data, scoring="accuracy")


class TestBestEstimator:
    @pytest.mark.parametrize("clf", [CLF, STDClassifier(max_epochs=2, random_state=0)])
    def test_is_a_fit_of_its_own(self, data, clf):
        X, y = data
        search = LabelSearchCV(clf, {"lr": [1e-3, 1e-2]}, cv=3).fit(X, y)
        best = search.best_estimator_
        assert type(best) is type(clf)
        alone = clone(clf).set_params(**search.best_params_).fit(X, y)
        assert_same(best, alone)
        np.testing.assert_array_equal(best.labels_, alone.labels_)
        np.testing.assert_array_equal(search.predict_proba(X), alone.predict_proba(X))
        assert best.n_iter_ == alone.n_iter_

    def test_with_weights(self, data):
        X, y = data
        weight = np.random.RandomState(0).rand(len(y))
        search = LabelSearchCV(CLF, GRID, cv=3).fit(X, y, sample_weight=weight)
        alone = clone(CLF).set_params(**search.best_params_)
        assert_same(search.best_estimator_, alone.fit(X, y, sample_weight=weight))

    def test_answers_through_the_search(self, fitted, data):
        ours, theirs = fitted
        X, _ = data
        for name in ("predict", "predict_proba", "predict_log_proba", "transform"):
            np.testing.assert_array_equal(
                getattr(ours, name)(X), getattr(theirs, name)(X)
            )
        np.testing.assert_array_equal(ours.classes_, theirs.classes_)
        assert ours.n_features_in_ == 13

    def test_can_be_saved(self, fitted, data, tmp_path):
        search, _ = fitted
        search.best_estimator_.save(tmp_path / "best.lwal")
        loaded = sklearn_lwal.load(tmp_path / "best.lwal")
        np.testing.assert_array_equal(loaded.predict(data[0]), search.predict(data[0]))

    def test_none_without_refit(self, data):
        search = LabelSearchCV(CLF, GRID, cv=3, refit=False).fit(*data)
        assert not hasattr(search, "best_estimator_")
        assert not hasattr(search, "predict")
        assert search.best_params_ in search.cv_results_["params"]


class TestCopies:
    @pytest.mark.parametrize(
        "through",
        [lambda s: pickle.loads(pickle.dumps(s)), copy.copy, copy.deepcopy],
        ids=["pickle", "copy", "deepcopy"],
    )
    def test_of_a_fitted_search(self, fitted, data, through):
        search, X = fitted[0], data[0]
        twin = through(search)
        np.testing.assert_array_equal(twin.predict_proba(X), search.predict_proba(X))
        assert twin.best_params_ == search.best_params_
        assert_same_results(twin, search, atol=0)
        assert list(twin.cv_results_) == list(search.cv_results_)

    def test_joblib(self, fitted, data, tmp_path):
        joblib.dump(fitted[0], tmp_path / "search.joblib")
        twin = joblib.load(tmp_path / "search.joblib")
        np.testing.assert_array_equal(twin.predict(data[0]), fitted[0].predict(data[0]))

    def test_holds_no_rows(self, data):
        """Its size is GridSearchCV's, whatever the rows and candidates."""
        X, y = digits(600)
        ours, theirs = both(CLF, GRID, X, y, cv=2)
        assert len(pickle.dumps(ours)) < len(pickle.dumps(theirs)) + 4000

    def test_clone(self, fitted, data):
        search = LabelSearchCV(CLF, GRID, cv=3, max_memory=10**8, error_score=0.0)
        twin = clone(search)
        assert not hasattr(clone(fitted[0]), "cv_results_")
        assert twin.get_params().keys() == search.get_params().keys()
        assert twin.max_memory == 10**8
        assert_same_answers(twin.fit(*data), search.fit(*data), atol=1e-6)

    def test_fitted_twice(self, data):
        search = LabelSearchCV(CLF, GRID, cv=3)
        first = search.fit(*data).cv_results_["mean_test_score"]
        second = search.fit(*data).cv_results_["mean_test_score"]
        np.testing.assert_array_equal(first, second)

    def test_the_estimator_stays_as_it_was(self, data):
        clf = clone(CLF)
        before = clf.get_params()
        search = LabelSearchCV(clf, GRID, cv=3).fit(*data)
        assert search.estimator is clf
        assert clf.get_params() == before
        assert not hasattr(clf, "labels_")

    def test_html(self, fitted):
        ours, theirs = (search._repr_html_() for search in fitted)
        assert "LwALClassifier" in ours
        assert "LwALClassifier" in theirs


@pytest.mark.skipif(
    not hasattr(sklearn_lwal, "LabelRandomizedSearchCV"),
    reason="there is no randomized search",
)
def test_randomized(data):
    space = {"lr": loguniform(1e-4, 1e-1), "repel_weight": [0.0, 1.0, 3.0]}
    options = {"n_iter": 5, "random_state": 0, "cv": 3, "scoring": "neg_log_loss"}
    ours, theirs = (
        Search(CLF, space, **options).fit(*data)
        for Search in (sklearn_lwal.LabelRandomizedSearchCV, RandomizedSearchCV)
    )
    assert_same_answers(ours, theirs)
    assert list(ours.cv_results_) == list(theirs.cv_results_)
