"""Saved classifiers, what is compared of them, and files of those who wish ill."""

import numpy as np
import torch
from sklearn.base import BaseEstimator

import sklearn_lwal
from sklearn_lwal._serialization import file as archive
from sklearn_lwal._training.weight_average import WeightAverage


def reloaded(clf, folder, **options):
    path = folder / "model.safetensors"
    clf.save(path)
    return sklearn_lwal.load(path, **options)


def forge(path, change):
    """Change what a file holds, ``change(content, tensors)``; the checksum fits."""
    content, tensors = archive.read(path)
    content = change(content, tensors) or content
    archive.write(path, content, tensors)


def assert_equal(one, two, where=""):
    """The same values of the same types, down to the attributes of modules."""
    assert type(one) is type(two), where
    if isinstance(one, torch.Tensor):
        assert (one.dtype, one.stride()) == (two.dtype, two.stride()), where
        assert torch.equal(one.nan_to_num(), two.nan_to_num()), where
    elif isinstance(one, np.ndarray):
        assert one.dtype == two.dtype, where
        np.testing.assert_array_equal(one, two, where)
    elif isinstance(one, dict):
        # Rows of a history may have their entries in another order.
        assert one.keys() == two.keys(), where
        for key in one:
            assert_equal(one[key], two[key], f"{where}.{key}")
    elif isinstance(one, (list, tuple)):
        assert len(one) == len(two), where
        for i, pair in enumerate(zip(one, two, strict=True)):
            assert_equal(*pair, f"{where}.{i}")
    elif isinstance(one, np.random.RandomState):
        assert_equal(one.get_state(), two.get_state(), where)
    elif isinstance(one, torch.optim.Optimizer):
        assert_equal(one.state_dict(), two.state_dict(), where)
    elif isinstance(one, WeightAverage):
        assert_equal(one.state(), two.state(), where)
    elif isinstance(one, (torch.nn.Module, BaseEstimator)):
        assert_equal(attributes(one), attributes(two), where)
    elif not callable(one):
        assert one == two, where


def attributes(one):
    """All that an estimator, a net or a module has, but for data that is given anew."""
    found = dict(vars(one))
    if "_buffers" in found:
        lasting = found["_non_persistent_buffers_set"]
        found["_buffers"] = {
            k: v for k, v in found["_buffers"].items() if k not in lasting
        }
    if "optimizer_" in found:
        # Every call of fit sets these in the net before training.
        for name in ("max_epochs", "callbacks", "callbacks_", "criterion_"):
            found.pop(name)
    return found


def assert_same_model(one, two, X):
    """The same in all that can be seen and in all that training goes on from."""
    for method in ("predict", "predict_proba", "transform", "decision_function"):
        np.testing.assert_array_equal(getattr(one, method)(X), getattr(two, method)(X))
    assert_equal(one, two)
