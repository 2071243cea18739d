"""Distances between labels, their groups, and agreement with a taxonomy."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from scipy.cluster.hierarchy import dendrogram
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_lwal import LwALClassifier, STDClassifier
from sklearn_lwal.structure import (
    class_means,
    hierarchy,
    label_distances,
    label_linkage,
    nearest_classes,
    paper_distances,
    structure_correlation,
)

ANIMALS = np.array([[0, 0], [0, 1], [5, 5], [5, 7], [20, 0]], float)
FASHION = ["T-shirt/top", *paper_distances("fashion_mnist").names, "Ankle boot"]
NAMES = ["cat", "dog", "car", "truck", "ship"]


@pytest.fixture(scope="module")
def digits():
    return load_digits(return_X_y=True)


@pytest.fixture(scope="module")
def clf(digits):
    return LwALClassifier(max_epochs=3, random_state=0).fit(*digits)


@pytest.fixture(scope="module")
def words(digits):
    """A classifier whose classes are Fashion-MNIST's, so in another order."""
    X, y = digits
    names = np.array(FASHION)
    return LwALClassifier(max_epochs=2, random_state=0).fit(X, names[y])


def euclidean(labels):
    """By hand, in float64."""
    labels = np.asarray(labels, np.float64)
    return np.array([[np.sqrt(((a - b) ** 2).sum()) for b in labels] for a in labels])


def tau_b(x, y):
    """(concordant - discordant) / sqrt((pairs - ties in x) (pairs - ties in y))."""
    agree = in_x = in_y = 0
    for i, j in combinations(range(len(x)), 2):
        a, b = np.sign(x[i] - x[j]), np.sign(y[i] - y[j])
        agree, in_x, in_y = agree + a * b, in_x + abs(a), in_y + abs(b)
    return agree / np.sqrt(in_x * in_y)


def correlation(one, other):
    """Eq. (4)."""
    n = len(one)
    others = [[j for j in range(n) if j != i] for i in range(n)]
    return np.mean([tau_b(one[i][o], other[i][o]) for i, o in enumerate(others)])


def random_distances(rng, n, levels=None):
    size = n * (n - 1) // 2
    values = rng.random(size) if levels is None else rng.integers(1, levels, size)
    distances = np.zeros((n, n))
    distances[np.triu_indices(n, 1)] = values
    return distances + distances.T


class TestDistances:
    def test_of_a_classifier(self, clf):
        found = label_distances(clf)
        np.testing.assert_allclose(found, euclidean(clf.labels_), rtol=1e-12)
        np.testing.assert_array_equal(found, found.T)
        assert not np.diag(found).any()
        assert found.dtype == np.float64

    def test_metric(self, clf):
        unit = clf.labels_ / np.linalg.norm(clf.labels_, axis=1, keepdims=True)
        found = label_distances(clf, metric="cosine")
        np.testing.assert_allclose(found, 1 - unit @ unit.T, atol=1e-6)
        with pytest.raises(ValueError, match="'cosine' is not defined"):
            label_distances([[0, 0], [0, 1]], metric="cosine")

    def test_of_class_means(self, clf, digits):
        X, y = digits
        means = class_means(X, y)
        expected = np.stack([X[y == c].mean(0) for c in range(10)])
        np.testing.assert_allclose(means, expected, rtol=1e-12)
        np.testing.assert_allclose(label_distances(means), euclidean(expected))
        np.testing.assert_allclose(class_means(sp.csr_array(X), list(y)), expected)
        np.testing.assert_allclose(class_means(sp.coo_matrix(X), y), expected)
        frame = pd.DataFrame(X.astype(np.float32))
        assert class_means(frame, pd.Series(y)).dtype == np.float64
        # Refined labels are the class means of the latents.
        latent = class_means(clf.transform(X), y)
        np.testing.assert_allclose(latent, clf.labels_, atol=1e-3)

    def test_class_means_come_in_the_order_of_classes(self):
        X, y = [[1.0], [2.0], [3.0], [5.0]], ["b", "a", "b", "a"]
        np.testing.assert_array_equal(class_means(X, y), [[3.5], [2.0]])

    @pytest.mark.parametrize(
        ("X", "y"), [([[1.0]], [0, 1]), ([1.0, 2.0], [0, 1]), ([[1.0]], [[0]])]
    )
    def test_class_means_of_the_wrong_shape(self, X, y):
        with pytest.raises(ValueError, match="Got shapes"):
            class_means(X, y)

    @pytest.mark.parametrize(
        ("labels", "match"),
        [
            ([1.0, 2.0], r"Got shape \(2,\)"),
            (np.zeros((2, 0)), r"Got shape \(2, 0\)"),
            ([[0, np.nan], [1, 2]], "NaN"),
        ],
    )
    def test_what_are_no_labels(self, labels, match):
        with pytest.raises(ValueError, match=match):
            label_distances(labels)

    def test_what_is_no_classifier(self, clf, digits):
        with pytest.raises(NotFittedError):
            label_distances(LwALClassifier())
        pipeline = make_pipeline(StandardScaler(), LwALClassifier(max_epochs=1))
        pipeline.fit(*digits)
        with pytest.raises(ValueError, match=r"pipeline\[-1\]"):
            label_distances(pipeline)
        assert label_distances(pipeline[-1]).shape == (10, 10)


