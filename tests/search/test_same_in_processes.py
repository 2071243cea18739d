"""Several processes, threads, parts of memory and outer estimators change no result."""

import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from _helpers.searches import (
    CLF,
    GRID,
    RATES,
    assert_same_answers,
    assert_same_results,
    check_same_answers,
    global_states,
    run,
)
from joblib import parallel_config
from joblib.externals.loky.process_executor import TerminatedWorkerError
from scipy.special import softmax
from sklearn import config_context, get_config
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.ensemble import BaggingClassifier
from sklearn.model_selection import GridSearchCV, ParameterGrid, cross_val_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.parallel import Parallel

import sklearn_lwal.search._base
import sklearn_lwal.search._scheduler
from sklearn_lwal import LabelSearchCV, LwALClassifier
from sklearn_lwal.search._scheduler import Scheduler

# Processes take seconds to start.
slow = pytest.mark.slow
# The last candidate is fitted alone.
MIXED = [GRID, {"callbacks": [[]]}]


class FailsAt(TransformerMixin, BaseEstimator):
    """Gives rows as they are, unless they are so many."""

    def __init__(self, n_rows=0):
        self.n_rows = n_rows

    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def transform(self, X):
        if len(X) == self.n_rows:
            raise ValueError("not so many rows")
        return X


