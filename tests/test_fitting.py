"""Validation, callbacks and training that goes on."""

import numpy as np
import pytest
import torch
from rivals import CLASSIFIERS, RIVALS
from sklearn.base import clone
from sklearn.metrics import log_loss
from skorch.callbacks import (
    Callback,
    EarlyStopping,
    EpochScoring,
    GradientNormClipping,
    LRScheduler,
)

from sklearn_lwal import LwALClassifier, STDClassifier

both = pytest.mark.parametrize("Classifier", CLASSIFIERS)
VARIANTS = {
    "LwAL": LwALClassifier(),
    "LwAL, last batch": LwALClassifier(
        label_update="batch", refine_labels=False, output_dim=10.0
    ),
    "LwAL, repel": LwALClassifier(repel_weight=10.0, update_every=3),
    "LwAL, hidden": LwALClassifier(hidden_layer_sizes=(8,)),
    "STD": STDClassifier(),
    "STD, hidden": STDClassifier(hidden_layer_sizes=(8,)),
    **RIVALS,
}
variants = pytest.mark.parametrize("clf", VARIANTS.values(), ids=VARIANTS)
LINEAR = {name: clf for name, clf in VARIANTS.items() if not clf.hidden_layer_sizes}
linear = pytest.mark.parametrize("clf", LINEAR.values(), ids=LINEAR)


def new(clf, **options):
    return clone(clf).set_params(max_epochs=4, random_state=0, **options)


def assert_equal(one, two, X):
    np.testing.assert_array_equal(one.labels_, two.labels_)
    np.testing.assert_array_equal(one.predict_proba(X), two.predict_proba(X))
    np.testing.assert_array_equal(one.transform(X), two.transform(X))


class TestValidation:
    @variants
    def test_eval_set_is_measured_after_each_epoch(self, clf, iris):
        X, y = iris
        clf = new(clf).fit(X[::2], y[::2], eval_set=(X[1::2], y[1::2]))
        assert [row["epoch"] for row in clf.history_] == [1, 2, 3, 4]
        assert clf.n_iter_ == 4
        last = clf.history_[-1]
        assert last["valid_acc"] == pytest.approx(clf.score(X[1::2], y[1::2]))
        loss = log_loss(y[1::2], clf.predict_proba(X[1::2]))
        assert last["valid_loss"] == pytest.approx(loss, abs=1e-4)
        unmeasured = new(clf).fit(X[::2], y[::2])
        assert_equal(clf, unmeasured, X)
        assert "valid_acc" not in unmeasured.history_[-1]

    @both
    def test_class_missing_from_eval_set(self, Classifier, iris):
        X, y = iris
        clf = Classifier(max_epochs=3, random_state=0)
        clf.fit(X, y, eval_set=(X[y > 1], y[y > 1]))
        score = clf.score(X[y > 1], y[y > 1])
        assert clf.history_[-1]["valid_acc"] == pytest.approx(score)

    @variants
    def test_early_stopping_restores_the_best_epoch(self, clf):
        fell = []
        for seed in range(2):
            rng = np.random.RandomState(seed)
            X, y = rng.normal(size=(120, 10)), rng.randint(0, 3, 120)
            valid = rng.normal(size=(80, 10)), rng.randint(0, 3, 80)
            clf = new(clf, early_stopping=True, lr=0.3, batch_size=20)
            clf.set_params(max_epochs=40, n_iter_no_change=3)
            clf.fit(X, y, eval_set=valid)
            accuracies = [row["valid_acc"] for row in clf.history_]
            assert clf.n_iter_ == len(accuracies) < 40
            # Training measures in float32, which leaves such rows undecided.
            scores = np.sort(clf.decision_function(valid[0]))
            undecided = np.diff(scores[:, -2:])[:, 0] < 1e-5 * np.abs(scores).max()
            gap = 1e-6 + undecided.mean()
            assert clf.score(*valid) == pytest.approx(max(accuracies), abs=gap)
            fell.append(accuracies[-1] < max(accuracies))
            if getattr(clf, "refine_labels", False):
                means = [clf.transform(X[y == c]).mean(0) for c in range(3)]
                np.testing.assert_allclose(clf.labels_, means, atol=1e-3)
        assert any(fell)

    @both
    def test_early_stopping_holds_rows_out(self, Classifier, iris):
        seen = []

        class Count(Callback):
            def on_batch_end(self, net, batch, training, **kwargs):
                seen.append((training, len(batch[0])))

        options = {"early_stopping": True, "validation_fraction": 0.2, "max_epochs": 1}
        Classifier(callbacks=[Count()], **options).fit(*iris)
        assert sum(size for training, size in seen if training) == 120
        assert sum(size for training, size in seen if not training) == 30