class TestLinkage:
    def test_average_linkage(self, clf):
        merges = label_linkage(clf)
        assert merges.shape == (9, 4)
        np.testing.assert_array_equal(merges, label_linkage(label_distances(clf)))
        # The last merge is between two groups, at the mean distance of their pairs.
        split = hierarchy(clf)
        left, right = (_leaves(group) for group in split)
        distances = euclidean(clf.labels_)[np.ix_(left, right)]
        np.testing.assert_allclose(merges[-1, 2], distances.mean())
        assert len(dendrogram(merges, no_plot=True)["ivl"]) == 10

    def test_method(self):
        heights = {m: label_linkage(ANIMALS, m)[-1, 2] for m in ("single", "complete")}
        distances = euclidean(ANIMALS)
        np.testing.assert_allclose(heights["single"], distances[4, :4].min())
        np.testing.assert_allclose(heights["complete"], distances[4].max())

    def test_one_class(self):
        with pytest.raises(ValueError, match=r"at least 2 classes\. Got 1"):
            label_linkage([[1.0, 2.0]])


class TestHierarchy:
    def test_groups(self, clf):
        expected = [[["cat", "dog"], ["car", "truck"]], "ship"]
        assert hierarchy(ANIMALS, names=NAMES) == expected
        assert hierarchy(ANIMALS) == [[[0, 1], [2, 3]], 4]
        # Two groups are in the order of their first classes, however they merge.
        backwards = ["ship", [["truck", "car"], ["dog", "cat"]]]
        assert hierarchy(ANIMALS[::-1], names=NAMES[::-1]) == backwards
        assert sorted(_leaves(hierarchy(clf))) == list(range(10))

    def test_method(self):
        line = [[0.0], [1.0], [2.4], [4.1]]
        assert hierarchy(line, method="single") == [[[0, 1], 2], 3]
        assert hierarchy(line, method="complete") == [[0, 1], [2, 3]]

    def test_equal_distances_make_one_group(self):
        rng = np.random.default_rng(0)
        assert hierarchy(np.eye(5)) == [0, 1, 2, 3, 4]
        rotated = np.linalg.qr(rng.normal(size=(5, 5)))[0].astype(np.float32)
        assert hierarchy(rotated) == [0, 1, 2, 3, 4]
        assert hierarchy(np.ones((3, 2))) == [0, 1, 2]
        pairs = [[0, 1, 6, 6], [1, 0, 6, 6], [6, 6, 0, 6], [6, 6, 6, 0]]
        assert hierarchy(pairs) == [[0, 1], 2, 3]

    def test_names_of_a_classifier(self, words):
        assert set(_leaves(hierarchy(words))) == set(words.classes_)
        assert all(type(leaf) is str for leaf in _leaves(hierarchy(words)))

    def test_many_classes_do_not_recurse(self):
        line = np.cumsum(np.arange(1500))[:, None]
        groups = hierarchy(line, method="single")
        for i in range(1499, 1, -1):
            groups, last = groups
            assert last == i
        assert groups == [0, 1]

    def test_names_of_the_wrong_length(self):
        with pytest.raises(ValueError, match="5 classes, but 1 names"):
            hierarchy(ANIMALS, names=["a"])


