"""Whether float32, the precision of training, is sufficient for the features."""

import warnings

import numpy as np
import torch

# Magnitudes between which squares and sums of features are far from float32's limits.
SMALL, LARGE = 1e-15, 1e15
# Largest rounding error relative to a column's standard deviation that is acceptable,
# and float32's relative rounding error.
BEARABLE, ROUNDED = 1e-3, 2.0**-24
# Number of rows to estimate a deviation from, and of values to read in one operation.
LOOK, AT_ONCE = 1000, 4_000_000


def as_tensor(array):
    """A tensor that shares the memory of a NumPy array, which may be read-only."""
    if array.flags.writeable:
        return torch.from_numpy(array)
    with warnings.catch_warnings():
        # Memory-mapped inputs are read-only. torch warns, but X is never written to.
        warnings.filterwarnings("ignore", message="The given NumPy array is not wri")
        return torch.from_numpy(array)


def fits_float32(X):
    """Whether training can compute with these dense features in float32.

    It cannot if a column lies so far from zero, compared with its standard deviation,
    that rounding would blur the differences between rows (time stamps are an example),
    or if squares of values would overflow or underflow.

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
    # The range bounds the standard deviation from below.
    least = (high - low) / (2 * len(X) ** 0.5)
    deviation = torch.maximum(look.std(0, correction=0), least)
    return not bool((size * ROUNDED > BEARABLE * deviation)[high > low].any())


def ranges(X):
    """Smallest and largest value of each column of a tensor."""
    low = high = X[0]
    for rows in X.split(max(1, AT_ONCE // max(1, X.shape[1]))):
        low = torch.minimum(low, rows.amin(0))
        high = torch.maximum(high, rows.amax(0))
    return low, high


def converted(X, dtype):
    """An array or a tensor in another precision; arrays come out in C order."""
    if isinstance(X, torch.Tensor):
        return X.to(getattr(torch, dtype))
    return np.ascontiguousarray(X, dtype)


def check_fits_float(name, value):
    """Raise a ValueError for a parameter that is an int and too large for a float."""
    try:
        if value is not None:
            float(value)
    except OverflowError as error:
        raise ValueError(
            f"The {name!r} parameter must fit a float. Got an int with "
            f"{int(value).bit_length()} bits."
        ) from error
