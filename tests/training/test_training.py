"""Inputs of training, its results, and their reproducibility."""

import gc
import math
import pickle
import random
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from _helpers.rivals import CLASSIFIERS, RIVALS
from sklearn.base import clone
from skorch.callbacks import Callback

from sklearn_lwal import LwALClassifier, STDClassifier

both = pytest.mark.parametrize("Classifier", CLASSIFIERS)
VARIANTS = {
    "LwAL": LwALClassifier(),
    "LwAL, last batch": LwALClassifier(
        label_update="batch", refine_labels=False, output_dim=10.0
    ),
    "LwAL, repel": LwALClassifier(repel_weight=10.0, label_momentum=0.5, l2=0.01),
    "LwAL, k": LwALClassifier(update_every=3, warmup_steps=2),
    "LwAL, hidden": LwALClassifier(hidden_layer_sizes=(8,), dropout=0.5),
    "LwAL, stopping": LwALClassifier(early_stopping=True, hidden_layer_sizes=(8,)),
    "STD": STDClassifier(label_smoothing=0.1, l2=0.01),
    "STD, hidden": STDClassifier(hidden_layer_sizes=(8,), dropout=0.5),
    "STD, stopping": STDClassifier(early_stopping=True, hidden_layer_sizes=(8,)),
    **RIVALS,
}
variants = pytest.mark.parametrize("clf", VARIANTS.values(), ids=VARIANTS)
REFINED = {n: clf for n, clf in VARIANTS.items() if n != "LwAL, last batch"}
refined = pytest.mark.parametrize("clf", REFINED.values(), ids=REFINED)
LINEAR = {n: clf for n, clf in REFINED.items() if not clf.hidden_layer_sizes}
linear = pytest.mark.parametrize("clf", LINEAR.values(), ids=LINEAR)


# The discriminant start is chosen on held-out rows, as in the CV estimators of
# scikit-learn: there a row of weight two is not two rows, which may be told apart.
RANDOM_START = {
    name: clone(clf).set_params(init="random") if name.startswith("LwAL") else clf
    for name, clf in LINEAR.items()
    # Its loss has a sum over the samples, in which weights count as ratios.
    if name != "LabelEmbed"
}
from_random_start = pytest.mark.parametrize(
    "clf", RANDOM_START.values(), ids=RANDOM_START
)


def new(clf, **options):
    return clone(clf).set_params(max_epochs=3, random_state=0, **options)


def assert_close(one, two, X, atol=1e-4):
    """Equal but for rounding and for where the labels lie as a whole."""
    np.testing.assert_allclose(one.predict_proba(X), two.predict_proba(X), atol=atol)
    z, other = (clf.transform(X) - clf.labels_.mean(0) for clf in (one, two))
    np.testing.assert_allclose(z, other, atol=atol)
    labels, other = (clf.labels_ - clf.labels_.mean(0) for clf in (one, two))
    np.testing.assert_allclose(labels, other, atol=atol)


def assert_equal(one, two, X):
    np.testing.assert_array_equal(one.labels_, two.labels_)
    np.testing.assert_array_equal(one.predict_proba(X), two.predict_proba(X))
    np.testing.assert_array_equal(one.transform(X), two.transform(X))


class TestLastBatchWeights:
    """Weights where the labels are those of the last batch."""

    clf = clone(VARIANTS["LwAL, last batch"]).set_params(init="random")
    options = {"optimizer": "sgd", "batch_size": 1000, "lr": 0.02}

    def test_weights_equal_repetitions(self, iris):
        X, y = iris
        times = np.random.RandomState(0).randint(0, 4, 150)
        weighted = new(self.clf, **self.options).fit(X, y, sample_weight=times)
        repeated = new(self.clf, **self.options)
        repeated.fit(X.repeat(times, axis=0), y.repeat(times))
        assert_close(weighted, repeated, X)
        np.testing.assert_allclose(
            weighted.transform(X), repeated.transform(X), atol=1e-4
        )

    def test_only_ratios_of_weights_count(self, iris):
        X, y = iris
        weight = np.random.RandomState(0).uniform(0.5, 2, 150)
        one, two = (
            new(self.clf, **self.options).fit(X, y, sample_weight=scale * weight)
            for scale in (1e-6, 1e6)
        )
        assert_close(one, two, X)


