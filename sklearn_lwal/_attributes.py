"""What the parts of a classifier share: its parameters, and what fitting sets."""

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted
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

    classes_: NDArray
    n_features_in_: int
    feature_names_in_: NDArray
    backbone_: nn.Module
    net_: LabelNet
    _feature_sums: tuple[Tensor, Tensor]

    def _seen(self):
        """The fitted estimator as it stands, for a call that asks for several things.

        Another thread may publish others meanwhile, which it does in one step.
        """
        check_is_fitted(self)
        found = object.__new__(type(self))
        vars(found).update(vars(self))
        return found

    # Read from the net, so that they are those of its weights, whoever has set these.

    @property
    def _net(self):
        if "net_" not in vars(self):
            raise AttributeError(f"This {type(self).__name__} is not fitted yet.")
        return self.net_

    @property
    def labels_(self) -> NDArray[np.float32]:
        """The label representations."""
        return self._net.module_.head.labels.detach().cpu().numpy().copy()

    @property
    def history_(self) -> list[dict[str, Any]]:
        """A row an epoch."""
        rows = self._net.history.plain_rows()
        # An interrupted epoch has no loss.
        return [row for row in rows if "train_loss" in row]

    @property
    def n_iter_(self) -> int:
        """Number of epochs trained."""
        return len(self.history_) + self._net.history.n_forgotten
