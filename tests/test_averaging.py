"""The average of the weights, and that it survives what happens to a model."""

import copy
import pickle

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback

from sklearn_lwal import LwALClassifier, STDClassifier
from sklearn_lwal._training.weight_average import WeightAverage

CASES = {
    "linear": LwALClassifier(),
    "last batch": LwALClassifier(label_update="batch", refine_labels=False),
    "trained temperature": LwALClassifier(init="random", lr=0.01),
    "hidden": LwALClassifier(hidden_layer_sizes=(6,)),
    "STD": STDClassifier(),
}
cases = pytest.mark.parametrize("clf", CASES.values(), ids=CASES)


def new(clf, **options):
    options = {"batch_size": 20, "random_state": 0, **options}
    return copy.deepcopy(clf).set_params(**options)


def weights(clf):
    return {
        name: tensor.detach().numpy().astype(np.float64)
        for name, tensor in clf.net_.module_.named_parameters()
    }


def by_hand(iterates):
    average = 0.0
    for i, x in enumerate(iterates, 1):
        average = average + 3 / (2 + i) * (np.asarray(x, dtype=np.float64) - average)
    return average


class Record(Callback):
    """The weights and labels that the optimiser moves, after each step."""

    def __init__(self):
        self.steps = []

    def on_batch_end(self, net, training=True, **kwargs):
        named = [*net.module_.named_parameters(), ("labels", net.module_.head.labels)]
        self.steps.append({k: v.detach().double().numpy().copy() for k, v in named})


class TestRecursion:
    def test_loop(self):
        tensor = torch.zeros(3, dtype=torch.float64)
        average = WeightAverage([tensor])
        iterates = np.random.default_rng(0).normal(size=(50, 3))
        for i, x in enumerate(iterates, 1):
            with average.iterating():
                tensor.copy_(torch.from_numpy(x))
                average.update()
                np.testing.assert_array_equal(tensor, x)
            np.testing.assert_allclose(tensor, by_hand(iterates[:i]), rtol=1e-12)

    def test_weights_rise_with_the_second_power(self):
        # i (i + 1), normalised: solved from the recursion.
        n, tensor = 40, torch.zeros(40, dtype=torch.float64)
        average = WeightAverage([tensor])
        with average.iterating():
            for step in torch.eye(n, dtype=torch.float64):
                tensor.copy_(step)
                average.update()
        i = np.arange(1, n + 1)
        expected = i * (i + 1)
        np.testing.assert_allclose(tensor, expected / expected.sum(), rtol=1e-10)

    def test_an_error_inside_brings_the_average_back(self):
        tensor = torch.zeros(2)
        average = WeightAverage([tensor])

        def fail():
            with average.iterating():
                tensor.fill_(8)
                average.update()
                tensor.fill_(5)
                raise KeyError

        with pytest.raises(KeyError):
            fail()
        assert tensor.tolist() == [8, 8]
        with average.iterating():
            assert tensor.tolist() == [5, 5]

    def test_state(self):
        tensor = torch.zeros(2)
        average = WeightAverage([tensor])
        results = []
        for x in (1.0, 2.0, 3.0):
            if x == 2.0:
                kept, state = tensor.clone(), average.state()
            with average.iterating():
                tensor.fill_(x)
                average.update()
        results.append(tensor.clone())
        average.load(state)
        tensor.copy_(kept)
        for x in (2.0, 3.0):
            with average.iterating():
                tensor.fill_(x)
                average.update()
        results.append(tensor)
        torch.testing.assert_close(*results, rtol=0, atol=0)


class TestPrediction:
    @cases
    def test_a_model_predicts_with_the_average_of_its_steps(self, clf, iris):
        record = Record()
        clf = new(clf, max_epochs=3, callbacks=[record]).fit(*iris)
        assert len(record.steps) == 3 * 8
        moved = 0
        for name, found in weights(clf).items():
            expected = by_hand([step[name] for step in record.steps])
            np.testing.assert_allclose(found, expected, atol=2e-5, err_msg=name)
            moved = max(moved, np.abs(found - record.steps[-1][name]).max())
        assert moved > 1e-3
        if not getattr(clf, "refine_labels", True):
            expected = by_hand([step["labels"] for step in record.steps])
            np.testing.assert_allclose(clf.labels_, expected, atol=2e-5)

    @cases
    def test_without_averages_it_predicts_with_the_last_step(self, clf, iris):
        record = Record()
        clf = new(clf, max_epochs=3, average=False, callbacks=[record]).fit(*iris)
        for name, found in weights(clf).items():
            np.testing.assert_array_equal(found, record.steps[-1][name])

    @cases
    def test_averages_do_not_change_the_steps(self, clf, iris):
        runs = [Record(), Record()]
        for record, average in zip(runs, (True, False), strict=True):
            new(clf, max_epochs=2, average=average, callbacks=[record]).fit(*iris)
        for step, other in zip(runs[0].steps, runs[1].steps, strict=True):
            for name in step:
                np.testing.assert_array_equal(step[name], other[name])


def pieces(clf, X, y, n):
    for _ in range(n):
        clf.partial_fit(X, y, classes=np.unique(y))
    return clf


