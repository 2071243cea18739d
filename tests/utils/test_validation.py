"""What is accepted and made of it, asked of each check without training."""

import re

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
import torch
from skorch.callbacks import Callback, EpochScoring

from sklearn_lwal import LwALClassifier, STDClassifier
from sklearn_lwal._utils import validation as check
from sklearn_lwal._utils.validation import _check_device_tensor, check_X

ROWS = np.arange(6.0).reshape(2, 3)


def refused(message, kind=ValueError):
    """The whole message, in which ``...`` stands for any words."""
    pattern = ".*".join(map(re.escape, message.split("...")))
    return pytest.raises(kind, match=f"(?s)^{pattern}$")


class Mute:
    """An array that can not be had, for no reason that it would give."""

    def __array__(self, dtype=None, copy=None):
        raise ArithmeticError


class Held:
    """An array that only NumPy can read."""

    def __len__(self):
        return 2

    def __array__(self, dtype=None, copy=None):
        return np.asarray(ROWS, dtype)


class TestParameters:
    @pytest.mark.parametrize(
        ("given", "sizes"),
        [(3, (3,)), ((), ()), ([1, 9], (1, 9)), (np.array([4], np.uint8), (4,))],
    )
    def test_hidden_layer_sizes(self, given, sizes):
        found = check.check_hidden_layer_sizes(given)
        assert found == sizes
        assert all(type(size) is int for size in found)

    @pytest.mark.parametrize("given", [[0], [4, -1], [2.5], ["3"], [[1, 2]], [[]]])
    def test_bad_hidden_layer_sizes(self, given):
        with refused(
            "The 'hidden_layer_sizes' parameter must be a flat list of ints of at "
            f"least 1. Got {given} instead."
        ):
            check.check_hidden_layer_sizes(given)

    def test_hidden_layer_sizes_that_can_not_be_read(self):
        with refused(
            "The 'hidden_layer_sizes' parameter can not be read as an array: "
            "ArithmeticError"
        ):
            check.check_hidden_layer_sizes(Mute())

    @pytest.mark.parametrize(
        ("cuda", "mps", "kind"),
        [(False, False, "cpu"), (False, True, "mps"), (True, True, "cuda")],
    )
    def test_the_device_that_is_chosen(self, cuda, mps, kind, monkeypatch):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
        assert check.resolve_device("auto") == torch.device(kind)

    @pytest.mark.parametrize(
        "device", ["cpu", torch.device("cpu"), "cpu:0", "cuda", "cuda:3", "mps"]
    )
    def test_a_device_that_is_there(self, device, monkeypatch):
        if "cpu" not in str(device):
            monkeypatch.setattr(torch, "empty", lambda *_, **__: None)
        found = check.resolve_device(device)
        assert isinstance(found, torch.device)
        assert found == torch.device(device)

    @pytest.mark.parametrize(
        ("device", "reason"),
        [("meta", "not a device to train on"), ("no_such", "..."), ("cuda:99", "...")],
    )
    def test_bad_devices(self, device, reason):
        with refused(
            "The 'device' parameter must be 'auto', 'cpu', 'cuda', 'cuda:N' or 'mps', "
            f"and the device must be there. Got {device!r} instead: {reason}"
        ) as caught:
            check.resolve_device(device)
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize(
        ("given", "kind"),
        [
            ("adam", torch.optim.Adam),
            ("adamw", torch.optim.AdamW),
            ("rmsprop", torch.optim.RMSprop),
            ("sgd", torch.optim.SGD),
            (torch.optim.Adagrad, torch.optim.Adagrad),
        ],
    )
    def test_optimizers(self, given, kind):
        assert check.resolve_optimizer(given) is kind

    @pytest.mark.parametrize(
        "given",
        [None, "", [], "sdg", 3, dict, torch.optim.LBFGS, torch.optim.SparseAdam],
    )
    def test_bad_optimizers(self, given):
        with refused(
            "The 'optimizer' parameter must be one of ['adam', 'adamw', 'rmsprop', "
            "'sgd'] or a class of torch.optim that takes one dense gradient a step (so "
            f"neither LBFGS nor SparseAdam). Got {given!r} instead."
        ):
            check.resolve_optimizer(given)

    def test_callbacks(self):
        good = [Callback, EpochScoring("accuracy"), ("a", Callback()), ("b", None)]
        for callbacks in (None, [], good, good[::-1]):
            check.check_callbacks(callbacks)

    @pytest.mark.parametrize(
        "bad", [None, 3, dict, ("a", 3), ("a", Callback(), 1), [Callback]]
    )
    def test_bad_callbacks(self, bad):
        with refused(
            "The 'callbacks' parameter must hold skorch callbacks or pairs (name, "
            f"callback). Got {bad!r} instead."
        ):
            check.check_callbacks([("a", None), bad])

    def test_net_params(self):
        given = {"optimizer__eps": 1e-3, "torch_load_kwargs": {}, 3: 4}
        found = check.check_net_params(given)
        assert found == given
        assert found is not given
        assert check.check_net_params(None) == {}

    @pytest.mark.parametrize(
        "name", ["lr", "callbacks__a", "module__b__c", "optimizer", "optimizer__lr"]
    )
    def test_net_params_of_the_classifier(self, name):
        with refused(
            f"The 'net_params' parameter can not set ['{name}']: the classifier does, "
            "by parameters of its own (lr, max_epochs, batch_size, callbacks ...) or "
            "by design."
        ):
            check.check_net_params({"optimizer__eps": 1, name: 2})


