"""Image models as feature extractors: torchvision's by name, or the user's modules."""

import copy
import difflib
from pathlib import Path
from pickle import UnpicklingError

import torch
from torch import nn

from .._utils.compat import OutOfMemoryError
from .._utils.files import as_path
from .._utils.rng import construct_seeded
from .._utils.torch_state import in_known_state

# Classes of ImageNet, on which torchvision's models are trained.
N_CLASSES = 1000
INSTALL = (
    "Backbones by name and ImageFeatures need torchvision, in the build that matches "
    "torch: pip install torchvision (which installs that torch, too). Everything else "
    "works without it."
)


def torchvision_models():
    """The module ``torchvision.models``.

    Raises
    ------
    ImportError
        If torchvision is missing or does not match torch.
    """
    try:
        from torchvision import models
    except Exception as error:  # A build for another torch fails in many ways.
        raise ImportError(f"{INSTALL} The import failed with: {error}") from error
    return models


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
    Backbone

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
        return _load_by_name(backbone, weights, image_size, seed, empty)
    if isinstance(backbone, nn.Module):
        # A copy, because it is moved between devices and put in evaluation mode.
        model = copy.deepcopy(backbone)
    else:
        model, _ = construct_seeded(seed, backbone)
    if not isinstance(model, nn.Module):
        raise ValueError(
            "The 'backbone' parameter must be the name of a torchvision model, an "
            "nn.Module or a function that returns one. Got a function that returned "
            f"{type(model).__name__}."
        )
    return Backbone(model, ImageInput(image_size))


def _load_by_name(name, weights, image_size, seed, empty):
    models = torchvision_models()
    known = models.list_models(module=models)
    if name not in known:
        close = difflib.get_close_matches(name.lower(), known, cutoff=0)
        raise ValueError(
            f"There is no torchvision model {name!r}. Close to it: {', '.join(close)}."
        )
    entry = models.get_model_weights(name).DEFAULT
    pretrained = weights is not None
    given = pretrained and not empty
    state = _state_dict(name, entry, weights) if given else None
    min_size = max(entry.meta.get("min_size", (1, 1)))
    model, _ = construct_seeded(
        seed, lambda: _build(models, name, pretrained, min_size)
    )
    layer = _classification_layer(name, model)
    _replace(model, layer, nn.Identity())
    if state is not None:
        _load_state(model, state, layer, name, weights)
    own = pretrained and image_size is None
    preset = entry.transforms()
    images = ImageInput(
        image_size,
        mean=preset.mean,
        std=preset.std,
        min_size=min_size,
        fixed=name.startswith(("vit_", "maxvit_")),
        preset=preset if own else None,
    )
    return Backbone(model, images)


def n_parameters(name):
    """Number of parameters of a torchvision model, or 0 if the name is unknown.

    The count includes the classification layer.
    """
    models = torchvision_models()
    if name not in models.list_models(module=models):
        return 0
    return models.get_model_weights(name).DEFAULT.meta["num_params"]


def _build(models, name, pretrained, min_size):
    """The model with random weights, without auxiliary outputs."""
    options = {}
    if name in ("inception_v3", "googlenet"):
        # Their weights expect another normalisation; transform_input converts to it.
        options = {"aux_logits": False, "transform_input": pretrained}
        options["init_weights"] = True
    elif name.startswith("vit_"):
        options = {"image_size": min_size}
    return models.get_model(name, weights=None, **options)


def _classification_layer(name, model):
    """The name of the last layer that has one output for each class."""
    last = None
    for path, module in model.named_modules():
        if isinstance(module, nn.Linear):
            outputs = module.out_features
        elif isinstance(module, nn.Conv2d):
            outputs = module.out_channels
        else:
            continue
        last = path if outputs == N_CLASSES else last
    if last is None:
        raise ValueError(f"{name} has no classification layer that could be replaced.")
    return last


def _replace(model, path, new):
    parent, _, child = path.rpartition(".")
    setattr(model.get_submodule(parent), child, new)


def _state_dict(name, entry, weights):
    """Pretrained weights, downloaded or from a file."""
    if weights == "DEFAULT":
        try:
            return entry.get_state_dict(progress=False, check_hash=True)
        except (OSError, RuntimeError, EOFError, UnpicklingError) as error:
            folder = Path(torch.hub.get_dir()) / "checkpoints"
            file = entry.url.rpartition("/")[2]
            raise ValueError(
                f"The weights of {name} could not be downloaded ({error}). Put "
                f"{entry.url} at {folder / file}, or pass the path of a file with its "
                "state dict as weights (a classifier's backbone_weights)."
            ) from error
    path = Path(as_path(weights))
    if not path.is_file():
        raise ValueError(
            f"The weights of {name} must be 'DEFAULT', None or the path of a file. "
            f"There is no file {str(path)!r}."
        )
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
        # Training scripts often nest the state dict and wrap the model.
        state = state.get("state_dict", state)
        return {key.removeprefix("module."): value for key, value in state.items()}
    except Exception as error:
        raise ValueError(
            f"{str(path)!r} holds no state dict that can be read: {error}"
        ) from error


