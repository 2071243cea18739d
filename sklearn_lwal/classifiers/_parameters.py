"""The parameters that all classifiers share: defaults and what they may be."""

import copy
import math
from dataclasses import KW_ONLY, dataclass
from functools import cache
from numbers import Integral, Real
from os import PathLike
from typing import Any

import numpy as np
import torch
from joblib import Memory
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval, Options, StrOptions
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from .._training.net import LabelNet
from .._utils.validation import OPTIMIZERS


@dataclass(eq=False, repr=False, match_args=False)
class SharedParameters:
    """See :class:`LwALClassifier` for what each of them means.

    A dataclass writes the ``__init__``, with every parameter in its signature, which
    only assigns. A subclass names what it adds or what has another default there, and
    is a dataclass with the same options and ``kw_only=True``.
    """

    backbone: Any = None
    _: KW_ONLY
    backbone_weights: Any = "DEFAULT"
    image_size: int | None = None
    freeze_backbone: bool = True
    memory: Any = None
    checkpoint_dir: Any = None
    backbone_lr: float | None = None
    recalibrate_batch_norm: bool = True
    augment: Any = None
    channels_last: bool = False
    n_workers: int = 0
    hidden_layer_sizes: Any = ()
    dropout: float = 0.1
    standardize: bool = True
    average: bool = True
    l2: float = 0.0
    max_epochs: int | str = "auto"
    lr: float = 1e-3
    optimizer: str | type = "adam"
    batch_size: int | str = "auto"
    early_stopping: bool = False
    validation_fraction: float = 0.1
    n_iter_no_change: int | float = 10
    tol: float = 1e-4
    class_weight: dict | str | None = None
    warm_start: bool = False
    random_state: Any = None
    verbose: int | bool = 0
    device: str | torch.device = "auto"
    precision: str = "float32"
    max_grad_norm: float | None = None
    compile: bool = False
    distributed: bool = False
    callbacks: list | None = None
    net_params: dict | None = None

    _parameter_constraints = {
        "backbone": [str, callable, None],
        "backbone_weights": [str, PathLike, None],
        "image_size": [Interval(Integral, 1, None, closed="left"), None],
        "memory": [str, PathLike, Memory, None],
        "checkpoint_dir": [str, PathLike, None],
        "freeze_backbone": ["boolean"],
        "backbone_lr": [Interval(Real, 0, None, closed="neither"), None],
        "recalibrate_batch_norm": ["boolean"],
        "augment": [callable, None],
        "channels_last": ["boolean"],
        "n_workers": [Interval(Integral, 0, None, closed="left")],
        "hidden_layer_sizes": [
            "array-like",
            Interval(Integral, 1, None, closed="left"),
        ],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "standardize": ["boolean"],
        "average": ["boolean"],
        "l2": [Interval(Real, 0, None, closed="left")],
        "max_epochs": [
            Interval(Integral, 1, None, closed="left"),
            StrOptions({"auto"}),
        ],
        "lr": [Interval(Real, 0, None, closed="neither")],
        "optimizer": [StrOptions(set(OPTIMIZERS)), callable],
        "batch_size": [
            Interval(Integral, 1, None, closed="left"),
            StrOptions({"auto"}),
        ],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [
            Interval(Integral, 1, None, closed="left"),
            Options(Real, {math.inf}),
        ],
        "tol": [Interval(Real, 0, None, closed="left")],
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
        "device": [str, torch.device],
        "precision": [StrOptions({"float32", "bfloat16"})],
        "max_grad_norm": [Interval(Real, 0, None, closed="neither"), None],
        "compile": ["boolean"],
        "distributed": ["boolean"],
        "callbacks": [list, None],
        "net_params": [dict, None],
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