class TestWeights:
    """With SGD, whose steps tell the scale of a loss, unlike Adam's."""

    sgd = {"optimizer": "sgd"}
    full_batch = {"batch_size": 1000, "lr": 0.02}

    def weighted_and_repeated(self, clf, iris, **options):
        X, y = iris
        times = np.random.RandomState(0).randint(0, 4, 150)
        options = {"class_weight": {0: 1, 1: 2, 2: 5}, **self.full_batch, **options}
        weighted = new(clf, **options).fit(X, y, sample_weight=times)
        repeated = new(clf, **options).fit(X.repeat(times, axis=0), y.repeat(times))
        assert_close(weighted, repeated, X)
        plain = new(clf, **options).fit(X, y)
        assert np.abs(plain.predict_proba(X) - weighted.predict_proba(X)).max() > 1e-3

    @from_random_start
    def test_weights_equal_repetitions(self, clf, iris):
        self.weighted_and_repeated(clf, iris, **self.sgd)

    # With labels that are means of the batch the gradient of the head's bias is 0 in
    # theory; Adam makes steps of full size out of what rounding leaves of it. They move
    # latents and labels alike, so they are seen only in the latents as such, and where
    # the labels are older than the last step.
    @pytest.mark.parametrize("name", ["LwAL", "LwAL, k", "STD"])
    def test_weights_equal_repetitions_with_adam(self, name, iris):
        clf = RANDOM_START[name]
        self.weighted_and_repeated(clf, iris, optimizer="adam", class_weight=None)

    @linear
    def test_only_ratios_of_weights_count(self, clf, iris):
        X, y = iris
        weight = np.random.RandomState(0).uniform(0.5, 2, 150)
        one, two = (
            new(clf, batch_size=40, **self.sgd).fit(X, y, sample_weight=scale * weight)
            for scale in (1e-6, 1e6)
        )
        assert_close(one, two, X)

    @refined
    def test_equal_weights_equal_none(self, clf, iris):
        X, y = iris
        options = {"lr": 1e-4, **self.sgd}
        weighted = new(clf, **options).fit(X, y, sample_weight=np.full(150, 3.0))
        plain = new(clf, **options).fit(X, y)
        # The rounding error grows with the number of layers.
        atol = 1e-2 if clf.hidden_layer_sizes else 1e-4
        assert_close(weighted, plain, X, atol)
        # Nor do balanced weights change anything for classes of one size.
        balanced = new(clf, class_weight="balanced", **options).fit(X, y)
        assert_close(balanced, plain, X, atol)

    @variants
    def test_balanced_means_inverse_frequency(self, clf, iris):
        X, y = iris[0][20:], iris[1][20:]
        frequency = np.bincount(y)
        weight = dict(enumerate(len(y) / (3 * frequency)))
        balanced = new(clf, class_weight="balanced").fit(X, y)
        assert_equal(balanced, new(clf, class_weight=weight).fit(X, y), X)

    @both
    def test_class_weight_favours_its_class(self, Classifier):
        rng = np.random.RandomState(0)
        X, y = rng.normal(size=(90, 2)), np.arange(90) % 3
        clf = new(Classifier(), class_weight={2: 100.0}, lr=0.1, batch_size=20)
        clf.set_params(max_epochs=20).fit(X, y)
        assert (clf.predict(X) == 2).mean() > 0.9


class TestRepeatability:
    @variants
    def test_same_seed_same_model(self, clf, iris):
        X, y = iris
        first = new(clf).fit(X, y)
        np.random.seed(5)
        torch.manual_seed(6)
        random.seed(7)
        # Fitted before, and with another seed.
        second = new(clf).set_params(random_state=3, max_epochs=1).fit(X, y)
        torch.rand(5)
        second.set_params(random_state=0, max_epochs=first.max_epochs).fit(X, y)
        assert_equal(first, second, X)
        assert_equal(first, pickle.loads(pickle.dumps(first)), X)
        for row, other in zip(first.history_, second.history_, strict=True):
            assert row["train_loss"] == other["train_loss"]

    @both
    def test_random_state_instance(self, Classifier, iris):
        def fit():
            return Classifier(max_epochs=2, random_state=np.random.RandomState(4))

        assert_equal(fit().fit(*iris), fit().fit(*iris), iris[0])

    @both
    def test_other_seed_other_model(self, Classifier, iris):
        X, y = iris
        options = {"hidden_layer_sizes": (8,), "max_epochs": 2}
        for seed in (1, None):
            clf = Classifier(random_state=seed, **options).fit(X, y)
            np.random.seed(0)
            torch.manual_seed(0)
            other = Classifier(random_state=None, **options).fit(X, y)
            assert (clf.transform(X) != other.transform(X)).any()

    @variants
    def test_global_random_states_are_left_alone(self, clf, iris):
        X, y = iris
        before = pickle.dumps(np.random.get_state())
        torch_before, python_before = torch.get_rng_state(), random.getstate()
        for seed in (0, None):
            clf = new(clf).set_params(random_state=seed, max_epochs=2).fit(X, y)
            clf.partial_fit(X, y).predict(X)
        assert pickle.dumps(np.random.get_state()) == before
        assert torch.equal(torch.get_rng_state(), torch_before)
        assert random.getstate() == python_before

    # They draw folds, weights, dropout, rows held out and labels that are not learned.
    @pytest.mark.parametrize(
        "name",
        ["LwAL", "LwAL, hidden", "LwAL, stopping", "STD, simplex", "LWR, hidden"]
        + ["LabelEmbed, hidden", "StaticLabel"],
    )
    def test_threads_fit_as_if_alone(self, name, iris):
        X, y = iris
        seeds = range(4)
        before = torch.get_rng_state()

        def fit(seed):
            return new(VARIANTS[name]).set_params(random_state=seed).fit(X, y)

        alone = [fit(seed) for seed in seeds]
        with ThreadPoolExecutor(4) as pool:
            together = list(pool.map(fit, seeds))
        for one, two in zip(alone, together, strict=True):
            assert_equal(one, two, X)
        assert torch.equal(torch.get_rng_state(), before)


