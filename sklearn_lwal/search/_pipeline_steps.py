"""The steps of a Pipeline before its last, fitted on the training rows of a fold."""

import contextlib
import time
from typing import NamedTuple

from sklearn.base import clone

from ._initialized_fit import taken


class FittedStep:
    """A step of a Pipeline, fitted.

    Parameters
    ----------
    pipeline : Pipeline
        Its memory and verbosity count.
    place : int
        The step's number in the Pipeline.
    X, y : array-likes of n rows

    Attributes
    ----------
    made : array-like of n rows
        X, transformed.
    answers : dict
        Other rows, transformed, by their part of the split.
    """

    def __init__(self, pipeline, place, X, y):
        # A Pipeline of this step alone fits it as scikit-learn does.
        alone, (name, step) = clone(pipeline), pipeline.steps[place]
        last, _ = pipeline.steps[-1]
        alone.steps = [(name, clone(step, safe=False)), (last, "passthrough")]
        # Its messages name the step's place in the whole Pipeline.
        told = pipeline._log_message(place), None
        alone._log_message = told.__getitem__
        self.made, self.answers = alone.fit_transform(X, y), {}
        self.name, self.fitted = alone.steps[0]

    def answer(self, part, X):
        """Transform the rows of a part of the split."""
        # The Pipeline may take steps without any state for unfitted.
        idle = self.fitted is None or isinstance(self.fitted, str)
        self.answers[part] = X if idle else self.fitted.transform(X)
        return self.answers[part]

    def forget(self):
        """Drop the rows, which take up memory."""
        self.made, self.answers = None, {}


class FoldSteps(NamedTuple):
    """The steps fitted on a fold up to the first error, and the seconds it took."""

    steps: list
    error: Exception | None = None
    seconds: float = 0.0


def fit_steps(pipeline, n_known, X, rows, y, others, kept):
    """Fit the steps of a Pipeline that are not known, and transform other rows.

    Parameters
    ----------
    pipeline : Pipeline
        Not fitted.
    n_known : int
        Steps that are fitted already.
    X : array-like
    rows : int array or None
        Training rows after the known steps: the rows of X with these numbers, or all.
    y : array-like of as many rows
    others : dict of (X, rows)
        Other rows after the known steps, by the part of the split.
    kept : set of int
        Numbers of the steps whose output is needed again.

    Returns
    -------
    FoldSteps
        The newly fitted steps; the last step of the Pipeline is left out.
    """
    steps, failure, begin = [], None, time.perf_counter()
    try:
        made = taken(X, rows)
        for place in range(n_known, len(pipeline.steps) - 1):
            steps.append(FittedStep(pipeline, place, made, y))
            made = steps[-1].made
    except Exception as error:
        failure = error
    seconds = time.perf_counter() - begin
    for part, asked in [] if failure else others.items():
        # The candidate's estimator raises the same error when it is asked.
        with contextlib.suppress(Exception):
            _ask(steps, part, taken(*asked))
    for place, step in enumerate(steps, n_known):
        if place not in kept:
            step.forget()
    return FoldSteps(steps, failure, seconds)


def _ask(steps, part, X):
    for step in steps:
        X = step.answer(part, X)
