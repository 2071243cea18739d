"""Paths that lead to models, checkpoints, features and weights."""

import io
import os

import numpy as np
import pytest
import torch
from _helpers.fakes import Graph, Pixels
from sklearn.base import clone

import sklearn_lwal
from sklearn_lwal import Backbone, STDClassifier
from sklearn_lwal.classifiers import _export
from sklearn_lwal.features._torchvision import _state_dict

QUICK = {"max_epochs": 1, "random_state": 0, "device": "cpu"}


@pytest.fixture
def clf(iris, monkeypatch):
    monkeypatch.setattr(_export, "_onnx_model", lambda *_: Graph())
    return STDClassifier(**QUICK).fit(*iris)


@pytest.fixture
def home(tmp_path, monkeypatch):
    """The user's home, while another folder is the one to work in."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path))
    yield tmp_path
    assert os.listdir() == []


def test_home(clf, iris, home):
    X = iris[0]
    clf.save("~/model")
    np.testing.assert_array_equal(
        sklearn_lwal.load("~/model").predict(X), clf.predict(X)
    )
    clf.to_onnx("~/graph")
    assert (home / "graph").read_bytes() == Graph.data
    clone(clf).set_params(checkpoint_dir="~/fits").fit(*iris)
    assert os.listdir(home / "fits") == ["checkpoint.safetensors"]
    images = np.random.default_rng(0).random((100, 4, 4), dtype=np.float32)
    cached = clone(clf).set_params(backbone=Backbone(Pixels(), memory="~/features"))
    cached.fit(images, np.arange(100) % 2)
    assert len([*(home / "features").rglob("*.npy")]) == 2
    torch.save({"a": torch.ones(1)}, home / "weights.pt")
    assert _state_dict("resnet18", None, "~/weights.pt") == {"a": 1}


def test_bytes(clf, iris, tmp_path):
    path = os.fsencode(tmp_path / "modél")
    clf.save(path)
    assert [p.name for p in tmp_path.iterdir()] == ["modél"]
    assert sklearn_lwal.load(path).score(*iris) == clf.score(*iris)


KINDS = [io.BytesIO(), None, 3.5]


@pytest.mark.parametrize("path", KINDS, ids=lambda path: type(path).__name__)
def test_what_is_no_path(path, clf):
    for use in (clf.save, clf.to_onnx, sklearn_lwal.load):
        with pytest.raises(TypeError, match=r"'path' .*Got .*tempfile"):
            use(path)
