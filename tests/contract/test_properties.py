"""Properties for any data, labels and parameters; hypothesis draws them.

Where a comment does not say why it cannot be, equal means bit for bit.
"""

import pickle
import random
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from _helpers import strategies as some
from _helpers.rivals import CLASSIFIERS
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from sklearn.base import clone

from sklearn_lwal import LabelEmbedClassifier, LwALClassifier, StaticLabelClassifier

pytestmark = pytest.mark.slow
any_classifier = some.classifiers_with_options()


def assert_equal(one, two, X):
    np.testing.assert_array_equal(one.labels_, two.labels_)
    np.testing.assert_array_equal(one.transform(X), two.transform(X))
    np.testing.assert_array_equal(one.predict_proba(X), two.predict_proba(X))


def losses(clf):
    return [row["train_loss"] for row in clf.history_]


def check_same_model(clf, X, y, converted):
    """Rows in another container make the same model, and get the same answers."""
    plain = clone(clf).fit(X, y)
    clf = clone(clf).fit(converted, y)
    assert_equal(clf, plain, X)
    # float64 rows get float64 answers.
    for method in ("transform", "predict_proba"):
        expected, answer = getattr(plain, method)(X), getattr(clf, method)(converted)
        np.testing.assert_allclose(answer, expected, rtol=1e-6, atol=1e-7)
    # In another precision a tie may be broken otherwise.
    known = plain.predict_proba(X)
    place = np.searchsorted(clf.classes_, clf.predict(converted))[:, None]
    chosen = np.take_along_axis(known, place, 1)[:, 0]
    np.testing.assert_allclose(chosen, known.max(1), rtol=1e-6)


class TestContainers:
    @given(any_classifier, some.problems(), st.data())
    @settings(max_examples=25)
    def test_dtypes_and_memory_orders(self, clf, problem, data):
        dtype = data.draw(st.sampled_from(some.DTYPES), "dtype")
        order = data.draw(st.sampled_from(sorted(some.ORDERS)), "order")
        X = some.as_dtype(problem.X, dtype)
        converted = some.ORDERS[order](X)
        before = X.copy()
        check_same_model(clf, X.astype(np.float32), problem.y, converted)
        np.testing.assert_array_equal(converted, before)

    # Plain rows are passed to a model that was fitted on a frame.
    @pytest.mark.filterwarnings("ignore:X does not have valid feature names")
    @given(any_classifier, some.problems(), st.sampled_from(sorted(some.CONTAINERS)))
    @settings(max_examples=25)
    def test_lists_frames_and_tensors(self, clf, problem, name):
        converted = some.CONTAINERS[name](problem.X)
        check_same_model(clf, problem.X, problem.y, converted)

    @given(any_classifier, some.problems(), st.sampled_from(sorted(some.SPARSE)))
    @settings(max_examples=25)
    def test_sparse_formats(self, clf, problem, name):
        X, y = problem.X, problem.y
        csr = clone(clf).fit(sp.csr_array(X), y)
        other = clone(clf).fit(some.SPARSE[name](X), y)
        assert_equal(other, csr, X)
        answer = other.predict_proba(some.SPARSE[name](X))
        np.testing.assert_array_equal(answer, csr.predict_proba(X))

    # Sums over sparse rows round otherwise. Adam would divide rounding by rounding,
    # and the discriminant start has axes of which only the span is certain.
    @given(
        some.classifiers_with_options(optimizer="sgd", init="random"),
        some.problems(),
    )
    @settings(max_examples=20)
    def test_sparse_is_dense_but_for_rounding(self, clf, problem):
        X, y = problem.X, problem.y
        dense = clone(clf).fit(X, y)
        sparse = clone(clf).fit(sp.csr_array(X), y)
        np.testing.assert_allclose(sparse.labels_, dense.labels_, atol=5e-3)
        np.testing.assert_allclose(
            sparse.predict_proba(X), dense.predict_proba(X), atol=5e-3
        )


class TestTargets:
    @given(any_classifier, some.problems(), st.sampled_from(sorted(some.TARGETS)))
    @settings(max_examples=30)
    def test_names_of_classes_do_not_matter(self, clf, problem, name):
        X, classes = problem.X, problem.classes
        plain = clone(clf).fit(X, problem.index)
        named = clone(clf).fit(X, some.TARGETS[name](problem.y))
        assert_equal(named, plain, X)
        np.testing.assert_array_equal(named.classes_, classes)
        predicted = named.predict(X)
        np.testing.assert_array_equal(predicted, classes[plain.predict(X)])
        assert predicted.dtype == named.classes_.dtype


