"""The fitted state of a classifier: its parts, their types, and how they are read.

Files hold all of it, checkpoints some; a new fitted attribute is described here alone.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np
import torch

from .._utils.fingerprint import fingerprint, weights_of
from ..features._backbone import as_backbone
from ._net_state import STATE, net_state


class Part(NamedTuple):
    """A part of the fitted state: its type or types, and how a classifier gives it."""

    kinds: type | tuple[type, ...]
    read: Callable[[Any], Any]


def _optional(kind, name):
    return Part((kind, type(None)), lambda clf: getattr(clf, name, None))


def _feature_names(clf):
    names = getattr(clf, "feature_names_in_", None)
    return None if names is None else list(map(str, names))


def _random(clf):
    # None if it is the RandomState of the parameter: both must stay one object.
    return None if clf._rng is clf.random_state else clf._rng


def _augment(clf):
    described = clf._built_from["backbone__augment"]
    return None if described[0] == fingerprint(None) else list(described)


def _backbone(clf):
    """The origin of the backbone, and its weights or their hash."""
    if clf.backbone is None:
        return None
    backbone, model = as_backbone(clf.backbone), clf.backbone_.model
    own = not isinstance(backbone.model, str)
    found = {"own": type(model).__name__ if own else None}
    found["weights"] = found["hash"] = None
    if clf._trains_backbone:
        return found  # The network's tensors include the backbone's.
    if own or backbone.weights in ("DEFAULT", None):
        found["hash"] = weights_of(clf.backbone_)
    else:
        found["weights"] = dict(clf.backbone_.state_dict())
    return found


PARTS = {
    "classes": Part(np.ndarray, attrgetter("classes_")),
    "built_for": Part(int, attrgetter("_built_for")),
    "spread": _optional(tuple, "_spread_sums"),
    "n_features": Part(int, lambda clf: int(clf.n_features_in_)),
    "feature_names": Part((list, type(None)), _feature_names),
    "output": Part(
        (str, type(None)),
        lambda clf: getattr(clf, "_sklearn_output_config", {}).get("transform"),
    ),
    "seed": Part(int, attrgetter("_seed")),
    "random": Part((np.random.RandomState, type(None)), _random),
    "generator": Part(torch.Tensor, attrgetter("_generator_state")),
    "batch_size": Part(int, lambda clf: int(clf.net_.batch_size)),
    "feature_sums": _optional(tuple, "_feature_sums"),
    "units": _optional(tuple, "_units"),
    "rates": _optional(tuple, "_rates"),
    "augment": Part((list, type(None)), _augment),
    "backbone": Part((dict, type(None)), _backbone),
}
# Names and types of all parts, with those of the net.
KINDS = {name: part.kinds for name, part in PARTS.items()} | STATE


def fitted_state(clf):
    """All parts by name; the tensors are the classifier's own."""
    return {name: part.read(clf) for name, part in PARTS.items()} | net_state(clf.net_)