@pytest.fixture
def halves(monkeypatch):
    """Cut lists of candidates in two, which so few rows would not be worth."""

    def shares(lists, n_processes):
        halves = [(len(one) // 2, len(one) - len(one) // 2) for one in lists]
        return [[length for length in half if length] for half in halves]

    monkeypatch.setattr(sklearn_lwal.search._scheduler, "shares", shares)


@pytest.fixture
def trained_here(monkeypatch):
    """Sizes of the joint fits that are trained in this process."""
    sizes = []

    class Noted(sklearn_lwal.search._scheduler.JointFit):
        def train(self):
            sizes.append(len(self.numbers))
            super().train()

    monkeypatch.setattr(sklearn_lwal.search._scheduler, "JointFit", Noted)
    return sizes


@pytest.fixture
def no_processes(monkeypatch):
    """Run the calls of other processes here; the numbers of calls."""
    counts = []

    def jobs(self, calls, **options):
        counts.append(len(calls))
        return iter(Parallel(n_jobs=1)(calls))

    monkeypatch.setattr(Scheduler, "_jobs", jobs)
    return counts


@slow
@pytest.mark.usefixtures("halves")
class TestOtherProcesses:
    @pytest.mark.parametrize(
        "options",
        [{"return_train_score": True}, {"scoring": None, "max_memory": 1}],
        ids=["train scores", "memory"],
    )
    def test_results_are_those_of_one_process(self, data, options, trained_here):
        alone = run(LabelSearchCV, CLF, GRID, *data, **options)
        assert sum(trained_here) == 4
        trained_here.clear()
        ours = run(LabelSearchCV, CLF, GRID, *data, n_jobs=2, **options)
        assert trained_here == []
        assert_same_answers(ours, alone, atol=1e-6)

    def test_weights_and_earlier_steps_count(self, data, trained_here):
        X, y = data
        weight = np.random.RandomState(0).uniform(0, 2, len(y))
        pipeline = make_pipeline(StandardScaler(), CLF)
        grid = {f"lwalclassifier__{name}": values for name, values in RATES.items()}
        grid["standardscaler__with_std"] = [True, False]
        fit = {"lwalclassifier__sample_weight": weight}
        check_both(pipeline, grid, X, y, fit)
        assert trained_here == []

    def test_failures_harm_no_other(self, data):
        X, y = data
        options = {"n_jobs": 2, "error_score": 0.25}
        grid = {"lr": [1e-3, 1e30], "repel_weight": [0.0, 3.0]}
        with pytest.warns(Warning, match="4 fits failed"):
            search = run(LabelSearchCV, CLF, grid, X, y, **options)
        lost = search.cv_results_["mean_test_accuracy"] == 0.25
        assert lost.tolist() == [False, False, True, True]
        X = X.copy()
        X[3, 0] = np.nan
        with pytest.raises(ValueError, match="contains NaN"):
            run(LabelSearchCV, CLF, grid, X, y, n_jobs=2, error_score="raise")

    def test_estimators_are_those_that_were_scored(self, data, monkeypatch):
        # An estimator is trained here once a scorer asks for it.
        seen = []

        class Asking(Scheduler):
            def cell(self, number, rows):
                cell = super().cell(number, rows)
                _, rows = self.splits.pairs[self.last[number]]
                scores = cell.scores(rows)
                proba = cell.estimator.predict_proba(self.X[rows])
                np.testing.assert_allclose(softmax(scores, 1), proba, atol=1e-4)
                seen.append((number, cell.estimator.lr, cell.estimator.output_dim))
                return cell

        monkeypatch.setattr(sklearn_lwal.search._base, "Scheduler", Asking)
        grid = {**RATES, "output_dim": [1.0, 2.0]}
        run(LabelSearchCV, CLF, grid, *data, n_jobs=2)
        assert len(seen) == 8
        for number, *values in seen:
            known = [*ParameterGrid(grid)][number]
            assert values == [known["lr"], known["output_dim"]]

    @pytest.mark.parametrize("form", [pd.DataFrame, sp.csr_array, torch.tensor, list])
    def test_any_form_of_rows_is_sent(self, data, form, trained_here):
        X, y = data
        X = pd.DataFrame(X).add_prefix("column ") if form is pd.DataFrame else form(X)
        check_both(CLF, RATES, X, y)
        assert trained_here == []

    def test_early_stopping_hidden_layers_and_a_generator(self, data):
        clf = clone(CLF).set_params(
            early_stopping=True,
            max_epochs=4,
            hidden_layer_sizes=(6,),
            random_state=np.random.RandomState(3),
        )
        alone, ours = (
            run(LabelSearchCV, clf, RATES, *data, n_jobs=n_jobs) for n_jobs in (1, 2)
        )
        assert_same_answers(ours, alone)

    def test_no_seed_leaves_the_global_state(self, data):
        clf = clone(CLF).set_params(random_state=None, init="random")
        before = np.random.get_state()[1].copy()
        search = run(LabelSearchCV, clf, RATES, *data, n_jobs=2)
        assert max(search.cv_results_["mean_test_accuracy"]) > 0.6
        np.testing.assert_array_equal(np.random.get_state()[1], before)

    # Test folds have 59 or 60 of the 178 rows, training folds 118 or 119.
    @pytest.mark.parametrize("n_rows", [60, 119])
    def test_a_step_that_transforms_some_rows_only(self, data, n_rows, trained_here):
        pipeline = make_pipeline(FailsAt(), CLF)
        grid = {"failsat__n_rows": [0, n_rows], "lwalclassifier__lr": [1e-3, 1e-2]}
        with pytest.warns(Warning, match="not so many rows"):
            check_both(pipeline, grid, *data, cv=3, error_score=-1.0)
        assert trained_here == []

    def test_candidates_of_all_kinds_have_the_same_results(self, data):
        check_both(CLF, [*MIXED, {"optimizer": ["sgd"]}], *data)

    @pytest.mark.usefixtures("untrained")
    def test_the_jobs_of_a_context_are_used_and_told(self, data, capsys, trained_here):
        with parallel_config("loky", n_jobs=2):
            run(LabelSearchCV, CLF, RATES, *data, verbose=1)
        assert trained_here == []
        told = capsys.readouterr().out
        assert "in 1 program on up to 2 processes; 0 one at a time" in told

    def test_a_search_may_run_within_a_process(self, data):
        options = {"cv": 2, "n_jobs": 2, "scoring": "neg_log_loss"}
        found = [
            cross_val_score(make_pipeline(StandardScaler(), search), *data, **options)
            for search in INNER
        ]
        np.testing.assert_allclose(*found, atol=1e-3)


def check_both(*args, **options):
    """Two processes find what GridSearchCV finds in one."""
    theirs = run(GridSearchCV, *args, **options)
    assert_same_answers(run(LabelSearchCV, *args, n_jobs=2, **options), theirs)


@pytest.mark.usefixtures("halves")
class TestCallsOfProcesses:
    def test_too_little_memory_there_moves_the_work_here(
        self, data, trained_here, monkeypatch
    ):
        answers = [MemoryError(), MemoryError()]
        monkeypatch.setattr(Scheduler, "_jobs", lambda *_, **__: iter(answers))
        ours = run(LabelSearchCV, CLF, RATES, *data, n_jobs=2)
        assert trained_here == [1, 1]
        assert_same_answers(ours, run(LabelSearchCV, CLF, RATES, *data))

    @pytest.mark.parametrize(("max_memory", "calls"), [(1, [2, 2]), (10**9, [2])])
    def test_scores_that_wait_fit_into_memory(
        self, data, max_memory, calls, no_processes, untrained
    ):
        """However slow the scorers are, no more is trained than there is room for."""
        options = {"n_jobs": 2, "max_memory": max_memory}
        run(LabelSearchCV, CLF, GRID, *data, **options)
        assert no_processes == calls

    @pytest.mark.usefixtures("untrained")
    def test_little_work_is_not_sent(self, data, trained_here, monkeypatch):
        def whole(lists, n_processes):
            return [[len(one)] for one in lists]

        monkeypatch.setattr(sklearn_lwal.search._scheduler, "shares", whole)
        run(LabelSearchCV, CLF, GRID, *data, n_jobs=2)
        assert trained_here == [4]

    def test_a_process_that_dies_loses_its_candidates_alone(
        self, data, monkeypatch, untrained
    ):
        def dying(self, calls, **options):
            yield next(iter(calls))[0](*next(iter(calls))[1])
            raise TerminatedWorkerError("killed")

        monkeypatch.setattr(Scheduler, "_jobs", dying)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            search = run(LabelSearchCV, CLF, GRID, *data, n_jobs=2)
        assert any("killed" in str(warning.message) for warning in caught)
        lost = np.isnan(search.cv_results_["mean_test_accuracy"])
        assert 0 < lost.sum() < 4

    def test_scorers_that_want_estimators_stay_here(self, data, trained_here):
        def scorer(estimator, X, y):
            return float(np.mean(estimator.labels_**2) % 1)

        run(LabelSearchCV, CLF, RATES, *data, n_jobs=2, scoring=scorer)
        assert trained_here == [2]

    @pytest.mark.usefixtures("untrained")
    @pytest.mark.parametrize("n_jobs", [None, 1])
    def test_one_job_is_this_process(self, data, n_jobs, trained_here):
        run(LabelSearchCV, CLF, RATES, *data, n_jobs=n_jobs)
        assert trained_here == [2]


class TestThreads:
    @pytest.mark.usefixtures("halves")
    def test_threads_fit_candidates_alone_and_train_none(self, data, trained_here):
        with parallel_config("threading", n_jobs=2):
            check_same_answers(CLF, MIXED, *data)
        assert trained_here == [4]

    def test_configuration_reaches_all_fits(self, data):
        class Configured(LwALClassifier):
            def fit(self, X, y):
                assert get_config()["assume_finite"]
                return super().fit(X, y)

        grid = {"clf": [CLF, Configured(max_epochs=2, random_state=0)]}
        pipeline, options = Pipeline([("clf", CLF)]), {"error_score": "raise"}
        with parallel_config("threading", n_jobs=2), config_context(assume_finite=True):
            check_same_answers(pipeline, grid, *data, **options)

    def test_a_backend_that_returns_all_results_at_once(self, data):
        with parallel_config("multiprocessing", n_jobs=2):
            run(LabelSearchCV, CLF, [{"lr": [1e-3]}, {"callbacks": [[]]}], *data)

    def test_searches_at_once_do_not_disturb_one_another(self, data):
        grids = [RATES, {"update_every": [1, 3]}]
        alone = [run(LabelSearchCV, CLF, grid, *data) for grid in grids]
        barrier = threading.Barrier(4)

        def fit(grid):
            barrier.wait()
            return run(LabelSearchCV, CLF, grid, *data)

        with ThreadPoolExecutor(4) as pool:
            together = list(pool.map(fit, grids * 2))
        for one, two in zip(alone * 2, together, strict=True):
            assert_same_results(two, one, atol=1e-6)


def test_parts_of_memory_give_the_same_results(data, trained_here):
    grid = [
        {"lr": [1e-3, 3e-3, 1e-2], "output_dim": [2]},
        {"output_dim": [1.0]},
        {"hidden_layer_sizes": [(4,)], "dropout": [0.0, 0.5]},
        {"batch_size": [16], "max_epochs": [1]},
    ]
    theirs = run(GridSearchCV, CLF, grid, *data, return_train_score=True)
    # Programs then hold one candidate, or two.
    for max_memory, most in ((1, 1), (100_000, 2)):
        trained_here.clear()
        options = {"max_memory": max_memory, "return_train_score": True}
        assert_same_answers(run(LabelSearchCV, CLF, grid, *data, **options), theirs)
        assert max(trained_here) == most


def test_global_random_states_stay(data):
    before = global_states()
    run(LabelSearchCV, CLF, {**RATES, "init": ["random"]}, *data)
    assert global_states() == before


INNER = [S(CLF, RATES, cv=2) for S in (LabelSearchCV, GridSearchCV)]


@pytest.mark.parametrize(
    "around",
    [
        lambda search: BaggingClassifier(search, n_estimators=2, random_state=0),
        lambda search: OneVsRestClassifier(search),
        lambda search: GridSearchCV(search, {"estimator__update_every": [1, 2]}, cv=2),
        lambda search: LabelSearchCV(search, {"refit": [True]}, cv=2),
    ],
    ids=["bagging", "one-vs-rest", "grid", "itself"],
)
def test_other_estimators_may_hold_a_search(data, around):
    X, y = data
    found = [around(clone(search)).fit(X, y).predict_proba(X) for search in INNER]
    np.testing.assert_allclose(*found, atol=1e-3)