def checked(X, digits="needed", reset=True, estimator=None):
    return check_X(estimator or STDClassifier(), X, reset=reset, digits=digits)


class TestFeatures:
    @pytest.mark.parametrize(
        ("digits", "offset", "kind"),
        [
            ("float32", 0, np.float32),
            ("float32", 1e9, np.float32),
            ("needed", 0, np.float32),
            ("needed", 1e9, np.float64),
            ("all", 0, np.float64),
            ("all", 1e9, np.float64),
        ],
    )
    def test_the_precision_of_float64(self, digits, offset, kind):
        # Rows that float32 does not tell apart.
        X = ROWS + offset
        for rows in (X, np.asfortranarray(X), X.tolist(), pd.DataFrame(X)):
            found = checked(rows, digits)
            assert found.dtype == kind
            assert found.flags.c_contiguous
            np.testing.assert_array_equal(found, X.astype(kind))

    @pytest.mark.parametrize("digits", ["float32", "needed", "all"])
    @pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int8, bool])
    def test_few_digits_are_no_more(self, digits, dtype):
        assert checked(ROWS.astype(dtype), digits).dtype == np.float32

    def test_wide_integers_keep_theirs(self):
        X = (2**40 + np.arange(6)).reshape(2, 3)
        assert checked(X).dtype == np.float64
        assert checked(X, "float32").dtype == np.float32

    @pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int16])
    def test_values_are_left_as_they_are(self, dtype):
        X = np.asfortranarray(ROWS.astype(dtype))
        found = checked(X, None)
        assert found.dtype == dtype
        assert not found.flags.c_contiguous

    @pytest.mark.parametrize("digits", ["float32", "needed", "all"])
    def test_sparse_ones_come_in_float32(self, digits):
        for dtype in (np.float64, np.float32, int):
            for kind in (sp.csr_array, sp.csc_matrix):
                found = checked(kind(ROWS.astype(dtype)), digits)
                assert (found.format, found.dtype) == ("csr", np.float32)
                np.testing.assert_array_equal(found.toarray(), ROWS)
        frame = pd.DataFrame(ROWS).astype(pd.SparseDtype(float, 0))
        assert checked(frame, digits).dtype == np.float32

    @pytest.mark.parametrize(
        ("dtype", "kind"),
        [(torch.float64, np.float64), (torch.bfloat16, np.float32), (int, np.int64)],
    )
    def test_tensors(self, dtype, kind):
        if dtype is int:
            dtype = torch.int64
        X = torch.tensor(ROWS).to(dtype)
        X = X.requires_grad_(dtype.is_floating_point)
        found = checked(X, None)
        assert found.dtype == kind
        np.testing.assert_array_equal(found, ROWS)

    def test_columns_are_counted_and_named(self):
        clf = STDClassifier()
        frame = pd.DataFrame(ROWS, columns=["a", "b", "c"])
        checked(frame, estimator=clf)
        assert clf.n_features_in_ == 3
        assert clf.feature_names_in_.tolist() == ["a", "b", "c"]
        with pytest.raises(ValueError, match="names should match"):
            checked(frame[["b", "a", "c"]], reset=False, estimator=clf)
        assert checked(ROWS, estimator=clf, reset=True).shape == (2, 3)
        with pytest.raises(ValueError, match="X has 2 features"):
            checked(ROWS[:, :2], reset=False, estimator=clf)

    @pytest.mark.parametrize("digits", ["needed", "all"])
    @pytest.mark.parametrize("sign", [1, -1])
    def test_what_float32_reaches(self, digits, sign):
        most = float(np.finfo(np.float32).max)
        X = sign * np.array([[0.0, most], [1.0, 0.0]])
        assert checked(X, digits).dtype == np.float64
        X[0, 1] *= 1.01
        with refused(
            "Input X contains infinity or a value too large for dtype('float32').\n"
            "The first is in row 0, column 1."
        ):
            checked(X, digits)
        with refused("Input X contains infinity or a value too large for ..."):
            checked(sp.csr_array(X), digits)
        with refused("Input X contains infinity or a value too large for ..."):
            checked(pd.DataFrame(X).astype(pd.SparseDtype(float, 0)), digits)

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    @pytest.mark.parametrize("digits", [None, "float32", "needed"])
    def test_the_first_value_that_is_none_is_named(self, value, digits):
        X = np.ones((4, 3))
        X[2, 1] = X[3, 0] = value
        frame = pd.DataFrame(X, columns=["a", "b", "c"])
        place = "The first is in row 2, column 1"
        for rows in (X, sp.csr_array(X), torch.tensor(X)):
            with refused(f"Input X contains ...\n{place}."):
                checked(rows, digits)
        with refused(f"Input X contains ...\n{place} ('b')."):
            checked(frame, digits)
        # The search for the place has no words of its own.
        X = X.astype(object)
        X[0, 0] = "1e2"
        with refused(f"Input X contains ...\n{place}."):
            checked(X, digits)

    def test_other_errors_have_no_place(self):
        X = np.ones((2, 2), object)
        X[0, 0] = "word"
        with refused("...'word'"):
            checked(X)
        with refused("X can not be read as an array: ArithmeticError"):
            checked(Mute())
        with refused("X can not be read as an array: ..."):
            checked([torch.ones(3, requires_grad=True)])

    def test_a_polars_frame_of_objects(self):
        # scikit-learn leaves them as they are.
        good, bad = (
            pl.DataFrame({"a": pl.Series([1, value], dtype=pl.Object)})
            for value in (1.5, np.inf)
        )
        assert checked(good, None).tolist() == [[1.0], [1.5]]
        with refused("Input X contains infinity ..."):
            checked(bad, None)

    def test_a_value_that_no_float_is(self):
        assert check._first_not_finite(np.array([["a", 1.0]], object)) is None
        assert check._first_not_finite(np.array([[{}, 1.0]], object)) is None
        assert check._first_not_finite(ROWS) is None

    def test_the_strides_of_a_single_column_do_not_matter(self):
        # With one column both orders are contiguous, so no copy is needed.
        column = np.ones(9, np.float32)
        column = np.lib.stride_tricks.as_strided(column, (9, 1), (4, 36))
        assert column.flags.c_contiguous
        assert checked(column).strides == (4, 4)

    @pytest.mark.parametrize("digits", ["float32", "needed", "all"])
    def test_any_strides(self, digits):
        for dtype in (np.float32, np.float64):
            X = ROWS.astype(dtype)[::-1, ::-1]
            np.testing.assert_array_equal(checked(X, digits), X)

    def test_an_array_that_only_numpy_reads(self):
        clf = STDClassifier()
        np.testing.assert_array_equal(checked(Held(), estimator=clf), ROWS)
        assert clf.n_features_in_ == 3


