"""Initialised fits: classifiers before their first step."""

import copy

import numpy as np
import torch
from sklearn.utils import _safe_indexing

from .._training.batches import LabelledRows, n_batches
from .._training.row_storage import rows_of
from .._utils import validation as check
from ..classifiers._begin_fit import begin_fit, epochs


class CheckedFeatures:
    """Features, checked once for all folds and laid out for training.

    Parameters
    ----------
    estimator : classifier
        Its device holds them.
    X : array-like, DataFrame or sparse matrix of shape (n, n_features)
    """

    def __init__(self, estimator, X):
        estimator = copy.copy(estimator)
        digits = "needed" if estimator.standardize else "float32"
        X = check.check_X(estimator, X, reset=True, digits=digits)
        names = "n_features_in_", "feature_names_in_"
        self.known = {n: getattr(estimator, n) for n in names if hasattr(estimator, n)}
        self.device = check.resolve_device(estimator.device)
        self.rows = rows_of(X, self.device)


class FoldRows:
    """The training rows of a fold.

    Parameters
    ----------
    features : CheckedFeatures
    numbers : (n,) int array
        Numbers of the features' rows.
    y : array-like of shape (n,)
    sample_weight : array-like of shape (n,) or None
    """

    def __init__(self, features, numbers, y, sample_weight):
        self.features, self.numbers = features, np.asarray(numbers)
        self.y, self.sample_weight = y, sample_weight
        self._classes, self._labelled = None, {}
        check.check_rows(self.numbers, y)

    def batch_size(self, estimator):
        """Rows of a batch in the estimator's own fit."""
        if self._classes is None:
            self._classes = np.unique(check.check_y(estimator, self.y))
        return estimator._batch_size(len(self.numbers), len(self._classes))

    def labelled(self, index, weight):
        """:class:`LabelledRows` with class indices (n,), and weights or None."""
        key = None if weight is None else weight.tobytes()
        if key not in self._labelled:
            known = [None if v is None else self._spread(v) for v in (index, weight)]
            rows = LabelledRows(self.features.rows, *known, device=self.features.device)
            self._labelled[key] = rows.part(self.numbers).counted()
        return self._labelled[key]

    def _spread(self, values):
        whole = np.zeros(len(self.features.rows), values.dtype)
        whole[self.numbers] = values
        return whole


class InitializedFit:
    """A classifier before its first step.

    Parameters
    ----------
    estimator : classifier
        Gets ``net_`` and the other attributes that exist before training.
    rows : FoldRows

    Attributes
    ----------
    train, valid : LabelledRows
        ``valid`` is None without early stopping.
    """

    def __init__(self, estimator, rows):
        vars(estimator).update(rows.features.known)
        estimator._begin_anew()
        y = check.check_y(estimator, rows.y)
        estimator.classes_ = np.unique(y)
        known = rows.numbers, y, rows.sample_weight
        state = begin_fit(estimator, *known, rows.labelled)
        self.estimator, self.net = estimator, estimator.net_
        self.train, self.valid = state.train, state.valid
        self.n_epochs = state.n_epochs

    def with_batches_of(self, size):
        """The same fit with another batch size."""
        if size == self.net.batch_size:
            return self
        found = copy.copy(self)
        found.net = copy.copy(self.net)
        found.net.batch_size = size
        found.estimator = copy.copy(self.estimator)
        found.estimator.net_ = found.net
        found.n_epochs = epochs(found.estimator, self.train)
        return found

    def generator(self):
        """The generator from which training draws."""
        found = torch.Generator()
        found.set_state(self.estimator._generator_state)
        return found

    @property
    def stream(self):
        """A key that fits with the same random numbers share."""
        return self.estimator._generator_state.numpy().tobytes()

    @property
    def width(self):
        """Number of latent dimensions."""
        return self.net.module_.head.linear.weight.shape[0]

    @property
    def n_features(self):
        """Number of the head's inputs."""
        return self.net.module_.head.linear.weight.shape[1]

    @property
    def shape(self):
        """A key of fits that one JointTrainer can train, whatever their width."""
        layers = [layer.shape for layer in self.net.module_.hidden.parameters()]
        n_valid = self.valid is not None
        batches = n_batches(len(self.train), self.net.batch_size)
        n_features = self.features_shape
        sizes = len(self.net.classes), self.n_epochs, batches, n_features, n_valid
        return (*sizes, *layers)

    @property
    def features_shape(self):
        """The shape of one row of features."""
        return tuple(self.train.rows.shape[1:])


def taken(values, numbers):
    """The rows with these numbers of an array-like, DataFrame or sparse matrix."""
    return values if numbers is None else _safe_indexing(values, numbers)
