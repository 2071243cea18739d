"""Classes that are added to a fitted model, and rows that belong to none."""

import pickle

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from _helpers.saved import assert_same_model, reloaded
from _helpers.trained import QUICK, small_net
from scipy.spatial.distance import cdist
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.metrics import roc_auc_score

from sklearn_lwal import Backbone, LwALClassifier

NEW = (2, 7)
CONFIGURATIONS = {
    "default": {},
    "wide": {"output_dim": 3.0},
    "hidden": {"hidden_layer_sizes": (16,), "max_epochs": 20},
    "paper": {
        "init": "random",
        "label_update": "batch",
        "temperature": 1.0,
        "max_epochs": 30,
        "lr": 3e-3,
    },
    "weights": {"class_weight": {0: 3.0}},
}
configurations = pytest.mark.parametrize(
    "options", CONFIGURATIONS.values(), ids=CONFIGURATIONS
)


@pytest.fixture(scope="module")
def digits():
    X, y = (part[::2] for part in load_digits(return_X_y=True))
    return X, y, np.isin(y, NEW)


def fitted(X, y, **options):
    return LwALClassifier(random_state=0, **options).fit(X, y)


@configurations
def test_labels_are_mean_latents(options, digits):
    X, y, new = digits
    clf = fitted(X[~new], y[~new], **options)
    before, weights = clf.labels_, clf.net_.module_.head.linear.weight.clone()
    latent = clf.transform(X[new])
    assert clf.add_classes(X[new], y[new]) is clf
    np.testing.assert_array_equal(clf.classes_, np.arange(10))
    means = [latent[y[new] == c].mean(axis=0) for c in NEW]
    np.testing.assert_allclose(clf.labels_[[*NEW]], means, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(np.delete(clf.labels_, NEW, axis=0), before)
    assert torch.equal(clf.net_.module_.head.linear.weight, weights)
    assert clf.score(X[new], y[new]) > 0.5
    assert clf.score(X[~new], y[~new]) > 0.8


@configurations
def test_known_classes_compare_as_before(options, digits):
    X, y, new = digits
    clf = fitted(X[~new], y[~new], **options)
    before = clf.decision_function(X)
    clf.add_classes(X[new], y[new])
    after = np.delete(clf.decision_function(X), NEW, axis=1)
    np.testing.assert_allclose(after, before, rtol=1e-12)


@configurations
def test_new_classes_are_as_likely_as_the_others(options, digits):
    # The others have other shares, or weights.
    X, y, new = digits
    kept = ~new & ((y > 0) | (np.arange(len(y)) % 5 == 0))
    clf = fitted(X[kept], y[kept], **options).add_classes(X[new], y[new])
    distance = cdist(clf.transform(X), clf.labels_)
    offset = (clf.decision_function(X) + clf.temperature_ * distance).mean(axis=0)
    known = np.delete(offset, NEW)
    np.testing.assert_allclose(offset[[*NEW]], np.log(np.exp(known).mean()), atol=1e-4)


@configurations
def test_training_goes_on_with_the_new_classes(options, digits, tmp_path):
    X, y, new = digits
    clf = fitted(X[~new], y[~new], **options, warm_start=True)
    clf.add_classes(X[new][:40], y[new][:40])
    again = reloaded(clf, tmp_path)
    assert_same_model(again, clf, X)
    np.testing.assert_array_equal(again.novelty_score(X), clf.novelty_score(X))
    copy = pickle.loads(pickle.dumps(clf))
    for model in (clf, again, copy):
        model.partial_fit(X, y).fit(X, y)
    np.testing.assert_array_equal(again.predict_proba(X), clf.predict_proba(X))
    np.testing.assert_array_equal(copy.predict_proba(X), clf.predict_proba(X))
    assert clf.score(X[new], y[new]) > 0.8


def test_resumes_after_classes_were_added(digits, tmp_path):
    X, y, new = digits
    clf = fitted(X[~new], y[~new], output_dim=2.0, warm_start=True)
    clf.add_classes(X[new], y[new]).set_params(checkpoint_dir=tmp_path).fit(X, y)
    again = LwALClassifier(random_state=0, output_dim=2.0, checkpoint_dir=tmp_path)
    again.fit(X, y, resume=True)
    np.testing.assert_array_equal(again.predict_proba(X), clf.predict_proba(X))


def test_a_fit_from_scratch_forgets_what_was_added(digits):
    X, y, new = digits
    clf = fitted(X[~new], y[~new]).add_classes(X[new], y[new]).fit(X, y)
    np.testing.assert_array_equal(clf.labels_, fitted(X, y).labels_)


def test_strings_of_numpy_are_strings(digits):
    X, y, new = digits
    names = y.astype(str)
    known = np.array([np.str_(name) for name in names[~new]], dtype=object)
    clf = fitted(X[~new], known).add_classes(X[new], names[new])
    assert clf.classes_.tolist() == list("0123456789")


@pytest.mark.parametrize("kind", [str, object, float, np.int64], ids=str)
def test_kinds_of_labels(kind, digits):
    X, y, new = digits
    names = y.astype(str).astype(kind) if kind in (str, object) else y.astype(kind)
    clf = fitted(X[~new], names[~new]).add_classes(X[new], names[new])
    np.testing.assert_array_equal(clf.classes_, np.unique(names))
    assert clf.classes_.dtype.kind == names.dtype.kind
    assert set(clf.predict(X)) == set(names)


def test_integers_stay_integers(digits):
    X, y, new = digits
    clf = fitted(X[~new], y[~new]).add_classes(X[new], y[new].astype(float))
    assert clf.classes_.dtype == y.dtype


def test_one_after_the_other_or_at_once(digits):
    X, y, new = digits
    once = fitted(X[~new], y[~new]).add_classes(X[new], y[new])
    each = fitted(X[~new], y[~new])
    for c in NEW[::-1]:
        each.add_classes(X[y == c], y[y == c])
    np.testing.assert_allclose(each.labels_, once.labels_, atol=1e-6)
    np.testing.assert_array_equal(each.predict(X), once.predict(X))


def test_weights_and_sparse_rows(digits):
    X, y, new = digits
    weight = np.where(np.arange(new.sum()) % 2, 2.0, 0.0)
    kept = weight > 0
    clf = fitted(X[~new], y[~new]).add_classes(X[new], y[new], weight)
    sparse = fitted(sp.csr_matrix(X[~new]), y[~new])
    sparse.add_classes(sp.csr_matrix(X[new][kept]), y[new][kept])
    np.testing.assert_allclose(clf.labels_, sparse.labels_, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("frozen", [True, False])
def test_images(frozen, digits):
    X, y, new = digits
    X = X.reshape(-1, 8, 8) / 16
    backbone = Backbone(small_net(), trainable=not frozen)
    clf = LwALClassifier(backbone, **QUICK).fit(X[~new], y[~new])
    latent = clf.transform(X[new])
    clf.add_classes(X[new], y[new])
    means = [latent[y[new] == c].mean(axis=0) for c in NEW]
    np.testing.assert_allclose(clf.labels_[[*NEW]], means, rtol=1e-3, atol=1e-3)
    assert clf.novelty_score(X).shape == (len(X),)


WRONG = {
    "known": (lambda X, y: (X[:5], [0, 0, 2, 2, 2]), r"\[0\] are known"),
    "kind": (lambda X, y: (X[:2], ["a", "b"]), "same kind"),
    "features": (lambda X, y: (X[:2, :5], [2, 7]), "features"),
    "length": (lambda X, y: (X[:3], [2, 7]), "inconsistent"),
    "weight": (lambda X, y: (X[:2], [2, 7], [1, 0]), r"\[7\] have no samples"),
    "nan": (lambda X, y: (X[:2] * np.nan, [2, 7]), "NaN"),
}


@pytest.mark.parametrize(("data", "message"), WRONG.values(), ids=WRONG)
def test_what_can_not_be_added(data, message, digits):
    X, y, new = digits
    clf = fitted(X[~new], y[~new])
    before = clf.predict_proba(X)
    with pytest.raises(ValueError, match=message):
        clf.add_classes(*data(X, y))
    np.testing.assert_array_equal(clf.predict_proba(X), before)
    np.testing.assert_array_equal(clf.classes_, np.unique(y[~new]))


def test_broken_off_it_adds_nothing(digits, monkeypatch):
    X, y, new = digits
    clf = fitted(X[~new], y[~new])
    before = clf.predict_proba(X)

    def interrupted(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(LwALClassifier, "_spread_of", interrupted)
        with pytest.raises(KeyboardInterrupt):
            clf.add_classes(X[new], y[new])
    np.testing.assert_array_equal(clf.predict_proba(X), before)
    assert clf.add_classes(X[new], y[new]).score(X, y) > 0.8


def test_needs_to_be_fitted(digits):
    X, y, _ = digits
    with pytest.raises(NotFittedError):
        LwALClassifier().add_classes(X, y)
    with pytest.raises(NotFittedError):
        LwALClassifier().novelty_score(X)


@configurations
def test_novelty_is_distance_over_spread(options, digits):
    X, y, new = digits
    clf = fitted(X[~new], y[~new], **options)
    distance = cdist(clf.transform(X), clf.labels_)
    own = np.searchsorted(clf.classes_, y[~new])
    square = distance[~new][np.arange(len(own)), own] ** 2
    weight = np.where(own == 0, clf.class_weight[0] if clf.class_weight else 1.0, 1.0)
    weight /= weight.mean()
    sums, counts = np.bincount(own, square * weight), np.bincount(own, weight) - 1
    pooled = sums.sum() / counts.sum()
    spread = np.sqrt((sums + 5 * pooled) / (counts + 5))
    nearest = distance.argmin(axis=1)
    expected = distance[np.arange(len(X)), nearest] / spread[nearest]
    score = clf.novelty_score(X)
    np.testing.assert_allclose(score, expected, rtol=2e-3)
    assert roc_auc_score(new, score) > 0.8
    assert clf.novelty_score(X.astype(np.float32)).dtype == np.float32


def test_novelty_does_not_mind_the_scale_of_weights(digits):
    X, y, new = digits
    scores = [
        LwALClassifier(random_state=0)
        .fit(X[~new], y[~new], np.full((~new).sum(), weight))
        .novelty_score(X)
        for weight in (1.0, 4.0)
    ]
    np.testing.assert_allclose(*scores, rtol=1e-5)


def test_added_classes_are_no_longer_new(digits):
    X, y, new = digits
    clf = fitted(X[~new], y[~new])
    before = clf.novelty_score(X[new]).mean()
    assert clf.add_classes(X[new], y[new]).novelty_score(X[new]).mean() < before
    # One sample has no spread of its own, nor have many classes of one sample.
    first = np.unique(y, return_index=True)[1]
    alone = fitted(X[first], y[first]).novelty_score(X[first])
    np.testing.assert_allclose(alone, 0, atol=1e-4)
    one = fitted(X[~new], y[~new]).add_classes(X[new][:1], y[new][:1])
    assert np.isfinite(one.novelty_score(X)).all()


def test_novelty_counts_the_rows_of_every_call(digits):
    X, y, _ = digits
    clf = LwALClassifier(random_state=0)
    for part in np.array_split(np.arange(len(X)), 3):
        clf.partial_fit(X[part], y[part], classes=range(10))
    assert clf._spread_sums[1].sum() == pytest.approx(len(X), rel=1e-6)
