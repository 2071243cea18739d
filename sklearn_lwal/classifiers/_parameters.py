"""The parameters that all classifiers share: defaults and what they may be."""

import copy
import inspect
import math
from dataclasses import dataclass, field
from functools import cache
from numbers import Integral, Real
from os import PathLike
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval, Options, StrOptions
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn
from typing_extensions import dataclass_transform

from .._training.net import LabelNet
from .._utils.validation import OPTIMIZERS
from ..features._backbone import Backbone


@dataclass_transform(kw_only_default=True)
def parameters(cls):
    """Make a class a dataclass whose attributes are the parameters of an estimator.

    The dataclass writes the ``__init__``, which only assigns. In its signature the
    class's own parameters come before those that it inherits.
    """
    options = {"eq": False, "repr": False, "match_args": False}
    inherited = {*getattr(cls, "__dataclass_fields__", ())}
    cls = dataclass(cls, kw_only=True, **options)
    signature = inspect.signature(cls.__init__)
    by_place = sorted(
        signature.parameters.values(), key=lambda p: (p.kind, p.name in inherited)
    )
    cls.__init__.__signature__ = signature.replace(parameters=by_place)
    return cls


@parameters
class SharedParameters:
    """See :class:`LwALClassifier` for what each of them means.

    A subclass names what it adds or what has another default there, and is decorated in
    the same way.
    """

    backbone: Any = field(default=None, kw_only=False)
    hidden_layer_sizes: Any = ()
    dropout: float = 0.1
    standardize: bool = True
    average: bool = True
    l2: float = 0.0
    class_weight: dict | str | None = None
    max_epochs: int | str = "auto"
    lr: float = 1e-3
    batch_size: int | str = "auto"
    optimizer: str | type = "adam"
    max_grad_norm: float | None = None
    early_stopping: bool = False
    validation_fraction: float = 0.1
    n_iter_no_change: int | float = 10
    tol: float = 1e-4
    warm_start: bool = False
    checkpoint_dir: Any = None
    random_state: Any = None
    verbose: int | bool = 0
    callbacks: list | None = None
    net_params: dict | None = None
    device: str | torch.device = "auto"
    precision: str = "float32"
    compile: bool = False
    distributed: bool = False

    _parameter_constraints = {
        "backbone": [str, callable, Backbone, None],
        "hidden_layer_sizes": [
            "array-like",
            Interval(Integral, 1, None, closed="left"),
        ],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "standardize": ["boolean"],
        "average": ["boolean"],
        "l2": [Interval(Real, 0, None, closed="left")],
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "max_epochs": [
            Interval(Integral, 1, None, closed="left"),
            StrOptions({"auto"}),
        ],
        "lr": [Interval(Real, 0, None, closed="neither")],
        "batch_size": [
            Interval(Integral, 1, None, closed="left"),
            StrOptions({"auto"}),
        ],
        "optimizer": [StrOptions(set(OPTIMIZERS)), callable],
        "max_grad_norm": [Interval(Real, 0, None, closed="neither"), None],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [
            Interval(Integral, 1, None, closed="left"),
            Options(Real, {math.inf}),
        ],
        "tol": [Interval(Real, 0, None, closed="left")],
        "warm_start": ["boolean"],
        "checkpoint_dir": [str, PathLike, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
        "callbacks": [list, None],
        "net_params": [dict, None],
        "device": [str, torch.device],
        "precision": [StrOptions({"float32", "bfloat16"})],
        "compile": ["boolean"],
        "distributed": ["boolean"],
    }


class FittedAttributes(SharedParameters, BaseEstimator):
    """Names the attributes that ``fit`` sets, for mixins and type checkers.

    It is no dataclass, so these names are no parameters.
    """

    @classmethod
    @cache
    def _get_param_names(cls):
        # scikit-learn inspects the signature each time, most of the cost of a clone.
        return super()._get_param_names()

    # Parameters that enter the head's loss or scores as numbers alone.
    _stackable_params: tuple[str, ...] = ()

    @property
    def _active_terms(self) -> tuple[str, ...]:
        """Terms of the loss that the parameters switch on."""
        return tuple(name for name in self._stackable_params if getattr(self, name))

    classes_: NDArray
    n_features_in_: int
    feature_names_in_: NDArray
    backbone_: nn.Module
    net_: LabelNet
    _feature_sums: tuple[Tensor, Tensor]

    def __copy__(self):
        """A copy that shares all attributes, without a detour over pickle's state."""
        found = type(self).__new__(type(self))
        vars(found).update(vars(self))
        return found

    def _seen(self):
        """The fitted estimator as it stands, for a call that reads several attributes.

        Another thread may publish new ones meanwhile, all of them in one step.
        """
        check_is_fitted(self)
        return copy.copy(self)

    # These are read from the net, so they always belong to its current weights.

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
