"""The benchmarks' data sets, read from made-up files in their layouts."""

import json
import os

import numpy as np
import pytest
from _helpers.data_layouts import (
    write_food,
    write_idx,
    write_jpeg,
    write_pickle,
    write_tables,
)
from PIL import Image
from sklearn.datasets import load_breast_cancer, load_digits

from benchmarks._shared import datasets
from benchmarks._shared.datasets import (
    DATASETS,
    class_names,
    load_images,
    load_table,
    load_texts,
)
from sklearn_lwal.structure import paper_distances


@pytest.fixture
def any_checksum(monkeypatch):
    """Take files as they are: torchvision knows only those of the published data."""
    check = "torchvision.datasets.cifar.check_integrity"
    monkeypatch.setattr(check, lambda path, md5: os.path.exists(path))


@pytest.fixture
def food(tmp_path):
    return write_food(tmp_path)


@pytest.fixture
def yelp(tmp_path):
    rows = [
        r'"2","Good, and ""cheap"".\n\nGo, \""now\""!"',
        '"1","null"',
        '"2","One line\nand another"',
    ]
    folder = tmp_path / "yelp_review_polarity_csv"
    folder.mkdir()
    (folder / "train.csv").write_text("\n".join(rows) + "\n")
    (folder / "test.csv").write_text(rows[1] + "\n")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "folder"), [("mnist", "MNIST"), ("fashion_mnist", "FashionMNIST")]
)
def test_the_raw_files_of_mnist(tmp_path, name, folder):
    rng = np.random.default_rng(0)
    written = []
    for part, n in (("train", 5), ("t10k", 3)):
        images = rng.integers(256, size=(n, 28, 28), dtype=np.uint8)
        labels = rng.integers(10, size=n, dtype=np.uint8)
        write_idx(tmp_path / folder / "raw" / f"{part}-images-idx3-ubyte", images)
        write_idx(tmp_path / folder / "raw" / f"{part}-labels-idx1-ubyte", labels)
        written.append((images, labels))
    assert_parts(load_images(name, tmp_path), written)


def assert_parts(parts, expected):
    assert len(parts) == len(expected) == 2
    for (images, labels), (images_written, labels_written) in zip(
        parts, expected, strict=True
    ):
        assert images.dtype == np.uint8
        assert labels.dtype == np.int64
        np.testing.assert_array_equal(images, images_written)
        np.testing.assert_array_equal(labels, labels_written)


def official_cifar10(root):
    """Two images a file; gives the parts."""
    rng = np.random.default_rng(1)
    files = [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]
    planes = rng.integers(256, size=(6, 2, 3, 32, 32), dtype=np.uint8)
    labels = rng.integers(10, size=(6, 2))
    folder = root / "cifar-10-batches-py"
    for file, x, y in zip(files, planes, labels, strict=True):
        write_pickle(folder / file, {"data": x.reshape(2, -1), "labels": y.tolist()})
    write_pickle(folder / "batches.meta", {"label_names": [*"abcdefghij"]})
    images = planes.transpose(0, 1, 3, 4, 2)
    return [
        (images[:5].reshape(10, 32, 32, 3), labels[:5].ravel()),
        (images[5], labels[5]),
    ]


