"""Searches in chunks, in threads and processes, within other estimators."""

import threading
from concurrent.futures import ThreadPoolExecutor

import joblib
import numpy as np
import pytest
from _helpers.searches import (
    assert_same_answers,
    assert_same_results,
    both,
    check_same_answers,
    global_states,
    wine,
)
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import BaggingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_lwal import LabelSearchCV, LwALClassifier

CLF = LwALClassifier(max_epochs=2, lr=5e-3, batch_size=32, random_state=0)
GRID = {"lr": [1e-3, 1e-2], "repel_weight": [0.0, 3.0]}


@pytest.fixture(scope="module")
def data():
    return wine()


class TestMemory:
    GRIDS = {"lr": [1e-3, 3e-3, 1e-2], "repel_weight": [0.0, 3.0]}

    @pytest.mark.parametrize("max_memory", [1, 10**6, 10**12])
    def test_chunks_give_the_same_answers(self, data, max_memory):
        theirs = GridSearchCV(CLF, self.GRIDS, cv=3, scoring="neg_log_loss").fit(*data)
        ours = LabelSearchCV(
            CLF, self.GRIDS, cv=3, scoring="neg_log_loss", max_memory=max_memory
        )
        assert_same_answers(ours.fit(*data), theirs)

    def test_chunks_of_several_groups_and_failures(self, data):
        grid = [
            {"lr": [1e-3, 1e-2], "output_dim": [2, 1.0]},
            {"hidden_layer_sizes": [(4,)], "lr": [1e-3, 1e-2], "dropout": [0.0, 0.5]},
            {"batch_size": [16, 50], "max_epochs": [1, 3]},
        ]
        options = {"cv": 3, "return_train_score": True, "scoring": "neg_log_loss"}
        theirs = GridSearchCV(CLF, grid, **options).fit(*data)
        ours = LabelSearchCV(CLF, grid, max_memory=1, **options).fit(*data)
        assert_same_answers(ours, theirs)


def test_global_random_states_stay(data):
    before = global_states()
    LabelSearchCV(CLF, {**GRID, "init": ["random"]}, cv=3).fit(*data)
    assert global_states() == before


@pytest.mark.parametrize("verbose", [0, 1])
def test_what_it_prints(data, capfd, verbose):
    grid = [GRID, {"max_grad_norm": [0.1]}]
    LabelSearchCV(CLF, grid, cv=3, verbose=verbose).fit(*data)
    out, err = capfd.readouterr()
    assert bool(out + err) == bool(verbose)


class TestInside:
    """Searches within other estimators, and others within a search."""

    SEARCHES = [
        S(CLF, {"lr": [1e-3, 1e-2]}, cv=2) for S in (LabelSearchCV, GridSearchCV)
    ]

    def test_cross_validation(self, data):
        ours, theirs = (
            cross_val_score(search, *data, cv=3, scoring="neg_log_loss")
            for search in self.SEARCHES
        )
        np.testing.assert_allclose(ours, theirs, atol=1e-3)
        ours, theirs = (
            cross_val_predict(search, *data, cv=3) for search in self.SEARCHES
        )
        np.testing.assert_array_equal(ours, theirs)

    @pytest.mark.parametrize(
        "around",
        [
            lambda search: make_pipeline(StandardScaler(), search),
            lambda search: BaggingClassifier(search, n_estimators=2, random_state=0),
            lambda search: CalibratedClassifierCV(search, cv=2),
            lambda search: OneVsRestClassifier(search),
            lambda search: GridSearchCV(
                search, {"estimator__update_every": [1, 2]}, cv=2
            ),
            lambda search: LabelSearchCV(search, {"refit": [True]}, cv=2),
        ],
        ids=["pipeline", "bagging", "calibrated", "one-vs-rest", "grid", "itself"],
    )
    def test_meta_estimators(self, data, around):
        X, y = data
        ours, theirs = (around(clone(search)).fit(X, y) for search in self.SEARCHES)
        np.testing.assert_allclose(
            ours.predict_proba(X), theirs.predict_proba(X), atol=1e-3
        )

    def test_another_estimator(self, data):
        clf = LogisticRegression()
        ours, theirs = both(clf, {"C": [0.01, 1.0]}, *data)
        assert_same_answers(ours, theirs, atol=0)

    def test_eval_set(self, data):
        X, y = data
        fit = {"eval_set": (X[::5], y[::5])}
        clf = clone(CLF).set_params(early_stopping=True, max_epochs=6)
        check_same_answers(clf, {"lr": [1e-3, 1e-2]}, X, y, fit)

    def test_threads(self, data):
        """Two searches at once do not disturb one another."""
        grids = [{"lr": [1e-3, 1e-2]}, {"update_every": [1, 3]}] * 2
        options = {"cv": 2, "scoring": "neg_log_loss"}
        alone = [LabelSearchCV(CLF, grid, **options).fit(*data) for grid in grids]
        barrier = threading.Barrier(len(grids))

        def fit(grid):
            barrier.wait()
            return LabelSearchCV(CLF, grid, **options).fit(*data)

        with ThreadPoolExecutor(len(grids)) as pool:
            together = list(pool.map(fit, grids))
        for one, two in zip(alone, together, strict=True):
            assert_same_results(two, one, atol=1e-6)

    @pytest.mark.parametrize("backend", ["threading", "loky"])
    @pytest.mark.slow
    def test_jobs(self, data, backend):
        grid = [GRID, {"max_grad_norm": [0.1, 0.2]}, {"optimizer": ["sgd"]}]
        with joblib.parallel_config(backend):
            check_same_answers(CLF, grid, *data, n_jobs=2)
