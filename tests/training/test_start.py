"""Where a model starts, what its labels follow, and data that tell next to nothing."""

import copy
import pickle

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from _helpers.fakes import assert_sensible
from sklearn.datasets import load_digits, load_wine
from sklearn.preprocessing import scale

from sklearn_lwal import AdaptiveLabels, LwALClassifier, STDClassifier
from sklearn_lwal._training.batches import LabelledRows

QUICK = {"max_epochs": 2, "random_state": 0}
BEFORE_TRAINING = {"max_epochs": 1, "lr": 1e-12, "random_state": 0}


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X.astype(np.float32), y


def class_means(clf, X, y, weight=None):
    z = clf.transform(X)
    weight = np.ones(len(y)) if weight is None else weight
    kept = [(y == c) & (weight > 0) for c in clf.classes_]
    return np.array([np.average(z[m], axis=0, weights=weight[m]) for m in kept])


class TestLabelsFromFeatures:
    @pytest.mark.parametrize("init", ["discriminant", "random"])
    @pytest.mark.parametrize("weighted", [False, True])
    @pytest.mark.parametrize("batch_size", [2, 20])
    def test_labels_are_means_over_all_rows(self, init, weighted, batch_size, iris):
        X, y = iris
        weight = np.random.RandomState(0).uniform(size=150) if weighted else None
        options = {"init": init, "batch_size": batch_size, "output_dim": 5, **QUICK}
        # In training they are so already, but for the average over its steps.
        options |= {"refine_labels": False, "average": False, "lr": 1e-5}
        clf = LwALClassifier(**options).fit(X, y, sample_weight=weight)
        means = class_means(clf, X, y, weight)
        np.testing.assert_allclose(clf.labels_, means, atol=2e-3)
        clf = LwALClassifier(**options | {"refine_labels": True, "average": True})
        clf.fit(X, y, sample_weight=weight)
        means = class_means(clf, X, y, weight)
        np.testing.assert_allclose(clf.labels_, means, atol=1e-5)

    @pytest.mark.parametrize("weighted", [False, True])
    def test_all_chunks_so_far_count(self, weighted, iris):
        X, y = iris
        weight = (
            np.random.RandomState(0).uniform(size=150) if weighted else np.ones(150)
        )
        # In the order of the classes: most chunks lack one or two of them.
        clf, seen = LwALClassifier(batch_size=2, random_state=0), 0
        for chunk in np.array_split(np.arange(150), 8):
            clf.partial_fit(X[chunk], y[chunk], [0, 1, 2], sample_weight=weight[chunk])
            seen += len(chunk)
            # In training, too: labels of classes that a chunk lacks follow the weights.
            mass = np.bincount(y[:seen], weight[:seen], 3)
            found = clf.net_.module_.head.class_mass
            np.testing.assert_allclose(found, mass, rtol=1e-5)
            for c in np.unique(y[:seen]):
                mine = np.flatnonzero(y[:seen] == c)
                z = clf.transform(X[mine])
                mean = np.average(z, axis=0, weights=weight[mine])
                np.testing.assert_allclose(clf.labels_[c], mean, atol=1e-5)

    def test_means_keep_their_digits_far_from_zero(self, iris):
        # Rounded here, so that float32 holds every value exactly.
        X, y = np.round(8 * iris[0]) / 8 + 2.0**17, iris[1]
        clf = LwALClassifier(**QUICK).fit(X, y)
        np.testing.assert_allclose(clf.labels_, class_means(clf, X, y), atol=5e-3)

    def test_it_differs_from_means_of_the_batch(self, iris):
        options = {"batch_size": 10, "refine_labels": False, "average": False, **QUICK}
        batch = LwALClassifier(label_update="batch", **options).fit(*iris)
        features = LwALClassifier(**options).fit(*iris)
        means = class_means(batch, *iris)
        assert np.abs(batch.labels_ - means).max() > 0.05
        assert np.abs(features.labels_ - class_means(features, *iris)).max() < 0.05

    @pytest.mark.parametrize("sizes", [(), (8,)])
    @pytest.mark.parametrize(
        "options",
        [
            {"update_every": 5},
            {"warmup_steps": 7},
            {"label_momentum": 0.9},
            {"repel_weight": 10.0},
        ],
        ids=str,
    )
    def test_options_of_the_paper_count(self, options, sizes, iris):
        shared = {"batch_size": 20, "hidden_layer_sizes": sizes, **QUICK}
        plain = LwALClassifier(**shared).fit(*iris)
        clf = LwALClassifier(**options, **shared).fit(*iris)
        assert_sensible(clf, iris[0])
        moved = np.abs(clf.predict_proba(iris[0]) - plain.predict_proba(iris[0]))
        assert moved.max() > 1e-4
        assert clf.score(*iris) > 0.6


