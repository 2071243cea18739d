"""Rows that the tests of searches share."""

import numpy as np
import pytest
from _helpers.searches import wine


@pytest.fixture(scope="module")
def data():
    """Columns on one scale, (178, 13), of three classes in order."""
    return wine()


@pytest.fixture(scope="module")
def mixed(data):
    """The same rows in another order."""
    order = np.random.RandomState(0).permutation(178)
    return data[0][order], data[1][order]
