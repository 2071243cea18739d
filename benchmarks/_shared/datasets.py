"""The data sets of the benchmarks, as they lie on disk below DATA_ROOT.

========================  ==========================================================
mnist, fashion_mnist      ``MNIST/raw``, ``FashionMNIST/raw``
cifar10                   ``cifar10.npz``, else ``cifar-10-batches-py``
cifar100                  ``cifar-100-python``
food101                   ``food-101/images``, ``food-101/meta``
awa2                      ``Animals_with_Attributes2/JPEGImages``
yelp                      ``yelp_polarity_csv`` or ``yelp_review_polarity_csv``
the other texts           ``text/NAME/{train,test}.tsv`` or ``.jsonl``
digits, breast_cancer     bundled with scikit-learn
========================  ==========================================================
"""

import json
import pickle
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.model_selection import train_test_split
from tqdm import tqdm

from sklearn_lwal.structure import paper_distances


@dataclass(frozen=True)
class Dataset:
    """The printed title of a data set, its kind and its number of classes.

    ``kind`` is "images", "texts" or "table".
    """

    title: str
    kind: str
    n_classes: int


DATASETS = {
    "mnist": Dataset("MNIST", "images", 10),
    "fashion_mnist": Dataset("Fashion-MNIST", "images", 10),
    "cifar10": Dataset("CIFAR-10 (JPEG copies)", "images", 10),
    "cifar100": Dataset("CIFAR-100", "images", 100),
    "food101": Dataset("Food-101", "images", 101),
    "awa2": Dataset("AwA2, 23 classes", "images", 23),
    "imdb": Dataset("IMDB", "texts", 2),
    "yelp": Dataset("Yelp polarity", "texts", 2),
    "banking77": Dataset("Banking77", "texts", 77),
    "trec": Dataset("TREC", "texts", 6),
    "20newsgroups": Dataset("20 newsgroups", "texts", 20),
    "digits": Dataset("digits", "table", 10),
    "breast_cancer": Dataset("breast cancer", "table", 2),
}
TORCHVISION = {
    "mnist": ("MNIST", "MNIST/raw"),
    "fashion_mnist": ("FashionMNIST", "FashionMNIST/raw"),
    "cifar10": ("CIFAR10", "cifar-10-batches-py"),
    "cifar100": ("CIFAR100", "cifar-100-python"),
}
AWA2_URL = "https://cvml.ista.ac.at/AwA2/AwA2-data.zip"
YELP_URL = "https://s3.amazonaws.com/fast-ai-nlp/yelp_review_polarity_csv.tgz"
YELP_FOLDERS = ("yelp_polarity_csv", "yelp_review_polarity_csv")
TEXT_SOURCES = {
    "imdb": "https://ai.stanford.edu/~amaas/data/sentiment/",
    "banking77": "https://github.com/PolyAI-LDN/task-specific-datasets",
    "trec": "https://cogcomp.seas.upenn.edu/Data/QA/QC/",
    "20newsgroups": "sklearn.datasets.fetch_20newsgroups",
}
DIGITS = ["zero", "one", "two", "three", "four"]
DIGITS += ["five", "six", "seven", "eight", "nine"]
SENTIMENTS = ["negative", "positive"]


def find(name):
    """The :class:`Dataset` of that name; a ValueError if there is none."""
    if name not in DATASETS:
        raise ValueError(f"There is no data set {name!r}, only {', '.join(DATASETS)}.")
    return DATASETS[name]


def load_images(name, data_root, image_size=64):
    """The images and labels of the training and of the test part.

    Parameters
    ----------
    name : str
    data_root : path
    image_size : int, default=64
        Side that the photographs of food101 and awa2 are resized to; the images of the
        others keep their size.

    Returns
    -------
    parts : list of two (images, labels)
        Images (n, h, w) or (n, h, w, 3) of uint8, labels (n,) of int64.

    Raises
    ------
    FileNotFoundError
        If the files are not there.
    """
    _check_kind(name, "images")
    root = Path(data_root)
    if name == "food101":
        parts = _food101_files(root)
    elif name == "awa2":
        parts = _awa2_files(root)
    else:
        parts = _small_images(name, root)
        return [(np.asarray(x), np.asarray(y, dtype=np.int64)) for x, y in parts]
    return [
        (_decode(files, image_size), np.asarray(y, dtype=np.int64))
        for files, y in parts
    ]


