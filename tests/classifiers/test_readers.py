"""Calls that run while another thread adds classes, at the worst of moments."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from sklearn_lwal import LwALClassifier
from sklearn_lwal._training.network import Network
from sklearn_lwal.classifiers import _predict as _inference
from sklearn_lwal.heads.adaptive_head import AdaptiveHead

METHODS = ["predict", "predict_proba", "decision_function", "novelty_score"]


@pytest.fixture
def begun():
    """A model of two classes, whose answers have a shape of their own, and more."""
    X, y = load_digits(return_X_y=True)
    few, more = y < 2, y > 7
    clf = LwALClassifier(max_epochs=1, random_state=0).fit(X[few], y[few])
    return clf, (X[more], y[more]), X[:50]


@pytest.mark.parametrize("method", METHODS)
def test_classes_that_come_while_a_call_runs(method, begun, monkeypatch):
    clf, more, X = begun
    before, last_step = getattr(clf, method)(X), _inference.check_finite_answers

    def add_and_go_on(answers):
        monkeypatch.undo()
        clf.add_classes(*more)
        last_step(answers)

    monkeypatch.setattr(_inference, "check_finite_answers", add_and_go_on)
    np.testing.assert_array_equal(getattr(clf, method)(X), before)
    assert clf.classes_.tolist() == [0, 1, 8, 9]
    assert not np.array_equal(getattr(clf, method)(X), before)


@pytest.mark.parametrize("method", METHODS)
def test_a_call_while_classes_come(method, begun, monkeypatch):
    clf, more, X = begun
    before, add, found = getattr(clf, method)(X), AdaptiveHead.add_classes, []

    def add_and_look(head, *args):
        add(head, *args)
        found.append(getattr(clf, method)(X))

    monkeypatch.setattr(AdaptiveHead, "add_classes", add_and_look)
    clf.add_classes(*more)
    np.testing.assert_array_equal(found[0], before)
    assert not np.array_equal(getattr(clf, method)(X), before)


def test_an_export_while_classes_come(begun, monkeypatch):
    clf, more, X = begun
    copied = Network.after_backbone

    def copy_and_add(network, dtype):
        monkeypatch.undo()
        found = copied(network, dtype)
        clf.add_classes(*more)
        return found

    monkeypatch.setattr(Network, "after_backbone", copy_and_add)
    module = clf.to_torch()
    assert module.classes == [0, 1]
    assert module(torch.tensor(X)).shape == (50, 2)


def test_training_goes_on_with_what_it_knew(begun):
    clf, more, _ = begun
    optimizer, network = clf.net_.optimizer_, clf.net_.module_
    clf.add_classes(*more)
    assert clf.net_.module_ is not network
    trained = {id(p) for p in clf.net_.module_.parameters()}
    assert {
        id(p) for group in optimizer.param_groups for p in group["params"]
    } == trained
    before = clf.labels_
    clf.partial_fit(*more)
    assert not np.array_equal(clf.labels_, before)
