"""Writes made-up data in the layouts that the benchmarks read."""

import json
import pickle
from itertools import chain

from PIL import Image


def write_jpeg(path, colour, size=(80, 60)):
    """Write an image of one colour, which JPEG keeps but for rounding."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path, "JPEG", quality=95)


def write_idx(path, array):
    """Write the format of MNIST: type and dimensions, sizes, bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sizes = b"".join(n.to_bytes(4, "big") for n in array.shape)
    path.write_bytes(bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes())


def write_pickle(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(content))


def write_tables(root, name, train, test, labels=None):
    folder = root / "text" / name
    folder.mkdir(parents=True)
    for part, rows in (("train", train), ("test", test)):
        lines = ["text\tlabel", *("\t".join(row) for row in rows)]
        (folder / f"{part}.tsv").write_text("\n".join(lines) + "\n")
    if labels is not None:
        (folder / "labels.txt").write_text("\n".join(labels) + "\n")


def write_food(root):
    """Write two classes, not in the order of their names; return the root."""
    folder = root / "food-101"
    parts = {
        "train": {"pho": ["pho/3", "pho/1"], "apple_pie": ["apple_pie/7"]},
        "test": {"pho": ["pho/2"], "apple_pie": ["apple_pie/8", "apple_pie/9"]},
    }
    for part, images in parts.items():
        (folder / "meta").mkdir(parents=True, exist_ok=True)
        (folder / "meta" / f"{part}.json").write_text(json.dumps(images))
        for image in chain(*images.values()):
            number = int(image[-1])
            write_jpeg(folder / "images" / f"{image}.jpg", (20 * number, 100, 0))
    return root