class TestPermutedClasses:
    """Labels and probabilities go with their classes, whatever these are called.

    So it is where the start of the latent's axes does not depend on the order of the
    classes. It does for the other three classifiers: they draw the weights of the first
    class first. Sums over classes in another order round otherwise, so nothing is
    bit for bit, and Adam would divide rounding by rounding.
    """

    def permuted(self, clf, problem, weight=None):
        X, y = problem.X, problem.y
        order = problem.rng.permutation(len(problem.classes))
        renamed = problem.classes[order][problem.index]
        before = clone(clf).fit(X, y, sample_weight=weight)
        return before, clone(clf).fit(X, renamed, sample_weight=weight), order, X

    def assert_permuted(self, before, after, order, X):
        # The former class c is now class order[c].
        np.testing.assert_allclose(
            after.predict_proba(X)[:, order], before.predict_proba(X), atol=5e-3
        )
        np.testing.assert_allclose(losses(after), losses(before), rtol=5e-3)

    # In a batch that lacks a class its label stays at the axis of its number; so
    # labels of batches need whole ones.
    @given(
        some.classifiers_with_options(
            [LwALClassifier], optimizer="sgd", init="random", batch_size=24
        ),
        some.problems(),
    )
    @settings(max_examples=20)
    def test_random_start(self, clf, problem):
        before, after, order, X = self.permuted(clf, problem)
        atol = 5e-3 * np.abs(before.labels_).max()
        np.testing.assert_allclose(after.labels_[order], before.labels_, atol=atol)
        self.assert_permuted(before, after, order, X)

    # Held-out rows are dealt over five folds class by class: with five rows a class
    # each fold has one of every class in any order. The axes' signs are free.
    @given(
        some.classifiers_with_options(
            [LwALClassifier],
            optimizer="sgd",
            init="discriminant",
            label_update="features",
            hidden_layer_sizes=(),
            output_dim="auto",
        ),
        some.problems(rows_per_class=5),
    )
    @settings(max_examples=20)
    def test_discriminant_start(self, clf, problem):
        before, after, order, X = self.permuted(clf, problem)
        between = cdist(before.labels_, before.labels_)
        np.testing.assert_allclose(
            cdist(after.labels_, after.labels_)[np.ix_(order, order)],
            between,
            atol=5e-3 * between.max(),
        )
        self.assert_permuted(before, after, order, X)

    # The latents start at the mean of the vectors, a sum over classes.
    @given(
        some.classifiers_with_options([StaticLabelClassifier], optimizer="sgd"),
        some.problems(),
    )
    @settings(max_examples=15)
    def test_given_labels(self, clf, problem):
        vectors = problem.rng.normal(size=(len(problem.classes), 3))
        order = problem.rng.permutation(len(vectors))
        names = problem.classes.tolist()
        fitted = []
        for classes in (problem.classes, problem.classes[order]):
            given = dict(zip(classes.tolist(), vectors, strict=True))
            clf = clone(clf).set_params(label_embeddings=given)
            fitted.append(clf.fit(problem.X, classes[problem.index]))
        before, after = fitted
        assert after.classes_.tolist() == names
        np.testing.assert_array_equal(after.labels_[order], before.labels_)
        latents = before.transform(problem.X)
        np.testing.assert_allclose(after.transform(problem.X), latents, atol=1e-4)
        self.assert_permuted(before, after, order, problem.X)


class TestWeights:
    # A power of two changes exponents alone.
    @given(any_classifier, some.problems(), st.integers(-20, 20))
    @settings(max_examples=25)
    def test_their_unit_does_not_matter(self, clf, problem, power):
        weight = problem.rng.randint(1, 9, len(problem.y)) / 4
        one = clone(clf).fit(problem.X, problem.y, weight)
        two = clone(clf).fit(problem.X, problem.y, weight * 2.0**power)
        assert_equal(one, two, problem.X)
        assert losses(one) == losses(two)

    @given(
        some.classifiers_with_options(optimizer="sgd", init="random"),
        some.problems(),
        st.floats(1e-3, 1e3),
    )
    @settings(max_examples=20)
    def test_any_factor_but_for_rounding(self, clf, problem, factor):
        X, y = problem.X, problem.y
        weight = problem.rng.randint(1, 9, len(y)) / 4
        one, two = (clone(clf).fit(X, y, w) for w in (weight, factor * weight))
        np.testing.assert_allclose(
            one.predict_proba(X), two.predict_proba(X), atol=5e-3
        )

    @given(
        some.classifiers_with_options(optimizer="sgd", init="random"), some.problems()
    )
    @settings(max_examples=20)
    def test_equal_ones_are_none(self, clf, problem):
        X, y = problem.X, problem.y
        one, two = clone(clf).fit(X, y), clone(clf).fit(X, y, np.full(len(y), 3.0))
        np.testing.assert_allclose(
            one.predict_proba(X), two.predict_proba(X), atol=5e-3
        )


