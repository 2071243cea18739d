"""Restoration of a classifier's net from a file, with its training state.

The sizes in a file are not trusted: before memory is allocated, its tensors are
compared with an outline of the network on torch's meta device, which uses none.
"""

from functools import partial

import torch

from .._serialization.checks import check_tensors, check_unstored, wrong
from .._training.units import ColumnStatistics
from .._utils.rng import construct_seeded
from ._build import build_net, make_network
from ._net_state import set_net_state
from ._open_set import OpenSetMixin
from ._warm_start import built_from


def restore_net(clf, fitted):
    """Build the net of ``clf`` with the weights of the file.

    Parameters
    ----------
    clf : LabelLearningClassifier
        A classifier with its parameters and the fitted attributes that determine the
        structure of the net.
    fitted : dict
        The decoded fields of the fitted model, see ``_save._fitted``.
    """
    stored = fitted["network"]
    if fitted["batch_size"] < 1:
        raise wrong("batch size", fitted["batch_size"])
    with clf._params_as_fitted(stored):
        with torch.device("meta"):
            outline, _ = construct_seeded(0, partial(make_network, clf))
        check_tensors(stored, outline, "network")
        check_unstored(outline)
        build_net(clf, fitted["batch_size"])
    set_net_state(clf.net_, fitted)


def set_resumption(clf, fitted):
    """Set the attributes, besides the net, that further training depends on."""
    clf._built_from = built_from(clf)
    if fitted["augment"] is not None:
        # Training must not continue without the same augmentation.
        described = tuple(fitted["augment"])
        if [*map(type, described)] != [str, str]:
            raise wrong("augment", described)
        clf._built_from["backbone__augment"] = described
    n_classes = len(clf.classes_)
    width = clf.net_.module_.head.linear.weight.shape[1]
    if fitted["feature_sums"] is not None:
        shape = n_classes, width
        _check_sums(fitted["feature_sums"], "class sums", shape, torch.isfinite)
        clf._feature_sums = fitted["feature_sums"]
    rates = fitted["rates"]
    if rates is not None and rates != (clf.lr, clf._of_backbone("lr")):
        # The optimizer has the saved rates; None makes further training update them.
        rates = None
    clf._rates = rates
    clf._units = None
    if fitted["units"] is not None:
        try:
            clf._units = ColumnStatistics.checked(fitted["units"], clf.n_features_in_)
        except (TypeError, ValueError) as error:
            raise wrong("statistics of the columns", fitted["units"]) from error
    if fitted["spread"] is not None:
        # The spread of very large latents may be infinite.
        _check_sums(fitted["spread"], "spread", (n_classes,), _at_least_0)
    if isinstance(clf, OpenSetMixin):
        clf._spread_sums = fitted["spread"]


def _check_sums(sums, what, shape, can_be):
    """Check class sums of the given shape, and the weights of the classes.

    ``can_be`` says for each number whether the sums may hold it.
    """
    fits = all(isinstance(t, torch.Tensor) and t.is_floating_point() for t in sums)
    fits = fits and [tuple(t.shape) for t in sums] == [shape, shape[:1]]
    if not (fits and can_be(sums[0]).all() and _at_least_0(sums[1]).all()):
        raise wrong(what, sums)


def _at_least_0(numbers):
    return numbers >= 0
