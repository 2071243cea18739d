"""A model before a classifier's head: its parameters, and how it is loaded."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from numbers import Integral, Real
from os import PathLike
from typing import Any

import torch
from joblib import Memory
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval
from torch import nn

from .._utils.rng import construct_seeded
from .._utils.torch_state import in_known_state
from ._image_model import ImageInput, ImageModel
from ._torchvision import load_by_name


@dataclass(eq=False, repr=False, match_args=False)
class Backbone(BaseEstimator):
    """An image model that computes a classifier's features, frozen or trained with it.

    It is handed to a classifier as ``backbone``, whose X are then images: an array or
    tensor of shape (n, H, W), (n, H, W, C) or (n, C, H, W) with C of 1 or 3, uint8 or
    float in [0, 1], or a torch Dataset of such images (C, H, W) or PIL images, with or
    without their labels.

    Parameters
    ----------
    model : str, nn.Module or callable
        Name of a classification model of ``torchvision.models``, whose last layer is
        removed; a module that takes float images (n, 3, H, W) in [0, 1] and returns
        (n, d), or (n, d, h, w), which is averaged over h and w; or a function that
        returns such a module.
    trainable : bool, default=False
        False: the features are computed once, in evaluation mode; then the head is
        trained on them. True: a copy of the model is trained together with the head,
        on each image once an epoch.
    weights : "DEFAULT", path or None, default="DEFAULT"
        Weights of a model by name: torchvision's own, which are downloaded at first
        use, a state dict in a file (.safetensors, or a file of ``torch.save``), or
        random ones, the same each time if the model is frozen.
    image_size : int or None, default=None
        Images are resized to squares of this side, in pixels. None with weights: images
        are resized, cropped and normalised by the weights' own transforms. None without
        weights: images keep their size, unless it is below the model's minimum.
        Vision transformers of torchvision accept one size only and ignore this.
    lr : float or None, default=None
        Learning rate of a trained model; None is the classifier's, but at most 1e-3.
        Without effect on a frozen model, like the next two parameters.
    augment : callable or None, default=None
        Applied to each training image before a trained model, such as a torchvision
        transform. It takes a tensor (C, H, W) on the device, as in X. The classifier's
        ``random_state`` determines its draws from torch's generators.
    recalibrate_batch_norm : bool, default=True
        Whether the batch-norm statistics of a trained model are plain averages over the
        training data, computed before the first step and again after the last one.
        Running averages, which ``partial_fit`` uses, are inaccurate after few steps.
    channels_last : bool, default=False
        Whether weights and images of the model lie in memory with their channels last,
        which is often faster.
    n_workers : int, default=0
        Number of processes that prefetch the images of a Dataset, or images that do not
        fit into the GPU's memory; 0 reads them in the main process.
    memory : path, joblib.Memory or None, default=None
        Folder of a cache for the features of a frozen model. Its keys are the pixels of
        each image and the weights of the model, so a grid search computes the features
        of each image once, for all folds and candidates. A folder that cannot be read
        or written causes a warning.

    See Also
    --------
    ImageFeatures : The same features from a transformer, for any classifier.

    Examples
    --------
    >>> from sklearn_lwal import Backbone, LwALClassifier
    >>> clf = LwALClassifier(Backbone("resnet18", trainable=True))
    >>> clf.set_params(backbone__lr=1e-4).backbone
    Backbone(lr=0.0001, model='resnet18', trainable=True)
    """

    model: str | nn.Module | Callable[[], nn.Module]
    _: KW_ONLY
    trainable: bool = False
    weights: Any = "DEFAULT"
    image_size: int | None = None
    lr: float | None = None
    augment: Callable[[torch.Tensor], torch.Tensor] | None = None
    recalibrate_batch_norm: bool = True
    channels_last: bool = False
    n_workers: int = 0
    memory: Any = None

    _parameter_constraints = {
        "model": [str, callable],
        "trainable": ["boolean"],
        "weights": [str, PathLike, None],
        "image_size": [Interval(Integral, 1, None, closed="left"), None],
        "lr": [Interval(Real, 0, None, closed="neither"), None],
        "augment": [callable, None],
        "recalibrate_batch_norm": ["boolean"],
        "channels_last": ["boolean"],
        "n_workers": [Interval(Integral, 0, None, closed="left")],
        "memory": [str, PathLike, Memory, None],
    }

    def load(self, seed: int = 0, empty: bool = False) -> ImageModel:
        """The torch module; see :func:`load_backbone` for the arguments and errors."""
        return load_backbone(
            self.model,
            self.weights,
            self.image_size,
            # Random weights of a frozen model are those of ImageFeatures.
            seed=seed if self.trainable else 0,
            channels_last=self.channels_last,
            empty=empty,
        )


def as_backbone(backbone):
    """A classifier's parameter as a :class:`Backbone`, or None if there is none."""
    if backbone is None or isinstance(backbone, Backbone):
        return backbone
    return Backbone(backbone)


@in_known_state
def load_backbone(
    backbone,
    weights="DEFAULT",
    image_size=None,
    seed=0,
    channels_last=False,
    empty=False,
):
    """An image model without its classification layer, in evaluation mode.

    Parameters
    ----------
    backbone : str, nn.Module or callable
        Name of a classification model of ``torchvision.models``, a module, or a
        function without arguments that returns one. A module takes float images
        (n, 3, H, W) in [0, 1] and returns features (n, d), or (n, d, h, w), which are
        averaged over h and w.
    weights : "DEFAULT", path or None, default="DEFAULT"
        Weights of a model by name: torchvision's own, a state dict in a file
        (.safetensors, or a file of ``torch.save``), or random ones, which ``seed``
        determines.
    image_size : int or None, default=None
        Images are resized to squares of this side. None with weights: images are
        transformed as the default weights require. None without weights: images keep
        their size, unless it is below the model's minimum.
    seed : int, default=0
    channels_last : bool, default=False
        Whether weights and images lie in memory with their channels last.
    empty : bool, default=False
        Whether to skip loading the weights of a model by name, because the caller
        replaces them; images are still preprocessed as for ``weights``.

    Returns
    -------
    ImageModel

    Raises
    ------
    ImportError
        If torchvision is needed and cannot be imported.
    ValueError
        If the name is unknown, or the weights cannot be loaded or do not fit.
    """
    found = _load(backbone, weights, image_size, seed, empty)
    if channels_last:
        found.channels_last = True
        found.to(memory_format=torch.channels_last)
    return found.eval()


def _load(backbone, weights, image_size, seed, empty):
    if isinstance(backbone, str):
        return load_by_name(backbone, weights, image_size, seed, empty)
    if isinstance(backbone, nn.Module):
        # A copy, because it is moved between devices and put in evaluation mode.
        model = copy.deepcopy(backbone)
    else:
        model, _ = construct_seeded(seed, backbone)
    if not isinstance(model, nn.Module):
        raise ValueError(
            "A backbone must be the name of a torchvision model, an nn.Module or a "
            "function that returns one. Got a function that returned "
            f"{type(model).__name__}."
        )
    return ImageModel(model, ImageInput(image_size))