class TestData:
    @both
    @pytest.mark.parametrize("standardize", [False, True])
    def test_the_data_stays_as_it_is(self, Classifier, standardize, iris):
        X, y = (part.copy() for part in iris)
        X += 3
        before = X.copy()
        clf = Classifier(max_epochs=1, standardize=standardize)
        clf.fit(X, y).partial_fit(X, y).predict(X)
        np.testing.assert_array_equal(X, before)
        clf.fit(torch.from_numpy(X), y, eval_set=(X, y))
        np.testing.assert_array_equal(X, before)

    @both
    def test_model_holds_no_training_data(self, Classifier):
        def fit():
            rng = np.random.RandomState(0)
            X = rng.normal(size=(2_000, 20)).astype(np.float32)
            y = rng.randint(0, 3, 2_000)
            Xt, yt = torch.tensor(X), torch.tensor(y)
            options = {"max_epochs": 1}
            fitted = [
                Classifier(**options).fit(X, y),
                Classifier(**options, early_stopping=True).fit(X, y),
                Classifier(**options).fit(X, y, eval_set=(X, y)),
                Classifier(**options).fit(Xt, yt),
                Classifier(**options).partial_fit(X, y, classes=[0, 1, 2]),
            ]
            return fitted, [weakref.ref(array) for array in (X, y, Xt, yt)]

        fitted, arrays = fit()
        gc.collect()
        assert [array() for array in arrays] == [None] * 4
        for clf in fitted:
            assert len(pickle.dumps(clf)) < 50_000

    @both
    @pytest.mark.parametrize("convert", [np.asarray, torch.from_numpy])
    def test_float32_features_are_not_copied(self, Classifier, convert, iris):
        X, y = iris[0].copy(), iris[1]
        options = {"device": "cpu", "max_epochs": 12, "lr": 0.03, "random_state": 0}
        assert Classifier(**options).fit(X, y).history_[-1]["train_acc"] > 0.7

        class Erase(Callback):
            def on_epoch_begin(self, net, **kwargs):
                X[:] = 0

        clf = Classifier(callbacks=[Erase()], **options).fit(convert(X), y)
        assert clf.history_[-1]["train_acc"] < 0.6

    @variants
    def test_fit_does_not_write_to_its_input(self, clf, iris):
        X, y = iris[0].copy(), iris[1].copy()
        weight = np.linspace(1, 2, 150, dtype=np.float32)
        new(clf, class_weight="balanced").fit(X, y, sample_weight=weight)
        np.testing.assert_array_equal(X, iris[0])
        np.testing.assert_array_equal(y, iris[1])
        np.testing.assert_array_equal(weight, np.linspace(1, 2, 150, dtype=np.float32))


class TestOptions:
    @both
    def test_net_params_reach_the_optimizer(self, Classifier, iris):
        net_params = {"optimizer__momentum": 0.9, "optimizer__weight_decay": 0.125}
        clf = new(Classifier(optimizer="sgd", lr=0.1), net_params=net_params).fit(*iris)
        group = clf.net_.optimizer_.param_groups[0]
        assert isinstance(clf.net_.optimizer_, torch.optim.SGD)
        assert (group["momentum"], group["weight_decay"]) == (0.9, 0.125)
        assert group["lr"] == 0.1
        plain = new(Classifier(optimizer="sgd", lr=0.1)).fit(*iris)
        assert (plain.transform(iris[0]) != clf.transform(iris[0])).any()
        assert net_params.keys() == {"optimizer__momentum", "optimizer__weight_decay"}

    @both
    @pytest.mark.parametrize(
        ("name", "optimizer"),
        [
            ("adam", torch.optim.Adam),
            ("adamw", torch.optim.AdamW),
            ("sgd", torch.optim.SGD),
            (torch.optim.Adagrad, torch.optim.Adagrad),
        ],
    )
    def test_optimizers(self, Classifier, name, optimizer, iris):
        clf = new(Classifier(), optimizer=name, lr=0.05).fit(*iris)
        assert type(clf.net_.optimizer_) is optimizer
        assert math.isfinite(clf.history_[-1]["train_loss"])

    @both
    @pytest.mark.parametrize("sizes", [(), (8,)])
    def test_l2_shrinks_the_weights(self, Classifier, sizes, iris):
        X, y = iris[0][::3], iris[1][::3]

        def spread(l2):
            clf = new(Classifier(hidden_layer_sizes=sizes, lr=0.1), l2=l2)
            latent = clf.set_params(max_epochs=20, batch_size=10).fit(X, y).transform(X)
            return np.abs(latent - latent[0]).max()

        assert spread(1000.0) < 0.5 * spread(0.0)

    @both
    def test_bfloat16(self, Classifier, iris):
        clf = Classifier(precision="bfloat16", lr=0.1, max_epochs=8, random_state=0)
        clf.fit(*iris)
        assert clf.labels_.dtype == np.float32
        assert clf.score(*iris) > 0.8
