"""Steps that are replayed: what a graph of their operations would do.

A GPU's graph repeats operations on the same memory with the same numbers, whatever
Python would have done by then. So does a recording here, on any device.
"""

import contextlib
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from _helpers.searches import wine
from sklearn.base import clone
from sklearn.model_selection import ParameterGrid
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from sklearn_lwal import (
    LabelEmbedClassifier,
    LwALClassifier,
    LWRClassifier,
    StaticLabelClassifier,
    STDClassifier,
)
from sklearn_lwal._joint.cuda_graphs import GraphedStep
from sklearn_lwal._joint.trainer import JointTrainer
from sklearn_lwal.search._stacked_fits import Fold, StackedFits

READS_BACK = ("_local_scalar_dense", "nonzero", "is_nonzero", "equal")


class Recording(TorchDispatchMode):
    """The operations of a step, and where their results lie."""

    def __init__(self):
        super().__init__()
        self.operations = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function.__name__.partition(".")[0]
        assert name not in READS_BACK, f"{name} reads back"
        found = function(*args, **kwargs or {})
        self.operations.append((function, args, kwargs or {}, found))
        return found

    def repeat(self):
        for function, args, kwargs, found in self.operations:
            again = function(*args, **kwargs)
            pairs = zip(tree_leaves(found), tree_leaves(again), strict=True)
            for place, value in pairs:
                if isinstance(place, torch.Tensor) and _elsewhere(place, value):
                    place.copy_(value)


def _elsewhere(a, b):
    return a.untyped_storage().data_ptr() != b.untyped_storage().data_ptr()


class Recorded:
    """In the place of ``CudaGraphs``: a capture runs the step, which counts for one."""

    can_capture = True

    def __init__(self):
        self.n_captured = self.n_replayed = 0

    def new_pool(self):
        return None

    def stream_of_steps(self):
        return contextlib.nullcontext()

    def capture(self, step, inputs, pool):
        self.n_captured += 1
        recording, is_done = Recording(), [True]
        with recording:
            step(*inputs)

        def replay():
            self.n_replayed += 1
            if is_done:
                is_done.pop()
            else:
                with torch.no_grad():
                    recording.repeat()

        return replay


def trained(clf, grid, data):
    """The candidates on three folds, of which one is larger."""
    X, y = data
    estimators = [clone(clf).set_params(**given) for given in ParameterGrid(grid)]
    rows = np.arange(len(y))
    folds = [Fold(X, y, rows[rows % 3 != k], {}) for k in range(3)]
    return StackedFits(estimators, folds)


