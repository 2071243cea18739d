"""Frozen features as they are kept and read, and vectors of the class names."""

import functools

import numpy as np
import pytest
from _helpers.data_layouts import write_tables

from benchmarks._shared import frozen_features as features
from benchmarks._shared.backbones import sentence_encoder
from benchmarks._shared.datasets import load_table
from benchmarks._shared.frozen_features import frozen_features


@pytest.mark.parametrize(
    ("name", "shape"), [("digits", (1347, 64)), ("breast_cancer", (426, 30))]
)
def test_tables_are_their_own_features(tmp_path, name, shape):
    X, y, X_test, y_test = frozen_features(name, tmp_path)
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
    # A column that is constant in the training part becomes 0 there.
    np.testing.assert_array_equal(X[:, ~varies], 0)
    assert np.abs(X_test).max() < 100
    assert not list(tmp_path.iterdir())
    raw_again, *_ = frozen_features(name, tmp_path, standardise=False)
    np.testing.assert_array_equal(raw_again, raw)


def test_features_that_are_missing_name_the_command(tmp_path):
    read = functools.partial(frozen_features, "cifar10", tmp_path)
    with pytest.raises(
        FileNotFoundError, match=f"features cifar10 --data-root {tmp_path}"
    ):
        read()
    with pytest.raises(FileNotFoundError, match="cifar10 --backbone resnet50 --data-"):
        read(backbone="resnet50")


def test_a_backbone_of_another_kind(tmp_path):
    for name, backbone in (("cifar10", "bert"), ("imdb", "resnet50"), ("digits", "x")):
        with pytest.raises(ValueError, match=f"{name} has no backbone '{backbone}'"):
            frozen_features(name, tmp_path, backbone=backbone)


def test_vectors_of_names_are_kept(tmp_path, monkeypatch):
    write_tables(tmp_path, "trec", [("ab", "NUM"), ("cd", "HUM")], [("ab", "NUM")])
    vectors = features.name_vectors("trec", tmp_path)
    assert vectors.shape == (2, 384)
    assert vectors.dtype == np.float32
    expected = sentence_encoder(device="cpu").transform(["HUM", "NUM"])
    np.testing.assert_allclose(vectors, expected, atol=1e-6)
    assert [p.name for p in (tmp_path / "features").iterdir()] == ["trec_names.npy"]
    # The second time they come from the file, without the texts and the model.
    monkeypatch.delattr(features, "sentence_encoder")
    monkeypatch.delattr(features, "class_names")
    np.testing.assert_array_equal(features.name_vectors("trec", tmp_path), vectors)


def test_a_file_is_whole_or_as_before(tmp_path):
    path = tmp_path / "features" / "x.npy"
    features.write_whole(path, lambda file: np.save(file, np.arange(3)))

    def interrupted(file):
        file.write(b"half")
        # Others see the old file until the new one is whole.
        np.testing.assert_array_equal(np.load(path), np.arange(3))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        features.write_whole(path, interrupted)
    np.testing.assert_array_equal(np.load(path), np.arange(3))
    assert [p.name for p in path.parent.iterdir()] == ["x.npy"]
    # A reader that has opened the old file reads on in it.
    before = path.read_bytes()
    with open(path, "rb") as reading:
        features.write_whole(path, lambda file: np.save(file, np.zeros(9)))
        assert reading.read() == before
    np.testing.assert_array_equal(np.load(path), np.zeros(9))


def test_bert_is_asked_for_by_its_full_name():
    encoder = sentence_encoder("bert", device="cpu")
    assert (encoder.model, encoder.device) == ("bert-base-uncased", "cpu")