def load_texts(name, data_root):
    """The tables of the training and test part, columns ``text`` and ``label``.

    Raises
    ------
    FileNotFoundError
        If the files are not there.
    """
    _check_kind(name, "texts")
    if name == "yelp":
        return _yelp(Path(data_root))
    folder = Path(data_root) / "text" / name
    for ending, read in ((".jsonl", _read_jsonl), (".tsv", _read_tsv)):
        files = [folder / f"{part}{ending}" for part in ("train", "test")]
        if all(file.exists() for file in files):
            return [read(file) for file in files]
    raise FileNotFoundError(
        f"{DATASETS[name].title} is expected in {folder}: train.tsv and test.tsv with "
        "the columns text and label, or train.jsonl and test.jsonl. Its texts: "
        f"{TEXT_SOURCES[name]}"
    )


def load_table(name):
    """The features, float32, and labels of the training and of the test part.

    A quarter of the rows is the test part, the same each time.
    """
    _check_kind(name, "table")
    load = {"digits": load_digits, "breast_cancer": load_breast_cancer}[name]
    X, y = load(return_X_y=True)
    X, X_test, y, y_test = train_test_split(
        X.astype(np.float32), y.astype(np.int64), stratify=y, random_state=0
    )
    return [(X, y), (X_test, y_test)]


def class_names(name, data_root):
    """The names of the classes, in the order of their indices.

    They have spaces where the data set has underscores. A text data set may have a file
    ``labels.txt`` with a label in each line, and a readable name behind a tab where the
    label itself is not readable.

    Raises
    ------
    FileNotFoundError
        If the names are in files that are not there.
    """
    find(name)
    root = Path(data_root)
    if name in ("mnist", "digits"):
        names = DIGITS
    elif name in ("imdb", "yelp"):
        names = SENTIMENTS
    elif name == "breast_cancer":
        names = load_breast_cancer().target_names.tolist()
    elif name == "fashion_mnist":
        from torchvision.datasets import FashionMNIST

        names = FashionMNIST.classes
    elif name == "cifar10":
        names = paper_distances("cifar10").names
    elif name == "cifar100":
        names = _cifar100_names(root)
    elif name == "food101":
        names = sorted(_food101_meta(root, "train"))
    elif name == "awa2":
        names = [folder.replace("+", " ") for folder in _awa2_folders()]
    else:
        names = _text_names(name, root)
    return [n.replace("_", " ") for n in names]


def _check_kind(name, kind):
    if find(name).kind != kind:
        have = ", ".join(n for n, d in DATASETS.items() if d.kind == kind)
        raise ValueError(f"{name!r} is not of kind {kind!r}. Those are {have}.")


def _small_images(name, root):
    """The (images, labels) pairs of the data sets that torchvision reads."""
    kept = root / "cifar10.npz"
    if name == "cifar10" and kept.exists():
        # Decoded JPEG copies of the images in the official order.
        with np.load(kept) as f:
            return [(f[f"x_{part}"], f[f"y_{part}"]) for part in ("train", "test")]
    from torchvision import datasets

    kind, folder = TORCHVISION[name]
    try:
        parts = [getattr(datasets, kind)(root, train=t) for t in (True, False)]
    except RuntimeError as error:
        # torchvision raises this if a file is missing or has a wrong checksum.
        also = f", or its JPEG copies in {kept}" if name == "cifar10" else ""
        raise FileNotFoundError(
            f"{kind} is expected in {root / folder}{also}, but is missing or damaged. "
            f"Get it with torchvision.datasets.{kind}({str(root)!r}, download=True)"
        ) from error
    return [(p.data, p.targets) for p in parts]


def _cifar100_names(root):
    # torchvision's class would read all the images, too.
    path = root / "cifar-100-python" / "meta"
    if not path.exists():
        raise FileNotFoundError(
            f"The class names of CIFAR-100 are expected in {path}. Get it with "
            f"torchvision.datasets.CIFAR100({str(root)!r}, download=True)"
        )
    with open(path, "rb") as f:
        return pickle.load(f, encoding="latin1")["fine_label_names"]