class TestNearest:
    def test_of_a_classifier(self, clf):
        found = nearest_classes(clf, 3)
        distances = euclidean(clf.labels_)
        assert list(found) == list(range(10))
        for c, nearest in found.items():
            others = sorted(set(range(10)) - {c}, key=lambda i: distances[c, i])
            assert nearest == others[:3]

    def test_names_and_ties(self, words):
        assert nearest_classes(ANIMALS, names=NAMES)["truck"] == ["car"]
        assert nearest_classes(np.eye(4), 2)[1] == [0, 2]
        # A class that coincides with another is still no neighbour of its own.
        assert nearest_classes([[1, 1], [1, 1], [2, 2]]) == {0: [1], 1: [0], 2: [0]}
        assert list(nearest_classes(words)) == words.classes_.tolist()
        assert nearest_classes(paper_distances("cifar10"))["automobile"] == ["truck"]

    @pytest.mark.parametrize("k", [0, 5, 1.5, "all"])
    def test_too_many(self, k):
        with pytest.raises(ValueError, match="k must be an int from 1 to 4"):
            nearest_classes(ANIMALS, k)


class TestCorrelation:
    def test_by_hand(self):
        one = np.array([[0, 1, 2, 3], [1, 0, 4, 5], [2, 4, 0, 6], [3, 5, 6, 0.0]])
        other = np.array([[0, 1, 1, 2], [1, 0, 3, 1], [1, 3, 0, 3], [2, 1, 3, 0.0]])
        # Each row has three pairs; one of them is tied in the first three of the other.
        # Row by row, concordant less discordant over the root of the untied pairs:
        rows = [(2 - 0) / np.sqrt(3 * 2), 1 - 1, (2 - 0) / np.sqrt(3 * 2), (2 - 1) / 3]
        np.testing.assert_allclose(structure_correlation(one, other), np.mean(rows))

    @pytest.mark.parametrize("seed", range(5))
    def test_against_numpy(self, seed):
        rng = np.random.default_rng(seed)
        reference = random_distances(rng, 7, levels=4)
        for one in (random_distances(rng, 7), random_distances(rng, 7, levels=5)):
            found = structure_correlation(one, reference)
            np.testing.assert_allclose(found, correlation(one, reference), rtol=1e-12)
        labels = rng.normal(size=(7, 3))
        found = structure_correlation(labels, reference)
        expected = correlation(euclidean(labels), reference)
        np.testing.assert_allclose(found, expected, rtol=1e-12)

    def test_is_symmetric_and_bounded(self):
        rng = np.random.default_rng(0)
        one, other = random_distances(rng, 6), random_distances(rng, 6, 4)
        assert structure_correlation(one, one) == pytest.approx(1)
        flipped = (2 - one) * (1 - np.eye(6))
        assert structure_correlation(one, flipped) == pytest.approx(-1)
        both = structure_correlation(one, other), structure_correlation(other, one)
        assert both[0] == pytest.approx(both[1])
        # Only ranks matter.
        assert structure_correlation(one**3, other) == pytest.approx(both[0])

    def test_of_a_classifier(self, clf, digits):
        reference = paper_distances("cifar10")
        expected = correlation(euclidean(clf.labels_), reference.distances)
        assert structure_correlation(clf, reference) == pytest.approx(expected)
        # A square matrix of labels is not one of distances.
        assert clf.labels_.shape == (10, 10)
        found = structure_correlation(clf.labels_, reference.distances)
        assert found == pytest.approx(expected)
        found = structure_correlation(label_distances(clf), reference.to_frame())
        assert found == pytest.approx(expected)
        assert structure_correlation(clf, label_distances(clf)) == pytest.approx(1)

    def test_classes_are_matched_by_name(self, words):
        reference = paper_distances("fashion_mnist")
        order = [words.classes_.tolist().index(name) for name in reference.names]
        assert order != sorted(order)
        by_hand = euclidean(words.labels_)[np.ix_(order, order)]
        expected = correlation(by_hand, reference.distances)
        assert structure_correlation(words, reference) == pytest.approx(expected)
        for names in (words.classes_, words.classes_.tolist()):
            found = structure_correlation(words.labels_, reference, names=names)
            assert found == pytest.approx(expected)
        frame = pd.DataFrame(label_distances(words), words.classes_, words.classes_)
        shuffled = frame.iloc[::-1, np.r_[3:10, 0:3]]
        assert structure_correlation(shuffled, reference) == pytest.approx(expected)
        shuffled = reference.to_frame().iloc[::-1, np.r_[3:8, 0:3]]
        assert structure_correlation(words, shuffled) == pytest.approx(expected)
        labels = pd.DataFrame(words.labels_, words.classes_)
        assert structure_correlation(labels, reference) == pytest.approx(expected)
        # Without names, by place.
        found = structure_correlation(words.labels_[1:9], reference)
        assert found != pytest.approx(expected)

    def test_classes_that_the_reference_lacks_are_left_out(self, clf):
        reference = paper_distances("fashion_mnist")
        found = structure_correlation(clf, reference, names=FASHION)
        expected = structure_correlation(clf.labels_[1:9], reference)
        assert found == pytest.approx(expected)

    def test_names_that_do_not_match(self, clf):
        reference = paper_distances("fashion_mnist")
        with pytest.raises(ValueError, match="10 classes, but 8 in the reference"):
            structure_correlation(clf, reference)
        names = [*FASHION]
        names[1] = "Trousers"
        with pytest.raises(ValueError, match="The reference has 'Trouser', which"):
            structure_correlation(clf, reference, names=names)
        names[1] = "Coat"
        with pytest.raises(ValueError, match="more than one 'Coat'"):
            structure_correlation(clf, reference, names=names)
        with pytest.raises(ValueError, match="10 classes, but 3 names"):
            structure_correlation(clf, reference, names=list("abc"))

    def test_one_hot_labels_have_no_structure(self, digits):
        reference = paper_distances("cifar10")
        std = STDClassifier(max_epochs=1, random_state=0).fit(*digits)
        rotated = np.linalg.qr(np.random.default_rng(0).normal(size=(10, 10)))[0]
        for labels in (std, np.eye(10), rotated.astype(np.float32)):
            with pytest.raises(ValueError, match="not defined: in the labels, each"):
                structure_correlation(labels, reference)
        means = class_means(std.transform(digits[0]), digits[1])
        assert abs(structure_correlation(means, reference)) < 1

    def test_a_constant_row_is_named(self):
        tree = np.array([[0, 2, 6], [2, 0, 6], [6, 6, 0.0]])
        labels = np.array([[0, 0], [0, 1], [5, 7.0]])
        with pytest.raises(ValueError, match="in the reference, 2 is equally far"):
            structure_correlation(labels, tree)
        frame = pd.DataFrame(tree, NAMES[:3], NAMES[:3])
        with pytest.raises(ValueError, match="in the reference, 'car' is equally"):
            structure_correlation(labels, frame, names=NAMES[:3])
        with pytest.raises(ValueError, match="in the labels, 2 is equally far"):
            structure_correlation(tree, label_distances(labels))
        with pytest.raises(ValueError, match=r"at least 3 classes\. Got 2"):
            structure_correlation(labels[:2], tree[:2, :2])

    @pytest.mark.parametrize(
        ("reference", "match"),
        [
            (np.ones((5, 3)), r"Got shape \(5, 3\)"),
            (np.eye(5), "0 on the diagonal"),
            (np.triu(np.ones((5, 5)), 1), "must be symmetric"),
            (np.eye(5) - 1, "not negative"),
            ([[0, np.inf], [np.inf, 0]], "NaN or infinity"),
            ([1, 2, 3], r"Got shape \(3,\)"),
        ],
    )
    def test_what_is_no_reference(self, reference, match):
        with pytest.raises(ValueError, match=match):
            structure_correlation(ANIMALS, reference)

    def test_what_are_no_distances(self, clf):
        asymmetric = np.arange(25.0).reshape(5, 5) * (1 - np.eye(5))
        with pytest.raises(ValueError, match=r"if these are labels, label_distances"):
            structure_correlation(asymmetric, euclidean(ANIMALS))
        with pytest.raises(ValueError, match="pass label_distances"):
            structure_correlation(clf, clf)
        frame = pd.DataFrame(euclidean(ANIMALS), NAMES, list("abcde"))
        with pytest.raises(ValueError, match="same names as index and as columns"):
            structure_correlation(ANIMALS, frame)

    def test_rounding_is_forgiven(self):
        # As sqrt(max(d^2, 1e-12)) in float32 gives distances.
        distances = euclidean(ANIMALS).astype(np.float32) + 1e-6 * np.eye(5)
        distances[0, 1] += 1e-7
        assert structure_correlation(distances, distances) == pytest.approx(1)
        assert np.diag(distances).min() > 0  # the argument is left alone


def _leaves(groups):
    if not isinstance(groups, list):
        return [groups]
    return [leaf for group in groups for leaf in _leaves(group)]
