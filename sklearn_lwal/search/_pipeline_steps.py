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
        Whose memory and verbosity count.
    place : int
        Of the step among the Pipeline's.
    X, y : of n rows

    Attributes
    ----------
    made : of n rows
        What the step made of X.
    answers : dict
        What it has made of other rows, by their part of the split.
    """

    def __init__(self, pipeline, place, X, y):
        # Alone in a Pipeline, which knows how steps are fitted.
        alone, (name, step) = clone(pipeline), pipeline.steps[place]
        last, _ = pipeline.steps[-1]
        alone.steps = [(name, clone(step, safe=False)), (last, "passthrough")]
        # It reports the step by its place in the whole, and nothing else.
        told = pipeline._log_message(place), None
        alone._log_message = told.__getitem__
        self.made, self.answers = alone.fit_transform(X, y), {}
        self.name, self.fitted = alone.steps[0]

    def answer(self, part, X):
        """What it makes of the rows of a part."""
        # Not by the Pipeline, which may take steps without any state for unfitted.
        idle = self.fitted is None or isinstance(self.fitted, str)
        self.answers[part] = X if idle else self.fitted.transform(X)
        return self.answers[part]

    def forget(self):
        """Keep no rows, which would take up memory."""
        self.made, self.answers = None, {}


class FoldSteps(NamedTuple):
    """The steps fitted on a fold, as far as nothing went wrong; seconds it took."""

    steps: list
    error: Exception | None = None
    seconds: float = 0.0


def fit_steps(pipeline, n_known, X, rows, y, others, kept):
    """Fit the steps of a Pipeline that are not known, and ask them about other rows.

    Parameters
    ----------
    pipeline : Pipeline
        Not fitted.
    n_known : int
        Steps that are fitted already.
    X, rows : of any rows, and int array or None
        What those make of the training rows: the rows of X with these numbers, or all.
    y : of as many rows
    others : dict of (X, rows)
        What they make of other rows, by the part of the split.
    kept : set of int
        Places of the steps whose rows are needed again.

    Returns
    -------
    FoldSteps
        The others; the last step of the Pipeline is left out.
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
        # What a step can not transform, the candidate's estimator will not either.
        with contextlib.suppress(Exception):
            _ask(steps, part, taken(*asked))
    for place, step in enumerate(steps, n_known):
        if place not in kept:
            step.forget()
    return FoldSteps(steps, failure, seconds)


def _ask(steps, part, X):
    for step in steps:
        X = step.answer(part, X)
