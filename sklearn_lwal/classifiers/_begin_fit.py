"""The path from class labels to a network that is ready for its first step.

``fit``, ``partial_fit``, warm starts, resumed fits and searches all take it.
"""

from dataclasses import dataclass

from .._training.batches import LabelledRows, held_out, n_counted
from .._utils import validation as check
from .._utils.class_labels import encode
from .._utils.errors import memory_errors
from ._build import build_for_fit, continue_with


@dataclass
class FitState:
    """The rows of a fit, and how often it passes over them.

    Attributes
    ----------
    train : LabelledRows
    valid : LabelledRows or None
        Measured after each epoch.
    n_epochs : int
    is_partial : bool
        Whether this is a call of ``partial_fit``.
    """

    train: LabelledRows
    valid: LabelledRows | None
    n_epochs: int
    is_partial: bool = False


def begin_fit(
    clf,
    X,
    y,
    sample_weight,
    make_rows,
    *,
    make_valid=None,
    warm=False,
    is_partial=False,
    checkpoint=None,
):
    """Build the network, or go on with the one that is there, and start it.

    Parameters
    ----------
    clf : LabelLearningClassifier
        With its seeds and its classes; it gets ``net_``.
    X : (n, ...) array-like
        Its length is that of the weights.
    y : (n,) array
        Checked class labels.
    sample_weight : array-like of shape (n,) or None
    make_rows : callable
        From class indices (n,) and weights (n,) or None to :class:`LabelledRows`.
    make_valid : callable, optional
        From the training rows to those of ``eval_set``.
    warm : bool
        Whether the network has been trained before.
    is_partial : bool
        Whether this is a call of ``partial_fit``.
    checkpoint : Checkpoint, optional
        May hold the state of the network.

    Returns
    -------
    state : FitState
    """
    index, weight, class_weights = encode_targets(clf, X, y, sample_weight)
    check.check_two_classes(clf, clf.classes_)
    if not warm:
        saved = checkpoint and checkpoint.saved
        build_for_fit(clf, n_counted(index, weight), saved)
    continue_with(clf, class_weights, warm)
    with memory_errors("Pass fewer rows"):
        train, valid = make_rows(index, weight), None
        if make_valid is not None:
            valid = make_valid(train)
        elif clf.early_stopping and not is_partial:
            train, valid = held_out(train, clf.validation_fraction, clf._rng)
    if warm and not is_partial:
        clf.net_.restart_average()
    if not (checkpoint and checkpoint.restore(clf, train, valid)):
        clf._prepare(train, warm, is_partial)
    return FitState(train, valid, 1 if is_partial else epochs(clf, train), is_partial)


def epochs(clf, train):
    """Passes over the training rows in a fit."""
    return clf._n_epochs(len(train), clf.n_features_in_, clf.net_.batch_size)


def encode_targets(clf, X, y, sample_weight):
    """Class indices (n,), weights (n,) or None, and class weights or None."""
    index = encode(y, clf.classes_)
    class_weights = check.check_class_weight(
        clf.class_weight, clf.classes_, clf.classes_[index]
    )
    weight = check.check_weights(sample_weight, class_weights, X, index)
    return index, weight, class_weights
