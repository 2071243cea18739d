"""The check of tensors on a device, which needs none: it never asks where they are."""

import numpy as np
import pytest
import torch

from sklearn_lwal import LwALClassifier
from sklearn_lwal._utils.validation import _check_device_tensor, check_X


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (torch.ones(3), "2D array, got 1D"),
        (torch.ones(0, 3), r"0 sample.*minimum of 1 is required by LwALClassifier"),
        (torch.ones(3, 0), r"0 feature.*minimum of 1 is required by LwALClassifier"),
        (torch.tensor([[1.0, torch.nan]]), "NaN or infinity"),
        (torch.tensor([[1e300]], dtype=torch.float64), "NaN or infinity"),
        (torch.ones(3, 4), "X has 4 features, but LwALClassifier is expecting 3"),
    ],
)
def test_bad_tensors(X, message):
    clf = LwALClassifier()
    _check_device_tensor(clf, torch.ones(2, 3), reset=True)
    assert clf.n_features_in_ == 3
    with pytest.raises(ValueError, match=message):
        _check_device_tensor(clf, X, reset=False)


@pytest.mark.parametrize("fitted_on", [torch.ones(2, 3), np.ones((2, 3))])
def test_arrays_and_tensors_are_checked_alike(fitted_on):
    clf = LwALClassifier()
    checked = check_X(clf, fitted_on, reset=True, digits="needed")
    found = _check_device_tensor(clf, torch.ones(2, 3, dtype=torch.int64), reset=False)
    assert found.dtype == torch.float32
    assert (np.asarray(checked) == found.numpy()).all()