class TestBeforeTraining:
    def test_the_start_is_a_classifier_already(self, digits):
        X, y = digits
        clf = LwALClassifier(**BEFORE_TRAINING).fit(X[::2], y[::2])
        assert clf.score(X[1::2], y[1::2]) > 0.9
        clf.set_params(init="random").fit(X[::2], y[::2])
        assert clf.score(X[1::2], y[1::2]) < 0.85

    @pytest.mark.parametrize("output_dim", [1, 2, 5, 10.0])
    def test_any_output_dim(self, output_dim, digits):
        clf = LwALClassifier(output_dim=output_dim, **BEFORE_TRAINING).fit(*digits)
        assert_sensible(clf, digits[0])
        few = output_dim if isinstance(output_dim, int) else 9
        # Directions are in order: the first ones tell the most apart.
        assert clf.score(*digits) > {1: 0.3, 2: 0.5, 5: 0.8, 9: 0.93}[few]

    def test_latents_scatter_by_about_one(self, digits):
        X, y = digits
        clf = LwALClassifier(**BEFORE_TRAINING).fit(X, y)
        z = clf.transform(X) - clf.labels_[y]
        # The tenth dimension is a spare one.
        np.testing.assert_allclose(z[:, :9].std(0), 1, atol=0.25)
        assert z[:, 9].std() < 0.1
        np.testing.assert_allclose(clf.transform(X).mean(0), 0, atol=1e-3)

    def test_statistics_of_a_sample(self, digits, monkeypatch):
        X, y = digits
        whole = LwALClassifier(**BEFORE_TRAINING).fit(X, y)
        monkeypatch.setattr(
            "sklearn_lwal._training.initialization.sample_size", lambda *_: 900
        )
        clf = LwALClassifier(**BEFORE_TRAINING).fit(X, y)
        assert (clf.transform(X) != whole.transform(X)).any()
        assert clf.score(X, y) > 0.92
        # The labels are still those of all rows.
        np.testing.assert_allclose(clf.labels_, class_means(clf, X, y), atol=1e-5)
        for convert in (np.asarray, sp.csr_matrix):
            # Fewer rows than columns, and class means outside of their span.
            monkeypatch.setattr(
                "sklearn_lwal._training.initialization.sample_size", lambda *_: 50
            )
            clf = LwALClassifier(**BEFORE_TRAINING).fit(convert(X), y)
            assert clf.score(X, y) > 0.7

    @pytest.mark.parametrize("options", [BEFORE_TRAINING, {"random_state": 0}])
    def test_units_of_the_columns_do_not_matter(self, options):
        X, y = load_wine(return_X_y=True)
        rng = np.random.default_rng(0)
        X = scale(X)
        units = 10.0 ** rng.uniform(-6, 6, 13)
        moved = X * units + units * rng.uniform(-100, 100, 13)
        expected = LwALClassifier(**options).fit(X, y).predict_proba(X)
        clf = LwALClassifier(**options).fit(moved, y)
        np.testing.assert_allclose(clf.predict_proba(moved), expected, atol=1e-3)


class TestTemperature:
    @pytest.mark.parametrize("init", ["discriminant", "random"])
    @pytest.mark.parametrize("sizes", [(), (8,)])
    @pytest.mark.parametrize("value", [0.25, 1, 3.5])
    def test_a_number_is_kept(self, init, sizes, value, iris):
        options = {"init": init, "hidden_layer_sizes": sizes, "temperature": value}
        clf = LwALClassifier(**options, **QUICK).fit(*iris)
        assert clf.temperature_ == value
        assert clf.partial_fit(*iris).temperature_ == value

    @pytest.mark.parametrize("sizes", [(), (8,)])
    def test_the_one_of_the_start_is_constant(self, sizes, iris):
        found = []
        for epochs in (1, 5):
            options = {"max_epochs": epochs, "hidden_layer_sizes": sizes, "lr": 0.01}
            clf = LwALClassifier(random_state=0, **options).fit(*iris)
            found.append(clf.temperature_)
        found.append(clf.partial_fit(*iris).temperature_)
        assert found[0] == found[1] == found[2]
        assert found[0] != 1
        assert isinstance(found[0], float)

    @pytest.mark.parametrize("sizes", [(), (8,)])
    def test_from_a_random_start_it_is_trained(self, sizes, iris):
        options = {"init": "random", "hidden_layer_sizes": sizes, "max_epochs": 20}
        clf = LwALClassifier(random_state=0, **options).fit(*iris)
        assert clf.temperature_ > 0
        assert abs(clf.temperature_ - 1) > 0.05
        log_temperature = clf.net_.module_.head.adaptive.log_temperature
        assert clf.temperature_ == pytest.approx(log_temperature.exp().item())
        before = clf.temperature_
        assert clf.partial_fit(*iris).temperature_ != before


