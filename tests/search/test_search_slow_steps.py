"""Searches over Pipelines whose steps take long: other processes fit them."""

import os
from collections import Counter
from typing import NamedTuple

import numpy as np
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.exceptions import FitFailedWarning
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import sklearn_lwal.search._preprocessing
from sklearn_lwal import LabelSearchCV, LwALClassifier
from sklearn_lwal.search._pipeline_steps import fit_steps
from sklearn_lwal.search._preprocessing import TEST

CLF = LwALClassifier(max_epochs=2, random_state=0)
RATES = {"lwalclassifier__lr": [1e-3, 1e-1]}
FACTORS = {"noted__factor": [0.5, 2.0]}
OPTIONS = {"cv": 4, "n_jobs": 2, "refit": False, "return_train_score": True}


class Call(NamedTuple):
    name: str
    process: int
    factor: float


class Log:
    """Calls that any process writes into files of a folder."""

    def __init__(self, folder):
        self.folder = folder

    def take(self):
        """All calls since the last time."""
        paths = sorted(self.folder.iterdir())
        lines = [line for path in paths for line in path.read_text().splitlines()]
        for path in paths:
            path.unlink()
        return [Call(a, int(b), float(c)) for a, b, c in map(str.split, lines)]


@pytest.fixture
def log(tmp_path):
    return Log(tmp_path)


@pytest.fixture
def step(tmp_path):
    """A kind of step that is sent with its code: it multiplies, and notes it."""

    class Noted(TransformerMixin, BaseEstimator):
        def __init__(self, factor=1.0, folder=str(tmp_path), fails_at=None):
            self.factor, self.folder, self.fails_at = factor, folder, fails_at

        def _note(self, name):
            with open(f"{self.folder}/{os.getpid()}", "a") as file:
                file.write(f"{name} {os.getpid()} {self.factor}\n")

        def fit(self, X, y=None):
            self._note("fit")
            if self.fails_at == self.factor:
                raise ValueError(f"no such factor as {self.factor}")
            self.n_features_in_ = X.shape[1]
            return self

        def transform(self, X):
            self._note("transform")
            return X * self.factor

    return Noted


@pytest.fixture
def slow(monkeypatch):
    monkeypatch.setattr(sklearn_lwal.search._preprocessing, "WORTH_SENDING", -1.0)


def assert_same_scores(ours, theirs):
    for name, scores in theirs.cv_results_.items():
        if "score" in name and "time" not in name:
            np.testing.assert_allclose(ours.cv_results_[name], scores, err_msg=name)


def both(pipeline, grid, X, y, log, **options):
    """Our search, and what was called for it; GridSearchCV has found the same."""
    options = OPTIONS | options
    theirs = GridSearchCV(pipeline, grid, **options).fit(X, y)
    log.take()
    ours = LabelSearchCV(pipeline, grid, **options).fit(X, y)
    assert_same_scores(ours, theirs)
    return ours, log.take()


def test_after_the_first_fold_others_fit(iris, log, step, slow):
    _, calls = both(make_pipeline(step(), CLF), FACTORS | RATES, *iris, log)
    here = [call for call in calls if call.process == os.getpid()]
    # To train on, and what is scored: rows to train on and to test on.
    assert Counter(call.name for call in here) == {"fit": 1, "transform": 3}
    # By now they are known to be slow.
    assert {call.factor for call in here} == {0.5}
    assert Counter(call.name for call in calls) == {"fit": 8, "transform": 24}


def test_quick_steps_are_fitted_here(iris, log, step):
    _, calls = both(make_pipeline(step(), CLF), FACTORS | RATES, *iris, log)
    assert {call.process for call in calls} == {os.getpid()}
    assert Counter(call.name for call in calls) == {"fit": 8, "transform": 24}


def test_one_process_fits_all(iris, log, step, slow):
    pipeline = make_pipeline(step(), CLF)
    LabelSearchCV(pipeline, FACTORS, **{**OPTIONS, "n_jobs": None}).fit(*iris)
    assert {call.process for call in log.take()} == {os.getpid()}


def test_what_comes_first_is_fitted_once(iris, log, step, slow):
    pipeline = make_pipeline(step(), StandardScaler(), CLF)
    grid = {"standardscaler__with_std": [True, False], **FACTORS, **RATES}
    _, calls = both(pipeline, grid, *iris, log)
    assert Counter(call.name for call in calls) == {"fit": 8, "transform": 24}


def test_a_step_that_fails_there(iris, log, step, slow):
    pipeline = make_pipeline(StandardScaler(), step(fails_at=2.0), CLF)
    with pytest.warns(FitFailedWarning, match=r"no such factor as 2\.0") as found:
        both(pipeline, FACTORS | RATES, *iris, log, error_score=0.25)
    ours = [str(w.message) for w in found if "fits failed" in str(w.message)]
    assert len(ours) == 2
    assert all("8 fits failed out of a total of 16" in text for text in ours)


def test_a_step_that_can_not_be_sent(iris, log, step, slow):
    class Stays(step):
        def __reduce__(self):
            raise TypeError("it stays where it is")

    steps = make_pipeline(Stays(), CLF).set_params(stays__factor=2.0)
    theirs = GridSearchCV(steps, RATES, **{**OPTIONS, "n_jobs": None}).fit(*iris)
    log.take()
    with pytest.warns(RuntimeWarning, match="are fitted in one process"):
        ours = LabelSearchCV(steps, RATES, **OPTIONS).fit(*iris)
    assert_same_scores(ours, theirs)
    assert Counter(call.name for call in log.take()) == {"fit": 4, "transform": 12}


def test_the_best_is_fitted_on_all_rows(iris, log, step, slow):
    pipeline = make_pipeline(step(), CLF)
    ours, _ = both(pipeline, FACTORS, *iris, log, refit=True)
    theirs = GridSearchCV(pipeline, FACTORS, cv=4).fit(*iris)
    np.testing.assert_array_equal(ours.predict(iris[0]), theirs.predict(iris[0]))
    assert ours.best_params_ == theirs.best_params_


def test_rows_that_nobody_needs_again_are_not_sent(iris, step):
    X, y = iris
    pipeline = make_pipeline(step(3.0), step(5.0), CLF)
    steps, error, _ = fit_steps(
        pipeline, 0, X, np.arange(90), y[:90], {TEST: (X, np.arange(90, 150))}, {1}
    )
    assert error is None
    assert steps[0].made is None
    assert steps[0].answers == {}
    np.testing.assert_array_equal(steps[1].made, X[:90] * 3.0 * 5.0)
    np.testing.assert_array_equal(steps[1].answers[TEST], X[90:] * 3.0 * 5.0)
