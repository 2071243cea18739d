"""The fair comparison chooses on validation rows, and tests once."""

from dataclasses import replace

import numpy as np
import pytest
from _helpers.made_up_runs import rows
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from benchmarks._shared.scope import Scope
from benchmarks.fair import report, training, views
from benchmarks.fair.training import FairRun
from sklearn_lwal import STDClassifier

N_TRAIN, N_TEST = 150, 60
SMALL = ("LwAL", "STD", "LDA", "LogisticRegression")


@pytest.fixture
def features(monkeypatch):
    """Features whose first column tells the row; test rows begin at 1000."""
    rng = np.random.default_rng(0)
    y, y_test = np.arange(N_TRAIN) % 5, np.arange(N_TEST) % 5
    X, X_test = (rng.normal(c[:, None], 0.8, (len(c), 8)) for c in (y, y_test))
    X[:, 0], X_test[:, 0] = np.arange(N_TRAIN), 1000 + np.arange(N_TEST)
    made = [X.astype(np.float32), y, X_test.astype(np.float32), y_test]
    monkeypatch.setattr(training, "frozen_features", lambda *args, **options: made)
    training.parts.cache_clear()
    yield made
    training.parts.cache_clear()


@pytest.fixture
def quick(monkeypatch):
    """Few rates and sizes."""
    monkeypatch.setattr(views, "RATES", (1e-3, 1e-2))
    monkeypatch.setattr(views, "PER_CLASS", {"digits": (5, 9)})


def measure(out, **options):
    options = {"methods": SMALL, "seeds": (12, 123), "max_epochs": 5, **options}
    return views.measure(Scope("smoke", **options), out, out, "cpu")


def ids(X):
    found = X[:, 0].astype(int).tolist()
    assert len(set(found)) == len(found)
    return set(found)


def one_run(method="STD", **options):
    options = {"setting": 1e-3, "seed": 12, "max_epochs": 2, **options}
    return FairRun("digits", method, **options)


