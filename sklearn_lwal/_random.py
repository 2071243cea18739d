"""Everything drawn at random outside of torch: seeds and the held-out rows."""

from numbers import Integral

import numpy as np
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state


def random_state(seed):
    """As check_random_state, but None draws fresh entropy, not NumPy's global state."""
    return np.random.RandomState() if seed is None else check_random_state(seed)


def torch_seed(seed, rng):
    """An int ``seed`` itself, else one drawn from ``rng``."""
    return int(seed if isinstance(seed, Integral) else rng.randint(2**31 - 1))


def stratified_split(y, fraction, rng):
    """Row indices for training and validation; every class stays in training."""
    counts = np.bincount(y)
    divisible = np.flatnonzero(counts[y] > 1)
    if len(divisible) == 0:
        raise ValueError(
            "early_stopping=True needs a class with at least 2 samples to hold one "
            "out. Pass eval_set or set early_stopping=False."
        )
    n_valid = int(np.ceil(fraction * len(divisible)))
    labels = y[divisible]
    n_classes = len(np.unique(labels))
    if n_valid >= n_classes and len(divisible) - n_valid >= n_classes:
        _, valid = train_test_split(
            divisible, test_size=n_valid, stratify=labels, random_state=rng
        )
    else:
        # Too few rows to give every class its share: at most one row of a class.
        shuffled = rng.permutation(divisible)
        _, first = np.unique(y[shuffled], return_index=True)
        valid = shuffled[np.sort(first)[:n_valid]]
    return np.setdiff1d(np.arange(len(y)), valid), valid.astype(np.int64)
