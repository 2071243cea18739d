"""Candidates that memory has room for at once: trained, and their scores."""

import contextlib
import itertools
import time
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import clone

from ._initialized_fit import taken
from ._proxies import FittedCandidate
from ._stacked_fits import StackedFits


class ScoreRequest(NamedTuple):
    """Rows to be scored on: those of X with the numbers ``rows``, or all."""

    # Place of the fold whose networks are asked.
    fold: int
    X: Any
    rows: np.ndarray | None


class JointScores:
    """Candidates trained on some folds, and what they say of rows to be scored on.

    Parameters
    ----------
    classifiers : list of classifiers
        Not fitted.
    folds : list of Fold
    questions : dict of ScoreRequest
        By any key.
    starts : dict
        See :class:`StackedFits`.

    Attributes
    ----------
    errors, classes : list of lists
        What a candidate's own fit would have raised, or None, and the classes that it
        knows, by fold and candidate.
    scores : dict of lists
        Class scores by each candidate, None where there is anything amiss, which the
        candidate tells in its own words when it is asked.
    trained : StackedFits or None
        Stays in the process that has trained.
    """

    def __init__(self, classifiers, folds, questions, starts):
        self.trained, self.seconds = None, 0.0
        if folds:
            self.trained = StackedFits(classifiers, folds, starts)
            self.seconds = self.trained.seconds
        begin = time.perf_counter()
        places = [[(f, c) for c in range(len(classifiers))] for f in range(len(folds))]
        self.errors = [[self.trained.error(*place) for place in row] for row in places]
        self.classes = [
            [None if self.errors[f][c] else self.trained.classes(f, c) for f, c in row]
            for row in places
        ]
        self.scores = {key: self._scores(q) for key, q in questions.items()}
        self.score_seconds = time.perf_counter() - begin

    def _scores(self, question):
        try:
            rows = taken(question.X, question.rows)
            scores = self.trained.scores(question.fold, rows)
        except (ValueError, TypeError):
            return [None] * len(self.errors[question.fold])
        return [None if s is None or not np.isfinite(s).all() else s for s in scores]

    def __getstate__(self):
        return {**vars(self), "trained": None}


class JointFit:
    """Candidates that are trained together, on all folds.

    Parameters
    ----------
    numbers : list of int
    plan : Plan
    before : Preprocessing
        What comes before the classifiers, fitted.
    splits : RecordingSplitter
    parts : sequence of int
        Which rows of a split are scored on.
    """

    def __init__(self, numbers, plan, before, splits, parts):
        self.numbers, self.plan, self.before = numbers, plan, before
        self.splits, self.parts = splits, parts
        self.columns = {number: i for i, number in enumerate(numbers)}
        whole = [f for f, x in enumerate(before.folds) if not isinstance(x, Exception)]
        # Folds on which nothing went wrong so far are all that is trained on.
        self.places = {fold: i for i, fold in enumerate(whole)}
        self.questions = {}
        for key in itertools.product(whole, parts):
            # What a step can not transform, the candidate's estimator will not either.
            with contextlib.suppress(Exception):
                self.questions[key] = ScoreRequest(
                    self.places[key[0]], *before.asked(*key)
                )

    def task(self, starts=None):
        """The arguments of :class:`JointScores`."""
        classifiers = [clone(self.plan.classifiers[number]) for number in self.numbers]
        folds = [self.before.folds[fold] for fold in self.places]
        return classifiers, folds, self.questions, {} if starts is None else starts

    def train(self):
        """Train here; what fits begin with is kept for the next joint fit."""
        device = str(self.plan.classifiers[self.numbers[0]].device)
        self.take(JointScores(*self.task(self.before.starts.setdefault(device, {}))))

    def take(self, answers):
        """Have the answers, or the error that kept all candidates from training."""
        self.answers = answers

    @property
    def seconds(self):
        """Of training, and of scoring that came with it."""
        if isinstance(self.answers, Exception):
            return 0.0, 0.0
        return self.answers.seconds, self.answers.score_seconds

    def cell(self, number, fold):
        """The cell of a candidate, or the error that its fit would raise."""
        if isinstance(self.answers, Exception):
            return self.answers
        if fold not in self.places:
            return self.before.folds[fold]
        f, c = self.places[fold], self.columns[number]
        return self.answers.errors[f][c] or FittedCandidate(
            lambda: self._estimator(number, fold),
            self.answers.classes[f][c],
            lambda numbers: self._scores_of(fold, numbers)[self.columns[number]],
        )

    def _scores_of(self, fold, numbers):
        """Each candidate's scores of the rows with these numbers, None if not known."""
        for part in self.parts:
            known = self.answers.scores.get((fold, part))
            if known and np.array_equal(self.splits.pairs[fold][part], numbers):
                return known
        return [None] * len(self.numbers)

    def _estimator(self, number, fold):
        trained, place = self.answers.trained, (self.places[fold], self.columns[number])
        if trained is None:
            # Another process has trained it, and few ask for more than its answers.
            own, place = clone(self.plan.classifiers[number]), (0, 0)
            trained = StackedFits([own], [self.before.folds[fold]])
        classifier = trained.estimator(*place)
        return self.before.whole(fold, classifier, self.plan.estimator(number))
