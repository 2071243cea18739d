"""The pure functions against slow and plain formulas."""

import numpy as np
import pytest
import torch
from reference_loss import repel

from sklearn_lwal.heads import functional as F
from sklearn_lwal.heads.update_rule import is_update_step, label_update


@pytest.mark.parametrize("temperature", [1.0, 2.5, torch.tensor(2.5)])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("with_offset", [False, True])
def test_cross_entropy_of_distances(with_offset, weighted, temperature):
    z, labels = torch.randn(9, 3).double(), torch.randn(4, 3).double()
    y, share = torch.arange(9) % 4, torch.rand(4, 9).double()
    weight = torch.rand(9).double() if weighted else None
    offset = torch.randn(4).double() if with_offset else None
    member = F.class_membership(y, torch.eye(4).double(), weight)
    given = {"temperature": temperature, "offset": offset}
    if isinstance(temperature, float) and temperature == 1:
        # As by default.
        del given["temperature"]
    z.requires_grad_()
    for part in (None, share):
        moved = labels if part is None else labels + part @ z
        expected = -temperature * torch.cdist(z, moved)
        expected = expected if offset is None else expected + offset
        losses = torch.nn.functional.cross_entropy(expected, y, reduction="none")
        mean = losses.mean() if weight is None else losses @ weight / weight.sum()
        for function in (F.distance_cross_entropy, F.plain_distance_cross_entropy):
            loss, scores, found, *_ = function(z, labels, member, part, weight, **given)
            torch.testing.assert_close(loss, mean)
            torch.testing.assert_close(scores, expected)
            torch.testing.assert_close(found, moved)
            if function is F.distance_cross_entropy:
                assert not scores.requires_grad
                assert not found.requires_grad
            mine, theirs = (
                torch.autograd.grad(x, z, retain_graph=True) for x in (loss, mean)
            )
            torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize("offset", [0.0, 100.0, 1000.0])
def test_distances_keep_their_digits_far_from_the_origin(offset):
    # The naive expansion in float32 is off by more than 1 here at an offset of 1000.
    place = offset * torch.linspace(-1, 1, 16)
    z, labels = (torch.randn(n, 16) * 0.01 + place for n in (50, 10))
    exact = np.linalg.norm(z.double()[:, None] - labels.double()[None], axis=2)
    np.testing.assert_allclose(F.pairwise_distance(z, labels), exact, atol=1e-4)


def test_distance_has_a_floor_and_no_gradient_there():
    z = torch.randn(3, 4, requires_grad=True)
    distance = F.pairwise_distance(z, z.detach()).diagonal()
    distance.sum().backward()
    assert z.grad.abs().max() < 1e3
    same = torch.ones(1, 4, requires_grad=True)
    F.pairwise_distance(same, torch.ones(2, 4)).sum().backward()
    assert same.grad.abs().max() == 0
    assert F.pairwise_distance(same, torch.ones(2, 4)).max().item() == pytest.approx(
        1e-6
    )


def test_repel_loss_equals_the_sum_over_pairs():
    z, y = torch.randn(30, 5, dtype=torch.float64), torch.randint(4, (30,))
    weight = torch.rand(30, dtype=torch.float64)
    z[3] = 0
    for w in (torch.ones_like(weight), weight, 1e-3 * weight):
        member = F.class_membership(y, torch.eye(4).double(), w)
        expected = repel(z.numpy(), y.numpy(), w.numpy())
        np.testing.assert_allclose(F.repel_loss(z, member, w), expected, atol=1e-12)
        plain, _ = F.plain_repel_loss(z, member, w)
        np.testing.assert_allclose(plain, expected, atol=1e-12)
        trebled, _ = F.plain_repel_loss(z, member, w, 3.0)
        np.testing.assert_allclose(trebled, 3 * expected, atol=1e-12)


def test_a_zero_row_has_no_direction_and_no_gradient():
    z = torch.tensor([[0.0, 0.0], [3.0, 4.0]], requires_grad=True)
    loss = F.repel_loss(z, torch.eye(2))
    loss.backward()
    assert loss.item() == 0
    assert z.grad[0].abs().max() == 0


def test_weighted_cross_entropy_equals_repeated_rows():
    scores, y = torch.randn(6, 3, dtype=torch.float64), torch.tensor([0, 1, 2, 0, 1, 2])
    times = torch.tensor([1, 2, 0, 3, 1, 1])
    repeated = F.cross_entropy(
        scores.repeat_interleave(times, 0), y.repeat_interleave(times)
    )
    weighted = F.cross_entropy(scores, y, times)
    torch.testing.assert_close(weighted, repeated)
    expected = torch.nn.functional.cross_entropy(scores, y)
    torch.testing.assert_close(F.cross_entropy(scores, y), expected)


def test_functions_batch_with_vmap():
    # One program for many candidates: a leading dimension over everything.
    z, y = torch.randn(4, 20, 3), torch.randint(3, (20,))
    member = F.class_membership(y, torch.eye(3))
    labels = torch.eye(3).expand(4, 3, 3)

    def step(z, labels, update_every):
        now = is_update_step(torch.tensor(5), update_every, 0)
        base, share = label_update(labels, member, update=now)
        loss, *_ = F.plain_distance_cross_entropy(z, base, member, share)
        return loss + now * F.plain_repel_loss(z, member)[0]

    step = torch.func.grad_and_value(step)
    update_every = torch.tensor([1, 2, 5, 7])
    batched = torch.func.vmap(step)(z, labels, update_every)
    for i in range(4):
        alone = step(z[i], labels[i], update_every[i])
        for together, expected in zip(batched, alone, strict=True):
            torch.testing.assert_close(together[i], expected, atol=1e-6, rtol=1e-5)


def test_options_as_numbers():
    assert [F.number(option) for option in (True, False)] == [1, 0]
    assert type(F.number(True)) is int
    for option in (3, 2**63 - 1, 1 - 2**63, 0.5):
        assert F.number(option) is option
    for option in (2**63, -(2**63), 10**30):
        assert (type(F.number(option)), F.number(option)) == (float, float(option))
    assert F.number(10**400) == 2.0**1000
    tensor = torch.tensor(3)
    assert F.number(tensor) is tensor
    assert F.is_zero(0)
    assert F.is_zero(0.0)
    assert not F.is_zero(1e-30)
    assert F.is_zero(torch.tensor(0.0)) is False
