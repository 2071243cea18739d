"""Batches of images from memory or a Dataset, and their features."""

import bisect
import contextlib
import itertools
import threading
from os import PathLike

import numpy as np
import torch
from torch.utils.data import (
    ConcatDataset,
    DataLoader,
    Dataset,
    Subset,
    TensorDataset,
)

from .._training.batches import READ_ONCE_IMAGES
from .._training.progress import progress_bar
from .._training.row_storage import in_own_stream
from .._utils.precision import as_tensor
from .._utils.rng import own_stream
from .._utils.torch_state import in_known_state
from .._utils.validation import reading

# Threads take turns, because a backbone is moved to the device and back.
_ON_DEVICE = threading.RLock()
TAKES = (
    "Images are (n, H, W), (n, H, W, C) or (n, C, H, W) with C of 1 or 3, uint8 or "
    "float in [0, 1], or a torch Dataset of such images (C, H, W) or PIL images"
)


def is_dataset(X):
    """Whether X is a torch Dataset with a length."""
    return isinstance(X, Dataset) and hasattr(X, "__len__")


def check_images(X):
    """Images as an (n, C, H, W) tensor that shares the memory of X.

    Raises
    ------
    ValueError
        If the shape, the dtype or the values do not fit images.
    """
    with reading("X"):
        return _checked_images(X)


def _checked_images(X):
    as_array = not isinstance(X, torch.Tensor)
    X = _array_as_tensor(X) if as_array else X.detach()
    images = _channels_first(X, as_array)
    if images is None or images.shape[1] not in (1, 3) or 0 in images.shape:
        raise ValueError(f"{TAKES}. Got shape {tuple(X.shape)}.")
    if images.is_floating_point():
        _check_values(images)
    elif images.dtype != torch.uint8:
        raise ValueError(f"{TAKES}. Got a tensor of {images.dtype}.")
    return images


def _array_as_tensor(X):
    X = _as_array(X)
    first = X.flat[0] if X.size else None
    if isinstance(first, (str, bytes, PathLike)):
        raise ValueError(
            f"{TAKES}. Got paths or other texts: pass a Dataset that reads the files, "
            "such as torchvision.datasets.ImageFolder."
        )
    if X.dtype != np.uint8 and X.dtype.kind != "f":
        raise ValueError(f"{TAKES}. Got an array of dtype {X.dtype}.")
    if X.dtype.kind == "f" and X.dtype not in (np.float16, np.float32, np.float64):
        X = X.astype(np.float32)
    return as_tensor(np.ascontiguousarray(X) if min(X.strides, default=0) < 0 else X)


def _channels_first(X, as_array):
    """The images as (n, C, H, W), or None if X does not have such dimensions."""
    if X.ndim == 3 and X.shape[2] in (1, 3):
        # This may be a single image (H, W, C), whose rows would count as images.
        raise ValueError(
            f"{TAKES}. Got shape {tuple(X.shape)}: pass a single image as X[None], "
            f"grey images that are {X.shape[2]} pixels wide as X[:, None]."
        )
    if X.ndim == 3:
        return X[:, None]
    if X.ndim != 4:
        return None
    first, last = X.shape[1] in (1, 3), X.shape[3] in (1, 3)
    # If both fit, tensors have their channels first and arrays last.
    return X if first and not (last and as_array) else X.permute(0, 3, 1, 2)


def _as_array(X):
    try:
        return np.asarray(X)
    except ValueError as error:
        raise ValueError(
            f"{TAKES}. Images of several sizes must come as a Dataset: {error}"
        ) from error


def _check_values(images):
    # In parts, because a reduction of images with channels last makes a copy.
    parts = images.split(READ_ONCE_IMAGES)
    low = min(part.min().item() for part in parts)
    high = max(part.max().item() for part in parts)
    # Resizing may exceed the range by rounding errors.
    if not (low >= -1e-3 and high <= 1 + 1e-3):
        raise ValueError(
            f"{TAKES}. Got {images.dtype} images with values from {low:g} to {high:g}; "
            "divide them by their largest possible value or make them uint8, and leave "
            "normalisation to the backbone."
        )


class ImagesOnly(Dataset):
    """The images of a data set as (C, H, W) tensors, without their labels."""

    def __init__(self, dataset):
        self.dataset = dataset

    def __len__(self):
        return len(self.dataset)

    def __getitem__(self, i):
        try:
            item = self.dataset[i]
            image = item[0] if isinstance(item, (tuple, list)) else item
            if not isinstance(image, (torch.Tensor, np.ndarray)):
                image = _pixels(image)
            if image.ndim == 2:
                image = image[None]
            return check_images(image[None])[0]
        except Exception as error:
            raise ValueError(f"Sample {i}{_path(self.dataset, i)}: {error}") from error


def _pixels(image):
    """The pixels of a PIL image, (H, W) or (H, W, 3) uint8."""
    if not hasattr(image, "mode"):
        raise ValueError(
            "A Dataset must give images or tuples that begin with one: tensors, arrays "
            f"or PIL images. Got {type(image).__name__}."
        )
    if image.mode.startswith(("I", "F")):
        raise ValueError(f"PIL images of mode {image.mode} are not supported.")
    return np.array(image.convert("L" if image.mode in ("1", "L") else "RGB"))