def _food101_meta(root, part):
    """The images of each class, by its name: paths without ".jpg"."""
    path = root / "food-101" / "meta" / f"{part}.json"
    if not path.exists():
        raise FileNotFoundError(
            f"Food-101 is expected in {root / 'food-101'}, but {path} is missing. Get "
            f"it with torchvision.datasets.Food101({str(root)!r}, download=True)"
        )
    return json.loads(path.read_text())


def _food101_files(root):
    """The (files, labels) pairs in the order of torchvision's Food101."""
    folder, parts = root / "food-101" / "images", []
    for part in ("train", "test"):
        by_class = _food101_meta(root, part)
        names = sorted(by_class)
        pairs = [
            (folder / f"{image}.jpg", names.index(name))
            for name, images in by_class.items()
            for image in images
        ]
        parts.append(tuple(zip(*pairs, strict=True)))
    return parts


def _awa2_folders():
    """The folders of the 23 classes that have reference distances, in their order."""
    return [name.replace(" ", "+") for name in paper_distances("awa2").names]


def _awa2_files(root):
    """The (files, labels) pairs; the test part is a fifth of each class."""
    folder = root / "Animals_with_Attributes2" / "JPEGImages"
    by_class = [sorted((folder / name).glob("*.jpg")) for name in _awa2_folders()]
    missing = [n for n, f in zip(_awa2_folders(), by_class, strict=True) if not f]
    if missing:
        raise FileNotFoundError(
            f"AwA2 is expected in {folder}, a folder of .jpg files for each class, but "
            f"there are none of {', '.join(missing)}. Get it from {AWA2_URL}"
        )
    files = [file for group in by_class for file in group]
    y = np.repeat(np.arange(len(by_class)), [len(group) for group in by_class])
    # The official split is no use here: its test part has other classes.
    files, files_test, y, y_test = train_test_split(
        files, y, test_size=0.2, stratify=y, random_state=0
    )
    return [(files, y), (files_test, y_test)]


def _decode(files, size):
    """The RGB images of JPEG files, (n, size, size, 3) uint8."""
    images = np.empty((len(files), size, size, 3), dtype=np.uint8)
    for i, file in enumerate(tqdm(files, unit="image")):
        try:
            with Image.open(file) as image:
                # Large photographs are decoded at a fraction of their size, several
                # times faster, but never below twice the size that is asked for.
                image.draft(None, (2 * size, 2 * size))
                images[i] = image.convert("RGB").resize((size, size), Image.BILINEAR)
        except FileNotFoundError:
            raise  # It names the file.
        except OSError as error:
            raise OSError(f"{file} cannot be decoded: {error}") from error
    return images


def _read_jsonl(path):
    return pd.read_json(path, lines=True)


def _read_tsv(path):
    return pd.read_csv(path, sep="\t", quoting=3, keep_default_na=False)


def _yelp(root):
    """Yelp's reviews, whose line ends and some quotes have a backslash."""
    folders = [root / name for name in YELP_FOLDERS]
    for folder in folders:
        files = [folder / f"{part}.csv" for part in ("train", "test")]
        if all(file.exists() for file in files):
            return [_read_yelp(file) for file in files]
    raise FileNotFoundError(
        "Yelp polarity is expected as train.csv and test.csv in "
        f"{' or '.join(map(str, folders))}. Get it from {YELP_URL}"
    )


def _read_yelp(path):
    part = pd.read_csv(
        path,
        header=None,
        names=["label", "text"],
        dtype={"label": np.int64, "text": str},
        keep_default_na=False,
    )
    text = part["text"].str.replace("\\n", "\n", regex=False)
    text = text.str.replace('\\"', '"', regex=False)
    return pd.DataFrame({"text": text, "label": part["label"] - 1})


def _text_names(name, root):
    """A name for each label of the training part, in the order of ``np.unique``."""
    labels = [str(c) for c in np.unique(load_texts(name, root)[0]["label"])]
    path = root / "text" / name / "labels.txt"
    if not path.exists():
        return labels
    lines = path.read_text(encoding="utf-8").splitlines()
    names = {
        label: readable or label
        for label, _, readable in (line.partition("\t") for line in lines if line)
    }
    unknown = [label for label in labels if label not in names]
    if unknown:
        raise ValueError(f"{path} lacks the label {unknown[0]!r} of the training part.")
    return [names[label] for label in labels]
