"""The net of a classifier as a file has it, weights and all that training goes on from.

Before anything of a size that a file claims is made, its tensors are held against an
outline of the network that has no memory (torch's meta device).
"""

import contextlib
from functools import partial

import torch

from .._serialization.checks import check_tensors, check_unstored, wrong
from .._serialization.file import DAMAGED
from .._training.units import ColumnStatistics
from .._utils.rng import construct_seeded
from ._build import build_net, make_network
from ._net_state import set_net_state
from ._open_set import OpenSetMixin
from ._warm_start import built_from
from .static_label import StaticLabelClassifier


def restore_net(clf, fitted):
    """Let ``clf`` have the net with the weights of the file.

    Parameters
    ----------
    clf : LabelLearningClassifier
        With its parameters and all fitted attributes that a net is built from.
    fitted : dict
        What ``_saving`` wrote of the fitted model, decoded.
    """
    stored = fitted["network"]
    if fitted["batch_size"] < 1:
        raise wrong("batch size", fitted["batch_size"])
    with _embeddings_of(clf, stored):
        with torch.device("meta"):
            outline, _ = construct_seeded(0, partial(make_network, clf))
        check_tensors(stored, outline, "network")
        check_unstored(outline)
        build_net(clf, fitted["batch_size"])
    set_net_state(clf.net_, fitted)


@contextlib.contextmanager
def _embeddings_of(clf, stored):
    """Let a :class:`StaticLabelClassifier` take the embeddings that it had."""
    if not isinstance(clf, StaticLabelClassifier):
        yield
        return
    kept, embeddings = clf.label_embeddings, stored.get("head.label_embeddings")
    if not isinstance(embeddings, torch.Tensor):
        raise ValueError(f"It has no label embeddings. {DAMAGED}")
    clf.label_embeddings = embeddings.numpy()
    try:
        yield
    finally:
        clf.label_embeddings = kept


def set_resumption(clf, fitted):
    """What :meth:`partial_fit` and a warm start look at, besides the net."""
    clf._built_from = built_from(clf)
    if fitted["augment"] is not None:
        # So that training does not go on without it.
        described = tuple(fitted["augment"])
        if [*map(type, described)] != [str, str]:
            raise wrong("augment", described)
        clf._built_from["augment"] = described
    n_classes = len(clf.classes_)
    width = clf.net_.module_.head.linear.weight.shape[1]
    if fitted["feature_sums"] is not None:
        shape = n_classes, width
        _check_sums(fitted["feature_sums"], "class sums", shape, torch.isfinite)
        clf._feature_sums = fitted["feature_sums"]
    rates = fitted["rates"]
    if rates is not None and rates != (clf.lr, clf.backbone_lr):
        # The optimizer has those of then, and takes others when training goes on.
        rates = None
    clf._rates = rates
    clf._units = None
    if fitted["units"] is not None:
        try:
            clf._units = ColumnStatistics.checked(fitted["units"], clf.n_features_in_)
        except (TypeError, ValueError) as error:
            raise wrong("statistics of the columns", fitted["units"]) from error
    if fitted["spread"] is not None:
        # Very large latents may have an infinite spread.
        _check_sums(fitted["spread"], "spread", (n_classes,), _at_least_0)
    if isinstance(clf, OpenSetMixin):
        clf._spread_sums = fitted["spread"]


def _check_sums(sums, what, shape, can_be):
    """Sums of something over the samples of the classes, and weights of the classes.

    ``can_be`` tells which numbers the sums may hold.
    """
    fits = all(isinstance(t, torch.Tensor) and t.is_floating_point() for t in sums)
    fits = fits and [tuple(t.shape) for t in sums] == [shape, shape[:1]]
    if not (fits and can_be(sums[0]).all() and _at_least_0(sums[1]).all()):
        raise wrong(what, sums)


def _at_least_0(numbers):
    return numbers >= 0
