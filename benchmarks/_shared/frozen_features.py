"""Frozen features of the data sets, read from the files that hold them.

``python -m benchmarks frozen_features`` writes ``DATA_ROOT/features/NAME.npz``, or
``NAME_BACKBONE.npz`` for a backbone that is not the first of its kind. The tables that
are bundled with scikit-learn are their own features, without a file.
"""

import os
from pathlib import Path

import numpy as np

from benchmarks._shared.backbones import sentence_encoder
from benchmarks._shared.datasets import class_names, find, load_table

# Names by kind of data; the first is the default.
BACKBONES = {
    "images": ("efficientnet_lite0", "resnet50", "efficientnet_b0", "densenet121"),
    "texts": ("minilm", "bert"),
    "table": (),
}


def default_backbone(dataset):
    """The name of the backbone; "pixels" for a table, which has none."""
    return (*BACKBONES[find(dataset).kind], "pixels")[0]


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
            f"{path} is missing; make it with `python -m benchmarks frozen_features "
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

    They are in the order of the class indices, and kept in
    ``DATA_ROOT/features/NAME_names.npy``.
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

    A program that is stopped therefore leaves no half of a file, which would be taken
    for the features.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # A file for each process, in the same folder: a file cannot be moved between disks
    # in one step.
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            write(file)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
