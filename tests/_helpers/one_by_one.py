"""Engines in the place of ``StackedFits``, which note the programs they train."""

import numpy as np
from sklearn.base import clone
from sklearn.utils import _safe_indexing


class OneByOne:
    """Fits candidates one by one, so a search finds exactly what GridSearchCV finds."""

    seconds = 6.0
    # (candidates, folds) of each program, and how many estimators were taken from it.
    programs, n_taken = [], 0

    def __init__(self, estimators, folds, starts=None):
        self.programs.append((estimators, folds))
        self.fitted = [[_fitted(e, fold) for e in estimators] for fold in folds]

    def error(self, fold, candidate):
        found = self.fitted[fold][candidate]
        return found if isinstance(found, Exception) else None

    def classes(self, fold, candidate):
        return self.fitted[fold][candidate].classes_

    def scores(self, fold, X):
        return [
            None if isinstance(estimator, Exception) else estimator._infer(X, "scores")
            for estimator in self.fitted[fold]
        ]

    def estimator(self, fold, candidate):
        OneByOne.n_taken += 1
        return self.fitted[fold][candidate]

    @classmethod
    def replace_engine(cls, monkeypatch):
        """Use this engine until the test ends, and return the list of its programs."""
        monkeypatch.setattr("sklearn_lwal.search._joint_fit.StackedFits", cls)
        monkeypatch.setattr(OneByOne, "programs", [])
        monkeypatch.setattr(OneByOne, "n_taken", 0)
        return OneByOne.programs


class Untrained(OneByOne):
    """Trains nothing and prefers the first class."""

    def __init__(self, estimators, folds, starts=None):
        self.programs.append((estimators, folds))
        self.folds, self.n = folds, len(estimators)

    def error(self, fold, candidate):
        return None

    def classes(self, fold, candidate):
        return np.unique(self.folds[fold].y)

    def scores(self, fold, X):
        return [np.eye(1, len(self.classes(fold, 0))).repeat(len(X), 0)] * self.n


def _fitted(estimator, fold):
    X, y, given = fold.X, fold.y, fold.fit_params
    if fold.rows is not None:
        X, y = _safe_indexing(X, fold.rows), _safe_indexing(y, fold.rows)
        given = {k: _safe_indexing(v, fold.rows) for k, v in given.items()}
    try:
        return clone(estimator).fit(X, y, **given)
    except (ValueError, TypeError) as error:
        return error
