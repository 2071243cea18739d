"""Whether float32, in which training computes, holds what features tell."""

import warnings

import numpy as np
import torch

# Sizes of features whose squares and sums float32 holds with room to spare.
SMALL, LARGE = 1e-15, 1e15
# The rounding that a deviation bears, and float32's share of a value.
BEARABLE, ROUNDED = 1e-3, 2.0**-24
# Rows that a deviation is estimated from, and values that are looked at in one go.
LOOK, AT_ONCE = 1000, 4_000_000


def as_tensor(array):
    """A NumPy array as a tensor that shares its memory, also when read-only."""
    if array.flags.writeable:
        return torch.from_numpy(array)
    with warnings.catch_warnings():
        # Memory-mapped inputs are read-only, and nothing here writes to X.
        warnings.filterwarnings("ignore", message="The given NumPy array is not wri")
        return torch.from_numpy(array)


def fits_float32(X):
    """Whether float32 holds dense features so well that training can compute in it.

    It does not where columns lie so far from zero that it rounds away what tells their
    rows apart (time stamps), or where their squares would be too large or too small.

    Parameters
    ----------
    X : (n, n_features) array or tensor of float32 or float64
    """
    X = X if isinstance(X, torch.Tensor) else as_tensor(X)
    low, high = ranges(X)
    size = torch.maximum(low.abs(), high.abs()).double()
    if bool(((size > LARGE) | ((size < SMALL) & (size > 0))).any()):
        return False
    if X.dtype == torch.float32:
        return True
    look = X[:: max(1, len(X) // LOOK)]
    # One value at an end makes for a deviation of at least so much.
    least = (high - low) / (2 * len(X) ** 0.5)
    deviation = torch.maximum(look.std(0, correction=0), least)
    return not bool((size * ROUNDED > BEARABLE * deviation)[high > low].any())


def ranges(X):
    """Least and largest value of each column of a tensor."""
    low = high = X[0]
    for rows in X.split(max(1, AT_ONCE // max(1, X.shape[1]))):
        low = torch.minimum(low, rows.amin(0))
        high = torch.maximum(high, rows.amax(0))
    return low, high


def converted(X, dtype):
    """An array or a tensor in another precision, its rows one after the other."""
    if isinstance(X, torch.Tensor):
        return X.to(getattr(torch, dtype))
    return np.ascontiguousarray(X, dtype)
