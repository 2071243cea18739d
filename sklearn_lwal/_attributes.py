"""What the parts of a classifier share: its parameters, and what fitting sets."""

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from torch import Tensor, nn

from ._net import LabelNet
from ._parameters import SharedParameters


class FittedAttributes(SharedParameters, BaseEstimator):
    """Tells parts, and type checkers, what ``fit`` sets.

    Not a dataclass itself: what it names is no parameter.
    """

    @classmethod
    @cache
    def _get_param_names(cls):
        # scikit-learn reads the signature at each look, which is most of what a clone
        # costs.
        return super()._get_param_names()

    # Parameters that are numbers in the head's loss or scores, and nothing else.
    _numbers: tuple[str, ...] = ()

    @property
    def _extras(self) -> tuple[str, ...]:
        """What a training step computes only where it is asked for."""
        return tuple(name for name in self._numbers if getattr(self, name))

    labels_: NDArray[np.float32]
    classes_: NDArray
    n_features_in_: int
    feature_names_in_: NDArray
    backbone_: nn.Module
    history_: list[dict[str, Any]]
    n_iter_: int
    net_: LabelNet
    _feature_sums: tuple[Tensor, Tensor]
