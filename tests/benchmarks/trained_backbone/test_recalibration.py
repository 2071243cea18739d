"""The worth of recalibration and refinement, on made-up images and a small network."""

import json

import numpy as np
import pytest
from torch import nn

from benchmarks.__main__ import main
from benchmarks.trained_backbone import run as trained


@pytest.fixture
def small(monkeypatch):
    """Few images, each class a brightness, and a backbone with batch normalisation."""
    y = np.arange(200) % 10
    X = (24 * y[:, None, None] + np.zeros((1, 28, 28))).astype(np.uint8)
    monkeypatch.setattr(trained, "load_images", lambda *_: [(X, y), (X[:50], y[:50])])
    layers = (nn.Conv2d(3, 8, 3, stride=4), nn.BatchNorm2d(8), nn.ReLU())
    monkeypatch.setattr(trained, "EfficientNetLite", lambda: nn.Sequential(*layers))


def test_each_epoch_is_measured_in_four_ways(small, tmp_path):
    options = ["trained_backbone", "--out", str(tmp_path), "--methods"]
    main([*options, "STD"])
    (path,) = tmp_path.iterdir()
    before = path.read_text()
    main([*options, "STD", "LwAL10"])
    assert path.read_text().startswith(before)
    results = [json.loads(line) for line in path.read_text().splitlines()]
    runs = [(r["run"]["method"], r["run"]["backbone_lr"]) for r in results]
    assert runs == [(m, lr) for m in ("STD", "LwAL10") for lr in trained.RATES]
    for (method, _), result in zip(runs, results, strict=True):
        assert len(result["epochs"]) == trained.N_EPOCHS
        ways = {"as trained", "recalibrated"}
        # One-hot labels cannot be refined.
        ways |= {"refined", "both"} if method == "LwAL10" else set()
        assert all(row.keys() == {*ways, "seconds"} for row in result["epochs"])
        assert 0 <= result["finished"] <= 1
