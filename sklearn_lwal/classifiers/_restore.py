"""Restoration of a classifier's net from a file, with its training state.

The sizes in a file are not trusted: before memory is allocated, its tensors are
compared with an outline of the network on torch's meta device, which uses none.
"""

from functools import partial

import numpy as np
import torch

from .._serialization.checks import check_tensors, check_unstored, wrong
from .._training.units import ColumnStatistics
from .._utils.rng import check_state, construct_seeded
from ._build import build_net, make_network
from ._net_state import set_net_state
from ._open_set import OpenSetMixin
from ._warm_start import built_from


def set_input_and_classes(clf, fitted):
    """Set what is known of X and y."""
    classes, names = fitted["classes"], fitted["feature_names"]
    known = classes.dtype != object or all(isinstance(name, str) for name in classes)
    fits = known and classes.ndim == 1 and len(classes) >= 2
    if not fits or not np.array_equal(np.unique(classes), classes):
        raise wrong("classes", classes)
    if not 2 <= fitted["built_for"] <= len(classes):
        raise wrong("number of classes at first", fitted["built_for"])
    clf._built_for = fitted["built_for"]
    clf.classes_, clf.n_features_in_ = classes, fitted["n_features"]
    if clf.n_features_in_ < 1:
        raise wrong("number of features", clf.n_features_in_)
    if names is not None:
        if len(names) != clf.n_features_in_ or {*map(type, names)} != {str}:
            raise wrong("feature names", names)
        clf.feature_names_in_ = np.array(names, dtype=object)
    if fitted["output"] is not None:
        if fitted["output"] not in ("default", "pandas", "polars"):
            raise wrong("output of transform", fitted["output"])
        clf.set_output(transform=fitted["output"])


def set_random(clf, fitted):
    """Set the seed and the state of the random numbers."""
    clf._seed, clf._rng = fitted["seed"], fitted["random"]
    if clf._rng is None:
        clf._rng = clf.random_state
    if not 0 <= clf._seed < 2**32 or not isinstance(clf._rng, np.random.RandomState):
        raise wrong("random state", (clf._seed, clf._rng))
    check_state(fitted["generator"])


def restore_net(clf, fitted):
    """Build the net of ``clf`` with the weights of the file.

    Parameters
    ----------
    clf : LabelLearningClassifier
        A classifier with its parameters and the fitted attributes that determine the
        structure of the net.
    fitted : dict
        The decoded fields of the fitted model, see ``_saved_state``.
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
