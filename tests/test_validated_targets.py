"""Labels, weights and sets to validate with, asked of each check without training."""

import decimal

import numpy as np
import pandas as pd
import pytest
import torch
from test_validation import Mute, refused

from sklearn_lwal import STDClassifier
from sklearn_lwal._utils import validation as check

CLF = STDClassifier()
Y = np.array([0, 1, 1, 2])
X = np.ones((4, 2))


class TestLabels:
    @pytest.mark.parametrize(
        "y",
        [Y, Y.tolist(), torch.tensor(Y), Y.astype(str), Y * 1.0, Y.astype("M8[D]")],
    )
    def test_good_ones_stay(self, y):
        found = check.check_y(CLF, y)
        assert isinstance(found, np.ndarray)
        assert found.tolist() == np.asarray(y).tolist()

    def test_a_column_is_taken_with_a_warning(self):
        with pytest.warns(UserWarning, match="column-vector"):
            assert check.check_y(CLF, Y[:, None]).tolist() == Y.tolist()

    def test_a_tensor_with_a_gradient(self):
        y = torch.tensor([0.0, 1.0], requires_grad=True)
        assert check.check_y(CLF, y).tolist() == [0, 1]

    @pytest.mark.parametrize(
        ("y", "message"),
        [
            (None, "STDClassifier requires y to be passed, but the target y is None."),
            ([0.0, np.inf], "Input y contains NaN or infinity."),
            (np.array([0.0, np.nan]), "Input y contains NaN or infinity."),
            (["a", np.nan], "Input y contains NaN."),
            (np.array([0.5, 1.5]), "...continuous..."),
            (Mute(), "y can not be read as an array: ArithmeticError"),
        ],
    )
    def test_bad_ones(self, y, message):
        with refused(message):
            check.check_y(CLF, y)

    @pytest.mark.parametrize(
        "missing", [None, np.nan, pd.NA, np.float32("nan"), decimal.Decimal("NaN")]
    )
    @pytest.mark.parametrize("kind", [list, tuple, lambda y: np.array(y, object)])
    def test_missing_ones(self, missing, kind):
        with refused("Input y contains NaN."):
            check.check_no_missing(kind(["a", 1, missing]))
        with refused("Input classes contains NaN."):
            check.check_no_missing(kind([missing, "a"]), "classes")

    def test_missing_dates(self):
        for kind in ("M8[D]", "m8[s]"):
            y = np.array([3, "NaT"], kind)
            with refused("Input y contains NaN."):
                check.check_no_missing(y)
            check.check_no_missing(y[:1])

    @pytest.mark.parametrize(
        "y", [["a", "nan"], np.array(["nan"]), np.array([np.nan]), [{}, [], 1, "b"]]
    )
    def test_none_is_missing(self, y):
        # Whether numbers are finite, check_y asks itself.
        check.check_no_missing(y)

    def test_two_classes(self):
        check.check_two_classes(CLF, np.array([0, 1]))
        with refused(
            "STDClassifier needs samples of at least 2 classes. Got 1 class: [7]."
        ):
            check.check_two_classes(CLF, np.array([7]))


class TestClassWeights:
    CLASSES = np.array(["a", "b", "c"])

    def test_none(self):
        assert check.check_class_weight(None, self.CLASSES, None) is None

    def test_balanced_ones(self):
        y = np.array(["a", "b", "b", "c", "c", "c"])
        found = check.check_class_weight("balanced", self.CLASSES, y)
        np.testing.assert_allclose(found, [2, 1, 2 / 3])

    @pytest.mark.parametrize(
        ("given", "weights"),
        [
            ({"a": 2, "b": 0, "c": 0.5}, [2, 0, 0.5]),
            # As in scikit-learn, the others have 1.
            ({"b": 3}, [1, 3, 1]),
            ({}, [1, 1, 1]),
            # All classes have one: more are no mistake in a name.
            ({"a": 2, "b": 3, "c": 4, "d": 5}, [2, 3, 4]),
            ({"a": 2, "b": 3, "c": 4, "d": 5, "e": 6}, [2, 3, 4]),
        ],
    )
    def test_given_ones(self, given, weights):
        found = check.check_class_weight(given, self.CLASSES, None)
        assert found.tolist() == weights

    def test_a_name_that_no_class_has(self):
        given = {"a": 2, "b": 3, "d": 4}
        with refused(
            "The 'class_weight' parameter has no weight for the classes ['c'], but for "
            f"others. Got {given}."
        ):
            check.check_class_weight(given, self.CLASSES, None)

    @pytest.mark.parametrize("weights", [(-1, 1, 1), (0, 0, 0), (np.inf, 1, 1)])
    def test_bad_ones(self, weights):
        given = dict(zip(self.CLASSES.tolist(), weights, strict=True))
        with refused(
            "The 'class_weight' parameter must hold finite weights of at least 0, not "
            f"all 0. Got {given!r} instead."
        ):
            check.check_class_weight(given, self.CLASSES, None)

    def test_ones_that_can_not_be_read(self):
        with refused("The 'class_weight' parameter can not be read as an array: ..."):
            check.check_class_weight({"a": 10**400}, self.CLASSES, None)