def test_a_trained_temperature_moves_ten_times_as_fast(iris):
    options = {"init": "random", "average": False, "batch_size": 150}
    clf = LwALClassifier(max_epochs=1, lr=0.002, random_state=0, **options).fit(*iris)
    # Adam's first step is as long as its rate.
    assert abs(np.log(clf.temperature_)) == pytest.approx(0.02, rel=1e-3)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", 0),
        ("temperature", -1.0),
        ("temperature", "bad"),
        ("temperature", None),
        ("init", "bad"),
        ("init", None),
        ("label_update", "bad"),
        ("standardize", "x"),
        ("average", None),
    ],
)
def test_parameters_are_named(name, value, iris):
    for call in ("fit", "partial_fit"):
        with pytest.raises(ValueError, match=f"'{name}' parameter"):
            getattr(LwALClassifier(**{name: value}), call)(*iris)


class TestHiddenLayers:
    options = {"hidden_layer_sizes": (16,), "batch_size": 100, "random_state": 0}

    def test_fits(self, digits):
        X, y = digits
        clf = LwALClassifier(max_epochs=10, **self.options).fit(X[::2], y[::2])
        assert clf.score(X[1::2], y[1::2]) > 0.88
        np.testing.assert_allclose(
            clf.labels_, class_means(clf, X[::2], y[::2]), atol=1e-4
        )

    def test_early_stopping(self, digits):
        X, y = digits
        clf = LwALClassifier(early_stopping=True, max_epochs=8, **self.options)
        clf.fit(X[::2], y[::2])
        best = max(row["valid_acc"] for row in clf.history_)
        assert best > 0.85
        assert clf.score(X[1::2], y[1::2]) > 0.85

    def test_going_on(self, digits):
        X, y = digits
        clf = LwALClassifier(max_epochs=3, warm_start=True, **self.options).fit(X, y)
        loss = clf.history_[-1]["train_loss"]
        clf.fit(X, y).partial_fit(X, y)
        assert clf.n_iter_ == 7
        assert clf.history_[-1]["train_loss"] < loss
        assert_sensible(clf, X)

    @pytest.mark.parametrize(
        "duplicate", [lambda clf: pickle.loads(pickle.dumps(clf)), copy.deepcopy]
    )
    def test_class_means_are_part_of_the_state(self, duplicate, digits):
        X, y = digits
        clf = LwALClassifier(**self.options)
        clf.partial_fit(X[:900], y[:900], classes=range(10))
        head = clf.net_.module_.head
        assert {"class_features", "class_mass"} <= head.state_dict().keys()
        assert (head.class_mass > 0).all()
        twin = duplicate(clf)
        # The rest lacks some of the classes, whose means must not get lost.
        rest = np.flatnonzero(y[900:] < 4) + 900
        kept = clf.labels_[4:].copy()
        for one in (clf, twin):
            one.partial_fit(X[rest], y[rest])
        np.testing.assert_array_equal(clf.predict_proba(X), twin.predict_proba(X))
        assert (clf.labels_[4:] != kept).any()
        assert clf.score(X, y) > 0.7

    @pytest.mark.parametrize("weighted", [False, True])
    def test_running_means_are_close_to_the_means(self, weighted, digits):
        X, y = digits
        weight = np.linspace(0.2, 2, len(y)) if weighted else None
        options = {"refine_labels": False, "average": False, "dropout": 0.0}
        clf = LwALClassifier(max_epochs=5, **options, **self.options)
        clf.fit(X, y, sample_weight=weight)
        means = class_means(clf, X, y, weight)
        apart = np.linalg.norm(means[:, None] - means, axis=2).max()
        assert np.linalg.norm(clf.labels_ - means, axis=1).max() < 0.1 * apart


