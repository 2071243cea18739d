"""The trials of trained backbones, on made-up images and a small network."""

import json

import numpy as np
import pytest
from torch import nn

from benchmarks.__main__ import main
from benchmarks.trained_trials import run as trials


@pytest.fixture
def small(monkeypatch):
    """Few images, each class a brightness, and a backbone of one layer."""
    y = np.arange(300) % 10
    X = (24 * y[:, None, None] + np.zeros((1, 28, 28))).astype(np.uint8)
    monkeypatch.setattr(trials, "load_images", lambda *_: [(X, y), None])
    monkeypatch.setattr(trials, "N_IMAGES", 200)
    monkeypatch.setattr(trials, "N_VALIDATION", 100)
    network = nn.Sequential(nn.Conv2d(3, 8, 3, stride=4), nn.ReLU())
    monkeypatch.setattr(trials, "EfficientNetLite", lambda size: network)


def test_trials_are_kept_and_not_repeated(small, tmp_path):
    options = ["trained_trials", "--data", "fashion_mnist", "--out", str(tmp_path)]
    first, *others = trials.TRIALS
    main([*options, "--trials", first])
    (path,) = tmp_path.iterdir()
    assert path.name == "fashion_mnist-efficientnet_lite0.jsonl"
    before = path.read_text()
    main(options)
    lines = path.read_text().splitlines()
    assert lines[0] + "\n" == before
    results = [json.loads(line) for line in lines]
    assert [result["run"]["trial"] for result in results] == [first, *others]
    for result in results:
        n_epochs = 4 if result["run"]["trial"].startswith("few") else 8
        for measure in ("accuracy", "log_loss", "seconds"):
            assert len(result[measure]) == n_epochs
