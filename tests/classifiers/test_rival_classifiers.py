"""The rivals as classifiers: what they train, what they take, and that they swap."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.special import softmax
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler, scale

from benchmarks._shared.methods import rivals
from benchmarks.rivals.plain_loops import LOOPS, train
from sklearn_lwal import (
    LabelEmbedClassifier,
    LwALClassifier,
    LWRClassifier,
    StaticLabelClassifier,
    STDClassifier,
)

QUICK = {"max_epochs": 6, "random_state": 0}
METHODS = rivals(lr=1e-3, batch_size=50, max_epochs=10, random_state=3)


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return scale(X).astype(np.float32), y


@pytest.mark.parametrize("method", METHODS)
def test_the_engine_trains_what_a_plain_loop_does(method, digits):
    # Same seed, same batches: not only as accurate, but the same scores.
    X, y = (torch.from_numpy(part) for part in digits)
    scores = train(method, X, y, lr=1e-3, batch_size=50, n_epochs=10, seed=3)
    clf = METHODS[method].fit(X, y)
    np.testing.assert_allclose(clf.decision_function(X), scores(X), atol=2e-3)
    assert clf.score(X, y) > 0.8


def test_every_loop_has_its_classifier():
    assert [*LOOPS] == [*METHODS]


def test_all_swap_in_one_grid_search(iris):
    X, y = iris
    classifiers = [
        LwALClassifier(**QUICK),
        STDClassifier(**QUICK),
        STDClassifier(scores="cosine", **QUICK),
        StaticLabelClassifier(**QUICK),
        LWRClassifier(**QUICK),
        LabelEmbedClassifier(**QUICK),
    ]
    pipeline = Pipeline([("scale", StandardScaler()), ("classify", STDClassifier())])
    grid = {"classify": classifiers, "classify__lr": [1e-3, 0.05]}
    search = GridSearchCV(pipeline, grid, cv=3, error_score="raise").fit(X, y)
    assert len(search.cv_results_["params"]) == 12
    assert search.best_score_ > 0.9


class TestLabelEmbeddings:
    vectors = np.array([[1.0, 0.0], [-0.5, 0.8], [-0.5, -0.8]])

    def named(self, y):
        return np.array(["cat", "dog", "emu"])[y]

    def test_array_dict_and_callable_are_the_same(self, iris):
        X, y = iris
        y = self.named(y)
        names = ["cat", "dog", "emu"]

        def encode(words):
            assert words == names
            return torch.tensor(self.vectors)

        given = [
            self.vectors,
            self.vectors.tolist(),
            list(torch.nn.Parameter(torch.tensor(self.vectors))),
            pd.DataFrame(self.vectors, names).iloc[::-1],
            {"gnu": [9.0], **dict(zip(names, self.vectors, strict=True))},
            encode,
        ]
        fitted = [StaticLabelClassifier(label_embeddings=g, **QUICK) for g in given]
        outputs = [clf.fit(X, y).transform(X) for clf in fitted]
        assert all(np.array_equal(outputs[0], other) for other in outputs)
        np.testing.assert_allclose(fitted[0].labels_, self.vectors, atol=1e-7)

    def test_low_precision_tensors(self, iris):
        vectors = torch.eye(3, dtype=torch.bfloat16)
        clf = StaticLabelClassifier(label_embeddings=lambda _: vectors, **QUICK)
        np.testing.assert_array_equal(clf.fit(*iris).labels_, np.eye(3))

    def test_embeddings_may_lie_anywhere(self, iris):
        near, far = (
            StaticLabelClassifier(label_embeddings=np.eye(3) + at, random_state=0)
            for at in (0, 1000)
        )
        assert abs(far.fit(*iris).score(*iris) - near.fit(*iris).score(*iris)) < 0.05

    def test_a_callable_is_asked_once(self, iris):
        asked = []

        def encode(classes):
            asked.append(classes)
            return self.vectors

        clf = StaticLabelClassifier(label_embeddings=encode, warm_start=True, **QUICK)
        clf.fit(*iris).fit(*iris).partial_fit(*iris).predict(iris[0])
        assert asked == [[0, 1, 2]]

    def test_the_nearest_embedding_decides(self, iris):
        X, y = iris
        clf = StaticLabelClassifier(label_embeddings=self.vectors, **QUICK).fit(X, y)
        gaps = clf.transform(X)[:, None] - self.vectors
        distance = np.linalg.norm(gaps, axis=2)
        np.testing.assert_array_equal(clf.predict(X), distance.argmin(1))
        proba = softmax(-distance, axis=1)
        np.testing.assert_allclose(clf.predict_proba(X), proba, atol=1e-5)

    @pytest.mark.parametrize(
        ("given", "match"),
        [
            (np.eye(2), r"shape \(n_classes, p\) with n_classes=3.*Got shape \(2, 2\)"),
            (np.zeros(3), r"Got shape \(3,\)"),
            (np.zeros((3, 0)), r"Got shape \(3, 0\)"),
            (np.zeros((3, 2, 2)), r"Got shape \(3, 2, 2\)"),
            ({0: [1.0], 2: [0.0]}, r"no vector for the classes \[1\]"),
            ({0: [1.0], 1: [0.0], 2: [0.0, 1.0]}, "all of one length"),
            ([["a", "b"]] * 3, "vectors of numbers"),
            (np.array([[1, 0], [0, np.nan], [0, 1]]), r"NaN, infinity.*\[1\]"),
            (np.array([[1, 0], [0, 1], [np.inf, 1]]), r"NaN, infinity.*\[2\]"),
            (lambda classes: np.eye(4), r"callable returned.*Got shape \(4, 4\)"),
            (lambda classes: None, "callable returned"),
            (np.eye(3) * 1j, "vectors of numbers"),
            ([["1", "2"]] * 3, "vectors of numbers"),
            (np.eye(3) * 1e300, r"too large for float32.*\[0, 1, 2\]"),
            ("word2vec", "label_embeddings"),
        ],
    )
    def test_errors_tell_what_to_pass(self, given, match, iris):
        with pytest.raises(ValueError, match=match):
            StaticLabelClassifier(label_embeddings=given, **QUICK).fit(*iris)

    @pytest.mark.parametrize("weights", [[1, 6, 1], [2, 2, 2]])
    def test_class_weights_move_the_start(self, weights, iris):
        # By what they move the mean of the targets.
        X, y = iris
        first = {"lr": 1e-30, "max_epochs": 1, "random_state": 0, "standardize": False}
        clf = StaticLabelClassifier(class_weight=dict(enumerate(weights)), **first)
        plain = StaticLabelClassifier(**first).fit(X, y)
        moved = clf.fit(X, y).transform(X) - plain.transform(X)
        expected = np.tile(np.divide(weights, sum(weights)) - 1 / 3, (150, 1))
        np.testing.assert_allclose(moved, expected, atol=1e-6)

    def test_a_warm_start_keeps_its_embeddings(self, iris):
        clf = StaticLabelClassifier(warm_start=True, **QUICK)
        clf.set_params(label_embeddings=np.eye(3, 2000)).fit(*iris)
        clf.set_params(label_embeddings=np.eye(3, 2000)).fit(*iris)
        other = np.eye(3, 2000)
        other[0, 1000] = 0.5
        with pytest.raises(ValueError, match=r"can not change .*label_embeddings"):
            clf.set_params(label_embeddings=other).fit(*iris)


class TestRetrospection:
    def test_looks_back_from_the_epoch_after_k(self, iris):
        options = {"random_state": 0, "lr": 0.05}
        plain = STDClassifier(max_epochs=4, **options).fit(*iris)
        not_yet = LWRClassifier(max_epochs=4, update_every=4, **options).fit(*iris)
        looking = LWRClassifier(max_epochs=4, update_every=2, **options).fit(*iris)
        losses = [
            np.array([row["train_loss"] for row in clf.history_])
            for clf in (plain, not_yet, looking)
        ]
        np.testing.assert_array_equal(losses[0], losses[1])
        np.testing.assert_array_equal(losses[0][:2], losses[2][:2])
        assert (losses[0][2:] != losses[2][2:]).all()

    def test_rows_held_out_do_not_shift_the_table(self, iris):
        # Rows are counted among those trained on, wherever they lie in X.
        X, y = iris
        seen = []

        class Watch(LWRClassifier):
            def _make_head(self, *shape):
                head = super()._make_head(*shape)
                original = head.loss

                def loss(z, y, weight=None, aux=None, rows=None):
                    table = head.soft_labels
                    seen.append((len(table), int(rows.max()), head.epoch))
                    return original(z, y, weight, aux, rows)

                head.loss = loss
                return head

        options = {"early_stopping": True, "validation_fraction": 0.2, "max_epochs": 3}
        Watch(update_every=1, batch_size=200, random_state=0, **options).fit(X, y)
        assert seen == [(120, 119, 1), (120, 119, 2), (120, 119, 3)]

    def test_the_table_goes_when_training_ends(self, iris):
        clf = LWRClassifier(update_every=1, max_epochs=3, random_state=0)
        assert clf.fit(*iris).net_.module_.head.soft_labels is None
        X = np.repeat(iris[0], 100, axis=0)
        large = clone(clf).fit(X, np.repeat(iris[1], 100))
        assert len(pickle.dumps(large)) < 1.2 * len(pickle.dumps(clf))

    def test_partial_fit_has_nothing_to_look_back_on(self, iris):
        std = STDClassifier(random_state=0)
        lwr = LWRClassifier(update_every=1, random_state=0)
        for _ in range(3):
            for clf in (std, lwr):
                clf.partial_fit(*iris, classes=[0, 1, 2])
        np.testing.assert_array_equal(std.transform(iris[0]), lwr.transform(iris[0]))


def test_label_embeddings_learn_what_is_alike(digits):
    # The pair of classes that are confused has the most similar embeddings.
    X, y = digits
    clf = LabelEmbedClassifier(lr=0.01, max_epochs=30, random_state=0).fit(X, y)
    similar = softmax(clf.labels_, axis=1)
    assert (similar.argmax(1) == np.arange(10)).all()
    away = ~np.eye(10, dtype=bool)
    proba = clf.predict_proba(X)
    confused = np.stack([proba[y == c].mean(0) for c in range(10)])
    rank = np.corrcoef(*(np.argsort(np.argsort(m[away])) for m in (similar, confused)))
    assert rank[0, 1] > 0.3


class TestCosines:
    @pytest.mark.parametrize("scores", ["cosine", "etf"])
    def test_scores_are_scaled_cosines(self, scores, iris):
        X, y = iris
        clf = STDClassifier(scores=scores, random_state=0).fit(X, y)
        z = clf.transform(X)
        np.testing.assert_allclose(np.linalg.norm(clf.labels_, axis=1), 1, atol=1e-5)
        cosines = z @ clf.labels_.T / np.linalg.norm(z, axis=1, keepdims=True)
        found = clf.decision_function(X) / cosines
        np.testing.assert_allclose(found, found[0, 0], rtol=1e-3)
        assert clf.score(X, y) > 0.95

    def test_a_simplex_stays(self, iris):
        clf = STDClassifier(scores="etf", **QUICK).fit(*iris)
        expected = np.where(np.eye(3, dtype=bool), 1, -1 / 2)
        np.testing.assert_allclose(clf.labels_ @ clf.labels_.T, expected, atol=1e-6)

    def test_the_scale_has_a_rate_of_its_own(self, iris):
        clf = STDClassifier(scores="cosine", **QUICK).fit(*iris)
        rates = [group["lr"] for group in clf.net_.optimizer_.param_groups]
        assert sorted(rates) == pytest.approx([1e-3, 1e-2])

    @pytest.mark.parametrize("scores", ["linear", "cosine", "etf"])
    def test_class_weights_tip_the_decision(self, scores):
        rng = np.random.RandomState(0)
        X, y = rng.normal(size=(400, 2)), rng.randint(0, 2, 400)
        X[y == 1] += 0.5
        heavy = STDClassifier(scores=scores, class_weight={0: 1, 1: 9}, random_state=0)
        light = STDClassifier(scores=scores, random_state=0)
        share = [clf.fit(X, y).predict(X).mean() for clf in (heavy, light)]
        assert share[0] > 0.9 > 0.7 > share[1]


@pytest.mark.parametrize(
    ("Classifier", "options"),
    [
        (STDClassifier, {"label_smoothing": 0.1}),
        (STDClassifier, {"confidence_penalty": 0.1}),
        (STDClassifier, {"teacher_weight": 0.1}),
        (STDClassifier, {"teacher_weight": 0.1, "teacher_temperature": 1.0}),
        (STDClassifier, {"teacher_weight": 0.1, "teacher_multiplier": 9.0}),
        (STDClassifier, {"scores": "cosine"}),
        (STDClassifier, {"scores": "etf"}),
        (LWRClassifier, {"variant": "lwal"}),
        (LWRClassifier, {"update_every": 2}),
        (LWRClassifier, {"temperature": 2.0}),
        (LWRClassifier, {"retrospection": 0.5}),
        (LabelEmbedClassifier, {"hard_weight": 0.1}),
        (LabelEmbedClassifier, {"temperature": 1.0}),
        (LabelEmbedClassifier, {"confidence_cap": 0.1}),
        (StaticLabelClassifier, {"label_embeddings": 2 * np.eye(3)}),
        *(
            (Classifier, {"l2": 0.1})
            for Classifier in (
                STDClassifier,
                LWRClassifier,
                LabelEmbedClassifier,
                StaticLabelClassifier,
            )
        ),
    ],
)
def test_every_parameter_counts(Classifier, options, iris):
    # Against the same with one parameter fewer, the last.
    name = [*options][-1]
    quick = {"max_epochs": 8, "random_state": 0, "lr": 0.02}
    losses = []
    for own in (options, {k: v for k, v in options.items() if k != name}):
        clf = Classifier(**quick, **own).fit(*iris)
        losses.append([row["train_loss"] for row in clf.history_])
    assert not np.allclose(*losses, rtol=1e-4)


@pytest.mark.parametrize("scores", ["linear", "cosine"])
def test_groups_of_the_user_keep_their_rates(scores, iris):
    groups = [("*linear.bias", {"lr": 0.0})]
    net_params = {"optimizer__param_groups": groups}
    clf = STDClassifier(scores=scores, net_params=net_params, **QUICK)
    before = clone(clf).set_params(lr=1e-30).fit(*iris).net_.module_.head
    after = clf.fit(*iris).net_.module_.head
    assert torch.equal(before.linear.bias, after.linear.bias)
    assert not torch.equal(before.linear.weight, after.linear.weight)
    if scores == "cosine":
        assert (before.log_scale - after.log_scale).abs() > 1e-3


@pytest.mark.parametrize(
    "clf", [STDClassifier(scores="cosine"), LwALClassifier(init="random")]
)
def test_class_weights_end_with_the_parameter(clf, iris):
    clf = clone(clf).set_params(warm_start=True, class_weight={0: 1, 1: 1, 2: 9})
    clf.set_params(**QUICK).fit(*iris)
    clf.set_params(class_weight=None).fit(*iris)
    head = clf.net_.module_.head
    offset = head.adaptive.class_offset if "LwAL" in str(clf) else head.class_offset
    assert not offset.any()


@pytest.mark.parametrize(
    ("clf", "name"),
    [
        (STDClassifier(scores="dot"), "scores"),
        (STDClassifier(confidence_penalty=-0.1), "confidence_penalty"),
        (STDClassifier(teacher_weight=1.1), "teacher_weight"),
        (STDClassifier(teacher_temperature=0.0), "teacher_temperature"),
        (LWRClassifier(variant="both"), "variant"),
        (LWRClassifier(update_every=0), "update_every"),
        (LWRClassifier(retrospection=1.5), "retrospection"),
        (LabelEmbedClassifier(hard_weight=2.0), "hard_weight"),
        (LabelEmbedClassifier(confidence_cap=0.0), "confidence_cap"),
        (LabelEmbedClassifier(temperature=0.0), "temperature"),
    ],
)
def test_parameters_out_of_range(clf, name, iris):
    with pytest.raises(ValueError, match=f"'{name}' parameter"):
        clf.fit(*iris)
