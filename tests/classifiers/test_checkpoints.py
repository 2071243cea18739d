"""Fits that go on from a checkpoint end where they would have ended."""

import copy
import os
import time

import numpy as np
import pytest
import torch
from _helpers.fakes import KillBefore, Killed
from _helpers.saved import assert_equal
from _helpers.trained import QUICK, digit_images, small_net, trained
from sklearn.base import clone
from sklearn.datasets import load_digits
from skorch.callbacks import Callback

import sklearn_lwal
from sklearn_lwal import (
    Backbone,
    LabelEmbedClassifier,
    LwALClassifier,
    LWRClassifier,
    StaticLabelClassifier,
    STDClassifier,
)

NAME = "checkpoint.safetensors"
FITS = {
    "default": LwALClassifier(max_epochs=5),
    "paper": LwALClassifier(
        init="random", label_update="batch", label_momentum=0.5, max_epochs=5
    ),
    "hidden": LwALClassifier(
        hidden_layer_sizes=(8,), early_stopping=True, max_epochs=8
    ),
    "stops early": STDClassifier(
        early_stopping=True, n_iter_no_change=5, max_epochs=30, lr=0.1
    ),
    "retrospection": LWRClassifier(update_every=2, max_epochs=5),
    "embedding": LabelEmbedClassifier(max_epochs=5),
    "static": StaticLabelClassifier(label_embeddings=np.eye(3), max_epochs=5),
    "sgd": STDClassifier(
        max_epochs=5, optimizer="sgd", net_params={"optimizer__momentum": 0.9}
    ),
}


def break_off(clf, n_epochs, *data, **options):
    clf.set_params(callbacks=[KillBefore(n_epochs)])
    with pytest.raises(Killed):
        clf.fit(*data, **options)
    clf.set_params(callbacks=None)


def assert_same_model(one, two):
    """All that is fitted, but for seconds and the folder."""
    found = []
    for clf in (one, two):
        state = dict(vars(clf))
        state.pop("checkpoint_dir")
        net = state.pop("net_")
        rows = [dict(row) for row in (*clf.history_, *net.history)]
        for row in rows:
            del row["dur"]
            row.pop("batches", None)
        found.append(
            (state, rows, net.module_, net.optimizer_, net.average_, net.best_values_)
        )
    assert_equal(*found)


@pytest.fixture
def data(iris):
    X, y = iris
    return X, y, np.linspace(0.5, 1.5, len(y))


# After how many epochs each is broken off.
BROKEN = [(name, 3) for name in FITS] + [("default", 0), ("hidden", 1)]


@pytest.mark.parametrize(("name", "n_epochs"), BROKEN)
def test_resumed_fit_is_the_whole_fit(name, n_epochs, data, tmp_path):
    clf = clone(FITS[name]).set_params(random_state=0, warm_start=True)
    whole, killed = clone(clf), clone(clf).set_params(checkpoint_dir=tmp_path)
    whole.fit(*data)
    break_off(killed, n_epochs, *data)
    assert not hasattr(killed, "net_")
    again = clone(killed).fit(*data, resume=True)
    assert_same_model(again, whole)
    # Once it is over there is nothing left to do but the epoch that stopped it early.
    over = clone(killed).set_params(callbacks=[KillBefore(int(clf.early_stopping))])
    over.fit(*data).set_params(callbacks=None)
    assert_same_model(over, whole)
    # A second fit that goes on, and is killed, too.
    whole.fit(*data)
    break_off(again, n_epochs, *data)
    assert_same_model(clone(killed).fit(*data, resume=True), whole)
    # In memory the model is the first fit's, and goes on from there.
    assert_same_model(again.fit(*data), whole)


def test_trained_backbone_with_dropout_goes_on(tmp_path):
    X, y = load_digits(return_X_y=True)
    X, y = X.reshape(-1, 8, 8)[:300].astype(np.uint8), y[:300]
    backbone = trained(small_net(0.3), augment=jittered)
    clf = LwALClassifier(backbone, early_stopping=True, **QUICK)
    clf.set_params(hidden_layer_sizes=(8,))
    whole = clone(clf).fit(X, y)
    clf.set_params(checkpoint_dir=tmp_path)
    break_off(clf, 2, X, y)
    again = clf.fit(X, y, resume=True)
    np.testing.assert_array_equal(again.predict_proba(X), whole.predict_proba(X))
    np.testing.assert_array_equal(again.labels_, whole.labels_)


def jittered(image):
    return image + torch.rand(image.shape)


@pytest.mark.parametrize("random_state", [None, np.random.RandomState(3)])
def test_draws_once(random_state, iris, tmp_path):
    # The checkpoint holds the seed drawn for None and the state of an instance.
    clf = STDClassifier(early_stopping=True, random_state=random_state)
    clf.set_params(checkpoint_dir=tmp_path, max_epochs=4)
    break_off(clf, 2, *iris)
    first = clone(clf).fit(*iris, resume=True)
    second = clone(clf).fit(*iris, resume=True)
    np.testing.assert_array_equal(
        first.predict_proba(iris[0]), second.predict_proba(iris[0])
    )
    assert_equal(first._rng, second._rng)


