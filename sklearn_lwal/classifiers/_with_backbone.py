"""A backbone before the head, either frozen or trained.

The net trains on the features of a frozen backbone, and on images otherwise.
"""

from __future__ import annotations

import copy
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from typing_extensions import Self

from .._training.row_storage import first_of
from .._utils import validation as check
from .._utils.errors import memory_errors
from .._utils.files import as_path
from .._utils.fingerprint import identity_of
from .._utils.precision import check_fits_float
from .._utils.torch_state import in_known_state
from .._utils.typing import Column, Samples
from ..features._backbone import Backbone, as_backbone
from ..features._cache import FeatureStore
from ..features._images import (
    as_images,
    dataset_labels,
    extract,
    image_batches,
    is_dataset,
)
from ._parameters import FittedAttributes


class BackboneMixin(FittedAttributes):
    """Converts images to the inputs of the net; without backbone X are features."""

    @property
    def _trains_backbone(self):
        backbone = as_backbone(self.backbone)
        return backbone is not None and bool(backbone.trainable)

    def _of_backbone(self, name, default=None):
        """A parameter of the backbone, or the default without one."""
        backbone = as_backbone(self.backbone)
        return default if backbone is None else getattr(backbone, name)

    def set_params(self, **params: Any) -> Self:
        """Set parameters, also those of the backbone; see :meth:`get_params`."""
        given = params.get("backbone", self.backbone)
        nested = [name for name in params if name.startswith("backbone__")]
        if nested and not isinstance(given, Backbone):
            raise ValueError(
                f"{nested} are parameters of a Backbone, but backbone is {given!r}. "
                "Set backbone=Backbone(model) first."
            )
        return super().set_params(**params)

    def _check_backbone(self):
        if self.backbone is not None:
            as_backbone(self.backbone)._validate_params()
            check_fits_float("backbone__lr", self._of_backbone("lr"))

    def _training_features(self, X, y, reset):
        """Inputs of the net, and y, which may come from a Dataset."""
        if self.backbone is None:
            return X, y
        if reset:
            self._identity = None
            self._load_backbone()
        if y is None and is_dataset(X):
            y = dataset_labels(X)
        return self._features(X), y

    def _load_backbone(self, empty=False):
        # A search loads a frozen backbone before any fit has drawn a seed.
        seed = self._seed if self._trains_backbone else 0
        self.backbone_ = as_backbone(self.backbone).load(seed, empty)

    def _backbone_groups(self):
        """Parameter groups with their own learning rate."""
        # The rate is set when training begins, see :meth:`LabelNet.set_rate`.
        return [("backbone.*", {"of_backbone": True})] if self._trains_backbone else []

    @in_known_state
    def score(
        self,
        X: Samples,
        y: Column | None = None,
        sample_weight: Column | None = None,
    ) -> float:
        """Mean accuracy on X and y; a Dataset provides the labels if y is None."""
        if y is None and self.backbone is not None and is_dataset(X):
            y = dataset_labels(X)
        y = host_labels(y)
        with check.reading("y"):
            check.check_no_missing(y)
        return super().score(X, y, sample_weight)

    def _features(self, X):
        """Features or, if the backbone is trained, images."""
        if self.backbone is None:
            return X
        if self._trains_backbone:
            return as_images(X)
        with memory_errors("Lower image_size"):
            return self._extracted(X)

    def _encoded(self, images, device, dtype):
        """Batches of the trained backbone's features, computed in its precision."""
        for batch in image_batches(images, n_workers=self._of_backbone("n_workers")):
            yield self.net_.module_.encoded(batch.to(device)).to(dtype)

    @torch.no_grad()
    def _count_features(self, images):
        """Set the number of features by computing those of one image."""
        device = check.resolve_device(self.device)
        backbone = self.backbone_.to(device).eval()
        self.n_features_in_ = backbone(first_of(images)[None].to(device)).shape[1]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = self.backbone is None
        tags.input_tags.two_d_array = self.backbone is None
        tags.input_tags.three_d_array = self.backbone is not None
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def __getstate__(self):
        state = super().__getstate__()
        state.pop("_store", None)
        if self._backbone_in_net():
            # The pickled net includes the backbone.
            del state["backbone_"]
        return state

    def __setstate__(self, state):
        if torch.is_inference_mode_enabled():
            # Tensors created in inference mode cannot be trained.
            with torch.inference_mode(False):
                state = copy.deepcopy(state)
        super().__setstate__(state)
        if "net_" in state and "backbone_" not in state and self.backbone is not None:
            self.backbone_ = self.net_.module_.backbone

    def _backbone_in_net(self):
        backbone = getattr(self, "backbone_", None)
        return (
            backbone is not None
            and hasattr(self, "net_")
            and (self.net_.module_.backbone is backbone)
        )

    def _extracted(self, X):
        return extract(
            self.backbone_,
            as_images(X),
            device=check.resolve_device(self.device),
            n_workers=self._of_backbone("n_workers"),
            verbose=self.verbose,
            store=self._feature_store(),
        )

    def _feature_store(self):
        # A joblib.Memory has a location, unless it is disabled.
        memory = self._of_backbone("memory")
        location = getattr(memory, "location", None)
        if isinstance(memory, (str, PathLike)):
            location = as_path(memory)
        if location is None:
            return None
        if self._identity is None:
            self._identity = identity_of(self.backbone_)
        # This is joblib.Memory's own folder, so its clear() deletes the features, too.
        folder = Path(location) / "joblib" / "sklearn_lwal" / self._identity
        store = getattr(self, "_store", None)
        if store is None or store.folder != folder:
            self._store = store = FeatureStore(folder)
        return store


def host_labels(y):
    """Labels on the host, where scikit-learn compares them with predictions."""
    return y.detach().cpu().numpy() if isinstance(y, torch.Tensor) else y
