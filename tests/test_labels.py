"""Labels are compared by value, not by what NumPy promotes them to."""

import numpy as np
import pytest

from sklearn_lwal import LwALClassifier, StaticLabelClassifier, STDClassifier
from sklearn_lwal._utils.class_labels import encode, places, plain, same_labels
from sklearn_lwal._utils.validation import check_class_weight

K = np.arange(80) % 4
X = np.random.RandomState(0).normal(size=(80, 4)) + 6 * np.eye(4)[K]
# Two of them are one float64.
IDS = 2**60 + np.arange(4)
QUICK = {"max_epochs": 1, "random_state": 0}
DAYS = np.array(["2020-01-01", "2021-01-01", "9999-01-01"], "M8[D]")
MORNINGS = DAYS[:2].astype("M8[ns]") + [0, 1]


@pytest.mark.parametrize(
    ("labels", "classes", "expected"),
    [
        (IDS.astype(np.uint64), IDS, [0, 1, 2, 3]),
        (IDS.astype(float), IDS, [0, 0, 0, 0]),
        (IDS[:2], np.array([2.0**60]), [0, -1]),
        (np.array([2**64 - 1], np.uint64), np.array([-1, 3]), [-1]),
        (np.array([1, 2]), np.array([False, True]), [1, -1]),
        (np.array([1.0, 1.5, -0.0]), np.array([0, 1]), [1, -1, 0]),
        (np.array([1, 10]), np.array(["1", "10"]), [-1, -1]),
        (np.array([1, 10]).astype("S"), np.array(["1", "10"]), [-1, -1]),
        (np.array(["a", "c"], object), np.array(["a", "b"]), [0, -1]),
        (np.array([np.int8(1), "1"], object), np.array([0, 1]), [1, -1]),
        (MORNINGS, DAYS, [0, -1]),
        (DAYS, MORNINGS, [0, -1, -1]),
        (DAYS.astype(int), DAYS, [-1, -1, -1]),
        (DAYS, DAYS.astype(int), [-1, -1, -1]),
        (np.array(["NaT"], "M8[D]"), DAYS, [-1]),
        (np.array([5], "m8[s]"), np.array([5]), [-1]),
    ],
)
def test_values_are_compared(labels, classes, expected):
    np.testing.assert_array_equal(places(labels, classes), expected)
    assert not same_labels(labels, classes) or -1 not in expected


def test_python_values_of_labels():
    labels = np.array([np.int8(1), "a", DAYS[0], np.timedelta64(3, "s"), None], object)
    kinds = [type(label) for label in plain(labels)]
    assert kinds == [int, str, np.datetime64, np.timedelta64, type(None)]
    assert plain(labels) == [*labels]
    assert [type(label) for label in plain(DAYS)] == [np.datetime64] * 3
    assert type(*plain(np.array([3], "m8[ns]"))) is np.timedelta64
    assert [type(label) for label in plain(np.ones(1, np.float32))] == [float]


def test_labels_that_are_no_classes_are_listed():
    with pytest.raises(ValueError, match=r"y has labels .* \[1, 3\]: \[2, 7\]"):
        encode(np.array([7, 1, 2, 2]), np.array([1, 3]))


def test_wide_integers_of_another_dtype():
    y = IDS[K]
    clf = LwALClassifier(**QUICK).fit(X, y, eval_set=(X, y.astype(np.uint64)))
    assert clf.history_[-1]["valid_acc"] == 1
    clf.partial_fit(X, y.astype(np.uint64), classes=IDS.astype(np.uint64))
    clf.set_params(warm_start=True, class_weight="balanced")
    clf.fit(X, y.astype(np.uint64))
    assert clf.score(X, y) == 1
    assert clf.classes_.dtype == np.int64


def test_numbers_are_no_strings():
    clf = STDClassifier(**QUICK).fit(X, K)
    for y in (K.astype(str), (K + 10).astype(str)):
        with pytest.raises(ValueError, match="not among the classes"):
            clf.partial_fit(X, y)
        with pytest.raises(ValueError, match=r"The y of eval_set has labels"):
            clf.fit(X, K, eval_set=(X, y))


def test_many_classes_and_their_digits():
    # NumPy sorts and compares so many without a look at their kinds.
    y = np.arange(202) % 101
    rows = np.random.RandomState(0).normal(size=(202, 3))
    with pytest.raises(ValueError, match="not among the classes"):
        STDClassifier(**QUICK).fit(rows, y, eval_set=(rows, y.astype(str)))


def test_weights_and_vectors_are_given_by_value():
    names = K.astype(str)
    with pytest.raises(ValueError, match=r"class_weight.*'0'.*but for others"):
        STDClassifier(class_weight={0: 5, 1: 2}, **QUICK).fit(X, names)
    by_float = {0.0: 1, 0.5: 9, 1.0: 1, 1.5: 9}
    weights = check_class_weight(by_float, np.arange(4) / 2, None)
    assert weights.tolist() == [1, 9, 1, 9]


def test_vectors_of_dates():
    days = np.array(["2020-01-01", "2021-01-01", "2022-01-01", "2023-01-01"], "M8[ns]")
    vectors = dict(zip(days, np.eye(4), strict=True))
    clf = StaticLabelClassifier(label_embeddings=vectors, **QUICK).fit(X, days[K])
    np.testing.assert_array_equal(clf.labels_, np.eye(4))


class TestNewClasses:
    def test_wide_integers(self):
        old = K < 2
        clf = LwALClassifier(**QUICK).fit(X[old], IDS[K[old]])
        clf.add_classes(X[~old], IDS[K[~old]].astype(np.uint64))
        np.testing.assert_array_equal(clf.classes_, IDS)
        narrow = (
            LwALClassifier(**QUICK).fit(X[old], K[old]).add_classes(X[~old], K[~old])
        )
        np.testing.assert_array_equal(clf.predict(X), IDS[narrow.predict(X)])
        with pytest.raises(ValueError, match="known already"):
            clf.add_classes(X, IDS[K].astype(np.uint64))

    def test_what_no_array_holds(self):
        clf = LwALClassifier(**QUICK).fit(X, IDS[K])
        with pytest.raises(ValueError, match=r"without rounding.*Pass y of dtype int"):
            clf.add_classes(X[:1], np.array([2**63 + 1], np.uint64))
        np.testing.assert_array_equal(clf.classes_, IDS)

    def test_dates_are_no_numbers(self):
        clf = LwALClassifier(**QUICK).fit(X, K)
        with pytest.raises(ValueError, match="of the same kind"):
            clf.add_classes(X[:1], np.array(["2020-01-01"], "M8[ns]"))


def test_a_map_of_labels_that_are_no_classes():
    plots = pytest.importorskip("sklearn_lwal.plots")
    clf = LwALClassifier(**QUICK).fit(X, IDS[K])
    shown = plots.LabelMapDisplay.from_estimator(clf, X, IDS[K].astype(np.uint64))
    np.testing.assert_array_equal(shown.classes, K)
    with pytest.raises(ValueError, match="not among the classes"):
        plots.LabelMapDisplay.from_estimator(clf, X, K)