def test_rows_to_train_on_to_choose_on_and_to_test_on(features, tmp_path):
    X, y, X_val, y_val = training.rows_of(one_run(), tmp_path)
    assert ids(X).isdisjoint(ids(X_val))
    assert ids(X) | ids(X_val) == set(range(N_TRAIN))
    assert len(X_val) == N_TRAIN / 5
    assert np.bincount(y_val).tolist() == [N_TRAIN // 25] * 5
    for part, classes in ((X, y), (X_val, y_val)):
        assert [i % 5 for i in part[:, 0].astype(int)] == classes.tolist()
    X, y, X_test, _ = training.rows_of(one_run(tested=True), tmp_path)
    assert ids(X) == set(range(N_TRAIN))
    assert ids(X_test) == {1000 + i for i in range(N_TEST)}
    assert [i % 5 for i in X[:, 0].astype(int)] == y.tolist()


def test_few_rows_are_the_same_for_all_and_none_to_choose_on(features, tmp_path):
    validation = ids(training.rows_of(one_run(), tmp_path)[2])
    drawn = {}
    for seed in (12, 123):
        for tested in (False, True):
            for method in views.ON_FEW_ROWS:
                run = one_run(method, seed=seed, tested=tested, per_class=7)
                X, y, X_eval, _ = training.rows_of(run, tmp_path)
                assert np.bincount(y).tolist() == [7] * 5
                assert [i % 5 for i in X[:, 0].astype(int)] == y.tolist()
                assert ids(X).isdisjoint(validation)
                assert (ids(X_eval) == validation) != tested
                drawn.setdefault(seed, X[:, 0].tolist())
                assert X[:, 0].tolist() == drawn[seed]
    assert set(drawn[12]) != set(drawn[123])


class Recorder:
    """Notes on which rows a classifier is fitted."""

    def __init__(self, monkeypatch, Classifier):
        self.fits, original = [], Classifier.fit

        def fit(clf, X, y, **options):
            eval_set = options.get("eval_set")
            self.fits.append((ids(X), ids(eval_set[0]) if eval_set else None))
            return original(clf, X, y, **options)

        monkeypatch.setattr(Classifier, "fit", fit)


def test_what_is_fitted(features, monkeypatch, tmp_path):
    ours = Recorder(monkeypatch, STDClassifier)
    other = Recorder(monkeypatch, LinearDiscriminantAnalysis)
    for method, recorder in (("STD", ours), ("LDA", other)):
        training.execute(one_run(method), tmp_path, "cpu")
        (trained, seen), *more = recorder.fits
        assert not more
        assert len(trained) == N_TRAIN * 4 / 5
        assert seen is None or seen == set(range(N_TRAIN)) - trained
        recorder.fits.clear()
        training.execute(one_run(method, tested=True), tmp_path, "cpu")
        assert all(trained == set(range(N_TRAIN)) for trained, _ in recorder.fits)


@pytest.mark.parametrize(("seed", "is_timed"), [(12, True), (123, False)])
def test_the_timed_fit_does_not_measure(
    seed, is_timed, features, monkeypatch, tmp_path
):
    timed = []

    def timed_fit(clf, X, y, **options):
        assert not options
        timed.append(clf.fit(X, y))
        for row in clf.net_.history:
            row["dur"] = 7.0
        return 20.0

    monkeypatch.setattr(training, "timed_fit", timed_fit)
    result = training.execute(
        one_run(seed=seed, tested=True, timed=is_timed), tmp_path, "cpu"
    )
    assert len(timed) == is_timed
    assert result.get("fit_seconds") == (20.0 if is_timed else None)
    assert (result["curves"]["seconds"] == [7.0, 7.0]) == is_timed
    assert len(result["curves"]["test_accuracy"]) == 2


def choices(found):
    return {(run.method, run.per_class): run.setting for run in found}


def accuracies(found):
    return {run: result["accuracy"] for run, result in found.items()}


def test_test_rows_do_not_take_part_in_the_choice(features, quick, tmp_path):
    first = measure(tmp_path / "1")
    training.parts.cache_clear()
    features[2] = np.random.default_rng(1).normal(size=features[2].shape)
    features[2][:, 0] = 1000 + np.arange(N_TEST)
    features[3] = (features[3] + 1) % 5
    other = measure(tmp_path / "2")
    assert accuracies(first["rates"]) == accuracies(other["rates"])
    assert choices(first["tested"]) == choices(other["tested"])
    assert choices(first["few"]) == choices(other["few"])
    assert accuracies(first["tested"]) != accuracies(other["tested"])
    assert not any(run.tested for run in first["rates"])
    assert all(run.tested for view in ("tested", "few") for run in first[view])


def test_the_best_on_validation_rows_is_chosen():
    found = {}
    for method, accuracies in (("LwAL", [0.3, 0.9, 0.5]), ("STD", [0.7, 0.6, 0.8])):
        for setting, accuracy in zip((1e-3, 1e-2, 1e-1), accuracies, strict=True):
            run = one_run(method, setting=setting)
            found[run] = {"accuracy": accuracy}
            # With few rows the order is reversed.
            found[replace(run, per_class=5)] = {"accuracy": 1 - accuracy}
    tested = views.tests(found, (1, 2))
    best = {("LwAL", 0): 1e-2, ("STD", 0): 1e-1, ("LwAL", 5): 1e-3, ("STD", 5): 1e-2}
    assert choices(tested) == best
    assert len(tested) == 8
    assert {run.seed for run in tested} == {1, 2}


def test_what_has_no_seed_is_tested_once(features, quick, tmp_path):
    found = measure(tmp_path)
    counts = {view: {} for view in ("tested", "few")}
    for view, count in counts.items():
        for run in found[view]:
            count[run.method] = count.get(run.method, 0) + 1
    assert counts["tested"] == {"LwAL": 2, "STD": 2, "LDA": 1, "LogisticRegression": 1}
    # Each seed draws other rows, so every method is tested with each.
    assert set(counts["few"].values()) == {2 * 2}
    table = rows(report.blocks(found)["seconds digits"])
    assert "±" in table["STD"][6]
    assert "±" not in table["LDA"][6]


def test_the_epochs_are_chosen_with_the_rate():
    runs = [one_run(setting=lr, max_epochs=3) for lr in (1e-3, 1e-2)]
    curves = ([0.5, 0.6, 0.7], [0.6, 0.8, 0.8])
    found = {
        run: {"accuracy": curve[-1] - 0.2, "curves": {"test_accuracy": curve}}
        for run, curve in zip(runs, curves, strict=True)
    }
    (best,) = views.chosen(found).values()
    assert (best.setting, best.max_epochs) == (1e-2, 2)
    tested = views.tests(found, (12, 123))
    assert {run.max_epochs for run in tested} == {2}
    # The untouched default has its own number of epochs.
    untouched = one_run(training.UNTOUCHED, setting=0.0, max_epochs=20)
    (best,) = views.chosen({untouched: found[runs[1]]}).values()
    assert best == untouched


def test_a_rate_that_diverges_is_reported_and_not_chosen(
    features, quick, monkeypatch, tmp_path
):
    monkeypatch.setattr(views, "RATES", (1e-2, 1e38))
    found = measure(tmp_path)
    diverged = {run for run, r in found["rates"].items() if r.get("diverged")}
    assert {(r.method, r.setting) for r in diverged} == {("LwAL", 1e38), ("STD", 1e38)}
    assert choices(found["tested"])["LwAL", 0] == 1e-2
    assert choices(found["few"])["STD", 5] == 1e-2
    table = rows(report.blocks(found)["rates"], 2)
    for method in ("LwAL", "STD"):
        sound, bad = table[("digits", method)][2:]
        assert bad == "diverged"
        assert len(sound.split()) == len(report.EPOCHS_SHOWN)
    for name, draw in report.PICTURES.items():
        draw(found, tmp_path / name)


def test_all_rates_diverge(features, quick, monkeypatch, tmp_path):
    monkeypatch.setattr(views, "RATES", (1e37, 1e38))
    found = measure(tmp_path, methods=("STD", "LDA"))
    blocks = report.blocks(found)
    assert "diverged" in blocks["seconds digits"]
    for name, draw in report.PICTURES.items():
        draw(found, tmp_path / name)


def test_settings_of_the_methods():
    for method, clf in training.methods().items():
        run = one_run(method, setting=views.settings(method)[-1], max_epochs=3)
        params = training.estimator(run, None, "cpu").get_params()
        if not training.is_ours(method):
            continue
        if method == training.UNTOUCHED:
            assert {**params, "random_state": None, "device": "auto"} == (
                clf.get_params()
            )
            continue
        assert params["lr"] == views.settings(method)[-1]
        assert params["max_epochs"] == 3
        of_paper = method in ("LwAL10", "LwAL10+rpl", "STD, paper's batch")
        assert params["batch_size"] == (500 if of_paper else 256)
        assert params["random_state"] == 12
    assert training.estimator(one_run("LogisticRegression"), None, "cpu").C == 1e-3
    mlp = training.estimator(one_run("MLPClassifier", setting=0.1), None, "cpu")
    assert (mlp.learning_rate_init, mlp.random_state) == (0.1, 12)


def test_few_rows_of_each_class():
    y = np.array([2, 0, 1, 2, 0, 1, 1, 1, 2])
    drawn = training.few(y, 2, 5)
    assert sorted(y[drawn].tolist()) == [0, 0, 1, 1, 2, 2]
    # A class with fewer rows gives all of them.
    assert sorted(training.few(y, 100, 5).tolist()) == [*range(9)]
