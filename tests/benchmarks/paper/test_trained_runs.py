"""Runs that train a backbone, on made-up images."""

import numpy as np
import pytest
from torch import nn

from benchmarks._shared.runs import keep, kept
from benchmarks._shared.scope import Scope
from benchmarks.paper import experiments, training

RNG = np.random.default_rng(0)


@pytest.fixture
def images(monkeypatch):
    """A data set of ten classes, each a brightness; a small backbone."""

    def load_images(dataset, data_root, image_size):
        assert image_size == training.TRAINED_SIZE
        parts = []
        for n in (60, 20):
            y = np.arange(n) % 10
            x = RNG.integers(0, 12, (n, 28, 28)) + 24 * y[:, None, None]
            parts.append((x.astype(np.uint8), y))
        return parts

    def image_model(backbone):
        return nn.Sequential(nn.Conv2d(3, 8, 3, stride=4), nn.ReLU())

    monkeypatch.setattr(training, "load_images", load_images)
    monkeypatch.setattr(training, "image_model", image_model)
    training.load.cache_clear()
    yield
    training.load.cache_clear()


def runs(*methods):
    scope = Scope("full", ("mnist",), ("resnet50",), methods, (12,), 2)
    return experiments.image_runs(scope)


def test_full_scale_trains_the_backbone_at_the_papers_rate(images):
    (run,) = runs("LwAL10")
    assert run.trained
    clf = training.classifier(run, None, "cpu")
    assert clf.backbone.trainable
    assert clf.lr == clf.backbone.lr == 1e-4
    before = clf.backbone.model[0].weight.clone()
    X, y, *_ = training.load(run.dataset, run.backbone, True, False, None)
    after = clf.fit(X, y).backbone_
    moved = next(p for p in after.parameters() if p.shape == before.shape)
    assert abs(moved.detach() - before).max() > 1e-5


@pytest.mark.parametrize("method", ["STD", "LwAL10", "LWR2k", "LabelEmbed"])
def test_full_scale_keeps_curves_and_labels(images, method):
    (run,) = runs(method)
    result = training.execute(run, None, "cpu")
    assert len(result["curves"]["test_accuracy"]) == 2
    assert len(result["label_distances"]) == 45


def test_frozen_and_trained_runs_are_kept_apart(tmp_path):
    (full,) = runs("STD")
    scope = Scope("frozen", ("mnist",), ("resnet50",), ("STD",), (12,), 2)
    (frozen,) = experiments.image_runs(scope)
    assert full.path == frozen.path
    keep(full, {"accuracy": 1.0}, tmp_path)
    assert kept([full, frozen], tmp_path) == {full: {"accuracy": 1.0}}
