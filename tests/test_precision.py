"""Whether float32 holds what features tell: the limits, from both sides."""

import numpy as np
import pytest
import torch

from sklearn_lwal._utils import precision
from sklearn_lwal._utils.precision import converted, fits_float32, ranges


def column(*values, dtype=np.float64):
    return np.array(values, dtype)[:, None]


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("size", "fits"),
    [(1e15, True), (2e15, False), (2e-15, True), (5e-16, False), (0.0, True)],
)
def test_sizes_whose_squares_float32_holds(size, fits, dtype, sign):
    X = np.c_[np.ones(4), column(0, 0, 0, sign * size)].astype(dtype)
    assert fits_float32(X) is fits
    assert fits_float32(torch.tensor(X)) is fits


def test_the_limits_themselves_fit():
    assert fits_float32(column(0, precision.LARGE))
    assert fits_float32(column(0, precision.SMALL))


@pytest.mark.parametrize(("offset", "fits"), [(1e3, True), (1e6, False), (-1e6, False)])
def test_columns_far_from_zero(offset, fits):
    # Two values, one apart from each other: a deviation of a half.
    X = np.c_[np.arange(40) % 7, offset + np.arange(40) % 2]
    assert fits_float32(X) is fits
    assert fits_float32(X[:, ::-1].copy()) is fits
    # float32 has lost already what it would lose.
    assert fits_float32(X.astype(np.float32))


@pytest.mark.parametrize("n_rows", [2, 40])
@pytest.mark.parametrize(("share", "fits"), [(0.9, True), (1.1, False)])
def test_the_rounding_that_a_deviation_bears(share, fits, n_rows):
    # The size is 1, and its rounding this share of what the deviation bears.
    deviation = precision.ROUNDED / (share * precision.BEARABLE)
    X = 1 - deviation * (1 + (-1.0) ** np.arange(n_rows))
    assert fits_float32(X[:, None]) is fits


def test_a_constant_column_loses_nothing():
    assert fits_float32(np.full((30, 1), 123456789.123))


def test_one_row_in_many_that_no_look_sees():
    # Rows between those that are looked at tell of the deviation by the range alone.
    X = np.full(3000, 1e4)
    for difference, fits in ((60, False), (70, True)):
        # At the limit it is that of 66 among so many rows.
        X[1] = 1e4 + difference
        assert fits_float32(X[:, None]) is fits


def test_the_deviation_is_that_of_rows_all_over():
    # The first thousand rows alone do not tell of it.
    X = np.full(4000, 1e4)
    X[1000:] += np.arange(3000) // 100 % 2 * 4
    assert fits_float32(X[:, None])


@pytest.mark.parametrize("at_once", [1, 2, 5, 100])
def test_ranges_of_columns(at_once, monkeypatch):
    monkeypatch.setattr(precision, "AT_ONCE", at_once)
    X = torch.randn(11, 3)
    low, high = ranges(X)
    assert torch.equal(low, X.amin(0))
    assert torch.equal(high, X.amax(0))


def test_ranges_of_one_row():
    row = torch.randn(1, 3)
    assert all(torch.equal(end, row[0]) for end in ranges(row))


def test_ranges_of_no_columns():
    low, high = ranges(torch.ones(3, 0))
    assert low.shape == high.shape == (0,)


def test_as_many_rows_at_once_as_there_is_room_for(monkeypatch):
    monkeypatch.setattr(precision, "AT_ONCE", 8)
    parts, split = [], torch.Tensor.split

    def noting(X, size):
        parts.append(size)
        return split(X, size)

    monkeypatch.setattr(torch.Tensor, "split", noting)
    for width in (0, 1, 2, 8, 100):
        ranges(torch.ones(9, width))
    assert parts == [8, 8, 4, 1, 1]


def test_conversions():
    turned = np.asfortranarray(np.arange(6).reshape(2, 3))
    array = converted(turned, "float32")
    assert (array.dtype, array.flags.c_contiguous) == (np.float32, True)
    np.testing.assert_array_equal(array, turned)
    tensor = converted(torch.tensor(turned), "float64")
    assert tensor.dtype == torch.float64
    assert converted(tensor, "float32").dtype == torch.float32
