"""Classifiers that differ in numbers alone, trained together on several folds."""

from __future__ import annotations

import copy
import time
from collections import Counter
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
import torch
from sklearn.utils.validation import _check_method_params

from .._joint.trainer import Candidate, JointTrainer
from .._training.early_stopping import Improvement
from .._training.history import CountedHistory
from .._utils import validation as check
from .._utils.errors import memory_errors
from .._utils.fingerprint import fingerprint
from .._utils.torch_state import in_known_state
from ..classifiers._base import LabelLearningClassifier
from ..classifiers._predict import answer_dtype
from ..heads.functional import number
from ._initialized_fit import CheckedFeatures, FoldRows, InitializedFit, taken

# Parameters that may differ between candidates, besides the options of the head. They
# do not change the initialisation.
OWN = frozenset(["lr", "tol", "n_iter_no_change"])
# Parameters that count in single fits alone.
WITHOUT_EFFECT = frozenset(["memory"])
# A step computes about so many numbers in the time that its launch takes. Narrow
# latents are padded and trained with wider ones where that adds fewer.
PADDING = 100_000


class Fold(NamedTuple):
    """Training rows: those of X and y with the numbers ``rows``, or all."""

    X: Any
    y: Any
    rows: np.ndarray | None
    fit_params: dict


def reason_not_stackable(estimator):
    """Why a classifier cannot be trained together with others; None where it can."""
    if not isinstance(estimator, LabelLearningClassifier):
        return f"{type(estimator).__name__} is not of this library"
    # A subclass may have another head: it must say for itself that this is possible.
    if "_stackable_params" not in vars(type(estimator)):
        return f"{type(estimator).__name__} has a head that stands alone"
    try:
        estimator._validate_params()
        estimator._check_parameters()
    except (ValueError, TypeError) as error:
        return f"its parameters are not valid: {error}"
    if estimator.backbone is not None:
        return "it has a backbone"
    for name, usual in USUAL.items():
        if getattr(estimator, name) != usual:
            return f"{name}={getattr(estimator, name)!r}"
    if not isinstance(estimator.optimizer, str):
        return "optimizer is a class"
    if any(not key.startswith("optimizer__") for key in estimator.net_params or {}):
        return "net_params has more than options of the optimizer"
    if "optimizer__param_groups" in (estimator.net_params or {}):
        return "net_params has parameter groups"
    if torch.device(check.resolve_device(estimator.device)).type == "mps":
        return "device='mps'"
    return None


# A JointTrainer supports these values alone.
USUAL = {
    "callbacks": None,
    "checkpoint_dir": None,
    "compile": False,
    "distributed": False,
    "precision": "float32",
    "verbose": 0,
    "warm_start": False,
}


def groups_of(estimators):
    """Lists of the places of classifiers that are trained together.

    Those that one JointTrainer can train stand next to each other.
    """
    found, order = {}, []
    for place, estimator in enumerate(estimators):
        kind = _start_kind(estimator, without=("output_dim", "class_weight"))
        found.setdefault(kind, []).append(place)
        # The batch size may depend on the learning rate.
        _, start = _start_kind(estimator)
        order.append((estimator.lr, start, estimator._active_terms))
    return [sorted(part, key=order.__getitem__) for part in found.values()]


def _stackable_params(estimator):
    """The numeric options of the head, by name."""
    values = {name: getattr(estimator, name) for name in estimator._stackable_params}
    return {name: number(v) for name, v in values.items() if _is_number(v)}


def _is_number(value):
    return isinstance(value, Real) and not isinstance(value, bool)


def _start_kind(estimator, without=()):
    """A key that classifiers with the same initialisation share."""
    free = {*OWN, *WITHOUT_EFFECT, *_stackable_params(estimator), *without}
    given = estimator.get_params(deep=False).items()
    known = [(name, _word(value)) for name, value in given if name not in free]
    return type(estimator), tuple(sorted(known))


