"""Vectors of the classes, and how they agree with a taxonomy."""

import numpy as np
import pytest
from _helpers.made_up_runs import label_distances, numbers, rows
from _helpers.made_up_runs import run as made_up_run
from scipy.spatial.distance import pdist, squareform
from scipy.stats import kendalltau
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from benchmarks._shared.runs import run_all
from benchmarks._shared.scope import Scope
from benchmarks.paper import experiments, label_vectors, tables, training
from sklearn_lwal import (
    LabelEmbedClassifier,
    LwALClassifier,
    LWRClassifier,
    StaticLabelClassifier,
    STDClassifier,
)

RNG = np.random.default_rng(0)
FAST = {"max_epochs": 3, "random_state": 0}


def semidefinite(n=6, rank=4):
    root = RNG.normal(size=(n, rank))
    return root @ root.T


def test_inner_products_are_the_similarities():
    S = semidefinite()
    V = label_vectors.vectors_of_similarities(S)
    assert len(V) == len(S)
    np.testing.assert_allclose(V @ V.T, S, atol=1e-10)


def test_only_the_symmetric_part_counts():
    S, skew = semidefinite(), RNG.normal(size=(6, 6))
    V = label_vectors.vectors_of_similarities(S + skew - skew.T)
    np.testing.assert_allclose(V @ V.T, S, atol=1e-10)


def test_similarities_that_are_not_semidefinite():
    Q, _ = np.linalg.qr(RNG.normal(size=(4, 4)))
    V = label_vectors.vectors_of_similarities(Q @ np.diag([3.0, 1, -1, -2]) @ Q.T)
    # The nearest inner products.
    np.testing.assert_allclose(V @ V.T, Q @ np.diag([3.0, 1, 0, 0]) @ Q.T, atol=1e-10)


def test_distances_follow_the_order_and_the_scale():
    S, order = semidefinite(), RNG.permutation(6)
    distances = squareform(pdist(label_vectors.vectors_of_similarities(S)))
    expected = np.sqrt(S.diagonal()[:, None] + S.diagonal() - 2 * S)
    np.testing.assert_allclose(distances, expected, atol=1e-6)
    permuted = label_vectors.vectors_of_similarities(S[np.ix_(order, order)])
    np.testing.assert_allclose(
        squareform(pdist(permuted)), distances[np.ix_(order, order)], atol=1e-6
    )
    larger = label_vectors.vectors_of_similarities(4 * S)
    np.testing.assert_allclose(pdist(larger), 2 * squareform(distances), atol=1e-6)


def test_label_embed_has_the_vectors_of_its_similarities(iris):
    clf = LabelEmbedClassifier(**FAST).fit(*iris)
    V = label_vectors.label_vectors(clf, *iris)
    S = (clf.labels_ + clf.labels_.T) / 2
    values, vectors = np.linalg.eigh(S)
    expected = vectors @ np.diag(values.clip(0)) @ vectors.T
    np.testing.assert_allclose(V @ V.T, expected, atol=1e-6)


@pytest.mark.parametrize("Classifier", [LWRClassifier, STDClassifier])
def test_one_hot_methods_have_class_means_of_latents(Classifier, iris):
    X, y = iris
    y = np.array(["setosa", "versicolor", "virginica"])[y]
    clf = Classifier(hidden_layer_sizes=(5,), **FAST).fit(X, y)
    latents = clf.transform(X)
    expected = [latents[y == c].mean(0) for c in clf.classes_]
    np.testing.assert_allclose(
        label_vectors.label_vectors(clf, X, y), expected, rtol=1e-5
    )
    assert np.ptp(pdist(expected)) > 0.1


@pytest.mark.parametrize("Classifier", [LwALClassifier, StaticLabelClassifier])
def test_learned_and_given_labels_are_taken_as_they_are(Classifier, iris):
    clf = Classifier(**FAST).fit(*iris)
    np.testing.assert_array_equal(label_vectors.label_vectors(clf, *iris), clf.labels_)


def test_distances_are_kept_in_five_digits(iris):
    clf = LwALClassifier(**FAST).fit(*iris)
    kept = label_vectors.label_distances(clf, *iris)
    V = clf.labels_
    expected = [[np.linalg.norm(a - b) for a in V] for b in V]
    np.testing.assert_allclose(label_vectors.square(kept), expected, rtol=1e-4)


@pytest.fixture(scope="module")
def structure(tmp_path_factory):
    """Table 2 on digits with two seeds: the runs and the table."""
    out = tmp_path_factory.mktemp("structure")
    runs = experiments.structure_runs(Scope("smoke", seeds=(12, 123)))
    found = run_all(runs, lambda run: training.execute(run, out, "cpu"), out)
    return found, rows(tables.structure_table(found))


def tau(distances, reference):
    """Eq. (4): mean over the classes of tau-b without the class itself."""
    distances, n = squareform(distances), len(reference)
    others = ~np.eye(n, dtype=bool)
    pairs = [(distances[i][others[i]], reference[i][others[i]]) for i in range(n)]
    return np.mean([kendalltau(*pair).statistic for pair in pairs])


def test_table_2_on_digits(structure):
    found, table = structure
    numbers_apart = np.abs(np.subtract.outer(np.arange(10), np.arange(10)))
    own = {}
    for run, result in found.items():
        value = tau(result["label_distances"], numbers_apart)
        own.setdefault(run.method, []).append(value)
    assert [*table][:2] == ["method", experiments.FEATURES]
    assert table.keys() - {"method"} == own.keys()
    for method, values in own.items():
        expected = [np.mean(values), np.std(values)][: len(values)]
        cell = numbers(table[method][1])
        np.testing.assert_allclose(cell, expected, atol=0.0051)
    assert len({cells[1] for cells in table.values()}) > 5


def test_mean_features_are_those_of_the_training_rows(structure):
    found, table = structure
    (result,) = [r for run, r in found.items() if run.method == experiments.FEATURES]
    X, y = load_digits(return_X_y=True)
    X, _, y, _ = train_test_split(X, y, stratify=y, random_state=0)
    scale = np.where(X.std(0) > 0, X.std(0), 1)
    means = [(X[y == c] / scale).mean(0) for c in range(10)]
    np.testing.assert_allclose(result["label_distances"], pdist(means), rtol=1e-3)
    assert "±" not in table[experiments.FEATURES][1]


def test_table_2_beside_the_printed_values():
    found = {}
    for method in ("LwAL10", "LWR3k", "library default"):
        for dataset, n in (("cifar10", 10), ("fashion_mnist", 8)):
            run = made_up_run(method, dataset=dataset, backbone="efficientnet_lite0")
            found[run] = {"label_distances": label_distances(n, RNG)}
    table = rows(tables.structure_table(found))
    assert table["LwAL10"][2::2] == ["0.544 ± 0.024", "0.494 ± 0.054"]
    # For learning with retrospection the paper reports the best k.
    assert table["LWR3k"][2::2] == ["-0.017 ± 0.068", "0.019 ± 0.068"]
    assert table["library default"][2::2] == ["", ""]


def test_of_many_classes_no_distances_are_kept(monkeypatch, tmp_path):
    run = training.Run("digits", "pixels", "LwAL", 12, 1, 1e-3, 500)
    assert len(training.execute(run, tmp_path, "cpu")["label_distances"]) == 45
    monkeypatch.setattr(training, "MAX_CLASSES_KEPT", 9)
    assert "label_distances" not in training.execute(run, tmp_path, "cpu")
