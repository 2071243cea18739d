"""Tests that need a GPU: agreement with the CPU, streaming, steps without waits."""

import warnings
from collections import Counter

import numpy as np
import pytest
import torch
from _helpers.rivals import CLASSIFIERS
from _helpers.trained import digit_images
from sklearn.base import clone
from torch import nn
from torch.utils.data import TensorDataset

import sklearn_lwal
from sklearn_lwal import Backbone, LabelSearchCV, LwALClassifier, STDClassifier
from sklearn_lwal._joint.cuda_graphs import CudaGraphs
from sklearn_lwal._joint.optimizer import PerModelOptimizer
from sklearn_lwal._training.epoch_totals import EpochTotals
from sklearn_lwal._training.net import LabelNet
from sklearn_lwal._training.network import Network

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


@pytest.fixture(scope="module")
def digits():
    return digit_images(500)


def small_net():
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten())


TRAINED = {"backbone": Backbone(small_net, trainable=True), "max_epochs": 3}


@pytest.mark.parametrize("Classifier", CLASSIFIERS)
def test_agrees_with_the_cpu(Classifier, iris):
    X, y = iris
    options = {"max_epochs": 10, "random_state": 0}
    cuda = Classifier(device="cuda", **options).fit(X, y)
    cpu = Classifier(device="cpu", **options).fit(X, y)
    np.testing.assert_allclose(cuda.predict_proba(X), cpu.predict_proba(X), atol=1e-3)


def test_a_trained_backbone_agrees_with_the_cpu(digits):
    images, y = digits
    cuda, cpu = (
        LwALClassifier(**TRAINED, random_state=0, device=device).fit(images, y)
        for device in ("cuda", "cpu")
    )
    assert cuda.score(images, y) == pytest.approx(cpu.score(images, y), abs=0.02)


@pytest.mark.parametrize("n_workers", [0, 2])
def test_streams_what_has_no_room(n_workers, digits, monkeypatch):
    images, y = digits
    options = {"random_state": 0, "device": "cuda"}
    X = images.reshape(len(images), -1)
    resident = LwALClassifier(**options).fit(X, y)
    monkeypatch.setattr("sklearn_lwal._training.row_storage.RESIDENT_SHARE", 0)
    streamed = LwALClassifier(**options).fit(X, y)
    np.testing.assert_allclose(
        streamed.predict_proba(X), resident.predict_proba(X), atol=1e-4
    )
    data = TensorDataset(torch.from_numpy(images)[:, None], torch.from_numpy(y))
    clf = clone(STDClassifier(**TRAINED, **options))
    clf.set_params(backbone__n_workers=n_workers)
    assert clf.fit(data).score(data) > 0.5


def without_waiting(function):
    """The function, which fails where it waits for the GPU."""

    def strict(*args, **kwargs):
        torch.cuda.set_sync_debug_mode("error")
        try:
            return function(*args, **kwargs)
        finally:
            torch.cuda.set_sync_debug_mode("default")

    return strict


@pytest.mark.parametrize(
    "clf",
    [LwALClassifier(), STDClassifier(), LwALClassifier(**TRAINED, max_grad_norm=1.0)],
    ids=["lwal", "std", "trained"],
)
def test_a_step_does_not_wait_for_the_gpu(clf, digits, monkeypatch):
    images, y = digits
    X = images if clf.backbone else images.reshape(len(images), -1)
    monkeypatch.setattr(LabelNet, "_step", without_waiting(LabelNet._step))
    clf.set_params(device="cuda", max_epochs=2).fit(X, y)


SEARCHES = [
    (LwALClassifier(), {"update_every": [1, 3], "lr": [1e-3, 3e-3]}),
    (LwALClassifier(), {"repel_weight": [0.0, 3.0], "output_dim": [1.0, 2.0]}),
    (STDClassifier(), {"label_smoothing": [0.0, 0.1], "lr": [1e-3, 3e-3]}),
]


@pytest.mark.parametrize(("clf", "grid"), SEARCHES)
def test_a_search_agrees_with_the_cpu(clf, grid, iris):
    clf.set_params(max_epochs=5, random_state=0)
    cuda, cpu = (
        LabelSearchCV(clone(clf).set_params(device=device), grid, cv=3, n_jobs=n_jobs)
        for device, n_jobs in (("cuda", 2), ("cpu", None))
    )
    scores = (
        search.set_params(scoring="neg_log_loss").fit(*iris).cv_results_
        for search in (cuda, cpu)
    )
    ours, theirs = (found["mean_test_score"] for found in scores)
    np.testing.assert_allclose(ours, theirs, atol=2e-3)


@pytest.mark.parametrize(("clf", "grid"), SEARCHES)
def test_steps_of_a_search_do_not_wait_for_the_gpu(clf, grid, digits, monkeypatch):
    images, y = digits
    for owner, name in (
        (Network, "loss"),
        (PerModelOptimizer, "take"),
        (EpochTotals, "add"),
    ):
        monkeypatch.setattr(owner, name, without_waiting(getattr(owner, name)))
    clf = clone(clf).set_params(device="cuda", max_epochs=2)
    LabelSearchCV(clf, grid, cv=2, refit=False).fit(images.reshape(len(images), -1), y)


@pytest.mark.parametrize(("clf", "grid"), SEARCHES)
def test_steps_of_a_search_are_captured(clf, grid, digits, monkeypatch):
    images, y = digits
    counts, capture = Counter(), CudaGraphs.capture

    def counted(self, step, inputs, pool):
        counts["captured"] += 1
        replay = without_waiting(capture(self, step, inputs, pool))

        def counting():
            counts["replayed"] += 1
            replay()

        return counting

    monkeypatch.setattr(CudaGraphs, "capture", counted)
    clf = clone(clf).set_params(device="cuda", max_epochs=4, batch_size=50)
    with warnings.catch_warnings():
        # The warning would report a failed capture.
        warnings.simplefilter("error", RuntimeWarning)
        LabelSearchCV(clf, grid, cv=2, refit=False).fit(
            images.reshape(len(images), -1), y
        )
    assert counts["replayed"] > 2 * counts["captured"] > 0


def test_precision_and_memory_format(digits):
    images, y = digits
    clf = clone(LwALClassifier(**TRAINED, precision="bfloat16", device="cuda"))
    clf.set_params(backbone__channels_last=True).fit(images, y)
    assert clf.score(images, y) > 0.8


@pytest.mark.parametrize("options", [{"hidden_layer_sizes": (8,)}, TRAINED])
def test_saved_here_loaded_there(options, digits, tmp_path):
    images, y = digits
    X = images if "backbone" in options else images.reshape(len(images), -1)
    own = {"backbone": small_net} if "backbone" in options else {}
    clf = LwALClassifier(**options, random_state=0, device="cuda").fit(X, y)
    clf.save(tmp_path / "model")
    same = sklearn_lwal.load(tmp_path / "model", **own)
    assert same.net_.module_.head.labels.is_cuda
    np.testing.assert_array_equal(same.labels_, clf.labels_)
    np.testing.assert_allclose(same.predict_proba(X), clf.predict_proba(X), atol=1e-5)
    cpu = sklearn_lwal.load(tmp_path / "model", device="cpu", **own)
    assert not cpu.net_.module_.head.labels.is_cuda
    np.testing.assert_allclose(cpu.predict_proba(X), clf.predict_proba(X), atol=1e-3)
    for model in (same, cpu):
        assert model.partial_fit(X, y).score(X, y) > 0.9
    cpu.save(tmp_path / "model")
    assert sklearn_lwal.load(tmp_path / "model", device="cuda", **own).n_iter_ > 1
