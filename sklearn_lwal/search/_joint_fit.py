"""Joint fits: candidates trained at once, and their scores."""

import contextlib
import itertools
import time
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import clone

from ._initialized_fit import taken
from ._scoring_proxies import FittedCandidate
from ._stacked_fits import StackedFits


class ScoreRequest(NamedTuple):
    """Rows to be scored: those of X with the numbers ``rows``, or all."""

    # The number of the fold whose networks compute the scores.
    fold: int
    X: Any
    rows: np.ndarray | None


class JointScores:
    """Candidates trained on some folds, and their scores of the requested rows.

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
        By fold and candidate: the error of the candidate's own fit or None, and its
        classes.
    scores : dict of lists
        Class scores of each candidate, None where something is wrong: the estimator
        itself then raises the error.
    trained : StackedFits or None
        Is not sent to another process.
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
        Fitted.
    splits : RecordingSplitter
    parts : sequence of int
        Parts of a split that are scored, ``TEST`` and perhaps ``TRAIN``.
    """

    def __init__(self, numbers, plan, before, splits, parts):
        self.numbers, self.plan, self.before = numbers, plan, before
        self.splits, self.parts = splits, parts
        self.columns = {number: i for i, number in enumerate(numbers)}
        whole = [f for f, x in enumerate(before.folds) if not isinstance(x, Exception)]
        # Folds whose preprocessing failed are left out.
        self.places = {fold: i for i, fold in enumerate(whole)}
        self.questions = {}
        for key in itertools.product(whole, parts):
            # The candidate's estimator raises the same error when it is asked.
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
        """Train in this process; initialised fits are kept for the next joint fit."""
        device = str(self.plan.classifiers[self.numbers[0]].device)
        self.take(JointScores(*self.task(self.before.starts.setdefault(device, {}))))

    def take(self, answers):
        """Take the scores, or the error that stopped all candidates."""
        self.answers = answers

    @property
    def seconds(self):
        """Seconds of training and of scoring."""
        if isinstance(self.answers, Exception):
            return 0.0, 0.0
        return self.answers.seconds, self.answers.score_seconds

    def cell(self, number, fold):
        """The fitted candidate, or the error that its fit would raise."""
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
        """Each candidate's scores of the rows with these numbers, or None."""
        for part in self.parts:
            known = self.answers.scores.get((fold, part))
            if known and np.array_equal(self.splits.pairs[fold][part], numbers):
                return known
        return [None] * len(self.numbers)

    def _estimator(self, number, fold):
        trained, place = self.answers.trained, (self.places[fold], self.columns[number])
        if trained is None:
            # Another process has trained it and sent scores alone: train it again.
            own, place = clone(self.plan.classifiers[number]), (0, 0)
            trained = StackedFits([own], [self.before.folds[fold]])
        classifier = trained.estimator(*place)
        return self.before.whole(fold, classifier, self.plan.estimator(number))
