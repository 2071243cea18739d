"""Fits on data that tell next to nothing: few rows, wide rows, rows that coincide."""

import tracemalloc

import numpy as np
import pytest
import scipy.sparse as sp
from _helpers.fakes import assert_sensible
from sklearn.datasets import load_digits, make_blobs

from sklearn_lwal import LwALClassifier

VARIANTS = {
    "default": {},
    "hidden": {"hidden_layer_sizes": (6,), "max_epochs": 3},
    "batch": {"label_update": "batch", "max_epochs": 3},
    "as they come": {"standardize": False},
}
variants = pytest.mark.parametrize("options", VARIANTS.values(), ids=VARIANTS)


@pytest.fixture(scope="module")
def digits():
    return load_digits(return_X_y=True)


def fit(X, y, weight=None, **options):
    clf = LwALClassifier(random_state=0, **options).fit(X, y, sample_weight=weight)
    assert_sensible(clf, X)
    return clf


def words(n, d, density=0.005, n_classes=4):
    """Rows of unit length, mostly zero; each class prefers words of its own."""
    rng = np.random.default_rng(0)
    y = np.arange(n) % n_classes
    X = sp.random(n, d, density, "csr", np.float32, rng).tolil()
    for i in range(n):
        X[i, rng.choice(min(50, d // n_classes), 5) * n_classes + y[i]] = 0.5
    X = X.tocsr()
    lengths = np.sqrt(X.multiply(X).sum(1))
    return sp.csr_matrix(X / lengths, dtype=np.float32), y


class TestColumns:
    @variants
    def test_constant_columns_change_nothing(self, options, digits):
        X, y = digits[0][:400], digits[1][:400]
        more = np.hstack([X, np.full((400, 3), 7.0), np.zeros((400, 1))])
        clf = fit(more, y, **options)
        assert clf.score(more, y) > fit(X, y, **options).score(X, y) - 0.05

    @pytest.mark.parametrize("value", [1e3, 1e6, 1e8, -3e9])
    def test_large_constants(self, value, digits):
        X, y = digits
        spoiled = np.hstack([X, np.full((len(X), 2), value)])
        assert fit(spoiled, y).score(spoiled, y) > 0.95

    @variants
    def test_repeated_columns(self, options, digits):
        X, y = digits[0][:400], digits[1][:400]
        clf = fit(np.hstack([X, X, X]), y, **options)
        assert clf.score(np.hstack([X, X, X]), y) > 0.8

    def test_a_single_column(self, iris):
        assert fit(iris[0][:, 2:3], iris[1]).score(iris[0][:, 2:3], iris[1]) > 0.9

    def test_an_outlier(self, digits):
        X, y = digits[0].copy(), digits[1]
        X[3, 20] = 1e10
        assert fit(X, y).score(X, y) > 0.93


class TestRows:
    @variants
    @pytest.mark.parametrize("n_classes", [2, 10])
    def test_one_row_a_class(self, options, n_classes):
        for d in (3, 20, 200):
            X = np.random.default_rng(d).normal(size=(n_classes, d))
            clf = fit(X, np.arange(n_classes), **options)
            if not options.get("hidden_layer_sizes"):
                assert clf.score(X, np.arange(n_classes)) == 1

    def test_the_rows_of_a_class_coincide(self):
        for d in (3, 20, 200):
            X = np.random.default_rng(d).normal(size=(10, d)).repeat(3, 0)
            y = np.arange(10).repeat(3)
            assert fit(X, y).score(X, y) == 1

    @pytest.mark.parametrize("spread", [1e-1, 1e-2, 1e-3, 1e-4, 1e-6])
    def test_classes_far_apart(self, spread):
        for d in (3, 20, 200):
            X, y = make_blobs(
                150, n_features=d, centers=5, cluster_std=spread, random_state=1
            )
            assert fit(X, y).score(X, y) == 1

    @variants
    @pytest.mark.parametrize("value", [0.0, 1.5, 1e8])
    def test_all_rows_coincide(self, options, value):
        clf = fit(np.full((30, 4), value), np.arange(30) % 3, **options)
        proba = clf.predict_proba(np.full((1, 4), value))
        np.testing.assert_allclose(proba, 1 / 3, atol=0.05)

    @variants
    @pytest.mark.parametrize(("n", "d"), [(30, 500), (60, 6000)])
    def test_fewer_rows_than_columns(self, options, n, d):
        rng = np.random.default_rng(0)
        y = np.arange(n) % 3
        X = rng.normal(size=(n, d)) + 0.5 * rng.normal(size=(3, d))[y]
        clf = fit(X[: n // 2], y[: n // 2], **options)
        if not options.get("hidden_layer_sizes"):
            assert clf.score(X[n // 2 :], y[n // 2 :]) > 0.9


class TestWeights:
    def test_most_rows_without_weight(self, digits):
        X, y = digits
        kept = np.arange(len(y)) % 10 == 0
        weighted = fit(X, y, kept.astype(float), batch_size=2000)
        alone = fit(X[kept], y[kept], batch_size=2000, max_epochs=weighted.n_iter_)
        np.testing.assert_allclose(
            weighted.predict_proba(X), alone.predict_proba(X), atol=1e-3
        )

    @variants
    def test_a_class_without_weight(self, options, digits):
        X, y = digits
        clf = fit(X, y, (y != 3).astype(float), **options)
        kept = y != 3
        assert clf.score(X[kept], y[kept]) > (0.6 if "max_epochs" in options else 0.9)

    def test_two_classes_of_ten_with_weight(self, digits):
        X, y = digits
        clf = fit(X, y, (y < 2).astype(float))
        assert clf.score(X[y < 2], y[y < 2]) > 0.98


class TestSparse:
    # Before training rounding is all that may differ; Adam makes more of it.
    @pytest.mark.parametrize("standardize", [True, False])
    @pytest.mark.parametrize(("lr", "atol"), [(1e-12, 2e-4), (2e-3, 2e-2)])
    @pytest.mark.parametrize(("n", "d"), [(200, 60), (60, 900), (60, 6000)])
    def test_sparse_equals_dense(self, n, d, lr, atol, standardize):
        X, y = words(n, d, density=0.05)
        self.check(X, y, atol, lr=lr, standardize=standardize)

    @pytest.mark.parametrize(("lr", "atol"), [(1e-12, 2e-4), (2e-3, 2e-2)])
    def test_a_sample_of_wide_rows(self, lr, atol, monkeypatch):
        monkeypatch.setattr(
            "sklearn_lwal._training.initialization.sample_size", lambda *_: 40
        )
        self.check(*words(120, 700, density=0.05), atol, lr=lr)

    def test_weights(self):
        X, y = words(200, 60, density=0.05)
        self.check(X, y, 2e-4, 1.0 + y, lr=1e-12)

    def check(self, X, y, atol, weight=None, **options):
        sparse, dense = (fit(rows, y, weight, **options) for rows in (X, X.toarray()))
        assert sparse.temperature_ == pytest.approx(dense.temperature_, rel=1e-3)
        np.testing.assert_allclose(
            sparse.predict_proba(X), dense.predict_proba(X), atol=atol
        )
        # Signs of the latent's axes are free, inner products are not.
        latents = [clf.transform(X) - clf.labels_.mean(0) for clf in (sparse, dense)]
        one, two = (z @ z.T for z in latents)
        np.testing.assert_allclose(one, two, atol=10 * atol * np.abs(two).max())

    def test_memory_stays_bounded(self):
        X, y = words(300, 20_000)
        fit(X, y)
        tracemalloc.start()
        LwALClassifier(random_state=0, max_epochs=2).fit(X, y)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        # A dense float64 copy would be 48 MB. Batches of 32 rows are 2.6 MB; the rows
        # that are read once come in blocks of 200, as float32 16 MB.
        assert peak < 30e6

    def test_words_tell_classes_apart(self):
        X, y = words(600, 5000)
        clf = fit(X[:300], y[:300])
        assert clf.score(X[300:], y[300:]) > 0.8