def test_cifar10_is_the_kept_copies_where_they_are(tmp_path, any_checksum):
    official = official_cifar10(tmp_path)
    assert_parts(load_images("cifar10", tmp_path), official)
    kept = [(x[:1] // 2, y[:1]) for x, y in official]
    names = ("x_train", "y_train", "x_test", "y_test")
    np.savez(tmp_path / "cifar10.npz", **dict(zip(names, sum(kept, ()), strict=True)))
    assert_parts(load_images("cifar10", tmp_path), kept)


def test_cifar100_has_the_fine_classes(tmp_path, any_checksum):
    rng = np.random.default_rng(2)
    folder, written = tmp_path / "cifar-100-python", []
    for part, n in (("train", 4), ("test", 2)):
        planes = rng.integers(256, size=(n, 3, 32, 32), dtype=np.uint8)
        fine = rng.integers(100, size=n)
        entry = {"data": planes.reshape(n, -1), "fine_labels": fine.tolist()}
        write_pickle(folder / part, entry | {"coarse_labels": [0] * n})
        written.append((planes.transpose(0, 2, 3, 1), fine))
    write_pickle(folder / "meta", {"fine_label_names": ["apple", "aquarium_fish"]})
    assert_parts(load_images("cifar100", tmp_path), written)


def test_the_names_of_cifar100_need_no_images(tmp_path):
    names = {"fine_label_names": ["zebra", "aquarium_fish"], "coarse_label_names": []}
    write_pickle(tmp_path / "cifar-100-python" / "meta", names)
    assert class_names("cifar100", tmp_path) == ["zebra", "aquarium fish"]


def test_food101_is_torchvisions_order(food):
    from torchvision.datasets import Food101

    parts = load_images("food101", food, image_size=32)
    for (images, labels), split in zip(parts, ("train", "test"), strict=True):
        official = Food101(food, split=split)
        assert images.shape == (3, 32, 32, 3)
        assert images.dtype == np.uint8
        assert labels.tolist() == [label for _, label in official]
        reds = [np.asarray(image)[0, 0, 0] for image, _ in official]
        np.testing.assert_allclose(images[:, 9, 9, 0], reds, atol=3)
    assert parts[0][1].tolist() == [1, 1, 0]
    assert class_names("food101", food) == ["apple pie", "pho"]


def test_photographs_are_squeezed_into_a_square(tmp_path):
    # Left half black, right half white: none of it may be cropped or turned.
    pixels = np.zeros((300, 500, 3), np.uint8)
    pixels[:, 250:] = 255
    Image.fromarray(pixels).save(tmp_path / "colour.jpg", quality=95)
    Image.fromarray(pixels[..., 0]).save(tmp_path / "grey.jpg", quality=95)
    images = datasets._decode([tmp_path / "colour.jpg", tmp_path / "grey.jpg"], 16)
    for image in images.astype(int):
        np.testing.assert_allclose(image[:, :7], 0, atol=12)
        np.testing.assert_allclose(image[:, 9:], 255, atol=12)


def test_large_photographs_stay_sharp(tmp_path):
    # Stripes four pixels wide, which become one pixel wide.
    pixels = np.zeros((256, 256, 3), np.uint8)
    pixels[:, np.arange(256) // 4 % 2 == 1] = 255
    Image.fromarray(pixels).save(tmp_path / "stripes.jpg", quality=95)
    (image,) = datasets._decode([tmp_path / "stripes.jpg"], 64)
    contrast = image[:, 1::2].mean() - image[:, ::2].mean()
    assert contrast > 120


def test_awa2_is_split_by_class_in_the_order_of_the_paper(tmp_path):
    names = paper_distances("awa2").names
    folder = tmp_path / "Animals_with_Attributes2" / "JPEGImages"
    for i, name in enumerate([*names, "blue+whale"]):
        for j in range(5):
            file = folder / name / f"{name}_{j}.jpg"
            write_jpeg(file, (10 * i, 40 * j, 0), size=(20, 16))
    (images, labels), (images_test, labels_test) = load_images("awa2", tmp_path, 8)
    assert np.bincount(labels).tolist() == [4] * 23
    assert np.bincount(labels_test).tolist() == [1] * 23
    for x, y in ((images, labels), (images_test, labels_test)):
        np.testing.assert_allclose(x[:, 4, 4, 0], 10 * y, atol=4)
    # All images are there once: no two of a class have the same green.
    greens = np.concatenate([images, images_test])[:, 4, 4, 1].astype(int)
    found = set(
        zip(np.r_[labels, labels_test], np.round(greens / 40).astype(int), strict=True)
    )
    assert len(found) == 23 * 5
    again = load_images("awa2", tmp_path, 8)
    np.testing.assert_array_equal(again[1][0], images_test)
    spoken = class_names("awa2", tmp_path)
    assert spoken[:2] == ["dalmatian", "persian cat"]
    assert [name.replace(" ", "+") for name in spoken] == list(names)


def test_yelps_quotes_and_line_ends(yelp):
    train, test = load_texts("yelp", yelp)
    assert list(train) == ["text", "label"]
    assert train["label"].tolist() == [1, 0, 1]
    assert train["text"].tolist() == [
        'Good, and "cheap".\n\nGo, "now"!',
        "null",
        "One line\nand another",
    ]
    assert test.to_numpy().tolist() == [["null", 0]]
    assert class_names("yelp", yelp) == ["negative", "positive"]


def test_yelp_by_its_shorter_name(yelp):
    (yelp / "yelp_review_polarity_csv").rename(yelp / "yelp_polarity_csv")
    assert [len(part) for part in load_texts("yelp", yelp)] == [3, 1]


def test_texts_in_tables_keep_their_quotes(tmp_path):
    rows = [('"No', "DESC"), ("null", "ABBR"), ("What?", "NUM")]
    labels = ["NUM\tnumeric value", "ABBR\tabbreviation", "DESC\tdescription"]
    write_tables(tmp_path, "trec", rows, rows[:1], labels)
    train, test = load_texts("trec", tmp_path)
    assert train[["text", "label"]].to_numpy().tolist() == [[*row] for row in rows]
    assert test["label"].tolist() == ["DESC"]
    # In the order of np.unique(label), whatever the order of labels.txt.
    expected = ["abbreviation", "description", "numeric value"]
    assert class_names("trec", tmp_path) == expected


@pytest.mark.parametrize("labels", [None, ["card_arrival", "Refund_not_there"]])
def test_names_of_texts_with_and_without_a_list(tmp_path, labels):
    rows = [("Where is it?", "card_arrival"), ("My money?", "Refund_not_there")]
    write_tables(tmp_path, "banking77", rows, rows, labels)
    names = class_names("banking77", tmp_path)
    # Capital letters come first, as in np.unique.
    assert names == ["Refund not there", "card arrival"]


def test_a_list_that_lacks_a_label(tmp_path):
    write_tables(tmp_path, "trec", [("Why?", "DESC")], [("Why?", "DESC")], ["NUM"])
    with pytest.raises(ValueError, match=r"labels\.txt lacks the label 'DESC'"):
        class_names("trec", tmp_path)


def test_texts_in_json_lines(tmp_path):
    folder = tmp_path / "text" / "20newsgroups"
    folder.mkdir(parents=True)
    rows = [
        {"id": 4, "label": "sci.space", "text": 'Line\nand "line"'},
        {"id": 5, "label": "alt.atheism", "text": "x\ty"},
    ]
    for part, n in (("train", 2), ("test", 1)):
        lines = "\n".join(json.dumps(row) for row in rows[:n])
        (folder / f"{part}.jsonl").write_text(lines + "\n")
    train, test = load_texts("20newsgroups", tmp_path)
    assert train["text"].tolist() == [row["text"] for row in rows]
    assert test["label"].tolist() == ["sci.space"]
    assert class_names("20newsgroups", tmp_path) == ["alt.atheism", "sci.space"]


@pytest.mark.parametrize(
    ("name", "load"), [("digits", load_digits), ("breast_cancer", load_breast_cancer)]
)
def test_tables_are_split_by_class(name, load):
    everything, classes = load(return_X_y=True)
    (X, y), (X_test, y_test) = load_table(name)
    assert X.dtype == X_test.dtype == np.float32
    assert y.dtype == y_test.dtype == np.int64
    assert len(y_test) == -(-len(classes) // 4)
    rows = np.sort(np.concatenate([X, X_test]).sum(1, dtype=float))
    np.testing.assert_allclose(rows, np.sort(everything.sum(1)), rtol=1e-6)
    share = np.bincount(y_test) / np.bincount(classes)
    np.testing.assert_allclose(share, 0.25, atol=0.01)
    np.testing.assert_array_equal(load_table(name)[1][0], X_test)


def test_names_that_need_no_files(tmp_path):
    for name in ("mnist", "digits"):
        names = class_names(name, tmp_path)
        assert [names[i] for i in (0, 5, 9)] == ["zero", "five", "nine"]
    assert class_names("breast_cancer", tmp_path) == ["malignant", "benign"]
    assert class_names("fashion_mnist", tmp_path)[5] == "Sandal"
    assert class_names("cifar10", tmp_path)[8] == "ship"
    assert class_names("imdb", tmp_path) == ["negative", "positive"]
    for name in (
        "mnist",
        "digits",
        "breast_cancer",
        "fashion_mnist",
        "cifar10",
        "awa2",
    ):
        assert len(class_names(name, tmp_path)) == DATASETS[name].n_classes


@pytest.mark.parametrize(
    ("name", "where"),
    [
        ("mnist", r"MNIST/raw.*datasets\.MNIST\(.*download=True"),
        ("fashion_mnist", r"FashionMNIST/raw.*datasets\.FashionMNIST\("),
        ("cifar10", r"cifar-10-batches-py.*cifar10\.npz.*datasets\.CIFAR10\("),
        ("cifar100", r"cifar-100-python.*datasets\.CIFAR100\("),
        ("food101", r"food-101/meta/train\.json.*datasets\.Food101\("),
        ("awa2", r"JPEGImages.*none of dalmatian, persian\+cat.*https://"),
        ("yelp", r"yelp_polarity_csv or .*yelp_review_polarity_csv.*https://"),
        ("imdb", r"text/imdb: train\.tsv.*jsonl.*https://"),
        ("20newsgroups", r"text/20newsgroups: .*fetch_20newsgroups"),
    ],
)
def test_what_is_missing_is_said_with_where_to_get_it(tmp_path, name, where):
    load = {"images": load_images, "texts": load_texts}[DATASETS[name].kind]
    with pytest.raises(FileNotFoundError, match=where):
        load(name, tmp_path)


@pytest.mark.parametrize("name", ["cifar100", "food101", "trec"])
def test_names_that_are_missing(tmp_path, name):
    with pytest.raises(FileNotFoundError, match=str(tmp_path)):
        class_names(name, tmp_path)


def test_a_photograph_that_is_missing_or_broken_is_named(food):
    path = food / "food-101" / "images" / "pho" / "1.jpg"
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(OSError, match=r"pho.1\.jpg cannot be decoded"):
        load_images("food101", food)
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"pho.1\.jpg"):
        load_images("food101", food)


def test_a_name_that_is_unknown_or_of_another_kind(tmp_path):
    for load in (load_images, load_texts, class_names):
        with pytest.raises(ValueError, match="no data set 'svhn', only mnist, "):
            load("svhn", tmp_path)
    with pytest.raises(ValueError, match="'imdb' is not of kind 'images'"):
        load_images("imdb", tmp_path)
    with pytest.raises(ValueError, match="'digits' is not of kind 'texts'"):
        load_texts("digits", tmp_path)
    with pytest.raises(ValueError, match="Those are digits, breast_cancer"):
        load_table("trec")
