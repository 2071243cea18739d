"""An engine that trains candidates one by one: a search finds just what others find."""

from sklearn.base import clone
from sklearn.utils import _safe_indexing


class OneByOne:
    """Has the interface of ``StackedFits`` and counts what it was asked for."""

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


def _fitted(estimator, fold):
    X, y, given = fold.X, fold.y, fold.fit_params
    if fold.rows is not None:
        X, y = _safe_indexing(X, fold.rows), _safe_indexing(y, fold.rows)
        given = {k: _safe_indexing(v, fold.rows) for k, v in given.items()}
    try:
        return clone(estimator).fit(X, y, **given)
    except (ValueError, TypeError) as error:
        return error
