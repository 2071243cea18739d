"""Training in several processes is training in one, on the joined batches."""

import warnings

import numpy as np
import pytest
import torch
import torch.distributed as dist
from _helpers.rivals import RIVALS
from sklearn.base import clone
from sklearn.datasets import load_digits
from torch import nn

from sklearn_lwal import Backbone, LwALClassifier, STDClassifier
from sklearn_lwal._training import distributed

pytestmark = pytest.mark.skipif(
    not dist.is_available() or not dist.is_gloo_available(),
    reason="needs torch.distributed with gloo",
)
N_PROCESSES = 2
QUICK = {"max_epochs": 3, "batch_size": 33, "random_state": 0, "device": "cpu"}


def small_net():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten())


TRAINED = {"backbone": Backbone(small_net, trainable=True), **QUICK}
PAPER = {"label_update": "batch", "init": "random", "temperature": "learned"}
ON_FEATURES = {
    "lwal": LwALClassifier(**QUICK),
    "paper": LwALClassifier(**PAPER, repel_weight=10.0, output_dim=3.0, **QUICK),
    "lagging": LwALClassifier(**PAPER, update_every=2, label_momentum=0.5, **QUICK),
    "std": STDClassifier(l2=1e-3, **QUICK),
    **{
        name: clone(clf).set_params(**QUICK)
        for name, clf in RIVALS.items()
        if not clf.hidden_layer_sizes
    },
}
# Each process's part of a batch is normalised by itself and has a dropout of its own.
HIDDEN = {
    name: clone(clf).set_params(**QUICK)
    for name, clf in RIVALS.items()
    if clf.hidden_layer_sizes
}
ON_IMAGES = {
    "trained lwal": LwALClassifier(**TRAINED),
    "trained paper": LwALClassifier(**PAPER, repel_weight=10.0, **TRAINED),
    "trained std": STDClassifier(**TRAINED),
}
EVERY = ON_FEATURES | ON_IMAGES | HIDDEN


def fitted(name):
    """Weights, labels and losses of the model."""
    X, y = load_digits(return_X_y=True)
    X, y = X[:301] / 16, y[:301]
    if name in ON_IMAGES:
        X = X.reshape(-1, 8, 8)
    clf = (
        EVERY[name]
        .set_params(distributed=dist.is_initialized())
        .fit(X, y, sample_weight=1 + np.arange(len(y)) % 3)
    )
    state = clf.net_.module_.state_dict()
    losses = [(row["train_loss"], row["train_acc"]) for row in clf.history_]
    return {**state, "labels": torch.from_numpy(clf.labels_), "losses": losses}


def train_part(rank, folder):
    """Run one of the processes."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    address = f"file://{folder}/meeting"
    dist.init_process_group("gloo", address, rank=rank, world_size=N_PROCESSES)
    found = {name: fitted(name) for name in EVERY}
    unseeded = QUICK | {"random_state": None, "distributed": True}
    found["fresh"] = LwALClassifier(**unseeded).fit(*four_points()).labels_
    stopped = STDClassifier(early_stopping=True, **unseeded | {"max_epochs": 10})
    third = [part[::3] for part in load_digits(return_X_y=True)]
    found["stopped"] = stopped.fit(*third).history_
    hidden = stopped.set_params(hidden_layer_sizes=(8,), n_iter_no_change=1, tol=0.1)
    found["stopped, hidden"] = hidden.fit(*third).history_
    if rank == 0:
        # A model of its own, which waits for nobody.
        found["own"] = LwALClassifier(**QUICK).fit(*four_points()).labels_
    torch.save(found, f"{folder}/{rank}.pt")
    dist.destroy_process_group()


def four_points():
    return np.array([[0.0, 1], [0, 2], [5, 1], [5, 2]]), [0, 0, 1, 1]


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    folder = tmp_path_factory.mktemp("processes")
    torch.multiprocessing.spawn(train_part, (str(folder),), nprocs=N_PROCESSES)
    return [
        torch.load(folder / f"{rank}.pt", weights_only=False)
        for rank in range(N_PROCESSES)
    ]


@pytest.mark.parametrize("name", ON_FEATURES | ON_IMAGES)
def test_the_same_as_one_process(name, together):
    alone = fitted(name)
    losses = torch.tensor(alone.pop("losses"))
    for part in together:
        found = dict(part[name])
        torch.testing.assert_close(
            torch.tensor(found.pop("losses")), losses, rtol=1e-4, atol=1e-5
        )
        torch.testing.assert_close(found, alone, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", HIDDEN)
def test_processes_agree(name, together):
    first, second = together[0][name], together[1][name]
    torch.testing.assert_close(first, second, rtol=0, atol=0)


def test_early_stopping_is_decided_once(together):
    for name in ("stopped", "stopped, hidden"):
        first, second = ([row["valid_loss"] for row in part[name]] for part in together)
        assert first == second
    # Each held-out row is held out everywhere, or labels would not fit rows.
    assert together[0]["stopped"][-1]["train_acc"] > 0.9


def test_seeds_without_random_state_are_those_of_the_first(together):
    np.testing.assert_array_equal(together[0]["fresh"], together[1]["fresh"])


def test_a_process_may_fit_for_itself(together):
    expected = LwALClassifier(**QUICK).fit(*four_points()).labels_
    np.testing.assert_array_equal(together[0]["own"], expected)


def test_without_processes():
    with pytest.raises(ValueError, match="init_process_group"):
        LwALClassifier(distributed=True).fit(*four_points())


def test_alone_nothing_is_joined():
    part = torch.ones(2, 3)
    assert distributed.rank_and_size() == (0, 1)
    assert distributed.joined(part, 2) is part
    module = nn.Linear(2, 2)
    assert distributed.shared(module, "cpu") is module