class TestContinuing:
    @variants
    def test_warm_start_goes_on(self, clf, iris):
        clf = new(clf, warm_start=True, lr=0.01).fit(*iris)
        loss = min(row["train_loss"] for row in clf.history_)
        clf.set_params(max_epochs=8).fit(*iris)
        assert min(row["train_loss"] for row in clf.history_) < loss

    @linear
    def test_warm_start_begins_where_it_was(self, clf, iris):
        clf = new(clf, warm_start=True).fit(*iris)
        latent = clf.transform(iris[0])
        clf.set_params(lr=1e-12).fit(*iris)
        np.testing.assert_allclose(clf.transform(iris[0]), latent, atol=1e-6)

    @both
    def test_without_warm_start_fit_begins_anew(self, Classifier, iris):
        X, y = iris
        clf = new(Classifier()).fit(X + 1, y).partial_fit(X, y)
        assert_equal(clf.fit(X, y), new(Classifier()).fit(X, y), X)
        clf.fit(X[:, :2], np.array(["a", "b", "c", "d", "e"])[np.arange(150) % 5])
        assert clf.n_features_in_ == 2
        assert len(clf.classes_) == len(clf.labels_) == 5

    @linear
    def test_partial_fit_is_one_pass(self, clf, iris):
        X, y = iris
        options = {"batch_size": 30, "random_state": 0}
        once = clone(clf).set_params(**options).partial_fit(X, y, classes=[0, 1, 2])
        assert_equal(once, clone(clf).set_params(max_epochs=1, **options).fit(X, y), X)

    @variants
    def test_partial_fit_learns_piece_by_piece(self, clf, iris):
        X, y = iris
        clf = new(clf, lr=0.02)
        clf.partial_fit(X[y == 0], y[y == 0], classes=[2, 0, 1])
        assert clf.classes_.tolist() == [0, 1, 2]
        assert np.isfinite(clf.predict_proba(X)).all()
        order = np.random.RandomState(0).permutation(150)
        for _ in range(30):
            for rows in np.array_split(order, 3):
                clf.partial_fit(X[rows], y[rows], sample_weight=np.ones(len(rows)))
        assert clf.score(X, y) > 0.7


class TestCallbacks:
    @both
    @pytest.mark.parametrize("use_caching", [True, False])
    def test_epoch_scoring(self, Classifier, use_caching, iris):
        options = {"lower_is_better": False, "use_caching": use_caching}
        callbacks = [
            EpochScoring("accuracy", name="mine", **options),
            EpochScoring("accuracy", name="mine_train", on_train=True, **options),
        ]
        clf = Classifier(max_epochs=3, batch_size=30, callbacks=callbacks)
        clf.fit(*iris, eval_set=iris)
        for row in clf.history_:
            assert 0 <= row["mine_train"] <= 1
            if use_caching:
                assert row["mine"] == pytest.approx(row["valid_acc"])
                assert row["mine_train"] == pytest.approx(row["train_acc"])

    @both
    @pytest.mark.parametrize(("step_every", "steps"), [("batch", 15), ("epoch", 3)])
    def test_learning_rate_schedule(self, Classifier, step_every, steps, iris):
        schedule = LRScheduler(
            policy=torch.optim.lr_scheduler.StepLR,
            step_size=1,
            gamma=0.5,
            step_every=step_every,
        )
        options = {"batch_size": 30, "max_epochs": 3, "lr": 0.25}
        clf = Classifier(callbacks=[schedule], **options).fit(*iris)
        lr = clf.net_.optimizer_.param_groups[0]["lr"]
        assert lr == pytest.approx(0.25 * 0.5**steps)

    @both
    def test_batches_are_seen(self, Classifier, iris):
        X, y = iris
        rows, losses, gradients = [], [], []

        class Record(Callback):
            def on_batch_end(self, net, batch, training, loss, y_pred, **kwargs):
                assert training
                assert len(batch[0]) == len(batch[1]) == len(y_pred)
                rows.append(batch[0].cpu().numpy())
                losses.append(float(loss))

            def on_grad_computed(self, net, named_parameters, **kwargs):
                gradients.append(max(float(p.grad.norm()) for _, p in named_parameters))

        options = {"batch_size": 40, "max_epochs": 2, "random_state": 0}
        Classifier(callbacks=[("record", Record())], **options).fit(X, y)
        assert len(rows) == len(losses) == len(gradients) >= 6
        once = np.concatenate(rows[: len(rows) // 2])
        assert len(once) == 150
        np.testing.assert_array_equal(np.unique(once, axis=0), np.unique(X, axis=0))
        assert np.isfinite(losses).all()
        assert min(gradients) > 0

    @both
    def test_gradients_can_be_clipped(self, Classifier, iris):
        options = {"optimizer": "sgd", "random_state": 0, "max_epochs": 2}
        clipping = [GradientNormClipping(1e-12)]
        clf = Classifier(lr=1.0, callbacks=clipping, **options).fit(*iris)
        still = Classifier(lr=1e-12, **options).fit(*iris)
        z = still.transform(iris[0])
        np.testing.assert_allclose(clf.transform(iris[0]), z, atol=1e-6)

    @both
    def test_a_recording_callback_changes_nothing(self, Classifier, iris):
        class Watch(Callback):
            def on_batch_end(self, net, **kwargs):
                pass

        plain = new(Classifier(hidden_layer_sizes=(8,))).fit(*iris)
        watched = clone(plain).set_params(callbacks=[Watch()]).fit(*iris)
        assert_equal(plain, watched, iris[0])

    @both
    def test_early_stopping_of_skorch(self, Classifier, iris):
        stop = EarlyStopping(monitor="valid_acc", patience=2, lower_is_better=False)
        stop.sink = lambda *args: None
        clf = Classifier(max_epochs=200, lr=1e-9, callbacks=[stop])
        assert clf.fit(*iris, eval_set=iris).n_iter_ <= 5

    @both
    def test_progress_bar(self, Classifier, iris, capsys):
        Classifier(max_epochs=3, verbose=1).fit(*iris)
        printed = capsys.readouterr()
        assert printed.out == ""
        assert "loss" in printed.err
        assert "acc" in printed.err
        assert "3/3" in printed.err
        Classifier(max_epochs=3).fit(*iris, eval_set=iris)
        assert capsys.readouterr() == ("", "")
