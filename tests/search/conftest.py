"""Rows and engines that the tests of searches share."""

import numpy as np
import pytest
from _helpers.one_by_one import OneByOne, Untrained
from _helpers.remembered_fits import remember_fits
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


@pytest.fixture(scope="module")
def known_fits():
    return {}


@pytest.fixture
def programs(monkeypatch, known_fits):
    """The programs of an engine that fits one by one, as (candidates, folds)."""
    remember_fits(monkeypatch, known_fits)
    return OneByOne.replace_engine(monkeypatch)


@pytest.fixture
def untrained(monkeypatch, known_fits):
    """The programs of an engine that trains nothing."""
    remember_fits(monkeypatch, known_fits)
    return Untrained.replace_engine(monkeypatch)
