"""Training that goes on (warm start, ``partial_fit``) keeps to what it began with."""

import reprlib

import numpy as np

from .._utils.class_labels import plain, same_labels
from .._utils.fingerprint import fingerprint
from .._utils.validation import check_no_missing, reading
from ..features._backbone import Backbone, as_backbone

# Parameters that may change between two calls that train the same model.
FREE = frozenset(
    [
        "max_epochs",
        "lr",
        "backbone__lr",
        "early_stopping",
        "validation_fraction",
        "n_iter_no_change",
        "tol",
        "class_weight",
        "warm_start",
        "random_state",
        "verbose",
        "callbacks",
        "backbone__memory",
        "backbone__n_workers",
        "checkpoint_dir",
        "max_grad_norm",
        "compile",
        "distributed",
    ]
)


def built_from(estimator):
    """The parameters that shape the model, by name, as ``(hash, words)``."""
    return described(estimator, FREE)


def described(estimator, left_out):
    """Hashes that tell whether parameters have changed, and words for messages.

    Returns a dict of str to ``(hash, words)``; a backbone's parameters are called as in
    ``set_params``.
    """
    parameters = estimator.get_params(deep=False)
    # A subclass with an ``__init__`` of its own may not have the parameter.
    backbone = as_backbone(parameters.pop("backbone", None)) or Backbone(None)
    for name, value in backbone.get_params(deep=False).items():
        parameters[f"backbone__{name}"] = value
    return {k: _described(v) for k, v in parameters.items() if k not in left_out}


def changed_parameters(estimator, before):
    """Names of the parameters for which :func:`built_from` is not ``before``."""
    now = built_from(estimator)
    return [name for name in now if now[name][0] != before[name][0]]


def check_unchanged(estimator, before):
    """Raise a ValueError where there are :func:`changed_parameters`."""
    changed = changed_parameters(estimator, before)
    if changed:
        words = ", ".join(before[name][1] for name in changed)
        raise ValueError(
            f"A model that goes on training can not change {changed}: it was built "
            f"with {words}. Set warm_start=False and call fit to start anew."
        )


def check_same_classes(labels, classes):
    """A model that goes on training keeps its classes."""
    with reading("classes"):
        check_no_missing(labels, "classes")
        labels = np.unique(labels)
    if not same_labels(labels, classes):
        raise ValueError(
            "A fitted model can only go on training with the classes it has, "
            f"{plain(classes)}. Got {plain(labels)}. Set "
            "warm_start=False and call fit to start anew."
        )


def _described(value):
    return fingerprint(value), reprlib.repr(value)
