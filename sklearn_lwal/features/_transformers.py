"""Transformers that turn images and texts into features, for Pipelines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from numbers import Integral
from os import PathLike
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.utils._param_validation import Interval
from torch import nn
from typing_extensions import Self

from .._utils import validation as check
from .._utils.files import as_path
from .._utils.fingerprint import identity_of
from .._utils.torch_state import in_known_state
from .._utils.typing import FilePath, Samples
from ._backbone import load_backbone
from ._images import as_images, extract
from ._text_encoders import as_vectors, cut_off


class _FrozenFeatures(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Base of transformers that hold a pretrained model and learn nothing.

    The model is loaded at first use. A pickle leaves it out, because it can be loaded
    again.
    """

    def fit(self, X: Any, y: Any = None) -> Self:
        """Check the parameters; nothing is learned from X."""
        self._validate_params()
        check.resolve_device(self.device)
        return self

    def __getstate__(self):
        state = super().__getstate__()
        state.pop("_loaded", None)
        return state

    def _model(self):
        """The model for the current parameters, loaded if necessary."""
        key = self._model_key()
        if getattr(self, "_loaded", (None,))[0] != key:
            self._loaded = key, self._load()
        return self._loaded[1]

    def __sklearn_is_fitted__(self):
        return True

    @property
    def _n_features_out(self):
        # The attribute exists after the first transform; scikit-learn treats its
        # absence as not fitted.
        return self.n_features_out_

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.input_tags.two_d_array = False
        return tags


class ImageFeatures(_FrozenFeatures):
    """Pooled features of a pretrained image model.

    Parameters
    ----------
    model : str, nn.Module or callable, default="efficientnet_b0"
        Name of a classification model of ``torchvision.models``, whose last layer is
        removed; a module that takes float images (n, 3, H, W) in [0, 1] and returns
        (n, d), or (n, d, h, w), which is averaged over h and w; or a function that
        returns such a module.
    weights : "DEFAULT", path or None, default="DEFAULT"
        Weights of a model by name: torchvision's own, which are downloaded at first
        use, a state dict in a file (.safetensors, or a file of ``torch.save``), or
        random ones, the same each time.
    image_size : int or None, default=None
        Images are resized to squares of this side. None with weights: images are
        resized, cropped and normalised by the weights' own transforms. None without
        weights: images keep their size, unless it is below the model's minimum.
    batch_size : int, default=64
        Number of images in a batch.
    n_workers : int, default=0
        Number of processes that read a Dataset.
    device : str or torch.device, default="auto"
        "auto" is CUDA if available, else MPS, else the CPU.
    verbose : int, default=0
        1 shows a progress bar.

    Attributes
    ----------
    n_features_out_ : int
        Number of features, known after the first :meth:`transform`.

    See Also
    --------
    TextFeatures : The same for texts.
    LwALClassifier : Takes a ``backbone`` itself.

    Notes
    -----
    A pickle holds a model given by name without its weights, which are loaded again
    when they are needed.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn_lwal import ImageFeatures, LwALClassifier
    >>> images = np.random.default_rng(0).integers(256, size=(20, 32, 32, 3))
    >>> features = ImageFeatures("mobilenet_v3_small", weights=None)
    >>> pipeline = make_pipeline(features, LwALClassifier(random_state=0))
    >>> pipeline.fit(images.astype(np.uint8), np.arange(20) % 2).classes_
    array([0, 1])
    """

    _parameter_constraints = {
        "model": "no_validation",
        "weights": "no_validation",
        "image_size": [Interval(Integral, 1, None, closed="left"), None],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "n_workers": [Interval(Integral, 0, None, closed="left")],
        "device": [str, torch.device],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        model: str | nn.Module | Callable[[], nn.Module] = "efficientnet_b0",
        weights: FilePath | None = "DEFAULT",
        *,
        image_size: int | None = None,
        batch_size: int = 64,
        n_workers: int = 0,
        device: str | torch.device = "auto",
        verbose: int | bool = 0,
    ):
        self.model = model
        self.weights = weights
        self.image_size = image_size
        self.batch_size = batch_size
        self.n_workers = n_workers
        self.device = device
        self.verbose = verbose

    @in_known_state
    def transform(self, X: Samples) -> NDArray[np.float32]:
        """The features of the images, (n, d) float32.

        Parameters
        ----------
        X : array, tensor or Dataset of n images
            (n, H, W), (n, H, W, C) or (n, C, H, W) with C of 1 or 3, uint8 or float in
            [0, 1]; or a torch Dataset of such images (C, H, W) or PIL images, with or
            without labels.

        Returns
        -------
        features : ndarray of shape (n, d)

        Raises
        ------
        ValueError
            If X is none of these. If an image of a Dataset cannot be read, the message
            gives its path.
        """
        self._validate_params()
        features = extract(
            self._model(),
            as_images(X),
            device=check.resolve_device(self.device),
            batch_size=self.batch_size,
            n_workers=self.n_workers,
            verbose=self.verbose,
        )
        self.n_features_out_ = features.shape[1]
        return features

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags

    def _model_key(self):
        model = self.model
        if isinstance(model, nn.Module):
            model = identity_of(model)
        weights = self.weights
        path = Path(as_path(weights)) if weights else None
        if path and path.is_file():
            weights = str(weights), path.stat().st_mtime_ns
        return model, weights, self.image_size

    def _load(self):
        return load_backbone(self.model, self.weights, self.image_size)


