"""Units of the features: those that float32 does not hold, and those of streams."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_lwal import (
    LabelEmbedClassifier,
    LwALClassifier,
    LWRClassifier,
    StaticLabelClassifier,
    STDClassifier,
)
from sklearn_lwal._training.batches import LabelledRows
from sklearn_lwal._training.units import ColumnStatistics
from sklearn_lwal.heads.linear import Dense, StandardizedLinear

CLASSIFIERS = (
    LwALClassifier,
    STDClassifier,
    LWRClassifier,
    LabelEmbedClassifier,
    StaticLabelClassifier,
)


def two_classes(n=600, width=3, distance=4.0, seed=0):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    return rng.normal(size=(n, width)) + distance * y[:, None], y


@pytest.fixture(scope="module")
def stamps():
    """Time stamps in nanoseconds, of which later ones are of class 1."""
    rng = np.random.default_rng(0)
    days = rng.integers(0, 35 * 365, 1500)
    nanoseconds = 631_152_000_000_000_000 + days * 86_400_000_000_000
    X = np.c_[nanoseconds, rng.normal(size=len(days))]
    return X, (days >= 6570).astype(int)


class TestStreams:
    @pytest.mark.parametrize("sizes", [(), (8,)])
    @pytest.mark.parametrize("Classifier", CLASSIFIERS)
    def test_a_first_row_decides_nothing(self, Classifier, sizes):
        X, y = two_classes()
        clf = Classifier(hidden_layer_sizes=sizes, lr=1e-2, random_state=0)
        clf.partial_fit(X[:1], y[:1], classes=[0, 1])
        for _ in range(8):
            clf.partial_fit(X, y)
        assert clf.score(X, y) > 0.98

    @pytest.mark.parametrize("Classifier", CLASSIFIERS)
    def test_a_column_that_was_constant_counts_once_it_varies(self, Classifier):
        X, y = two_classes(width=2)
        X[:, 0] = np.random.default_rng(1).normal(size=len(X))
        early = X[:100].copy()
        early[:, 1] = 3.0
        clf = Classifier(random_state=0).partial_fit(early, y[:100], classes=[0, 1])
        for _ in range(8):
            clf.partial_fit(X, y)
        assert clf.score(X, y) > 0.95

    def test_a_warm_start_takes_the_units_of_its_rows(self):
        X, y = two_classes(width=2)
        early = X.copy()
        early[:, 1] = 3.0
        early[:, 0] = np.random.default_rng(1).normal(size=len(X))
        X[:, 0] = early[:, 0]
        clf = LwALClassifier(random_state=0, warm_start=True, max_epochs=10)
        assert clf.fit(early, y).fit(X, y).score(X, y) > 0.95

    @pytest.mark.parametrize("optimizer", ["adam", "sgd", "rmsprop"])
    @pytest.mark.parametrize("sizes", [(), (8,)])
    def test_other_units_leave_what_was_learned(self, sizes, optimizer):
        X, y = two_classes(n=200)
        options = {"net_params": {"optimizer__momentum": 0.9}}
        clf = STDClassifier(
            hidden_layer_sizes=sizes,
            optimizer=optimizer,
            random_state=0,
            # Steps too small to be seen.
            lr=1e-12,
            **(options if optimizer != "adam" else {}),
        )
        clf.partial_fit(X, y, classes=[0, 1])
        elsewhere = 1e3 * X + 7
        before = clf.transform(X), clf.transform(elsewhere)
        layer = clf.net_.module_.first_layer
        scale = layer.scale.clone()
        # Running statistics of hidden layers follow the rows; not those of one row.
        for row in range(3):
            clf.partial_fit(elsewhere[row : row + 1], y[row : row + 1])
        assert not torch.equal(clf.net_.module_.first_layer.scale, scale)
        after = clf.transform(X), clf.transform(elsewhere)
        for one, other in zip(before, after, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-4)

    def test_units_of_parts_are_those_of_the_whole(self):
        rng = np.random.default_rng(0)
        X = rng.normal(size=(400, 6)) * 10.0 ** np.arange(-3, 3) + 5
        X[:, 4] *= rng.random(400) < 0.05
        X[:, 5] = 2.0
        weight = rng.random(400).astype(np.float32)

        def statistics(rows):
            y = np.zeros(len(X[rows]), int)
            found = LabelledRows(X[rows], y, weight[rows])
            return ColumnStatistics.of(found, found.sample(10_000, torch.Generator()))

        whole, parts = statistics(slice(None)), statistics(slice(1))
        for start, end in ((1, 2), (2, 150), (150, 400)):
            parts = parts.merged(statistics(slice(start, end)))
        for one, other in zip(whole, parts, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-9)
        np.testing.assert_allclose(whole.deviations(), parts.deviations(), rtol=1e-9)
        mean = np.average(X, axis=0, weights=weight)
        deviation = np.sqrt(np.average((X - mean) ** 2, axis=0, weights=weight))
        np.testing.assert_allclose(whole.deviations()[:4], deviation[:4], rtol=1e-6)
        assert whole.deviations()[5] == 0

    def test_a_change_of_units_keeps_the_outputs(self):
        torch.manual_seed(0)
        layer = StandardizedLinear(Dense(4, 3)).eval()
        mean, deviation = torch.randn(4).double(), torch.rand(4).double() + 0.1
        deviation[3] = 0
        layer.set_statistics(mean, deviation)
        X = torch.randn(50, 4)
        X[:, 3] = mean[3]
        before = layer(X)
        change = layer.change_statistics(mean + 2, 10 * deviation + 1)
        change.apply(layer.weight.data, layer.bias.data)
        torch.testing.assert_close(layer(X), before)
        # The column that varies now has a weight.
        X[:, 3] += 1
        assert not torch.allclose(layer(X), before, atol=1e-3)
        again = layer.change_statistics(mean + 2, 10 * deviation + 1)
        assert again is None

    def test_a_saved_stream_goes_on(self, tmp_path):
        from sklearn_lwal import load

        X, y = two_classes(n=90)
        clf = LwALClassifier(random_state=0).partial_fit(X[:1], y[:1], classes=[0, 1])
        clf.partial_fit(X[:20], y[:20])
        clf.save(tmp_path / "model")
        again = load(tmp_path / "model").partial_fit(1e3 * X, y)
        clf.partial_fit(1e3 * X, y)
        np.testing.assert_array_equal(again.predict_proba(X), clf.predict_proba(X))

    def test_a_call_costs_the_same_after_many(self):
        X, y = two_classes(n=20)
        clf = STDClassifier(random_state=0)
        for _ in range(130):
            clf.partial_fit(X, y, classes=[0, 1])
        assert len(clf.history_) == 100
        assert clf.n_iter_ == clf.history_[-1]["epoch"] == len(clf.net_.history) == 130
        # Rows of a fit stay.
        clf = STDClassifier(random_state=0, max_epochs=120).fit(X, y).partial_fit(X, y)
        assert len(clf.history_) == 120
        assert clf.n_iter_ == 121


class TestDigits:
    """Columns whose rows float32 would not tell apart."""

    @pytest.mark.parametrize("factor", [1.0, 1e12, 1e-30, 1e-50])
    def test_very_large_and_very_small(self, stamps, factor):
        X, y = stamps
        X = X * [factor, 1]
        scaled = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)
        wanted = scaled.score(X, y) - 0.01
        assert LwALClassifier(random_state=0).fit(X, y).score(X, y) > wanted
        single = X.astype(np.float32)
        assert LwALClassifier(random_state=0).fit(single, y).score(single, y) > wanted

    @pytest.mark.parametrize("sizes", [(), (8,)])
    def test_far_from_zero(self, sizes):
        X, y = two_classes(distance=6.0)
        X += 1e8
        clf = STDClassifier(hidden_layer_sizes=sizes, random_state=0)
        clf.fit(X, y, eval_set=(X, y))
        assert clf.score(X, y) == 1
        assert clf.history_[-1]["valid_acc"] > 0.99
        # Also of a stream, whose first rows tell nothing of that.
        clf = STDClassifier(hidden_layer_sizes=sizes, lr=1e-2, random_state=0)
        for row in range(4):
            clf.partial_fit(X[row : row + 1], y[row : row + 1], classes=[0, 1])
        for _ in range(8):
            clf.partial_fit(X, y)
        assert clf.score(X, y) > 0.98

    def test_sparse_and_dense_are_one(self, stamps):
        X, y = stamps
        X = X * [1e-3, 1]
        dense = LwALClassifier(random_state=0).fit(X, y)
        sparse = LwALClassifier(random_state=0).fit(sp.csr_array(X), y)
        assert sparse.score(X, y) == pytest.approx(dense.score(X, y), abs=0.01)

    def test_others_are_trained_in_float32(self):
        X, y = two_classes()
        seen = []

        def hook(_, args):
            seen.append(args[0].dtype)

        for rows in (X, 1e6 * X + 1e6, X.astype(np.float32), X + 1e8):
            clf = STDClassifier(random_state=0, max_epochs=1).fit(X, y)
            clf.set_params(warm_start=True)
            clf.net_.module_.first_layer.register_forward_pre_hook(hook)
            clf.fit(rows, y)
        assert seen[0] is torch.float32
        kinds = np.array([str(kind) for kind in seen]).reshape(4, -1)[:, 0]
        assert kinds.tolist() == ["torch.float32"] * 3 + ["torch.float64"]
