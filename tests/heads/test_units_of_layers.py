"""Changes of the units that a dense layer takes its features in."""

import pytest
import torch
from torch import nn

from sklearn_lwal.heads.linear import (
    SQUARED_LENGTH,
    ChangeOfUnits,
    Dense,
    StandardizedLinear,
    affine,
    outputs,
    outputs_of_both,
    set_bias,
    standardize,
)

D = 4
MEAN = torch.tensor([0.5, -2.0, 3.0, 7.0], dtype=torch.float64)
DEVIATION = torch.tensor([1.0, 0.25, 4.0, 0.0], dtype=torch.float64)
LENGTH = (SQUARED_LENGTH / D) ** 0.5


def make_layer(**options):
    layer = StandardizedLinear(nn.Linear(D, 3)).double().eval()
    layer.set_statistics(MEAN, DEVIATION, **options)
    return layer


def make_rows():
    X = MEAN + torch.randn(9, D).double() * DEVIATION
    assert (X[:, 3] == 7).all()
    return X


@pytest.mark.parametrize(
    ("squared_length", "length"), [(None, 1.0), (SQUARED_LENGTH, LENGTH), (36, 3.0)]
)
def test_lengths(squared_length, length):
    plain = nn.Linear(D, 3).double()
    weight, bias = (p.detach().clone() for p in plain.parameters())
    layer = StandardizedLinear(plain).double()
    layer.set_statistics(MEAN, DEVIATION, squared_length=squared_length)
    assert layer.constant == length
    torch.testing.assert_close(layer.weight, weight / length)
    torch.testing.assert_close(layer.bias, bias / length)
    expected = torch.tensor([1.0, 4.0, 0.25, 0.0]).double() * length
    torch.testing.assert_close(layer.scale, expected)
    assert torch.equal(layer.shift, MEAN)


def test_the_default_length():
    assert torch.equal(make_layer().scale, make_layer(squared_length=1000).scale)
    layer = make_layer()
    layer.change_statistics(MEAN, 2 * DEVIATION)
    assert layer.scale[0] == LENGTH / 2


def test_a_tiny_deviation_has_a_scale_that_float32_holds():
    layer = StandardizedLinear(nn.Linear(D, 3))
    # Statistics are float64. In float32 this is a subnormal, which some libraries let
    # the processor take for 0.
    deviation = torch.tensor([1e-45, 1.0, 1.0, 1.0], dtype=torch.float64)
    layer.set_statistics(torch.zeros(D), deviation)
    assert torch.isfinite(layer.scale).all()
    assert layer.scale[0] == torch.finfo(torch.float32).max


def test_far_columns_are_judged_in_standard_deviations():
    # Whatever the length that the features are brought to.
    for squared_length in (None, 1e6):
        layer = StandardizedLinear(nn.Linear(D, 3))
        for far, folds in ((999.0, True), (1001.0, False), (-1001.0, False)):
            mean = torch.tensor([0.0, 0.0, far, 0.0])
            layer.set_statistics(mean, torch.ones(D), squared_length=squared_length)
            assert layer.folds is folds


def test_nothing_changes():
    layer = make_layer()
    # The column that is constant has another value now, which no unit tells of.
    assert layer.change_statistics(MEAN, DEVIATION) is None
    # A deviation of 0 leaves a column that varied as it is.
    none = torch.zeros(D).double()
    mean = torch.cat([MEAN[:3] + 5, MEAN[3:]])
    assert layer.change_statistics(mean, none) is None
    assert torch.equal(layer.shift, MEAN)


@pytest.mark.parametrize("squared_length", [None, SQUARED_LENGTH])
def test_outputs_stay(squared_length):
    layer = make_layer(squared_length=squared_length)
    X, known = make_rows(), None
    before, known = layer(X), layer.standardize(X)
    scale, bias = layer.scale.clone(), layer.bias.detach().clone()
    mean = MEAN + torch.tensor([1.0, 2.0, 3.0, 4.0])
    deviation = torch.tensor([2.0, 0.0, 1.0, 5.0]).double()
    change = layer.change_statistics(mean, deviation, squared_length=squared_length)
    # The second column varied before, and has no new deviation.
    expected = torch.tensor([1.5, -2.0, 6.0, 11.0]).double()
    torch.testing.assert_close(layer.shift, expected)
    length = layer.constant
    expected = torch.tensor([0.5, 4.0, 1.0, 0.2]).double() * length
    torch.testing.assert_close(layer.scale, expected)
    torch.testing.assert_close(change.gain, torch.tensor([2, 1, 0.25, 1]).double())
    torch.testing.assert_close(change.ratio, torch.tensor([0.5, 1, 4, 0]).double())
    assert change.gain.dtype == change.offset.dtype == torch.float64
    change.apply(layer.weight.data, layer.bias.data)
    torch.testing.assert_close(layer(X), before)
    assert not torch.equal(layer.bias, bias)
    # A constant column counts 0 in the old units and in the new ones.
    moved = known.clone()
    change.move(moved)
    expected = layer.standardize(X)
    torch.testing.assert_close(moved, expected)
    assert scale[3] == 0


