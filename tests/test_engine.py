"""Batches, held-out rows and what validation leaves behind."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from sklearn_lwal import LwALClassifier, STDClassifier
from sklearn_lwal._batches import LabelledRows, inference_batches
from sklearn_lwal._random import stratified_split


def make_rows(n=11, subset=None, sparse=False):
    X = np.arange(3 * n, dtype=np.float32).reshape(n, 3)
    y, weight = np.arange(n) % 2, np.linspace(1, 2, n, dtype=np.float32)
    return LabelledRows(sp.csr_matrix(X) if sparse else X, y, weight, subset)


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("subset", [None, np.array([9, 2, 3, 5, 10, 7])])
def test_an_epoch_has_each_row_once_with_its_label_and_weight(subset, sparse):
    rows = make_rows(subset=subset, sparse=sparse)
    expected = np.arange(11) if subset is None else subset
    generator = torch.Generator().manual_seed(0)
    shuffled = list(rows.shuffled(4, generator))
    for batches in (shuffled, list(rows.in_order())):
        X, y, weight = (torch.cat(part).numpy() for part in zip(*batches, strict=True))
        index = (X[:, 0] / 3).astype(int)
        assert sorted(index) == sorted(expected)
        np.testing.assert_array_equal(y, index % 2)
        np.testing.assert_allclose(weight, np.linspace(1, 2, 11)[index], rtol=1e-6)
    np.testing.assert_array_equal(index, expected)
    assert [float(x[0]) for x, _ in rows] == [3 * i for i in expected]


def test_batches_are_even_and_never_too_large():
    sizes = [len(y) for _, y, _ in make_rows().shuffled(5, torch.Generator())]
    assert sizes == [4, 4, 3]


def test_the_order_is_that_of_a_bare_loop():
    order = torch.randperm(11, generator=torch.Generator().manual_seed(3))
    batches = make_rows().shuffled(11, torch.Generator().manual_seed(3))
    np.testing.assert_array_equal(next(batches)[0][:, 0] / 3, order)


def test_inference_reads_a_bounded_number_of_rows(monkeypatch):
    monkeypatch.setattr("sklearn_lwal._batches.READ_ONCE_VALUES", 30)
    X = np.random.default_rng(0).normal(size=(25, 10))
    parts = list(inference_batches(X, "cpu", torch.float64))
    assert [len(part) for part in parts] == [3] * 8 + [1]
    np.testing.assert_array_equal(torch.cat(parts), X)


@pytest.mark.parametrize(
    "y",
    [
        np.repeat([0, 1, 2], [1, 40, 9]),
        np.repeat(np.arange(30), 2),
        np.array([0, 0, 1]),
    ],
    ids=["a single row of a class", "more classes than held-out rows", "tiny"],
)
def test_every_class_stays_in_training(y):
    for seed in range(20):
        rng = np.random.RandomState(seed)
        train, valid = stratified_split(y, 0.1, rng)
        assert len(valid) == np.ceil(0.1 * (np.bincount(y)[y] > 1).sum())
        assert sorted([*train, *valid]) == list(range(len(y)))
        assert set(y[train]) == set(y)


def test_nothing_to_hold_out():
    with pytest.raises(ValueError, match="at least 2 samples"):
        stratified_split(np.arange(4), 0.1, np.random.RandomState(0))


@pytest.mark.parametrize("options", [{}, {"update_every": 7}, {"label_momentum": 0.9}])
@pytest.mark.parametrize("hidden", [(), (6,)])
def test_validation_does_not_change_the_training(options, hidden, iris):
    clf = LwALClassifier(
        max_epochs=4, hidden_layer_sizes=hidden, random_state=0, **options
    )
    measured = clf.fit(*iris, eval_set=iris).net_.module_.state_dict()
    plain = clf.fit(*iris).net_.module_.state_dict()
    torch.testing.assert_close(measured, plain, rtol=0, atol=0)


def test_validation_sees_refined_labels(iris):
    clf = LwALClassifier(max_epochs=3, random_state=0).fit(*iris, eval_set=iris)
    assert clf.history_[-1]["valid_acc"] == pytest.approx(clf.score(*iris))
    logp = clf.predict_log_proba(iris[0])[np.arange(150), iris[1]]
    assert clf.history_[-1]["valid_loss"] == pytest.approx(-logp.mean(), abs=1e-5)


def test_class_weights_move_the_bias_of_one_hot_training_once(iris):
    X, y = iris
    clf = STDClassifier(class_weight={0: 100, 1: 1, 2: 1}, lr=1e-9, random_state=0)
    clf.partial_fit(X, y, classes=[0, 1, 2])
    bias = clf.net_.module_.head.linear.bias.detach().clone()
    assert bias.argmax() == 0
    clf.partial_fit(X, y)
    torch.testing.assert_close(clf.net_.module_.head.linear.bias.detach(), bias)


def test_class_weights_follow_all_rows_given_to_partial_fit(iris):
    X, y = iris
    clf = LwALClassifier(class_weight={0: 1, 1: 1, 2: 1}, random_state=0)
    for rows in (slice(0, 60), slice(60, 150)):
        clf.partial_fit(X[rows], y[rows], classes=[0, 1, 2])
    prior = clf.net_.module_.head.adaptive.log_prior
    torch.testing.assert_close(prior, torch.zeros(3))


@pytest.mark.parametrize("Classifier", [LwALClassifier, STDClassifier])
def test_bfloat16_trains_the_layers_and_keeps_labels_in_float32(Classifier, iris):
    options = {"max_epochs": 30, "lr": 0.02, "hidden_layer_sizes": (16,)}
    clf = Classifier(precision="bfloat16", random_state=0, **options).fit(*iris)
    full = Classifier(random_state=0, **options).fit(*iris)
    assert clf.score(*iris) > 0.9
    assert clf.labels_.dtype == np.float32
    assert all(p.dtype == torch.float32 for p in clf.net_.module_.parameters())
    assert not np.array_equal(clf.transform(iris[0]), full.transform(iris[0]))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("Classifier", [LwALClassifier, STDClassifier])
def test_cuda_agrees_with_the_cpu(Classifier, iris):
    X, y = iris
    options = {"max_epochs": 10, "random_state": 0}
    cuda = Classifier(device="cuda", **options).fit(X, y)
    cpu = Classifier(device="cpu", **options).fit(X, y)
    np.testing.assert_allclose(cuda.predict_proba(X), cpu.predict_proba(X), atol=1e-3)