def test_a_warm_fit_of_other_rows_keeps_its_batches(tmp_path):
    X, y = load_digits(return_X_y=True)
    clf = LwALClassifier(random_state=0, warm_start=True).fit(X[:400], y[:400])
    clf.set_params(checkpoint_dir=tmp_path, max_epochs=3)
    whole = copy.deepcopy(clf).fit(X, y)
    break_off(clf, 1, X, y)
    again = clone(clf).fit(X, y)
    assert_same_model(again, whole)


def test_begins_where_there_is_no_checkpoint(iris, tmp_path):
    clf = STDClassifier(
        random_state=0, max_epochs=2, checkpoint_dir=tmp_path / "a" / "b"
    )
    clf.fit(*iris, resume=True)
    assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == [NAME]
    assert clf.n_iter_ == 2


def test_fit_without_resume_begins_anew(iris, tmp_path):
    clf = STDClassifier(random_state=0, max_epochs=3, checkpoint_dir=tmp_path)
    break_off(clf, 2, *iris)
    break_off(clf, 2, *iris)
    X, y = iris
    other = clone(clf).set_params(lr=0.1).fit(X[::-1], y[::-1])
    assert other.n_iter_ == 3
    with pytest.raises(ValueError, match="lr"):
        clf.fit(*iris, resume=True)


def test_resume_needs_a_folder(iris):
    with pytest.raises(ValueError, match="checkpoint_dir"):
        STDClassifier().fit(*iris, resume=True)


OTHERS = {
    "rows": (lambda X, y: (X[1:], y[1:]), "training data"),
    "features": (lambda X, y: (X * 1.01, y), "training data"),
    "labels": (lambda X, y: (X, np.r_[y[1:], y[0]]), "training data"),
    "weights": (lambda X, y: (X, y, np.linspace(0.5, 1, len(y))), "training data"),
    "names": (lambda X, y: (X, y + 1), "classes"),
}


@pytest.mark.parametrize(("change", "message"), OTHERS.values(), ids=OTHERS)
def test_other_data_is_refused(change, message, iris, tmp_path):
    clf = STDClassifier(random_state=0, max_epochs=3, checkpoint_dir=tmp_path)
    break_off(clf, 2, *iris)
    with pytest.raises(ValueError, match=message):
        clf.fit(*change(*iris), resume=True)
    assert not hasattr(clf, "net_")


def test_other_validation_data_is_refused(iris, tmp_path):
    clf = STDClassifier(random_state=0, max_epochs=3, checkpoint_dir=tmp_path)
    break_off(clf, 2, *iris, eval_set=iris)
    X, y = iris
    for eval_set in (None, (X[1:], y[1:])):
        with pytest.raises(ValueError, match="validation data"):
            clf.fit(X, y, resume=True, eval_set=eval_set)
    clf.fit(X, y, resume=True, eval_set=(X, y))


PARAMETERS = {"lr": 0.1, "max_epochs": 9, "random_state": 1, "class_weight": "balanced"}


@pytest.mark.parametrize("name", PARAMETERS)
def test_other_parameters_are_refused(name, iris, tmp_path):
    clf = STDClassifier(random_state=0, max_epochs=3, checkpoint_dir=tmp_path)
    break_off(clf, 2, *iris)
    changed = clone(clf).set_params(**{name: PARAMETERS[name]})
    with pytest.raises(ValueError, match=name):
        changed.fit(*iris, resume=True)
    # Parameters that do not affect results may change.
    clf.set_params(verbose=0, warm_start=True).fit(*iris, resume=True)


def test_another_classifier_is_refused(iris, tmp_path):
    break_off(STDClassifier(checkpoint_dir=tmp_path), 1, *iris)
    with pytest.raises(ValueError, match="STDClassifier, not of a LWRClassifier"):
        LWRClassifier(checkpoint_dir=tmp_path).fit(*iris, resume=True)


@pytest.mark.parametrize("damage", ["cut", "flipped", "model"])
def test_damaged_checkpoint(damage, iris, tmp_path):
    clf = STDClassifier(random_state=0, max_epochs=3, checkpoint_dir=tmp_path)
    break_off(clf, 2, *iris)
    path = tmp_path / NAME
    content = path.read_bytes()
    if damage == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "flipped":
        path.write_bytes(content[:-5] + bytes([content[-5] ^ 1]) + content[-4:])
    else:
        STDClassifier().fit(*iris).save(path)
    with pytest.raises(ValueError, match="can not be read"):
        clf.fit(*iris, resume=True)


