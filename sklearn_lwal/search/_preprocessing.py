"""Backbones and Pipeline steps, fitted once for all candidates that share them."""

import itertools
import time
import warnings
from numbers import Number
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.utils import _safe_indexing
from sklearn.utils.parallel import delayed
from sklearn.utils.validation import _check_method_params

from ..classifiers._base import LabelLearningClassifier
from ..classifiers._warm_start import built_from
from ..features._backbone import as_backbone
from ._pipeline_steps import fit_steps
from ._stacked_fits import Fold

TRAIN, TEST = 0, 1
# Seconds that the fit of the steps must take before other processes do it: the rows
# have to be sent there, and their transforms back.
WORTH_SENDING = 1.0
# Parameters of a frozen backbone that its features depend on.
OF_BACKBONE = ("model", "weights", "image_size", "channels_last", "memory", "n_workers")
# A subclass that overrides one of these may do anything, and is fitted as it is.
METHODS = (
    "fit",
    "score",
    "predict",
    "predict_proba",
    "predict_log_proba",
    "decision_function",
)


class NotStackable(Exception):
    """A candidate can not be trained together with others; the message says why."""


class Data(NamedTuple):
    """The data of a search.

    ``pairs`` are the training and test rows of each fold, two int arrays; ``weights``
    holds a ``sample_weight`` for all rows, or nothing; ``parts`` are those on which
    candidates are scored, ``TEST`` and perhaps ``TRAIN``.
    """

    X: Any
    y: Any
    pairs: list
    weights: dict
    parts: tuple


class Preprocessing:
    """No preprocessing: the classifiers take the rows of X.

    Parameters
    ----------
    estimator : estimator
        Not fitted, with the parameters of one of the candidates.
    data : Data
    key : tuple
        See :func:`split_pipeline`.
    earlier : Preprocessing or None
        The preprocessing of the group that was trained before.
    later : list of tuple
        Keys of the groups that are still to be trained.
    jobs : callable or None
        Runs joblib's calls in other processes, where there are any.
    """

    # Whether the steps have been slow to fit so far.
    are_slow = False

    def __init__(self, estimator, data, key, earlier, later, jobs):
        self.data, self.key, self.X = data, key, data.X
        # Initialised fits by device, which :class:`StackedFits` reuses.
        self.starts = {}
        self.seconds = np.zeros(len(data.pairs))
        # For each fold a Fold, or the error that its preprocessing raised.
        self.folds = [
            Fold(data.X, data.y, train, data.weights) for train, _ in data.pairs
        ]

    def asked(self, fold, part):
        """X and the numbers of the rows on which the classifiers are scored."""
        return self.X, self.data.pairs[fold][part]

    def whole(self, fold, classifier, estimator):
        """The fitted estimator around the fitted classifier."""
        return classifier


class BackbonePreprocessing(Preprocessing):
    """A frozen backbone, which computes the features of each image once."""

    def __init__(self, estimator, data, key, earlier, later, jobs):
        begin = time.perf_counter()
        super().__init__(estimator, data, key, earlier, later, jobs)
        self.encoder = clone(estimator)
        try:
            self.encoder._validate_params()
            self.X, _ = self.encoder._training_features(data.X, data.y, True)
        except Exception as error:
            self.folds = [error] * len(self.folds)
        else:
            self.folds = [fold._replace(X=self.X) for fold in self.folds]
        self.seconds += (time.perf_counter() - begin) / len(self.folds)

    def whole(self, fold, classifier, estimator):
        classifier.backbone = estimator.backbone
        classifier.set_params(device=estimator.device, verbose=estimator.verbose)
        classifier.backbone_ = self.encoder.backbone_
        classifier._identity = self.encoder._identity
        classifier._built_from = built_from(classifier)
        return classifier