def test_a_constant_column_takes_its_new_value_before_it_varies():
    layer = make_layer()
    change = layer.change_statistics(MEAN + torch.tensor([0, 0, 0, 1.0]), DEVIATION)
    assert layer.shift[3] == 8
    assert torch.equal(change.gain, torch.ones(D).double())
    assert not change.offset.any()
    assert change.ratio.tolist() == [1, 1, 1, 0]


def test_gradients_in_other_units():
    ratio = torch.tensor([2.0, 0.5, 0.0]).double()
    one = torch.ones(3).double()
    change = ChangeOfUnits(one, ratio, one, one[0])
    for power in (1, 2):
        values = torch.tensor([3.0, 4.0, 5.0])
        change.scale_gradients(values, power)
        assert values.dtype == torch.float32
        assert values.tolist() == [3 * 2.0**power, 4 * 0.5**power, 0]
    values = torch.tensor([[3.0, 4.0, 5.0]])
    change.move(values)
    assert values.tolist() == [[5.0, 1.0, -1.0]]


@pytest.mark.parametrize("kind", [Dense, nn.Linear, StandardizedLinear])
def test_outputs_of_rows_and_of_what_is_standardised(kind):
    layer = make_layer() if kind is StandardizedLinear else kind(D, 3).double()
    X, known = make_rows(), torch.randn(2, D).double()
    torch.testing.assert_close(outputs(layer, standardize(layer, X)), layer(X))
    mine, others = outputs_of_both(layer, X, known)
    torch.testing.assert_close(mine, layer(X))
    torch.testing.assert_close(others, outputs(layer, known))
    # Rows may have more digits than the weight.
    layer, known = layer.float(), known.float()
    mine, others = outputs_of_both(layer, X, known)
    assert mine.dtype == others.dtype == torch.float32
    torch.testing.assert_close(others, outputs(layer, known))


@pytest.mark.parametrize("standardized", [True, False])
def test_biases(standardized):
    layer = make_layer() if standardized else nn.Linear(D, 3).double()
    bias = torch.tensor([1.0, 2.0, 3.0]).double()
    set_bias(layer, bias)
    torch.testing.assert_close(outputs(layer, torch.zeros(1, D).double())[0], bias)


def test_rows_with_more_digits_are_not_folded_in():
    layer = make_layer().float().train()
    assert layer.folds
    X = 1e9 + torch.arange(4.0 * D).view(4, D).double()
    with torch.no_grad():
        layer.shift.copy_(X.mean(0))
        layer.scale.fill_(1.0)
    found = layer(X)
    assert found.dtype == torch.float32
    exact = layer.double().eval()(X)
    assert not torch.equal(found[0], found[1])
    assert (found - exact).abs().max() < 100


def test_the_dtypes_of_what_it_is_given():
    layer = make_layer().float()
    wide = layer.change_statistics(MEAN + 1, 2 * DEVIATION)
    assert wide.gain.dtype == torch.float64
    assert layer.scale.dtype == layer.shift.dtype == torch.float32
    assert "in_features=4, out_features=3" in repr(layer)


@pytest.mark.parametrize("shape", [(5, D), (2, 1, 5, D), (2, 3, 5, D), (1, 5, D)])
def test_affine_maps_of_many_layers(shape):
    leading = (3,) if len(shape) == 3 else (2, 3)
    weight, bias, x = (
        torch.randn(size).double() for size in ((*leading, 6, D), (*leading, 6), shape)
    )
    found = affine(x, weight, bias)
    torch.testing.assert_close(found, x @ weight.mT + bias[..., None, :])
    layer = Dense(D, 6).double()
    rows = torch.randn(7, D).double()
    torch.testing.assert_close(layer(rows), nn.Linear.forward(layer, rows))