class TestDeviceTensors:
    """The check asks for no device and never asks where the tensor is."""

    @pytest.mark.parametrize(
        ("X", "message"),
        [
            (torch.ones(3), "Expected 2D array, got 1D tensor instead."),
            (
                torch.ones(0, 3),
                "Found array with 0 sample(s) (shape=(0, 3)) while a minimum of 1 is "
                "required by LwALClassifier.",
            ),
            (
                torch.ones(3, 0),
                "Found array with 0 feature(s) (shape=(3, 0)) while a minimum of 1 is "
                "required by LwALClassifier.",
            ),
            (
                torch.tensor([[1.0, torch.nan]]),
                "Input X contains NaN or infinity. LwALClassifier takes neither.",
            ),
            (
                torch.tensor([[1e300]], dtype=torch.float64),
                "Input X contains NaN or infinity. LwALClassifier takes neither.",
            ),
            (
                torch.ones(3, 4),
                "X has 4 features, but LwALClassifier is expecting 3 features as input",
            ),
        ],
    )
    def test_bad_ones(self, X, message):
        clf = LwALClassifier()
        _check_device_tensor(clf, torch.ones(2, 3), reset=True)
        assert clf.n_features_in_ == 3
        with refused(message):
            _check_device_tensor(clf, X, reset=False)

    @pytest.mark.parametrize(
        ("digits", "dtype"),
        [(None, torch.float64), ("float32", torch.float32), ("all", torch.float64)],
    )
    def test_they_stay_there(self, digits, dtype, monkeypatch):
        asked, clf = [], LwALClassifier()

        def note(*given):
            asked.append(given)
            return torch.tensor(ROWS) + 1e9

        monkeypatch.setattr(check, "_check_device_tensor", note)
        X = torch.empty(2, 3, device="meta", requires_grad=True)
        found = checked(X, digits, False, clf)
        assert isinstance(found, torch.Tensor)
        assert found.dtype == dtype
        ((estimator, given, reset),) = asked
        assert (estimator, given.device.type, reset) == (clf, "meta", False)
        assert not given.requires_grad

    def test_one_that_can_not_be_read(self, monkeypatch):
        def fail(*_):
            raise RuntimeError("lost")

        monkeypatch.setattr(check, "_check_device_tensor", fail)
        with refused("X can not be read as an array: lost"):
            checked(torch.empty(2, 3, device="meta"))

    def test_another_width_after_another_fit(self):
        clf = LwALClassifier()
        checked(pd.DataFrame(ROWS, columns=["a", "b", "c"]), estimator=clf)
        _check_device_tensor(clf, torch.ones(2, 4), reset=True)
        assert clf.n_features_in_ == 4
        assert not hasattr(clf, "feature_names_in_")

    @pytest.mark.parametrize("fitted_on", [torch.ones(2, 3), np.ones((2, 3))])
    def test_arrays_and_tensors_are_checked_alike(self, fitted_on):
        clf = LwALClassifier()
        found = checked(fitted_on, estimator=clf)
        rows = torch.ones(2, 3, dtype=torch.int64)
        other = _check_device_tensor(clf, rows, reset=False)
        assert other.dtype == torch.float32
        assert (np.asarray(found) == other.numpy()).all()

    def test_float64_stays(self):
        X = torch.tensor(ROWS)
        assert _check_device_tensor(LwALClassifier(), X, reset=True) is X