def _word(value):
    if value is None or isinstance(value, (bool, int, float, str)):
        return f"{type(value).__name__} {value!r}"
    return fingerprint(value)


class StackedFits:
    """The classifiers, each trained on every fold.

    Parameters
    ----------
    estimators : list of classifiers
        Not fitted; one list of those that :func:`groups_of` made.
    folds : list of Fold
    starts : dict, optional
        Keeps initialised fits for the next group on the same folds.
    """

    @in_known_state
    def __init__(self, estimators, folds, starts=None):
        begin = time.perf_counter()
        self.starts = {} if starts is None else starts
        self.estimators, self.folds = estimators, folds
        # The messages of errors name the class.
        key = "rows", type(estimators[0])
        if key not in self.starts:
            features = self.starts.setdefault("features", {})
            self.starts[key] = [*_with_rows(estimators[0], folds, features)]
        rows = self.starts[key]
        kinds = [_start_kind(estimator) for estimator in estimators]
        self.entries = [self._started(s, fold, kinds) for s, fold in enumerate(rows)]
        self.places = {}
        for rows in self._stackable_rows():
            trainer = JointTrainer(
                [[self.entries[s][k] for s, k in row] for row in rows]
            )
            with memory_errors("Lower max_memory"):
                trainer.train()
            for r, row in enumerate(rows):
                for c, place in enumerate(row):
                    self.places[place] = trainer, r, c
        self.seconds = time.perf_counter() - begin

    def _started(self, s, fold, kinds):
        """An entry for each estimator, or the error that its fit would raise."""
        if isinstance(fold, Exception):
            return [fold] * len(self.estimators)
        found = []
        for estimator, kind in zip(self.estimators, kinds, strict=True):
            start = self._start((s, kind), estimator, fold)
            if isinstance(start, InitializedFit):
                stopping = Improvement(estimator.n_iter_no_change, estimator.tol)
                start = Candidate(
                    start, estimator.lr, _stackable_params(estimator), stopping
                )
            found.append(start)
        return found

    def _start(self, key, estimator, fold):
        """The estimator's :class:`InitializedFit`, or the error that it would raise."""
        starts = self.starts
        if isinstance(starts.get(key), Exception):
            return starts[key]
        try:
            size = fold.batch_size(estimator)
            # The batch size weighs the first class means of features that change.
            alike = *key, estimator._trains_features and size
            if alike not in starts:
                starts[alike] = InitializedFit(_fresh(estimator), fold)
            sized = *alike, size
            if sized not in starts:
                starts[sized] = starts[alike].with_batches_of(size)
            return starts[sized]
        except (ValueError, TypeError, MemoryError) as error:
            return starts.setdefault(key, error)

    def _stackable_rows(self):
        """Places (fold, candidate) in lists of rows, one for each JointTrainer.

        A row has one stream of random numbers and the same weights; rows of one
        length and shape are trained by one JointTrainer.
        """
        rows = {}
        for s, entries in enumerate(self.entries):
            for k, entry in enumerate(entries):
                if isinstance(entry, Candidate):
                    start = entry.start
                    key = s, start.shape, start.stream, id(start.train.weight)
                    rows.setdefault(key, []).append((s, k))
        starts = {key: self.entries[s][k].start for key, [(s, k), *_] in rows.items()}
        side_by_side = Counter((start.shape, start.width) for start in starts.values())
        alike = {}
        for key, row in rows.items():
            start, shape = starts[key], starts[key].shape
            size = start.width * start.net.batch_size * side_by_side[shape, start.width]
            for part in self._parts(row, size):
                terms = self.estimators[part[0][1]]._active_terms
                has_weights = start.train.weight is not None
                key = shape, has_weights, len(part), len(part) < len(row) and terms
                alike.setdefault(key, []).append((start, part))
        for joined in alike.values():
            yield from _padded(joined)

    def _parts(self, row, size):
        """A row, or its parts that compute the same terms of the loss.

        A term costs ``size`` numbers for each entry. It is computed for all entries of
        a part, or for none.
        """
        parts = {}
        for s, k in row:
            parts.setdefault(self.estimators[k]._active_terms, []).append((s, k))
        asked = {term for terms in parts for term in terms}
        idle = sum(len(part) * len(asked - {*terms}) for terms, part in parts.items())
        return [row] if idle * size <= PADDING else parts.values()

    def error(self, fold, candidate):
        """The error that the candidate's own fit would have raised, or None."""
        entry = self.entries[fold][candidate]
        return entry.error if isinstance(entry, Candidate) else entry

    def classes(self, fold, candidate):
        """The classes that the candidate knows from the fold."""
        return self.entries[fold][candidate].start.estimator.classes_

    @in_known_state
    def scores(self, fold, X):
        """Class scores of rows, (n, n_classes) of each candidate, None after an error.

        Where they are not finite the candidate's own predictions raise an error.
        """
        found = [None] * len(self.estimators)
        wanted = {}
        for k in range(len(self.estimators)):
            if self.error(fold, k) is None:
                trainer, r, c = self.places[fold, k]
                wanted.setdefault((trainer, r), []).append((k, c))
        for (trainer, r), columns in wanted.items():
            estimator = trainer.candidates[r][0].start.estimator
            checked = check.check_X(estimator, X, reset=False)
            scores = trainer.scores(r, checked)
            scores = scores.astype(answer_dtype(checked), copy=False)
            for k, c in columns:
                found[k] = scores[c]
        return found

    @in_known_state
    def estimator(self, fold, candidate):
        """The candidate, fitted as by its own fit on the fold, ready to predict."""
        entry = self.entries[fold][candidate]
        trainer, r, c = self.places[fold, candidate]
        found = copy.copy(entry.start.estimator)
        found.set_params(**self.estimators[candidate].get_params(deep=False))
        found.net_ = copy.copy(found.net_)
        found.net_.module_ = trainer.network(r, c)
        found.net_.history = CountedHistory.of_rows(entry.history)
        found._measure(entry.start.train, False)
        return found


