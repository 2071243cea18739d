"""The dense layer on standardised features against a plain one."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from sklearn_lwal.heads.linear import (
    FAR_FROM_ZERO,
    SQUARED_LENGTH,
    Dense,
    StandardizedLinear,
    standardize,
)


def make_layer(X, n_out=3):
    """The layer with the statistics of ``X``, and a plain twin."""
    plain = nn.Linear(X.shape[1], n_out).to(X.dtype)
    layer = StandardizedLinear(copy.deepcopy(plain)).to(X.dtype)
    layer.set_statistics(X.mean(0), X.std(0, correction=0))
    return layer, plain


def make_rows(dtype=torch.float64):
    X = torch.randn(40, 5, dtype=torch.float64)
    return (X * torch.tensor([1.0, 1e-4, 1e4, 3.0, 0.1]) + 2).to(dtype)


def by_hand(X):
    return (X - X.mean(0)) / X.std(0, correction=0)


def test_without_statistics_it_is_a_plain_layer():
    plain = nn.Linear(5, 3).double()
    layer = StandardizedLinear(plain).double()
    X = make_rows()
    for mode in (True, False):
        torch.testing.assert_close(layer.train(mode)(X), plain(X), rtol=0, atol=0)


@pytest.mark.parametrize("training", [True, False])
def test_outputs_and_gradients_of_a_plain_layer(training):
    X = make_rows()
    X[:, 1] = 2 + X[:, 1]
    # The small column lies far out; here every column is to be folded in.
    layer, plain = make_layer(X)
    layer.folds = True
    out, expected = layer.train(training)(X), plain(by_hand(X))
    torch.testing.assert_close(out, expected, rtol=1e-7, atol=1e-8)
    # The gradients are those of the weight that the layer has, in its own units.
    own = nn.Linear(5, 3).double()
    own.load_state_dict({"weight": layer.weight, "bias": layer.bias})
    pull = torch.randn_like(out)
    for result in (out, own(layer.standardize(X))):
        (result * pull).sum().backward()
    for name in ("weight", "bias"):
        mine, theirs = (getattr(one, name).grad for one in (layer, own))
        theirs = theirs * (layer.constant if name == "bias" else 1)
        torch.testing.assert_close(mine, theirs, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("d", [1, 5, 3000])
def test_features_are_brought_to_one_length(d):
    X = 3 + 5 * torch.randn(50, d, dtype=torch.float64)
    layer, _ = make_layer(X)
    inside = layer.standardize(X)
    assert inside.square().sum(1).mean().item() == pytest.approx(SQUARED_LENGTH)
    length = (SQUARED_LENGTH / d) ** 0.5
    torch.testing.assert_close(inside, length * by_hand(X), rtol=1e-6, atol=1e-6)


def test_only_weight_and_bias_are_trained():
    layer, _ = make_layer(make_rows())
    assert {name for name, _ in layer.named_parameters()} == {"weight", "bias"}
    assert {"shift", "scale"} <= layer.state_dict().keys()


@pytest.mark.parametrize("value", [0.0, 3.0, -1e4])
@pytest.mark.parametrize("training", [True, False])
def test_a_constant_column_counts_as_zero(value, training):
    X = make_rows()
    X[:, 2] = value
    layer, plain = make_layer(X)
    assert (layer.scale > 0).tolist() == [True, True, False, True, True]
    kept = [0, 1, 3, 4]
    expected = by_hand(X[:, kept]) @ plain.weight[:, kept].T + plain.bias
    torch.testing.assert_close(layer.train(training)(X), expected, rtol=1e-6, atol=1e-6)


def test_a_column_far_from_zero_keeps_its_digits():
    X = torch.randn(201, 4, dtype=torch.float64)
    # Whole numbers: float32 holds every one of them exactly.
    X[:, 1] = 1e6 + torch.arange(201) % 3 - 1
    layer, plain = make_layer(X)
    assert not layer.folds
    exact = plain(by_hand(X))
    layer = layer.float().train()
    out = layer(X.float())
    np.testing.assert_allclose(out.detach(), exact.detach(), atol=1e-5)
    # The flag is necessary: folded, the same column is off by more than that.
    layer.folds = True
    assert (layer(X.float()) - exact).abs().max() > 1e-3


@pytest.mark.parametrize(("distance", "folds"), [(0.01, True), (100.0, False)])
@pytest.mark.parametrize("sign", [1, -1])
def test_when_statistics_are_folded_in(distance, folds, sign):
    layer = StandardizedLinear(nn.Linear(2, 2))
    mean = torch.tensor([0.0, sign * distance * FAR_FROM_ZERO * 7])
    layer.set_statistics(mean, torch.tensor([1.0, 7.0]))
    assert layer.folds is folds


def test_standardize_takes_any_layer():
    X = make_rows()
    layer, plain = make_layer(X)
    torch.testing.assert_close(standardize(layer, X), layer.standardize(X))
    assert standardize(plain, X) is X


def test_networks_whose_units_differ_in_scale_alone():
    layers = [StandardizedLinear(Dense(3, 2)) for _ in range(2)]
    for layer, deviation in zip(layers, (1.0, 4.0), strict=True):
        layer.set_statistics(torch.zeros(3), torch.full((3,), deviation))
    whole = StandardizedLinear(Dense(3, 2))
    whole.scale = torch.stack([layer.scale for layer in layers])[:, None]
    X = torch.randn(2, 1, 5, 3)
    for rows, found, layer in zip(X, whole.standardize(X), layers, strict=True):
        torch.testing.assert_close(found, layer.standardize(rows))