class Encoder(Protocol):
    """A text encoder with the interface of sentence-transformers."""

    def encode(self, texts: list[str], /, **options: Any) -> Any:
        """The vectors of the texts, (n, d)."""


class TextFeatures(_FrozenFeatures):
    """Sentence vectors of a pretrained text model.

    Parameters
    ----------
    model : str, path or encoder, default="sentence-transformers/all-MiniLM-L6-v2"
        The name or the folder of a model for sentence-transformers (which also loads
        models of transformers, with mean pooling), or an object with such an
        ``encode`` method.
    max_length : int or None, default=None
        Number of tokens that texts are truncated to; None takes the model's own limit
        (256 for all-MiniLM-L6-v2).
    normalize : bool, default=False
        Whether the vectors are scaled to length 1.
    batch_size : int, default=64
        Number of texts in a batch; sentence-transformers sorts texts by length to
        avoid padding.
    device : str or torch.device, default="auto"
        "auto" is CUDA if available, else MPS, else the CPU.
    verbose : int, default=0
        1 shows a progress bar.

    Attributes
    ----------
    n_features_out_ : int
        Number of features, known after the first :meth:`transform`.

    See Also
    --------
    ImageFeatures : The same for images.

    Notes
    -----
    Needs the extra ``text`` (sentence-transformers). A pickle holds a model given by
    name without its weights.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn_lwal import LwALClassifier, TextFeatures
    >>> pipeline = make_pipeline(TextFeatures(), LwALClassifier())
    """

    _parameter_constraints = {
        "model": "no_validation",
        "max_length": [Interval(Integral, 1, None, closed="left"), None],
        "normalize": ["boolean"],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "device": [str, torch.device],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        model: FilePath | Encoder = "sentence-transformers/all-MiniLM-L6-v2",
        *,
        max_length: int | None = None,
        normalize: bool = False,
        batch_size: int = 64,
        device: str | torch.device = "auto",
        verbose: int | bool = 0,
    ):
        self.model = model
        self.max_length = max_length
        self.normalize = normalize
        self.batch_size = batch_size
        self.device = device
        self.verbose = verbose

    @in_known_state
    def transform(self, X: Sequence[str] | NDArray) -> NDArray[np.float32]:
        """The vectors of the texts, (n, d) float32.

        Parameters
        ----------
        X : sequence of n str
            A list, an array or a Series.

        Returns
        -------
        features : ndarray of shape (n, d)
        """
        self._validate_params()
        texts = check_texts(X)
        with cut_off(self._model(), self.max_length) as model:
            features = model.encode(
                texts,
                batch_size=self.batch_size,
                device=str(check.resolve_device(self.device)),
                normalize_embeddings=self.normalize,
                show_progress_bar=bool(self.verbose),
                convert_to_numpy=True,
            )
        features = as_vectors(features, len(texts))
        self.n_features_out_ = features.shape[1]
        return features

    def _model_key(self):
        named = isinstance(self.model, (str, PathLike))
        return str(self.model) if named else id(self.model)

    def _load(self):
        named = isinstance(self.model, (str, PathLike))
        return _sentence_transformer(self.model) if named else self.model

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        return tags


def _sentence_transformer(name):
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise ImportError(
            "TextFeatures needs sentence-transformers: pip install "
            "sentence-transformers"
        ) from error
    try:
        return SentenceTransformer(str(name), device="cpu")
    except (OSError, ValueError) as error:
        raise ValueError(
            f"The text model {str(name)!r} could not be loaded: {error}. Pass the "
            "folder of an existing model, or a name that can be downloaded."
        ) from error


def check_texts(X):
    """The texts as a list of str.

    Raises
    ------
    ValueError
        If X is a single text, is not one-dimensional, or contains anything but texts.
    """
    if isinstance(X, str):
        raise ValueError("Texts are a sequence of str. Got a single str: pass [text].")
    texts = np.asarray(X, dtype=object)
    if texts.ndim == 2 and texts.shape[1] == 1:
        texts = texts[:, 0]
    if texts.ndim != 1 or len(texts) == 0:
        raise ValueError(f"Texts are a sequence of n str. Got shape {texts.shape}.")
    wrong = [i for i, text in enumerate(texts) if not isinstance(text, str)]
    if wrong:
        kind = type(texts[wrong[0]]).__name__
        raise ValueError(f"Texts are a sequence of str. Number {wrong[0]} is a {kind}.")
    return texts.tolist()