def _load_state(model, state, layer, name, weights):
    """Load all weights except the classification layer and auxiliary outputs."""
    own = model.state_dict()
    outside = (f"{layer}.", "AuxLogits.", "aux1.", "aux2.")
    state = {k: v for k, v in state.items() if not k.startswith(outside)}
    try:
        model.load_state_dict(state, strict=True)
    except (RuntimeError, AttributeError) as error:
        missing = sorted(own.keys() - state.keys())[:3]
        surplus = sorted(state.keys() - own.keys())[:3]
        raise ValueError(
            f"The weights {str(weights)!r} do not fit {name} (missing, among others: "
            f"{missing}, not known: {surplus}): {error}"
        ) from error


class Backbone(nn.Module):
    """An image model that returns pooled features, (n, d).

    Parameters
    ----------
    model : nn.Module
        Returns (n, d) or (n, d, h, w).
    images : nn.Module
        Preprocesses batches for the model; see :class:`ImageInput`.
    """

    def __init__(self, model, images):
        super().__init__()
        self.model = model
        self.images = images
        self.channels_last = False

    def forward(self, x):
        prepared = self._prepared(x)
        if self.channels_last:
            prepared = prepared.contiguous(memory_format=torch.channels_last)
        dtypes = {p.dtype for p in self.model.parameters()}
        if len(dtypes) == 1:
            prepared = prepared.to(dtypes.pop())
        try:
            features = self.model(prepared)
        except OutOfMemoryError:
            raise
        except (RuntimeError, AssertionError) as error:
            raise ValueError(
                f"The backbone does not take a batch of images of shape "
                f"{tuple(prepared.shape)}: {error}"
            ) from error
        if isinstance(features, torch.Tensor) and features.ndim == 4:
            features = features.mean(dim=(2, 3))
        fits = isinstance(features, torch.Tensor) and features.ndim == 2
        # Tracing would turn this comparison into a fixed number of rows.
        if fits and not torch.compiler.is_compiling():
            fits = len(features) == len(prepared)
        if not fits:
            shape = getattr(features, "shape", type(features).__name__)
            raise ValueError(
                "A backbone must give features of shape (n, d) or (n, d, h, w). For a "
                f"batch of shape {tuple(prepared.shape)} it gave {shape}."
            )
        return features

    def _prepared(self, x):
        """The batch preprocessed for the model; a tensor or a list of images."""
        if isinstance(x, torch.Tensor):
            return self.images(x)
        images = [self.images(image[None]) for image in x]
        shapes = sorted({tuple(image.shape[2:]) for image in images})
        if len(shapes) > 1:
            raise ValueError(
                "The images of a batch must have one size after resizing. Set "
                f"image_size, or resize them in the Dataset. Got {shapes[0]}, "
                f"{shapes[1]} ..."
            )
        return torch.cat(images)


class ImageInput(nn.Module):
    """Preprocessing of images for a model: to RGB floats, resized and normalised.

    Takes (n, C, H, W) with C of 1 or 3, uint8 or float in [0, 1].

    Parameters
    ----------
    image_size : int or None
        Images are resized to squares of this side.
    mean, std : sequences of 3 floats, optional
        Statistics of the channels to normalise with; without them images stay in
        [0, 1].
    min_size : int, default=1
        Smaller images are enlarged to this.
    fixed : bool, default=False
        Whether all images are resized to ``min_size``, the only size of the model.
    preset : torchvision's ImageClassification, optional
        Determines how to resize and crop, instead of the sizes above.
    """

    def __init__(
        self,
        image_size=None,
        mean=None,
        std=None,
        min_size=1,
        fixed=False,
        preset=None,
    ):
        super().__init__()
        self.fixed = fixed
        self.image_size = image_size
        self.min_size = min_size
        self.preset = preset
        for name, values, default in (("mean", mean, 0.0), ("std", std, 1.0)):
            values = [default] * 3 if values is None else list(values)
            values = torch.tensor(values, dtype=torch.float32)
            self.register_buffer(name, values[:, None, None], persistent=False)

    def forward(self, x):
        if x.shape[1] == 1:
            x = x.expand(-1, 3, -1, -1)
        x = x if x.dtype == torch.uint8 else x.float()
        x = self._resized_by_preset(x) if self.preset is not None else x
        x = x / 255 if x.dtype == torch.uint8 else x
        size = self._size(x.shape[-2:])
        if size != tuple(x.shape[-2:]):
            x = nn.functional.interpolate(x, size, mode="bilinear", antialias=True)
        return (x - self.mean) / self.std

    def _resized_by_preset(self, x):
        """Resize and crop like the preset, whose normalisation cannot be exported."""
        from torchvision.transforms import functional

        preset = self.preset
        how = {"interpolation": preset.interpolation, "antialias": preset.antialias}
        x = functional.resize(x, preset.resize_size, **how)
        return functional.center_crop(x, preset.crop_size)

    def _size(self, size):
        if self.preset is not None:
            return tuple(size)
        if self.fixed:
            return (self.min_size,) * 2
        if self.image_size is not None:
            return (max(self.image_size, self.min_size),) * 2
        factor = max(1.0, self.min_size / min(size))
        return tuple(round(side * factor) for side in size)
