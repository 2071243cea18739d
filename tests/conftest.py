"""Fixtures shared by all tests, and what hypothesis draws."""

import os
import secrets

import numpy as np
import pytest
import torch
from hypothesis import settings
from sklearn.datasets import load_iris
from sklearn.preprocessing import scale

if "PYTEST_XDIST_WORKER" in os.environ:
    # The workers share the cores.
    torch.set_num_threads(1)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config):
    """Let hypothesis draw other examples each time, but the same ones in CI."""
    config.addinivalue_line(
        "markers", "thread_unsafe: scikit-learn's own tests have it"
    )
    in_ci = bool(os.environ.get("CI"))
    # A fit is slower than what hypothesis expects of an example; nothing stays on disk.
    options = {"database": None, "deadline": None, "print_blob": True}
    settings.register_profile("ours", derandomize=in_ci, **options)
    settings.load_profile("ours")
    if not in_ci and config.option.hypothesis_seed is None:
        config.option.hypothesis_seed = str(secrets.randbelow(2**32))


def pytest_report_header(config):
    seed = config.option.hypothesis_seed
    return seed and f"examples of hypothesis again: --hypothesis-seed={seed}"


@pytest.fixture(autouse=True)
def _seed():
    np.random.seed(0)
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def iris():
    """Standardised float32 features and integer labels."""
    X, y = load_iris(return_X_y=True)
    return scale(X).astype(np.float32), y