class TestAnswers:
    @given(any_classifier, some.problems(), st.sampled_from([None, "balanced"]))
    @settings(max_examples=30)
    def test_they_agree(self, clf, problem, class_weight):
        clf.set_params(class_weight=class_weight).fit(problem.X, problem.y)
        X = np.concatenate([problem.X, problem.rng.normal(0, 20, problem.X.shape)])
        predicted = clf.predict(X)
        place = np.searchsorted(clf.classes_, predicted)[:, None]
        scores = clf.decision_function(X)
        if len(clf.classes_) == 2:
            scores = np.stack([np.zeros(len(X)), scores], axis=1)
        np.testing.assert_array_equal(predicted, clf.classes_[scores.argmax(1)])
        # Scores that differ in their last digits may have one probability.
        for answer in (clf.predict_proba(X), clf.predict_log_proba(X)):
            best = np.take_along_axis(answer, place, 1)[:, 0]
            np.testing.assert_array_equal(best, answer.max(1))
        np.testing.assert_allclose(clf.predict_proba(X).sum(1), 1, rtol=1e-9)

    # Not with class weights, nor with the classes' shares that a discriminant start
    # may add to the scores: among equal shares those change nothing. The embeddings
    # of LabelEmbedClassifier do not decide.
    @given(
        some.classifiers_with_options(
            [C for C in CLASSIFIERS if C is not LabelEmbedClassifier]
        ),
        some.problems(rows_per_class=4),
    )
    @settings(max_examples=30)
    def test_the_nearest_label_is_predicted(self, clf, problem):
        clf.fit(problem.X, problem.y)
        X = np.concatenate([problem.X, problem.rng.normal(0, 20, problem.X.shape)])
        distance = cdist(clf.transform(X), clf.labels_)
        place = np.searchsorted(clf.classes_, clf.predict(X))[:, None]
        chosen = np.take_along_axis(distance, place, 1)[:, 0]
        # A tie may be broken by rounding.
        np.testing.assert_allclose(chosen, distance.min(1), rtol=1e-6, atol=1e-6)
        assert (place[:, 0] == distance.argmin(1)).mean() > 0.9

    # Matrix products round by the shape of the batch, in double precision.
    @given(any_classifier, some.problems())
    @settings(max_examples=25)
    def test_rows_do_not_depend_on_their_batch(self, clf, problem):
        clf.fit(problem.X, problem.y)
        X = problem.X.astype(np.float64)
        rows = problem.rng.randint(0, len(X), problem.rng.randint(1, 40))
        for method in ("predict_proba", "transform", "decision_function"):
            answer = getattr(clf, method)
            whole = answer(X)
            same = {"rtol": 1e-9, "atol": 1e-9 * np.abs(whole).max()}
            np.testing.assert_allclose(answer(X[rows]), whole[rows], **same)
            np.testing.assert_allclose(answer(X[:1]), whole[:1], **same)


# Wide layers: their weights are drawn for long enough for threads to meet there.
threaded = st.tuples(
    st.one_of(
        any_classifier,
        some.classifiers_with_options(hidden_layer_sizes=(400, 300), dropout=0.5),
    ),
    some.problems(),
)


@given(st.lists(threaded, min_size=4, max_size=6))
@settings(max_examples=8)
def test_threads_do_not_disturb_one_another(tasks):
    states = global_states()
    alone = [clone(clf).fit(problem.X, problem.y) for clf, problem in tasks]
    barrier = threading.Barrier(len(tasks))

    def fit(task):
        clf, problem = task
        barrier.wait()
        return clone(clf).fit(problem.X, problem.y)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(len(tasks)) as pool:
            together = list(pool.map(fit, tasks))
    finally:
        sys.setswitchinterval(interval)
    for one, two, (_, problem) in zip(alone, together, tasks, strict=True):
        assert_equal(one, two, problem.X)
        assert losses(one) == losses(two)
    assert global_states() == states


def global_states():
    torch_state = torch.get_rng_state().numpy().tobytes()
    return torch_state, pickle.dumps(np.random.get_state()), random.getstate()
