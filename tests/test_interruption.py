"""Training that is cut short leaves a model that can be used."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.exceptions import NotFittedError
from skorch.callbacks import Callback

from sklearn_lwal import LwALClassifier, STDClassifier
from sklearn_lwal.heads.adaptive_head import AdaptiveHead
from sklearn_lwal.heads.one_hot import OneHotHead

HEADS = {LwALClassifier: AdaptiveHead, STDClassifier: OneHotHead}
both = pytest.mark.parametrize("Classifier", HEADS)
hidden = pytest.mark.parametrize("sizes", [(), (6,)], ids=["linear", "hidden"])
stopping = pytest.mark.parametrize(
    ("sizes", "early_stopping"), [((), False), ((6,), True)], ids=["linear", "stopping"]
)


@pytest.fixture
def out_of_memory(monkeypatch):
    """Let the second training step of a classifier run out of memory."""

    def patch(Classifier):
        head, steps = HEADS[Classifier], []
        original = head.latent_loss

        def latent_loss(self, *args, **kwargs):
            steps.append(1)
            if len(steps) == 2:
                raise torch.cuda.OutOfMemoryError("CUDA out of memory.")
            return original(self, *args, **kwargs)

        monkeypatch.setattr(head, "latent_loss", latent_loss)
        return steps

    return patch


def first_fit(Classifier, sizes, X, y, **options):
    options.update(max_epochs=3, batch_size=30, random_state=0)
    return Classifier(hidden_layer_sizes=sizes, **options).fit(X, y)


def assert_same_model(one, two, X):
    np.testing.assert_array_equal(one.predict_proba(X), two.predict_proba(X))
    np.testing.assert_array_equal(one.transform(X), two.transform(X))
    np.testing.assert_array_equal(one.labels_, two.labels_)
    np.testing.assert_array_equal(one.classes_, two.classes_)
    assert one.n_iter_ == two.n_iter_
    losses = [[row["train_loss"] for row in clf.history_] for clf in (one, two)]
    assert losses[0] == losses[1]
    assert vars(one).keys() == vars(two).keys()


CONTINUATIONS = {
    "fit": lambda clf, X, y: clf.fit(X, y),
    "warm fit": lambda clf, X, y: clf.set_params(warm_start=True).fit(X, y),
    "partial_fit": lambda clf, X, y: clf.partial_fit(X, y),
}
continuations = pytest.mark.parametrize(
    "go_on", CONTINUATIONS.values(), ids=CONTINUATIONS
)


@both
def test_out_of_memory_in_the_first_fit(Classifier, out_of_memory, iris):
    steps = out_of_memory(Classifier)
    clf = Classifier(batch_size=37, random_state=0)
    before = vars(clf).copy()
    with pytest.raises(MemoryError, match=r"batch_size.*37"):
        clf.fit(*iris)
    assert len(steps) == 2
    assert vars(clf) == before
    with pytest.raises(NotFittedError):
        clf.predict(iris[0])


@both
def test_out_of_memory_names_an_automatic_batch_size(Classifier, out_of_memory, iris):
    out_of_memory(Classifier)
    with pytest.raises(MemoryError, match=r"batch_size.*\d"):
        Classifier().fit(*iris)


@both
@stopping
@continuations
def test_out_of_memory_keeps_the_model(
    Classifier, sizes, go_on, early_stopping, out_of_memory, iris
):
    X, y = iris
    clf = first_fit(Classifier, sizes, X, y, early_stopping=early_stopping)
    twin = pickle.loads(pickle.dumps(clf))
    steps = out_of_memory(Classifier)
    with pytest.raises(MemoryError, match=r"batch_size.*30"):
        go_on(clf, X + 1, y)
    assert len(steps) == 2
    assert_same_model(clf, twin, X)
    # Training goes on as if nothing had happened.
    assert_same_model(go_on(clf, X, y), go_on(twin, X, y), X)


class Interrupt(Callback):
    """Ctrl-C at one event of one epoch."""

    def __init__(self, event, epoch=2):
        self.event, self.epoch = event, epoch

    def _at(self, event, net):
        if event == self.event and len(net.history) == self.epoch:
            raise KeyboardInterrupt

    def on_epoch_begin(self, net, **kwargs):
        self._at("epoch_begin", net)

    def on_epoch_end(self, net, **kwargs):
        self._at("epoch_end", net)


class InterruptBatch(Interrupt):
    def on_batch_end(self, net, training=True, **kwargs):
        self._at("train_batch" if training else "valid_batch", net)


INTERRUPTS = {
    "epoch begin": Interrupt("epoch_begin"),
    "epoch end": Interrupt("epoch_end"),
    "first epoch end": Interrupt("epoch_end", 1),
    "batch": InterruptBatch("train_batch"),
    "first batch": InterruptBatch("train_batch", 1),
    "validation": InterruptBatch("valid_batch"),
}


@both
@stopping
@pytest.mark.parametrize("callback", INTERRUPTS.values(), ids=INTERRUPTS)
def test_ctrl_c(Classifier, sizes, callback, early_stopping, iris):
    X, y = iris
    clf = Classifier(
        hidden_layer_sizes=sizes,
        max_epochs=9,
        batch_size=30,
        early_stopping=early_stopping,
        callbacks=[callback],
        random_state=0,
    )
    assert clf.fit(X, y, eval_set=(X, y)) is clf
    assert clf.n_iter_ == len(clf.history_) < 3
    assert np.isfinite(clf.predict_proba(X)).all()
    assert clf.labels_.shape == (3, 3)
    assert clf.score(X, y) == (clf.predict(X) == y).mean()
    twin = pickle.loads(pickle.dumps(clf))
    np.testing.assert_array_equal(twin.predict_proba(X), clf.predict_proba(X))
    clf.set_params(warm_start=True, callbacks=None, max_epochs=8, lr=0.03).fit(X, y)
    assert clf.score(X, y) > 0.8


@both
def test_ctrl_c_keeps_what_was_learned(Classifier, iris):
    X, y = iris
    options = {"random_state": 0, "batch_size": 30}
    callbacks = [Interrupt("epoch_end")]
    clf = Classifier(max_epochs=9, callbacks=callbacks, **options).fit(X, y)
    short = Classifier(max_epochs=2, **options).fit(X, y)
    np.testing.assert_array_equal(clf.predict_proba(X), short.predict_proba(X))
    assert clf.n_iter_ == 2


@both
def test_ctrl_c_in_partial_fit(Classifier, iris):
    X, y = iris
    clf = Classifier(batch_size=30, callbacks=[InterruptBatch("train_batch", 2)])
    clf.partial_fit(X, y, classes=[0, 1, 2]).partial_fit(X, y)
    assert np.isfinite(clf.predict_proba(X)).all()
    clf.callbacks = None
    clf.partial_fit(X, y)
    assert clf.predict(X).shape == y.shape


@pytest.fixture
def nan_loss(monkeypatch):
    """Let the losses of a classifier be NaN."""

    def patch(Classifier):
        head = HEADS[Classifier]
        original = head.latent_loss

        def latent_loss(self, *args, **kwargs):
            loss, scores = original(self, *args, **kwargs)
            return loss * float("nan"), scores

        monkeypatch.setattr(head, "latent_loss", latent_loss)

    return patch


@both
def test_loss_that_is_not_finite(Classifier, nan_loss, iris):
    nan_loss(Classifier)
    clf = Classifier(lr=0.125)
    with pytest.raises(ValueError, match=r"loss became nan.*lr.*0\.125"):
        clf.fit(*iris)
    assert not hasattr(clf, "labels_")


@both
@hidden
@continuations
def test_loss_that_is_not_finite_keeps_the_model(
    Classifier, sizes, go_on, nan_loss, iris
):
    X, y = iris
    clf = first_fit(Classifier, sizes, X, y)
    twin = pickle.loads(pickle.dumps(clf))
    nan_loss(Classifier)
    with pytest.raises(ValueError, match="loss became"):
        go_on(clf, X, y)
    assert_same_model(clf, twin, X)


@both
@continuations
def test_callback_that_fails_keeps_the_model(Classifier, go_on, iris):
    class Broken(Callback):
        def on_epoch_end(self, net, **kwargs):
            raise RuntimeError("broken")

    X, y = iris
    clf = first_fit(Classifier, (6,), X, y)
    twin = pickle.loads(pickle.dumps(clf))
    with pytest.raises(RuntimeError, match="broken"):
        go_on(clf.set_params(callbacks=[Broken()]), X, y)
    assert_same_model(clf, twin, X)
