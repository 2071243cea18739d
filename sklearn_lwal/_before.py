"""What comes before the classifiers of a search, once for all of them."""

import itertools
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
    key : tuple
        See :func:`taken_apart`.
    earlier : Rows or None
        What came before the candidates trained until now.
    later : list of tuple
        Keys of what comes before those to come.
    """

    def __init__(self, estimator, X, y, pairs, weights, key, earlier, later):
        self.key = key
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

    def __init__(self, estimator, X, y, pairs, weights, key, earlier, later):
        begin = time.perf_counter()
        super().__init__(estimator, X, y, pairs, weights, key, earlier, later)
        self.encoder = clone(estimator)
        try:
            self.encoder._validate_params()
            self.X, _ = self.encoder._training_features(X, y, True)
        except Exception as error:
            self.folds = [error] * len(pairs)
        else:
            self.folds = [fold._replace(X=self.X) for fold in self.folds]
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
    """What the steps of a Pipeline before its last make of the rows of each fold.

    Steps that ``earlier`` has fitted, with the same parameters after the same steps,
    are taken from there.
    """

    def __init__(self, estimator, X, y, pairs, weights, key, earlier, later):
        super().__init__(estimator, X, y, pairs, weights, key, earlier, later)
        named = estimator.steps[:-1]
        n_known = steps_in_common(key, earlier.key) if earlier else 0
        # What these have made is needed again; of the others it would take up memory.
        self.kept = {steps_in_common(key, other) - 1 for other in [key, *later]}
        # Fitted steps of each fold, as far as nothing went wrong.
        self.folds, self.steps = [], []
        for fold, (train, _) in enumerate(pairs):
            begin = time.perf_counter()
            steps = earlier.steps[fold][:n_known] if n_known else []
            self.steps.append(steps)
            if len(steps) < n_known:
                self.folds.append(earlier.folds[fold])
                continue
            labels = _safe_indexing(y, train)
            try:
                made = steps[-1].made if steps else _safe_indexing(X, train)
                for name, step in named[len(steps) :]:
                    steps.append(FittedStep(estimator, name, step, made, labels))
                    made = steps[-1].made
            except Exception as error:
                self.folds.append(error)
            else:
                given = {k: _safe_indexing(v, train) for k, v in weights.items()}
                self.folds.append(Fold(made, labels, None, given))
            self._forget(steps)
            self.seconds[fold] = time.perf_counter() - begin

    def _forget(self, steps):
        for place, step in enumerate(steps):
            if place not in self.kept:
                step.made, step.answers = None, {}

    def asked(self, fold, part):
        steps = self.steps[fold]
        known = [i for i, step in enumerate(steps) if part in step.answers]
        if known:
            X = steps[known[-1]].answers[part]
        else:
            X = _safe_indexing(self.X, self.pairs[fold][part])
        for step in steps[known[-1] + 1 if known else 0 :]:
            X = step.answer(part, X)
        self._forget(steps)
        return X, None

    def whole(self, fold, classifier, estimator):
        fitted = clone(estimator)
        steps = [(step.name, step.fitted) for step in self.steps[fold]]
        fitted.steps = [*steps, (fitted.steps[-1][0], classifier)]
        return fitted


class FittedStep:
    """A step of a Pipeline, fitted on the training rows of a fold.

    Parameters
    ----------
    pipeline : Pipeline
        Whose memory and verbosity count.
    name : str
    step : transformer, "passthrough" or None
    X, y : of n rows

    Attributes
    ----------
    made : of n rows
        What the step made of X.
    answers : dict
        What it has made of other rows, by their part of the split.
    """

    def __init__(self, pipeline, name, step, X, y):
        # Alone in a Pipeline, which knows how steps are fitted.
        alone, other = clone(pipeline), f"x{name}"
        alone.steps = [(name, clone(step, safe=False)), (other, "passthrough")]
        self.made, self.answers = alone.fit_transform(X, y), {}
        self.name, self.fitted = alone.steps[0]

    def answer(self, part, X):
        """What it makes of the rows of a part."""
        # Not by the Pipeline, which may take steps without any state for unfitted.
        idle = self.fitted is None or isinstance(self.fitted, str)
        self.answers[part] = X if idle else self.fitted.transform(X)
        return self.answers[part]


def steps_in_common(key, other):
    """How many steps are the same, from the first on, by the keys of AfterSteps."""
    pairs = zip(key, other, strict=False)
    same = itertools.takewhile(lambda pair: pair[0] == pair[1], pairs)
    # Behind the class and the Pipeline's own parameters.
    return max(0, len([*same]) - 2)


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
        Candidates share what comes before where their keys are the same, and its first
        steps where their first parts are.
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
        *names, last = (name for name, _ in estimator.steps)
        classifier = estimator.steps[-1][1]
        if routing and fit_params:
            raise Alone("metadata is routed to the steps of a Pipeline")
        if getattr(estimator, "transform_input", None):
            raise Alone("transform_input is set")
        if getattr(classifier, "backbone", None) is not None:
            raise Alone("a backbone follows other steps")
        weights = _weights(fit_params, f"{last}__sample_weight")
        words = {name: [] for name in names}
        # The Pipeline's own parameters come before those of the first step.
        own = []
        for name, value in sorted(parameters.items()):
            step = name.split("__")[0]
            if step != last:
                words.get(step, own).append((name, _word(value)))
        key = AfterSteps, tuple(own), *map(tuple, words.values())
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
