"""The update rule of the labels against slow and plain formulas."""

import numpy as np
import pytest
import torch

from sklearn_lwal.heads import functional as F
from sklearn_lwal.heads.update_rule import is_update_step, label_move, label_update


@pytest.mark.parametrize("momentum", [0.0, 0.3])
@pytest.mark.parametrize("update", [True, torch.tensor(True), torch.tensor(False)])
def test_label_update(momentum, update):
    z, y = torch.randn(20, 3, dtype=torch.float64), torch.arange(20) % 4
    weight = torch.rand(20, dtype=torch.float64)
    weight[y == 2] = 0
    old = torch.randn(5, 3, dtype=torch.float64)
    kept = old.numpy()
    member = F.class_membership(y, torch.eye(5).double(), weight)
    base, share = label_update(old, member, momentum, update)
    new = base + share @ z
    for c in range(5):
        expected = kept[c]
        if c in (0, 1, 3) and bool(update):
            mine = (y == c).numpy()
            mean = np.average(z.numpy()[mine], axis=0, weights=weight.numpy()[mine])
            expected = momentum * kept[c] + (1 - momentum) * mean
        np.testing.assert_allclose(new[c], expected)


def test_updates_are_whole_by_default():
    labels, z = torch.randn(2, 3).double(), torch.randn(5, 3).double()
    member = F.class_membership(torch.tensor([0, 1, 0, 1, 1]), torch.eye(2).double())
    base, share = label_update(labels, member)
    expected = torch.stack([z[[0, 2]].mean(0), z[[1, 3, 4]].mean(0)])
    torch.testing.assert_close(base + share @ z, expected)


def test_targets_of_labels():
    labels, means = torch.randn(3, 2).double(), torch.randn(3, 2).double()
    share, z = torch.rand(3, 6).double(), torch.randn(6, 2).double()
    present = torch.tensor([True, False, True])
    for momentum in (0.0, 0.3):
        for update in (True, False, torch.tensor(True), torch.tensor(False)):
            base, left = label_move(labels, means, share, present, momentum, update)
            kept = torch.where(present & torch.as_tensor(update), momentum, 1.0)
            expected = torch.lerp(means + share @ z, labels, kept[:, None].double())
            torch.testing.assert_close(base + left @ z, expected)
            alone, left = label_move(labels, means, None, present, momentum, update)
            torch.testing.assert_close(alone, base)
            assert left is None
    base, _ = label_move(labels, means, None, present)
    torch.testing.assert_close(base[[0, 2]], means[[0, 2]])
    torch.testing.assert_close(base[1], labels[1])


def test_update_steps():
    steps = torch.arange(10)
    now = is_update_step(steps, update_every=3, warmup_steps=2)
    assert steps[now].tolist() == [2, 5, 8]
