"""Fixtures shared by all tests."""

import os

import numpy as np
import pytest
import torch
from sklearn.datasets import load_iris
from sklearn.preprocessing import scale

if "PYTEST_XDIST_WORKER" in os.environ:
    # The workers share the cores.
    torch.set_num_threads(1)


def pytest_configure(config):
    config.addinivalue_line(
        "markers", "thread_unsafe: scikit-learn's own tests have it"
    )


@pytest.fixture(autouse=True)
def _seed():
    np.random.seed(0)
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def iris():
    """Standardised float32 features and integer labels."""
    X, y = load_iris(return_X_y=True)
    return scale(X).astype(np.float32), y
