"""Starts, defaults and messages of heads, which a formula or a sentence fixes."""

import math

import pytest
import torch

from sklearn_lwal import AdaptiveLabels
from sklearn_lwal.heads.adaptive import ClassMeans
from sklearn_lwal.heads.one_hot import CosineHead, OneHotHead, Regularization


@pytest.mark.parametrize("n_classes", [2, 5, 100])
def test_the_first_scale_of_cosines_allows_a_loss_of_a_hundredth(n_classes):
    scale = CosineHead(3, n_classes).log_scale.exp().item()
    exponent = -scale * n_classes / (n_classes - 1)
    least = math.log(1 + (n_classes - 1) * math.exp(exponent))
    assert least == pytest.approx(0.01, rel=1e-4)


def test_the_multiplier_of_the_teacher_is_the_number_of_classes():
    z, y = torch.randn(7, 4), torch.arange(7) % 4
    losses = []
    for multiplier in (None, 4.0, 8.0):
        options = Regularization(teacher_weight=0.5, teacher_multiplier=multiplier)
        head = OneHotHead(3, 4, regularization=options).train()
        losses.append(head.latent_loss(z, y)[0].item())
    assert losses[0] == pytest.approx(losses[1])
    assert losses[0] != pytest.approx(losses[2])


def test_what_can_be_made_again_is_in_no_state_dict():
    assert "one_hot" not in OneHotHead(3, 4).state_dict()
    assert "identity" not in AdaptiveLabels(3, 2).state_dict()


def test_labels_move_to_the_means_that_are_given():
    z, y = torch.randn(6, 2), torch.arange(6) % 3
    means = ClassMeans(torch.randn(3, 2), None, torch.ones(3, dtype=torch.bool))
    losses = []
    for measure in ("forward", "loss_and_scores"):
        labels = AdaptiveLabels(3, 2).train()
        found = getattr(labels, measure)(z, y, class_means=means)
        losses.append(found if measure == "forward" else found[0])
        torch.testing.assert_close(labels.labels, means.means)
    torch.testing.assert_close(*losses)


def test_a_batch_that_does_not_fit_is_described():
    labels, z, y = AdaptiveLabels(3, 2), torch.zeros(4, 2), torch.arange(4) % 3
    for given, message in (
        ((z, y.float()), "y must be a tensor of integers. Got torch.float32 instead."),
        ((z.int(), y), "z must be a tensor of floats. Got torch.int32 instead."),
        (
            (z, y, torch.ones(3)),
            "sample_weight must be of shape (4,). Got (3,) instead.",
        ),
        (
            (z, y + 1),
            "y must hold class indices from 0 to 2. Got some from 1 to 3: leave such "
            "rows out.",
        ),
        (
            (z, y - 1),
            "y must hold class indices from 0 to 2. Got some from -1 to 1: leave such "
            "rows out.",
        ),
    ):
        with pytest.raises(ValueError, match=r".") as info:
            labels(*given)
        assert str(info.value) == message


def test_labels_print_their_shape():
    assert repr(AdaptiveLabels(3, 2)).endswith("n_classes=3, output_dim=2)")
