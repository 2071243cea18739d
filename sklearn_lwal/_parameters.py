"""The parameters that all classifiers share: defaults and what they may be."""

import math
from dataclasses import KW_ONLY, dataclass
from numbers import Integral, Real
from os import PathLike
from typing import Any

import torch
from joblib import Memory
from sklearn.utils._param_validation import Interval, Options, StrOptions

from ._validation import OPTIMIZERS


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
