"""What comes before the classifiers of a search, once for all of them."""

import time
from numbers import Number

import numpy as np
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.utils import _safe_indexing

from ._base import LabelLearningClassifier
from ._resumption import built_from
from ._together import Fold

TRAIN, TEST = 0, 1
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


class Alone(Exception):
    """Why a candidate can not be trained together with others."""


class Rows:
    """The rows of X as they are.

    Parameters
    ----------
    estimator : estimator
        Not fitted, with the parameters of one of the candidates.
    X, y : of n rows
    pairs : list of (train, test) int arrays
    weights : dict
        Of a ``sample_weight`` of n entries, or empty.
    """

    def __init__(self, estimator, X, y, pairs, weights):
        self.X, self.pairs = X, pairs
        # What the candidates' fits begin with, by device, for :class:`TrainedTogether`.
        self.starts = {}
        self.seconds = np.zeros(len(pairs))
        # A Fold each, or the error that was raised on the way there.
        self.folds = [Fold(X, y, train, weights) for train, _ in pairs]

    def asked(self, fold, part):
        """What the classifiers are asked about: X and the numbers of its rows."""
        return self.X, self.pairs[fold][part]

    def whole(self, fold, classifier, estimator):
        """The fitted estimator of which ``classifier`` is the fitted classifier."""
        return classifier


class Features(Rows):
    """What a frozen backbone gives for images, each of which it sees once."""

    def __init__(self, estimator, X, y, pairs, weights):
        begin = time.perf_counter()
        self.encoder = clone(estimator)
        try:
            self.encoder._validate_params()
            features, _ = self.encoder._training_features(X, y, True)
        except Exception as error:
            self.pairs, self.folds = pairs, [error] * len(pairs)
        else:
            super().__init__(estimator, features, y, pairs, weights)
        seconds = time.perf_counter() - begin
        self.seconds = np.full(len(pairs), seconds / len(pairs))

    def whole(self, fold, classifier, estimator):
        given = {name: getattr(estimator, name) for name in OF_FEATURES}
        classifier.set_params(**given)
        classifier.backbone_ = self.encoder.backbone_
        classifier._identity = self.encoder._identity
        classifier._built_from = built_from(classifier)
        return classifier


class AfterSteps(Rows):
    """What the steps of a Pipeline before its last make of the rows of each fold."""

    def __init__(self, estimator, X, y, pairs, weights):
        super().__init__(estimator, X, y, pairs, weights)
        self.folds, self.steps, self.made = [], [], {}
        for fold, (train, _) in enumerate(pairs):
            begin = time.perf_counter()
            # Memory and verbosity are the Pipeline's.
            last = estimator.steps[-1][0]
            steps = clone(estimator).set_params(**{last: "passthrough"})
            known = _safe_indexing(y, train)
            given = {k: _safe_indexing(v, train) for k, v in weights.items()}
            try:
                made = steps.fit_transform(_safe_indexing(X, train), known)
                self.folds.append(Fold(made, known, None, given))
            except Exception as error:
                self.folds.append(error)
            self.steps.append(steps)
            self.seconds[fold] = time.perf_counter() - begin

    def asked(self, fold, part):
        if (fold, part) not in self.made:
            self.made[fold, part] = self._made(fold, part)
        return self.made[fold, part], None

    def _made(self, fold, part):
        X = _safe_indexing(self.X, self.pairs[fold][part])
        # Not by the Pipeline, which may take steps without any state for unfitted.
        for _, step in self.steps[fold].steps[:-1]:
            if step is not None and not isinstance(step, str):
                X = step.transform(X)
        return X

    def whole(self, fold, classifier, estimator):
        fitted = clone(estimator)
        fitted.steps = [*self.steps[fold].steps[:-1], (fitted.steps[-1][0], classifier)]
        return fitted


def taken_apart(estimator, base, parameters, fit_params, routing):
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
        Candidates share what comes before where their keys are the same.
    before : class
        :class:`Rows` or one derived from it.
    classifier : LabelLearningClassifier
        Not fitted, for what ``before`` makes of X.
    weights : dict
        Of ``sample_weight``, or empty.

    Raises
    ------
    Alone
        If the estimator is not of a kind that is taken apart.
    """
    if type(estimator) is Pipeline:
        last, classifier = estimator.steps[-1]
        others = {k: v for k, v in parameters.items() if k.split("__")[0] != last}
        if routing and fit_params:
            raise Alone("metadata is routed to the steps of a Pipeline")
        if getattr(estimator, "transform_input", None):
            raise Alone("transform_input is set")
        if getattr(classifier, "backbone", None) is not None:
            raise Alone("a backbone follows other steps")
        weights = _weights(fit_params, f"{last}__sample_weight")
        key = (AfterSteps, *((k, _word(v)) for k, v in sorted(others.items())))
        return key, AfterSteps, _checked(classifier), weights
    _checked(estimator)
    weights = _weights(fit_params, "sample_weight")
    if estimator.backbone is None or not estimator.freeze_backbone:
        return (Rows,), Rows, estimator, weights
    given = {**base.get_params(deep=False), **parameters}
    values = (_word(given[name]) for name in OF_FEATURES)
    return (Features, *values), Features, clone(estimator).set_params(**PLAIN), weights


# A classifier of features.
PLAIN = {"backbone": None, "memory": None}


def _checked(classifier):
    name = type(classifier).__name__
    if not isinstance(classifier, LabelLearningClassifier):
        raise Alone(f"{name} is not of this library")
    for method in METHODS:
        ours = getattr(LabelLearningClassifier, method)
        if getattr(type(classifier), method) is not ours:
            raise Alone(f"{name} has a {method} of its own")
    return classifier


def _weights(fit_params, name):
    others = sorted(set(fit_params) - {name})
    if others:
        raise Alone(f"fit is given {', '.join(others)}")
    weights = fit_params.get(name)
    return {} if weights is None else {"sample_weight": weights}


def _word(value):
    """The same for values that are the same."""
    if value is None or isinstance(value, (str, bytes, Number)):
        return type(value), value
    return id(value)