def in_the_paper(**options):
    return LwALClassifier(
        init="random",
        label_update="batch",
        temperature=1.0,
        standardize=False,
        average=False,
        refine_labels=False,
        **options,
    )


@pytest.mark.parametrize("repel_weight", [0.0, 10.0])
@pytest.mark.parametrize("output_dim", [1.0, 10.0])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_paper_is_a_bare_loop(repel_weight, output_dim, weighted, iris):
    X, y = (torch.from_numpy(part) for part in iris)
    weight = torch.rand(150) if weighted else None
    dim, seed, lr = int(3 * output_dim), 7, 0.01
    torch.manual_seed(seed)
    layer = torch.nn.Linear(4, dim)
    labels = AdaptiveLabels(3, dim, repel_weight=repel_weight)
    # Rounding differs between the kinds of Adam, and the bias has no other gradient.
    optimizer = torch.optim.Adam(layer.parameters(), lr=lr, fused=True)
    for _ in range(4):
        for index in torch.randperm(150).tensor_split(4):
            optimizer.zero_grad()
            part = None if weight is None else weight[index]
            labels(layer(X[index]), y[index], part).backward()
            optimizer.step()
    options = {"repel_weight": repel_weight, "output_dim": output_dim, "lr": lr}
    clf = in_the_paper(batch_size=40, max_epochs=4, random_state=seed, **options)
    clf.fit(X, y, sample_weight=weight)
    np.testing.assert_allclose(clf.transform(X), layer(X).detach(), atol=1e-5)
    np.testing.assert_allclose(clf.labels_, labels.labels, atol=1e-5)
    scores = labels.eval().double().scores(layer.double()(X.double())).detach()
    np.testing.assert_allclose(clf.decision_function(X), scores, atol=1e-5)


def rare_columns(n=30_000, n_rare=3):
    """Three classes, and 40 columns that hardly vary but for a few rows of each."""
    rng = np.random.default_rng(0)
    y = np.arange(n) % 3
    X = np.empty((n, 44), np.float32)
    X[:, :4] = rng.normal(size=(n, 4))
    X[:, 0] += 3 * y
    X[:, 4:] = -0.1 + 1e-4 * rng.normal(size=(n, 40))
    for column in range(4, 44):
        X[rng.choice(n, n_rare, replace=False), column] = 50
    return X, y


@pytest.mark.parametrize("estimator", [LwALClassifier, STDClassifier])
@pytest.mark.parametrize("n_rare", [0, 1, 3])
def test_a_value_that_the_sample_lacks_does_not_spoil_the_units(estimator, n_rare):
    X, y = rare_columns(n_rare=n_rare)
    scores = []
    for seed in range(4):
        clf = estimator(max_epochs=3, lr=1e-2, random_state=seed).fit(X, y)
        layer = clf.net_.module_.first_layer
        with torch.no_grad():
            units = layer.standardize(torch.from_numpy(X)) / layer.constant
        # No value of n is farther than that from their mean, in their deviation.
        assert units.abs().max() <= 1.01 * len(X) ** 0.5
        scores.append(clf.score(X, y))
    assert min(scores) > 0.9
    assert np.ptp(scores) < 0.01


def test_a_constant_column_counts_nothing_however_it_is_rounded():
    X, y = rare_columns(n_rare=0)
    X[:, 4:] = -(10 ** np.random.default_rng(0).uniform(-4, 0, 40))
    clf = LwALClassifier(random_state=0).fit(X, y)
    elsewhere = X[:50].copy()
    elsewhere[:, 4:] = 1e6
    np.testing.assert_array_equal(
        clf.predict_proba(elsewhere), clf.predict_proba(X[:50])
    )


def test_the_ranges_of_columns():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(500, 7)).astype(np.float32) * (rng.random((500, 7)) < 0.3)
    weight = (np.arange(500) % 5 > 0).astype(np.float32)
    y = np.zeros(500, int)
    kept = X[weight > 0]
    for rows in (X, sp.csr_matrix(X), sp.csr_array(X)):
        low, high = LabelledRows(rows, y, weight).counted().column_ranges()
        np.testing.assert_array_equal(low, kept.min(0))
        np.testing.assert_array_equal(high, kept.max(0))
        low, high = LabelledRows(rows, y, subset=np.arange(9)).column_ranges()
        np.testing.assert_array_equal(low, X[:9].min(0))
        np.testing.assert_array_equal(high, X[:9].max(0))