class TestWeights:
    def found(self, sample_weight=None, class_weights=None):
        if class_weights is not None:
            class_weights = np.array(class_weights)
        return check.check_weights(sample_weight, class_weights, X, Y)

    def test_none(self):
        assert self.found() is None

    @pytest.mark.parametrize(
        ("sample_weight", "class_weights", "weights"),
        [
            ([1, 2, 0, 4], None, [1, 2, 0, 4]),
            (3, None, [3, 3, 3, 3]),
            (None, [1.0, 0.5, 4.0], [1, 0.5, 0.5, 4]),
            ([1, 2, 3, 4], [0.0, 0.5, 4.0], [0, 1, 1.5, 16]),
        ],
    )
    def test_products(self, sample_weight, class_weights, weights):
        found = self.found(sample_weight, class_weights)
        assert found.dtype == np.float32
        assert found.tolist() == weights

    def test_too_large(self):
        with refused(
            "Sample weights times class_weight are too large for float32. Only their "
            "ratios count: divide them by a constant."
        ):
            self.found(1e30, [1.0, 1e30, 1.0])

    @pytest.mark.parametrize(
        ("sample_weight", "class_weights"),
        [([1, 0, 0, 0], [0.0, 1.0, 1.0]), (None, [1e-60, 1e-60, 0.0])],
    )
    def test_nothing_counts(self, sample_weight, class_weights):
        with refused(
            "Sample weights must contain at least one non-zero number, and so must "
            "their products with class_weight."
        ):
            self.found(sample_weight, class_weights)

    @pytest.mark.parametrize("bad", [0, -1, [1, 1, 1, -1], [1, 1], np.nan])
    def test_bad_ones(self, bad):
        with pytest.raises(ValueError, match="weight"):
            self.found(bad)

    def test_ones_that_can_not_be_read(self):
        with refused("sample_weight can not be read as an array: ArithmeticError"):
            self.found(Mute())


@pytest.mark.parametrize(
    "pair", [(X, Y), [X, Y], (X.tolist(), Y.tolist()), ([(1, 2), (3, 4)], (0, 1))]
)
def test_a_pair_to_validate_with(pair):
    check.check_pair(pair)
    # Two rows and two labels, whatever holds them, are no pairs themselves.
    check.check_pair(([(X[0], 1), (X[1], 2)], Y))
    check.check_pair(([X[0], X[1]], [Y[:1], Y[1:2]]))
    check.check_pair((np.ones((2, 2, 2)), np.ones((2, 2, 2))))


@pytest.mark.parametrize(
    ("given", "got"),
    [
        (X, "ndarray"),
        (None, "NoneType"),
        ((X,), "tuple"),
        ((X, Y, Y), "tuple"),
        ([(X, Y)], "list of 1 pairs"),
        ([(X, Y), [X, Y]], "list of 2 pairs"),
        (((X, Y),) * 3, "tuple of 3 pairs"),
    ],
)
def test_no_pair_to_validate_with(given, got):
    with refused(f"eval_set must be one pair (X, y). Got {got}."):
        check.check_pair(given)


def test_as_many_labels_and_weights_as_rows():
    check.check_rows(X, Y)
    check.check_rows(X, Y, np.ones(4))
    for wrong in ((X, Y[:3]), (X, Y, np.ones(3)), (X[:3], Y)):
        with pytest.raises(ValueError, match=r"inconsistent.*3"):
            check.check_rows(*wrong)


def test_the_kind_that_an_answer_has():
    assert check.is_float32(X.astype(np.float32))
    assert check.is_float32(torch.ones(2))
    assert not check.is_float32(X)
    assert not check.is_float32(X.tolist())
