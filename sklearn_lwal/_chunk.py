"""Candidates that memory has room for at once: trained, and their scores."""

import time

import numpy as np
from sklearn.base import clone

from ._stand_in import Cell
from ._together import TrainedTogether


class Chunk:
    """Candidates trained on all folds, and what they say of rows to be scored on.

    Parameters
    ----------
    numbers : list of int
    plan : Plan
    before : Rows
        What comes before the classifiers, fitted.
    splits : Splits
    parts : sequence of int
        Which rows of a split are scored on.
    """

    def __init__(self, numbers, plan, before, splits, parts):
        self.plan, self.before, self.splits = plan, before, splits
        self.columns = {number: i for i, number in enumerate(numbers)}
        whole = [f for f, x in enumerate(before.folds) if not isinstance(x, Exception)]
        # Folds on which nothing went wrong so far are all that is trained on.
        self.programs = {fold: i for i, fold in enumerate(whole)}
        classifiers = [clone(plan.classifiers[number]) for number in numbers]
        folds = [before.folds[fold] for fold in whole]
        self.trained, self.seconds = None, 0.0
        if whole:
            starts = before.starts.setdefault(str(classifiers[0].device), {})
            self.trained = TrainedTogether(classifiers, folds, starts)
            self.seconds = self.trained.seconds
        begin = time.perf_counter()
        places = [(fold, part) for fold in whole for part in parts]
        self.scores = {place: self._scores(*place) for place in places}
        self.score_seconds = time.perf_counter() - begin

    def _scores(self, fold, part):
        """Class scores of each candidate; None where there is anything amiss.

        Which the candidate tells in its own words when it is asked.
        """
        try:
            rows = self.before.rows(fold, part)
            scores = self.trained.scores(self.programs[fold], rows)
        except (ValueError, TypeError):
            return [None] * len(self.columns)
        return [None if s is None or not np.isfinite(s).all() else s for s in scores]

    def cell(self, number, fold):
        """The cell of a candidate, or the error that its fit would raise."""
        if fold not in self.programs:
            return self.before.folds[fold]
        place = self.programs[fold], self.columns[number]
        return self.trained.error(*place) or Cell(
            lambda: self._estimator(number, fold, place),
            self.trained.classes(*place),
            lambda X: self._scores_of(X, number),
        )

    def _scores_of(self, X, number):
        found = self.scores.get(self.splits.place(X))
        return None if found is None else found[self.columns[number]]

    def _estimator(self, number, fold, place):
        classifier = self.trained.estimator(*place)
        return self.before.whole(fold, classifier, self.plan.estimator(number))


class Untrained:
    """Candidates that could not be trained, and why.

    Parameters
    ----------
    numbers : list of int
    error : Exception
    """

    seconds = score_seconds = 0.0

    def __init__(self, numbers, error):
        self.columns, self.error = numbers, error

    def cell(self, number, fold):
        """The error."""
        return self.error
