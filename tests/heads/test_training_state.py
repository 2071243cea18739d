"""State that heads have while they are trained, and their defaults."""

import pytest
import torch

from sklearn_lwal.heads.retrospection import RetrospectionHead
from sklearn_lwal.heads.static import StaticHead

N, N_CLASSES = 6, 3


def head_in_epoch(epoch, n_epochs=8, **options):
    head = RetrospectionHead(2, N_CLASSES, **options)
    head.start_training(N, n_epochs)
    for _ in range(epoch):
        head.start_epoch()
    return head


def test_defaults_of_retrospection():
    head = RetrospectionHead(2, N_CLASSES)
    assert (head.variant, head.update_every) == ("paper", 5)
    assert (head.temperature, head.retrospection, head.l2) == (5.0, 0.9, 0.0)
    assert head.training_state() == {"soft_labels": None, "epoch": 0}


@pytest.mark.parametrize(
    ("n_epochs", "options", "has_table"),
    [(5, {}, False), (6, {}, True), (6, {"retrospection": 0.0}, False)],
)
def test_a_table_only_where_it_will_be_read(n_epochs, options, has_table):
    head = head_in_epoch(0, n_epochs, **options)
    assert (head.soft_labels is not None) is has_table
    if has_table:
        assert head.soft_labels.shape == (N, N_CLASSES)
        assert head.soft_labels.dtype == torch.float32
        assert not head.soft_labels.any()


@pytest.mark.parametrize(
    ("variant", "shares"),
    [
        ("paper", [0, 0, 0.9 * 2 / 8, 0.9 * 4 / 8, 0.9 * 4 / 8, 0.9 * 6 / 8]),
        ("lwal", [0, 0, 0.9 * 3 / 8, 0.9 * 4 / 8, 0.9 * 5 / 8, 0.9 * 6 / 8]),
    ],
)
def test_the_share_of_earlier_predictions(variant, shares):
    for epoch, share in enumerate(shares, 1):
        head = head_in_epoch(epoch, variant=variant, update_every=2)
        assert head.epoch == epoch
        assert head._share() == pytest.approx(share)


def test_the_end_forgets_everything():
    head = head_in_epoch(3)
    assert head.training_state()["soft_labels"] is head.soft_labels
    head.end_training()
    assert (head.soft_labels, head.epoch, head.n_epochs) == (None, 0, 0)


def test_a_state_goes_on_in_another_head():
    head, other = head_in_epoch(3), head_in_epoch(0)
    head.soft_labels.copy_(torch.rand(N, N_CLASSES))
    other.load_training_state(head.training_state())
    assert other.epoch == 3
    torch.testing.assert_close(other.soft_labels, head.soft_labels, rtol=0, atol=0)
    assert other.soft_labels is not head.soft_labels
    without = head_in_epoch(0, n_epochs=1)
    without.load_training_state({"soft_labels": None, "epoch": 1})
    assert (without.soft_labels, without.epoch) == (None, 1)


def test_some_of_many_heads_keep_their_rows():
    head = head_in_epoch(1)
    head.soft_labels = torch.rand(2, 4, N, N_CLASSES)
    expected = head.soft_labels[:, [3, 1]]
    head.select_members([3, 1])
    torch.testing.assert_close(head.soft_labels, expected, rtol=0, atol=0)
    alone = head_in_epoch(1, n_epochs=1)
    alone.select_members([0])
    assert alone.soft_labels is None


def test_predictions_are_stored_every_k_epochs_by_row():
    rows, z = torch.tensor([4, 1]), torch.tensor([[2.0, 0, -1], [0, 3, 1]])
    y = torch.tensor([0, 1])
    for epoch, is_stored in ((1, False), (2, True), (3, False), (4, True)):
        head = head_in_epoch(epoch, update_every=2, temperature=2.0)
        head.loss(z, y, rows=rows)
        if is_stored:
            torch.testing.assert_close(head.soft_labels[rows], (z / 2).softmax(1))
            assert not head.soft_labels[[0, 2, 3, 5]].any()
        else:
            assert not head.soft_labels.any()


def test_a_static_head_starts_at_the_mean_of_its_labels():
    labels = torch.tensor([[10.0, 0.0], [0.0, 4.0], [2.0, 2.0]])
    torch.manual_seed(0)
    plain = torch.nn.Linear(2, 2)
    torch.manual_seed(0)
    head = StaticHead(2, labels)
    assert head.l2 == 0.0
    torch.testing.assert_close(head.linear.bias, plain.bias + torch.tensor([4.0, 2.0]))
    before = head.linear.bias.detach().clone()
    weights = torch.tensor([2.0, 1.0, 1.0])
    head.set_class_weights(weights, first=False)
    torch.testing.assert_close(head.linear.bias.detach(), before, rtol=0, atol=0)
    head.set_class_weights(weights, first=True)
    moved = torch.tensor([0.5, 0.25, 0.25]) @ labels - labels.mean(0)
    torch.testing.assert_close(head.linear.bias.detach(), before + moved)


def test_the_loss_of_a_static_head_is_huber_s():
    labels = torch.tensor([[0.0, 0.0], [5.0, 5.0]])
    z = torch.tensor([[0.5, 3.0]], requires_grad=True)
    loss, scores = StaticHead(2, labels).latent_loss(z, torch.tensor([0]))
    assert loss.item() == pytest.approx((0.125 + 2.5) / 2)
    assert not scores.requires_grad
    assert scores.argmax() == 0