def test_a_checkpoint_is_no_model(iris, tmp_path):
    break_off(STDClassifier(checkpoint_dir=tmp_path), 1, *iris)
    with pytest.raises(ValueError, match="resume=True"):
        sklearn_lwal.load(tmp_path / NAME)


def test_partial_fit_writes_nothing(iris, tmp_path):
    clf = STDClassifier(checkpoint_dir=tmp_path).partial_fit(*iris, classes=[0, 1, 2])
    assert not list(tmp_path.iterdir())
    assert clf.n_iter_ == 1


class Counting(Callback):
    """Keeps account of all epochs, and can be asked for it."""

    def on_train_begin(self, net, **kwargs):
        self.n_epochs = 0

    def on_epoch_end(self, net, **kwargs):
        self.n_epochs += 1

    def state_dict(self):
        return {"n_epochs": self.n_epochs}

    def load_state_dict(self, state):
        self.n_epochs = state["n_epochs"]


def test_callbacks_with_a_state_go_on(iris, tmp_path):
    clf = STDClassifier(random_state=0, max_epochs=5, checkpoint_dir=tmp_path)
    clf.set_params(callbacks=[Counting(), KillBefore(3)])
    with pytest.raises(Killed):
        clf.fit(*iris)
    clf.set_params(callbacks=[Counting()]).fit(*iris, resume=True)
    assert clf.callbacks[0].n_epochs == 5
    clf.set_params(callbacks=[("forgetful", Callback())])
    with pytest.warns(UserWarning, match="forgetful"):
        clf.fit(*iris, resume=True)


class Slowing(Counting):
    def on_epoch_end(self, net, **kwargs):
        for group in net.optimizer_.param_groups:
            group["lr"] *= 0.3


class Odd(torch.optim.SGD):
    """An optimizer whose state has a number."""

    def step(self, closure=None):
        for group in self.param_groups:
            for parameter in group["params"]:
                state = self.state[parameter]
                state["n"] = state.get("n", 0) + 1
                if parameter.grad is not None:
                    parameter.data -= group["lr"] / state["n"] * parameter.grad


@pytest.mark.parametrize("optimizer", ["adam", Odd], ids=str)
def test_what_changes_the_steps_goes_on(optimizer, iris, tmp_path):
    clf = STDClassifier(random_state=0, max_epochs=5, optimizer=optimizer)
    whole = clone(clf).set_params(callbacks=[Slowing()]).fit(*iris)
    clf.set_params(checkpoint_dir=tmp_path, callbacks=[Slowing(), KillBefore(3)])
    with pytest.raises(Killed):
        clf.fit(*iris)
    again = clf.set_params(callbacks=[Slowing()]).fit(*iris, resume=True)
    expected = whole.net_.optimizer_.param_groups[0]["lr"]
    assert again.net_.optimizer_.param_groups[0]["lr"] == expected
    np.testing.assert_array_equal(
        again.predict_proba(iris[0]), whole.predict_proba(iris[0])
    )


@pytest.mark.parametrize("frozen", [True, False])
def test_other_images_are_refused(frozen, tmp_path):
    X, y = digit_images(200, n_class=3)
    backbone = Backbone(small_net(), trainable=not frozen)
    clf = STDClassifier(backbone, checkpoint_dir=tmp_path, **QUICK)
    break_off(clf, 1, X, y)
    with pytest.raises(ValueError, match="other"):
        clf.fit(1 - X, y, resume=True)
    # The cache does not affect results.
    clf.set_params(backbone__memory=tmp_path / "memory").fit(X, y, resume=True)


def test_a_fit_from_scratch_is_over_with_what_was_there(iris, tmp_path):
    clf = STDClassifier(max_epochs=2, checkpoint_dir=tmp_path).fit(*iris)
    clf.set_params(class_weight={0: -1.0})
    with pytest.raises(ValueError, match="class_weight"):
        clf.fit(*iris)  # Ends before its first epoch.
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["file", "file/below"])
def test_a_folder_that_can_not_be(name, iris, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="checkpoint_dir"):
        STDClassifier(checkpoint_dir=tmp_path / name).fit(*iris)


class Writing(Callback):
    def on_epoch_end(self, net, **kwargs):
        net.history.record("net", net)


def test_what_no_file_can_hold(iris, tmp_path):
    clf = STDClassifier(checkpoint_dir=tmp_path, callbacks=[Writing()])
    with pytest.raises(ValueError, match="callback"):
        clf.fit(*iris)


def test_removes_what_was_left_long_ago(iris, tmp_path):
    old, new = tmp_path / ".sklearn_lwal-1.tmp", tmp_path / ".sklearn_lwal-2.tmp"
    for path in (old, new):
        path.touch()
    os.utime(old, (0, time.time() - 4000))
    STDClassifier(max_epochs=1, checkpoint_dir=tmp_path).fit(*iris, resume=True)
    assert {path.name for path in tmp_path.iterdir()} == {NAME, new.name}