@cases
@pytest.mark.parametrize("average", [True, False])
def test_partial_fit_twice_is_a_fit_of_two_epochs(clf, average, iris):
    X, y = iris
    whole = new(clf, max_epochs=2, average=average).fit(X, y)
    parts = pieces(new(clf, average=average), X, y, 2)
    np.testing.assert_allclose(parts.transform(X), whole.transform(X), atol=1e-5)
    assert parts.n_iter_ == 2
    # With hidden layers partial_fit leaves the labels as training left them.
    if not clf.hidden_layer_sizes:
        np.testing.assert_allclose(parts.labels_, whole.labels_, atol=1e-5)
        np.testing.assert_allclose(
            parts.predict_proba(X), whole.predict_proba(X), atol=1e-5
        )


def test_averages_go_on_over_calls_of_partial_fit(iris):
    record = Record()
    clf = pieces(new(LwALClassifier(), callbacks=[record]), *iris, 3)
    for name, found in weights(clf).items():
        expected = by_hand([step[name] for step in record.steps])
        np.testing.assert_allclose(found, expected, atol=2e-5)


def test_a_warm_start_begins_a_new_average_where_the_model_is(iris):
    clf = new(LwALClassifier(), max_epochs=3, warm_start=True).fit(*iris)
    before, record = weights(clf), Record()
    clf.set_params(callbacks=[record], lr=1e-6, max_epochs=1).fit(*iris)
    for name, found in weights(clf).items():
        np.testing.assert_allclose(record.steps[0][name], before[name], atol=1e-5)
        expected = by_hand([step[name] for step in record.steps])
        np.testing.assert_allclose(found, expected, atol=2e-5)


def assert_same(one, two, X):
    np.testing.assert_array_equal(one.predict_proba(X), two.predict_proba(X))
    np.testing.assert_array_equal(one.transform(X), two.transform(X))
    np.testing.assert_array_equal(one.labels_, two.labels_)
    assert one.temperature_ == two.temperature_


COPIES = [lambda clf: pickle.loads(pickle.dumps(clf)), copy.deepcopy]
LWAL = {name: clf for name, clf in CASES.items() if name != "STD"}
lwal = pytest.mark.parametrize("clf", LWAL.values(), ids=LWAL)
GO_ON = {
    "partial_fit": lambda clf, X, y: clf.partial_fit(X, y),
    "warm fit": lambda clf, X, y: clf.set_params(warm_start=True).fit(X, y),
}
go_on = pytest.mark.parametrize("go_on", GO_ON.values(), ids=GO_ON)


@lwal
@go_on
def test_a_copy_goes_on_like_the_model(clf, go_on, iris):
    X, y = iris
    clf = pieces(new(clf, max_epochs=2), X, y, 2)
    twins = [duplicate(clf) for duplicate in COPIES]
    kept = clf.predict_proba(X)
    for twin in twins:
        assert_same(twin, clf, X)
        go_on(twin, X, y)
    # The copies are trained, not what they were made from.
    np.testing.assert_array_equal(clf.predict_proba(X), kept)
    go_on(clf, X, y)
    for twin in twins:
        assert_same(twin, clf, X)


class Fail(Callback):
    """Raise at one event, in the second epoch where there is one."""

    def __init__(self, event):
        self.event = event

    def _at(self, event, net):
        if event == self.event:
            raise RuntimeError(f"failed at {event}")

    def on_train_begin(self, net, **kwargs):
        self._at("train begin", net)

    def on_epoch_begin(self, net, **kwargs):
        self._at("epoch begin", net)

    def on_epoch_end(self, net, **kwargs):
        self._at("epoch end", net)

    def on_train_end(self, net, **kwargs):
        self._at("train end", net)


class FailInBatch(Fail):
    def on_batch_begin(self, net, **kwargs):
        self._at("batch begin", net)

    def on_batch_end(self, net, **kwargs):
        self._at("batch end", net)


EVENTS = ["train begin", "epoch begin", "epoch end", "train end"]
FAILURES = [Fail(event) for event in EVENTS]
FAILURES += [FailInBatch("batch begin"), FailInBatch("batch end")]


@go_on
@pytest.mark.parametrize(
    "clf", [LWAL["linear"], LWAL["hidden"]], ids=["linear", "hidden"]
)
@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: failure.event)
def test_a_failure_leaves_the_model_as_it_was(clf, go_on, failure, iris):
    X, y = iris
    clf = pieces(new(clf, max_epochs=2), X, y, 2)
    twin = copy.deepcopy(clf)
    with pytest.raises(RuntimeError, match=f"failed at {failure.event}"):
        go_on(clf.set_params(callbacks=[failure]), X + 1, y)
    clf.set_params(callbacks=None)
    assert_same(clf, twin, X)
    assert_same(go_on(clf, X, y), go_on(twin, X, y), X)
    assert_same(go_on(clf, X, y), go_on(twin, X, y), X)


@lwal
def test_early_stopping_restores_averages(clf, iris):
    X, y = iris
    seen = []

    class Watch(Callback):
        def on_epoch_end(self, net, **kwargs):
            seen.append({k: v.clone() for k, v in net.module_.state_dict().items()})

    options = {"early_stopping": True, "n_iter_no_change": 2, "max_epochs": 12}
    clf = new(clf, callbacks=[Watch()], **options).fit(X, y)
    found = clf.net_.module_.state_dict()
    name = "head.linear.weight"
    assert any(torch.equal(found[name], state[name]) for state in seen)
    rest = clf.set_params(early_stopping=False, callbacks=None).partial_fit(X, y)
    assert np.isfinite(rest.predict_proba(X)).all()
