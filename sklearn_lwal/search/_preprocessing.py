"""What comes before the classifiers of a search, once for all of them."""

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
from ._pipeline_steps import fit_steps
from ._stacked_fits import Fold

TRAIN, TEST = 0, 1
# Seconds of fitting steps from which on other processes may do it: those have to be
# given the rows, and to give back what was made of them.
WORTH_SENDING = 1.0
# Parameters of a classifier that the features of its frozen backbone depend on.
OF_FEATURES = (
    "backbone",
    "backbone_weights",
    "image_size",
    "channels_last",
    "memory",
    "n_workers",
    "device",
    "verbose",
)
# A class derived from one of the library's that brings these is the user's own.
METHODS = (
    "fit",
    "score",
    "predict",
    "predict_proba",
    "predict_log_proba",
    "decision_function",
)


class NotStackable(Exception):
    """Why a candidate can not be trained together with others."""


class Data(NamedTuple):
    """What is searched on.

    ``pairs`` are the rows of the folds, two int arrays each; ``weights`` those of a
    ``sample_weight`` for all rows, or empty; ``parts`` what candidates are scored on,
    ``TEST`` and perhaps ``TRAIN``.
    """

    X: Any
    y: Any
    pairs: list
    weights: dict
    parts: tuple


class Preprocessing:
    """The rows of X as they are.

    Parameters
    ----------
    estimator : estimator
        Not fitted, with the parameters of one of the candidates.
    data : Data
    key : tuple
        See :func:`split_pipeline`.
    earlier : Preprocessing or None
        What came before the candidates trained until now.
    later : list of tuple
        Keys of what comes before those to come.
    jobs : callable or None
        Gives the results of joblib's calls by other processes, if there are any.
    """

    # Whether steps took long until now.
    are_slow = False

    def __init__(self, estimator, data, key, earlier, later, jobs):
        self.data, self.key, self.X = data, key, data.X
        # What the candidates' fits begin with, by device, for :class:`StackedFits`.
        self.starts = {}
        self.seconds = np.zeros(len(data.pairs))
        # A Fold each, or the error that was raised on the way there.
        self.folds = [
            Fold(data.X, data.y, train, data.weights) for train, _ in data.pairs
        ]

    def asked(self, fold, part):
        """What the classifiers are asked about: X and the numbers of its rows."""
        return self.X, self.data.pairs[fold][part]

    def whole(self, fold, classifier, estimator):
        """The fitted estimator of which ``classifier`` is the fitted classifier."""
        return classifier


class BackbonePreprocessing(Preprocessing):
    """What a frozen backbone gives for images, each of which it sees once."""

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
        given = {name: getattr(estimator, name) for name in OF_FEATURES}
        classifier.set_params(**given)
        classifier.backbone_ = self.encoder.backbone_
        classifier._identity = self.encoder._identity
        classifier._built_from = built_from(classifier)
        return classifier


class PipelinePreprocessing(Preprocessing):
    """What the steps of a Pipeline before its last make of the rows of each fold.

    Steps that ``earlier`` has fitted, with the same parameters after the same steps,
    are taken from there. Where fitting takes long the jobs do it, a fold each.
    """

    def __init__(self, estimator, data, key, earlier, later, jobs):
        super().__init__(estimator, data, key, earlier, later, jobs)
        self.are_slow = earlier is not None and earlier.are_slow
        n_known = steps_in_common(key, earlier.key) if earlier else 0
        # What these have made is needed again; of the others it would take up memory.
        kept = {steps_in_common(key, other) - 1 for other in [key, *later]}
        # Fitted steps of each fold, as far as nothing went wrong.
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
        """Of a fold what its known steps make of the rows, for :func:`fit_steps`."""
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
        """What :func:`fit_steps` returns for each fold: here, or by the jobs."""
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
            # Most likely a step that can not be sent.
            warnings.warn(
                f"Steps of a Pipeline are fitted in one process ({error}).",
                RuntimeWarning,
                stacklevel=2,
            )
            results = [fit_steps(*tasks[fold]) for fold in left]
        return found | dict(zip(left, results, strict=True))

    def _after(self, fold):
        """The training rows as the steps make them."""
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
    # Behind the class and the Pipeline's own parameters.
    return max(0, len([*same]) - 2)


def split_pipeline(estimator, base, parameters, fit_params, routing):
    """What comes before the classifier of a candidate, and the classifier.

    Parameters
    ----------
    estimator : estimator
        Not fitted, with the parameters of the candidate.
    base : estimator
        The same before they were set.
    parameters : dict
        Those that the search sets.
    fit_params : dict
        What else its ``fit`` is given, of all rows.
    routing : bool
        Whether metadata routing is on.

    Returns
    -------
    key : tuple
        Candidates share what comes before where their keys are the same, and its first
        steps where their first parts are.
    before : class
        :class:`Preprocessing` or one derived from it.
    classifier : LabelLearningClassifier
        Not fitted, for what ``before`` makes of X.
    weights : dict
        Of ``sample_weight``, or empty.

    Raises
    ------
    NotStackable
        If the estimator is not of a kind that is taken apart.
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
    if estimator.backbone is None or not estimator.freeze_backbone:
        return (Preprocessing,), Preprocessing, estimator, weights
    given = {**base.get_params(deep=False), **parameters}
    values = (_word(given[name]) for name in OF_FEATURES)
    make = BackbonePreprocessing
    return (make, *values), make, clone(estimator).set_params(**PLAIN), weights


# A classifier of features.
PLAIN = {"backbone": None, "memory": None}


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
    """The same for values that are the same."""
    if value is None or isinstance(value, (str, bytes, Number)):
        return type(value), value
    return id(value)