def _padded(rows):
    """Lists of rows that are worth padding to the widest latent among them.

    ``rows`` are pairs of an :class:`InitializedFit` and its row.
    """
    found, widths = [], []
    for start, row in sorted(rows, key=lambda pair: pair[0].width):
        missing = sum(start.width - width for width in widths) * len(row)
        if found and missing * (start.net.batch_size + start.n_features) <= PADDING:
            found[-1].append(row)
        else:
            found.append([row])
            widths = []
        widths.append(start.width)
    return found


def _fresh(estimator):
    """A copy that a fit may change, with a random state of its own."""
    found = copy.copy(estimator)
    found.random_state = copy.deepcopy(estimator.random_state)
    return found


def _with_rows(estimator, folds, known):
    """The training rows of each fold, or an error; folds of one X share it.

    ``known`` keeps checked features by the identity of X, for all classes.
    """
    errors = {}
    for fold in folds:
        where, numbers = id(fold.X), fold.rows
        features = known.get(where) or errors.get(where)
        if features is None:
            features = _features(estimator, fold.X)
            of_kind = errors if isinstance(features, Exception) else known
            of_kind[where] = features
        if isinstance(features, Exception) and numbers is not None:
            # Perhaps only rows of other folds are bad.
            features, numbers = _features(estimator, taken(fold.X, numbers)), None
        if isinstance(features, Exception):
            yield features
            continue
        if numbers is None:
            numbers = np.arange(len(features.rows))
        # Numbers stay numbers; a wrong length raises the error of a single fit.
        given = _check_method_params(fold.X, fold.fit_params, fold.rows)
        weight = given.get("sample_weight")
        try:
            yield FoldRows(features, numbers, taken(fold.y, fold.rows), weight)
        except (ValueError, TypeError) as error:
            yield error


def _features(estimator, X):
    try:
        return CheckedFeatures(estimator, X)
    except (ValueError, TypeError, MemoryError) as error:
        return error