def _path(dataset, i):
    """The file of a sample for an error message, if the data set knows it."""
    while isinstance(dataset, (Subset, ConcatDataset)):
        if isinstance(dataset, Subset):
            dataset, i = dataset.dataset, dataset.indices[i]
            continue
        part = bisect.bisect_right(dataset.cumulative_sizes, i)
        i -= dataset.cumulative_sizes[part - 1] if part else 0
        dataset = dataset.datasets[part]
    samples = getattr(dataset, "samples", None)
    return f" ({samples[i][0]})" if samples else ""


def as_images(X):
    """Images as a tensor, or as a Dataset of tensors (C, H, W)."""
    if is_dataset(X) and len(X) == 0:
        raise ValueError(f"{TAKES}. Got a Dataset without images.")
    return ImagesOnly(X) if is_dataset(X) else check_images(X)


def image_batches(images, batch_size=READ_ONCE_IMAGES, n_workers=0):
    """Batches (n, C, H, W), in order; images of different sizes are not mixed.

    ``images`` come from :func:`as_images`.
    """
    if isinstance(images, torch.Tensor):
        yield from images.split(batch_size)
        return
    loader = DataLoader(
        images,
        batch_size,
        num_workers=n_workers,
        collate_fn=list,
        generator=torch.Generator(),
    )
    for batch in in_own_stream(loader, torch.Generator()):
        for _, same in itertools.groupby(batch, key=lambda x: (x.shape, x.dtype)):
            yield torch.stack(list(same))


# Labels that the ``__getitem__`` of these classes reads, before target_transform.
STORED = {
    "torchvision.datasets.cifar.CIFAR10": lambda data: data.targets,
    "torchvision.datasets.folder.DatasetFolder": lambda data: [
        t for _, t in data.samples
    ],
    "torchvision.datasets.mnist.MNIST": lambda data: [int(t) for t in data.targets],
    "torchvision.datasets.usps.USPS": lambda data: [int(t) for t in data.targets],
}


def dataset_labels(dataset):
    """The labels of a data set of pairs (image, label), (n,).

    Raises
    ------
    ValueError
        If the data set returns images only.
    """
    if _reader(dataset) is ConcatDataset:
        return np.concatenate([dataset_labels(part) for part in dataset.datasets])
    with own_stream(torch.Generator()):
        found = _stored_labels(dataset)
        if found is None:
            found = np.asarray([_label(dataset, i) for i in range(len(dataset))])
        return found


def _stored_labels(dataset):
    """The labels without reading the images, or None if the data set is unknown.

    A subclass with its own ``__getitem__`` counts as unknown, because it may not
    return the stored labels.
    """
    reader = _reader(dataset)
    if reader is Subset:
        found = _stored_labels(dataset.dataset)
        return None if found is None else found[np.asarray(dataset.indices, int)]
    if reader is TensorDataset and len(dataset.tensors) > 1:
        return dataset.tensors[1].cpu().numpy()
    stored = STORED.get(f"{reader.__module__}.{reader.__qualname__}")
    if stored is None:
        return None
    labels, change = stored(dataset), dataset.target_transform
    return np.asarray([change(t) for t in labels] if change else labels)


def _reader(dataset):
    """The class whose ``__getitem__`` reads the items."""
    return next(kind for kind in type(dataset).__mro__ if "__getitem__" in vars(kind))


def _label(dataset, i):
    try:
        item = dataset[i]
    except Exception as error:
        raise ValueError(f"Sample {i}{_path(dataset, i)}: {error}") from error
    if not isinstance(item, (tuple, list)) or len(item) < 2:
        raise ValueError("The Dataset gives images without labels. Pass labels as y.")
    return item[1]


@contextlib.contextmanager
def _moved(backbone, device):
    with _ON_DEVICE:
        try:
            yield backbone.to(device).eval()
        finally:
            # Back to the host, so that a pickle of the model loads without a GPU.
            backbone.cpu()


@in_known_state
@torch.inference_mode()
def extract(
    backbone,
    images,
    *,
    device,
    batch_size=READ_ONCE_IMAGES,
    n_workers=0,
    verbose=0,
    store=None,
):
    """The backbone's features of the images, (n, d) float32, in evaluation mode.

    ``images`` come from :func:`as_images`. ``store`` is a :class:`FeatureStore` that
    provides the features of images seen before.
    """
    features, filled, n_samples = None, 0, len(images)

    def compute(batch):
        return backbone(batch.to(device)).float().cpu().numpy()

    with (
        _moved(backbone, device),
        progress_bar(n_samples, "image", bool(verbose)) as bar,
        store.opened() if store else contextlib.nullcontext(),
    ):
        for batch in image_batches(images, batch_size, n_workers):
            part = store.get(batch, compute) if store else compute(batch)
            if features is None:
                # One array for all features. Small arrays that outlive the batches
                # between them fragment the heap, up to the size of the data set.
                features = np.empty((n_samples, *part.shape[1:]), part.dtype)
            features[filled : filled + len(part)] = part
            filled += len(part)
            bar.update(len(batch))
    return features