LWAL = LwALClassifier(max_epochs=3, batch_size=32, random_state=0)
KINDS = {
    "update_every": (LWAL, {"update_every": [1, 3], "warmup_steps": [0, 4]}),
    "repel_weight": (LWAL, {"repel_weight": [0.5, 3.0], "label_momentum": [0, 0.9]}),
    "rates": (LWAL, {"lr": [1e-3, 1e-2], "l2": [0.0, 0.1]}),
    "widths": (LWAL, {"output_dim": [1.0, 2.0]}),
    "not averaged": (LWAL, {"average": [False]}),
    "clipped": (LWAL, {"max_grad_norm": [0.01]}),
    "sgd": (LWAL, {"optimizer": ["sgd"], "lr": [1e-3, 1e-2]}),
    "momentum": (
        LWAL,
        {"optimizer": ["sgd"], "net_params": [{"optimizer__momentum": 0.9}]},
    ),
    "adamw": (LWAL, {"optimizer": ["adamw"], "lr": [1e-3, 1e-2]}),
    "weights": (LWAL, {"class_weight": ["balanced", {0: 3.0}]}),
    "stopping": (
        LWAL,
        {"early_stopping": [True], "max_epochs": [20], "n_iter_no_change": [1, 30]},
    ),
    "paper": (
        LWAL,
        {"init": ["random"], "label_update": ["batch"], "temperature": [1.0, 2.0]},
    ),
    "std": (STDClassifier(max_epochs=3), {"label_smoothing": [0.0, 0.1]}),
    "cosine": (STDClassifier(max_epochs=3), {"scores": ["cosine"], "l2": [0.0, 0.1]}),
    "static": (StaticLabelClassifier(max_epochs=3), {"lr": [1e-3, 1e-2]}),
    "embed": (LabelEmbedClassifier(max_epochs=3), {"lr": [1e-3, 1e-2]}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_replayed_steps_are_steps(kind, monkeypatch):
    clf, grid = KINDS[kind]
    clf = clone(clf).set_params(random_state=0, batch_size=32)
    expected = trained(clf, grid, wine())
    graphs = []

    def recorded(self):
        graphs.append(Recorded())
        return graphs[-1]

    monkeypatch.setattr(JointTrainer, "_graphs", recorded)
    found = trained(clf, grid, wine())
    assert sum(known.n_replayed for known in graphs) > 3
    for f in range(3):
        for mine, own in zip(found.entries[f], expected.entries[f], strict=True):
            assert len(mine.history) == len(own.history)
            for a, b in zip(mine.history, own.history, strict=True):
                assert a == pytest.approx(b, abs=1e-5)
        scores = (trained.scores(f, wine()[0]) for trained in (found, expected))
        np.testing.assert_allclose(*scores, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("clf", "device", "expected"),
    [
        (LwALClassifier(), "cuda", True),
        (LwALClassifier(), "cpu", False),
        (LWRClassifier(), "cuda", False),
        (LwALClassifier(hidden_layer_sizes=(4,)), "cuda", False),
    ],
)
def test_what_is_captured(clf, device, expected, monkeypatch):
    module = clf.set_params(max_epochs=1, device="cpu").fit(*wine()).net_.module_
    monkeypatch.setattr(
        "sklearn_lwal._joint.trainer.cuda_graphs", lambda device: device
    )
    program = SimpleNamespace(net=SimpleNamespace(module_=module, device=device))
    assert (JointTrainer._graphs(program) is not None) is expected


class Doubling:
    """A step that adds to a total, and what it has been given."""

    def __init__(self):
        self.total = torch.zeros(())
        self.shapes = []

    def step(self, x, y):
        self.shapes.append(x.shape)
        self.total.add_(x.sum() * 2)


class TestReplayed:
    def test_one_capture_a_shape(self):
        doubling, graphs = Doubling(), Recorded()
        replayed = GraphedStep(doubling.step, graphs)
        for n in (4, 4, 3, 4, 3, 3, 4):
            replayed(torch.full((n,), float(n)), None)
        assert doubling.total == 2 * (4 * 16 + 3 * 9)
        # The first of each is a step like any other.
        assert doubling.shapes == [(4,), (4,), (3,), (3,)]
        assert (graphs.n_captured, graphs.n_replayed) == (2, 5)

    def test_none_is_another_shape(self):
        graphs = Recorded()
        replayed = GraphedStep(Doubling().step, graphs)
        for y in (None, torch.zeros(3)) * 2:
            replayed(torch.zeros(3), y)
        assert graphs.n_captured == 2

    def test_inputs_may_be_used_again(self):
        doubling = Doubling()
        replayed, x = GraphedStep(doubling.step, Recorded()), torch.ones(2)
        for value in (1.0, 2.0, 3.0, 4.0):
            replayed(x.fill_(value), None)
        assert doubling.total == 4 * (1 + 2 + 3 + 4)

    def test_what_is_not_captured_is_a_step(self):
        class Fails(Recorded):
            def capture(self, step, inputs, pool):
                raise RuntimeError("operation not permitted")

        doubling, graphs = Doubling(), Fails()
        replayed = GraphedStep(doubling.step, graphs)
        replayed(torch.ones(2), None)
        with pytest.warns(RuntimeWarning, match="CUDA graph .operation not permitted"):
            replayed(torch.ones(2), None)
        # Told once, of all programs.
        again = GraphedStep(doubling.step, graphs)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for n in (2, 3, 3):
                replayed(torch.ones(n), None)
                again(torch.ones(n), None)
        assert doubling.total == 2 * (4 + 2 * 8)