class PipelinePreprocessing(Preprocessing):
    """The steps of a Pipeline before its last, fitted on each fold.

    Steps that ``earlier`` has fitted with the same parameters, after the same steps,
    are reused. Where fitting is slow the jobs do it, one fold each.
    """

    def __init__(self, estimator, data, key, earlier, later, jobs):
        super().__init__(estimator, data, key, earlier, later, jobs)
        self.are_slow = earlier is not None and earlier.are_slow
        n_known = steps_in_common(key, earlier.key) if earlier else 0
        # Later groups need the output of these steps alone.
        kept = {steps_in_common(key, other) - 1 for other in [key, *later]}
        # The fitted steps of each fold, up to the first error.
        self.steps, tasks = [], {}
        for fold in range(len(self.folds)):
            known = earlier.steps[fold][:n_known] if n_known else []
            self.steps.append(known)
            if len(known) < n_known:
                self.folds[fold] = earlier.folds[fold]
            else:
                tasks[fold] = estimator, n_known, *self._rows_of(fold), kept
        for fold, (steps, error, seconds) in self._fitted(tasks, jobs).items():
            self.steps[fold] += steps
            self.seconds[fold] = seconds
            self.folds[fold] = error or self._after(fold)
        for place, step in itertools.chain.from_iterable(map(enumerate, self.steps)):
            if place not in kept:
                step.forget()

    def _rows_of(self, fold):
        """The rows of a fold after its known steps, as :func:`fit_steps` takes them."""
        train, _ = self.data.pairs[fold]
        y = _safe_indexing(self.data.y, train)
        if not self.steps[fold]:
            of_parts = {
                part: super(PipelinePreprocessing, self).asked(fold, part)
                for part in self.data.parts
            }
            return self.X, train, y, of_parts
        last = self.steps[fold][-1]
        return last.made, None, y, {k: (X, None) for k, X in last.answers.items()}

    def _fitted(self, tasks, jobs):
        """The result of :func:`fit_steps` for each fold, from here or from the jobs."""
        found = {}
        for fold, task in tasks.items():
            if self.are_slow and jobs:
                break
            found[fold] = fit_steps(*task)
            self.are_slow = self.are_slow or found[fold].seconds > WORTH_SENDING
        left = [fold for fold in tasks if fold not in found]
        if not left:
            return found
        try:
            results = [*jobs(delayed(fit_steps)(*tasks[fold]) for fold in left)]
        except Exception as error:
            # Most likely a step can not be pickled.
            warnings.warn(
                f"Steps of a Pipeline are fitted in one process ({error}).",
                RuntimeWarning,
                stacklevel=2,
            )
            results = [fit_steps(*tasks[fold]) for fold in left]
        return found | dict(zip(left, results, strict=True))

    def _after(self, fold):
        """The training rows after the steps."""
        steps, whole = self.steps[fold], self.folds[fold]
        if not steps:
            return whole
        given = _check_method_params(self.data.X, whole.fit_params, whole.rows)
        return Fold(steps[-1].made, _safe_indexing(whole.y, whole.rows), None, given)

    def asked(self, fold, part):
        steps = self.steps[fold]
        return (steps[-1].answers[part], None) if steps else super().asked(fold, part)

    def whole(self, fold, classifier, estimator):
        fitted = clone(estimator)
        steps = [(step.name, step.fitted) for step in self.steps[fold]]
        fitted.steps = [*steps, (fitted.steps[-1][0], classifier)]
        return fitted


def steps_in_common(key, other):
    """The number of first steps that two keys of PipelinePreprocessing share."""
    pairs = zip(key, other, strict=False)
    same = itertools.takewhile(lambda pair: pair[0] == pair[1], pairs)
    # The class and the Pipeline's own parameters come first in a key.
    return max(0, len([*same]) - 2)


def split_pipeline(estimator, base, parameters, fit_params, routing):
    """Separate a candidate's classifier from the preprocessing before it.

    Parameters
    ----------
    estimator : estimator
        Not fitted, with the parameters of the candidate.
    base : estimator
        The estimator before its parameters were set.
    parameters : dict
        Those that the search sets.
    fit_params : dict
        Further arguments of ``fit``, for all rows.
    routing : bool
        Whether metadata routing is on.

    Returns
    -------
    key : tuple
        Candidates with equal keys share their preprocessing; those whose keys begin
        alike share its first steps.
    before : class
        :class:`Preprocessing` or one derived from it.
    classifier : LabelLearningClassifier
        Not fitted; takes the output of ``before``.
    weights : dict
        Holds ``sample_weight``, or nothing.

    Raises
    ------
    NotStackable
        If the estimator can not be separated.
    """
    if type(estimator) is Pipeline:
        *names, last = (name for name, _ in estimator.steps)
        classifier = estimator.steps[-1][1]
        if routing and fit_params:
            raise NotStackable("metadata is routed to the steps of a Pipeline")
        if getattr(estimator, "transform_input", None):
            raise NotStackable("transform_input is set")
        try:
            estimator._validate_steps()
        except (ValueError, TypeError) as error:
            raise NotStackable(f"its steps are not valid: {error}") from error
        if getattr(classifier, "backbone", None) is not None:
            raise NotStackable("a backbone follows other steps")
        weights = _weights(fit_params, f"{last}__sample_weight")
        words = {name: [] for name in names}
        # The Pipeline's own parameters come before those of the first step.
        own = []
        for name, value in sorted(parameters.items()):
            step = name.split("__")[0]
            if step != last:
                words.get(step, own).append((name, _word(value)))
        key = PipelinePreprocessing, tuple(own), *map(tuple, words.values())
        return key, PipelinePreprocessing, _checked(classifier), weights
    _checked(estimator)
    weights = _weights(fit_params, "sample_weight")
    if estimator.backbone is None or estimator._trains_backbone:
        return (Preprocessing,), Preprocessing, estimator, weights
    make = BackbonePreprocessing
    key = make, *_backbone_key(vars(base) | parameters)
    return key, make, clone(estimator).set_params(backbone=None), weights


def _backbone_key(given):
    """Words for the parameters that the features of a frozen backbone depend on."""
    backbone = as_backbone(given["backbone"]).get_params(deep=False)
    for name in OF_BACKBONE:
        yield _word(given.get(f"backbone__{name}", backbone[name]))
    yield from (_word(given[name]) for name in ("device", "verbose"))


def _checked(classifier):
    name = type(classifier).__name__
    if not isinstance(classifier, LabelLearningClassifier):
        raise NotStackable(f"{name} is not of this library")
    for method in METHODS:
        ours = getattr(LabelLearningClassifier, method)
        if getattr(type(classifier), method) is not ours:
            raise NotStackable(f"{name} has a {method} of its own")
    return classifier


def _weights(fit_params, name):
    others = sorted(set(fit_params) - {name})
    if others:
        raise NotStackable(f"fit is given {', '.join(others)}")
    weights = fit_params.get(name)
    return {} if weights is None else {"sample_weight": weights}


def _word(value):
    """A key that equal values share; other objects are equal only to themselves."""
    if value is None or isinstance(value, (str, bytes, Number)):
        return type(value), value
    return id(value)
