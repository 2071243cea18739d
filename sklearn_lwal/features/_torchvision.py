"""Models of torchvision by name, without their classification layer."""

import difflib
from pathlib import Path
from pickle import UnpicklingError

import torch
from torch import nn

from .._utils.files import as_path
from .._utils.rng import construct_seeded
from ._image_model import ImageInput, ImageModel

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


def load_by_name(name, weights, image_size, seed, empty):
    """The :class:`ImageModel` of a name; see :func:`load_backbone`."""
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
    return ImageModel(model, images)


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
                "state dict as weights."
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
