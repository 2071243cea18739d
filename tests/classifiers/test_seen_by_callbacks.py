"""Callbacks see the model that stopping now would give, and schedules go on."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import accuracy_score, log_loss, roc_auc_score
from skorch import NeuralNetClassifier
from skorch.callbacks import Callback, Checkpoint, EpochScoring, LRScheduler

from sklearn_lwal import LwALClassifier, STDClassifier

X, y = load_breast_cancer(return_X_y=True)
X = X[:, :4]
TRAIN, VALID = (X[:400], y[:400]), (X[400:], y[400:])


def scoring(name, caching=True):
    return EpochScoring(name, lower_is_better=False, name=name, use_caching=caching)


@pytest.mark.parametrize("caching", [True, False])
@pytest.mark.parametrize("sizes", [(), (8,)])
@pytest.mark.parametrize("Classifier", [LwALClassifier, STDClassifier])
def test_scores_are_those_of_probabilities(Classifier, sizes, caching):
    names = "roc_auc", "neg_log_loss", "accuracy"
    clf = Classifier(
        hidden_layer_sizes=sizes,
        max_epochs=3,
        random_state=0,
        callbacks=[(name, scoring(name, caching)) for name in names],
    )
    clf.fit(*TRAIN, eval_set=VALID)
    found, (rows, truth) = clf.history_[-1], VALID
    proba = clf.predict_proba(rows)
    assert found["roc_auc"] == pytest.approx(roc_auc_score(truth, proba[:, 1]))
    assert found["neg_log_loss"] == pytest.approx(-log_loss(truth, proba), rel=1e-4)
    assert found["accuracy"] == pytest.approx(accuracy_score(truth, proba.argmax(1)))
    np.testing.assert_allclose(
        clf.net_.predict_proba(rows.astype(np.float32)), proba, atol=1e-5
    )


class Predicting(Callback):
    """Measures the net after each epoch by itself."""

    def on_epoch_end(self, net, **kwargs):
        rows, truth = VALID
        hits = net.predict(rows.astype(np.float32)) == truth
        net.history.record("own_acc", float(hits.mean()))


@pytest.mark.parametrize("refine", [True, False])
def test_after_an_epoch_labels_are_refined(refine):
    clf = LwALClassifier(
        # Labels of single batches are far from those of all rows.
        init="random",
        label_update="batch",
        refine_labels=refine,
        batch_size=8,
        lr=1e-2,
        max_epochs=5,
        random_state=0,
        callbacks=[Predicting()],
    )
    clf.fit(*TRAIN, eval_set=VALID)
    for row in clf.history_:
        assert row["own_acc"] == pytest.approx(row["valid_acc"], abs=1e-6)
    without = clf.set_params(callbacks=None).fit(*TRAIN, eval_set=VALID)
    measured = [row["valid_loss"] for row in without.history_]
    assert [row["valid_loss"] for row in clf.history_] == measured


def test_a_checkpoint_is_the_model_that_was_measured(tmp_path):
    kept = Checkpoint(monitor="valid_loss_best", dirname=tmp_path)
    options = {"label_update": "batch", "init": "random", "batch_size": 8, "lr": 0.1}
    clf = LwALClassifier(**options, max_epochs=8, random_state=0, callbacks=[kept])
    clf.fit(*TRAIN, eval_set=VALID)
    best = [row for row in clf.history_ if row["valid_loss_best"]][-1]
    assert best["epoch"] < 8
    before = clf.labels_
    clf.net_.load_params(checkpoint=kept)
    rows, truth = VALID
    assert not np.array_equal(clf.labels_, before)
    loss = log_loss(truth, clf.predict_proba(rows))
    assert loss == pytest.approx(best["valid_loss"], rel=1e-4)
    # Training goes on from there, not from the average that was kept besides.
    weight = clf.net_.module_.head.linear.weight.clone()
    clf.set_params(lr=1e-12, callbacks=None).partial_fit(*TRAIN)
    torch.testing.assert_close(clf.net_.module_.head.linear.weight, weight)


def stock_rates(*epochs):
    """Rates of a stock skorch net after calls with so many epochs.

    Earlier versions of torch count the first epoch of each call twice.
    """
    net = NeuralNetClassifier(
        torch.nn.Linear(4, 2),
        criterion=torch.nn.CrossEntropyLoss,
        lr=1e-2,
        callbacks=[LRScheduler("ExponentialLR", gamma=0.5)],
        train_split=None,
        verbose=0,
    )
    for n in epochs:
        net.partial_fit(TRAIN[0].astype(np.float32), TRAIN[1], epochs=n)
        yield [pytest.approx(group["lr"]) for group in net.optimizer_.param_groups]


class TestSchedules:
    def rates(self, clf):
        return [group["lr"] for group in clf.net_.optimizer_.param_groups]

    def new(self, **options):
        schedule = LRScheduler("ExponentialLR", gamma=0.5)
        return STDClassifier(
            random_state=0, lr=1e-2, max_epochs=2, callbacks=[schedule], **options
        )

    def test_goes_on_over_partial_fit(self):
        clf, before = self.new(), [1e-2]
        for wanted in stock_rates(1, 1, 1):
            clf.partial_fit(*TRAIN, classes=[0, 1])
            assert self.rates(clf) == wanted
            assert self.rates(clf) < before
            before = self.rates(clf)

    def test_goes_on_over_warm_starts_and_files(self, tmp_path):
        clf = self.new(warm_start=True)
        for wanted in stock_rates(2, 2):
            assert self.rates(clf.fit(*TRAIN)) == wanted
        # Anew where the fit does.
        clf.set_params(warm_start=False).fit(*TRAIN)
        first, then = stock_rates(2, 1)
        assert self.rates(clf) == first
        from sklearn_lwal import load

        callbacks = clf.callbacks
        clf.set_params(callbacks=None).save(tmp_path / "model")
        again = load(tmp_path / "model").set_params(callbacks=callbacks)
        again.partial_fit(*TRAIN)
        assert self.rates(again) == then

    def test_another_lr_counts_at_once(self):
        clf = self.new().partial_fit(*TRAIN, classes=[0, 1])
        clf.set_params(lr=1e-3, callbacks=None).partial_fit(*TRAIN)
        assert self.rates(clf) == [1e-3]


@pytest.mark.parametrize("Classifier", [LwALClassifier, STDClassifier])
@pytest.mark.parametrize("stopping", [True, False])
def test_a_weight_of_zero_is_a_row_less(Classifier, stopping):
    rng = np.random.default_rng(0)
    weight = rng.random(len(y)) * (rng.random(len(y)) < 0.1)
    weight[:20] = 0
    clf = Classifier(early_stopping=stopping, max_epochs=4, random_state=0)
    whole = clf.fit(X, y, sample_weight=weight).predict_proba(X)
    kept = weight > 0
    part = clf.fit(X[kept], y[kept], sample_weight=weight[kept]).predict_proba(X)
    np.testing.assert_array_equal(whole, part)
    stream = clf.partial_fit(X, y, sample_weight=weight).predict_proba(X)
    clf.fit(X[kept], y[kept], sample_weight=weight[kept])
    clf.partial_fit(X[kept], y[kept], sample_weight=weight[kept])
    np.testing.assert_array_equal(clf.predict_proba(X), stream)


def test_an_int_seed_is_enough_while_the_global_stream_moves():
    """A module that seeds the global stream itself gets what it asks for."""

    def make():
        torch.manual_seed(3)
        return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 4))

    images = np.random.default_rng(0).random((20, 3, 8, 8)).astype(np.float32)
    torch.rand(5)
    before = torch.get_rng_state()
    clf = LwALClassifier(backbone=make, random_state=0, device="cpu")
    clf.fit(images, np.arange(20) % 2)
    assert torch.equal(torch.get_rng_state(), before)
    wanted = make()[1].weight
    torch.testing.assert_close(clf.backbone_.model[1].weight, wanted)
