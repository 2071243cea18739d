"""Searches whose candidates are trained together by several processes."""

import functools
import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from _helpers import searches
from _helpers.searches import assert_same_answers, wine
from joblib import parallel_config
from joblib.externals.loky.process_executor import TerminatedWorkerError
from scipy.special import softmax
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.metrics import make_scorer
from sklearn.model_selection import ParameterGrid
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import sklearn_lwal.search._base
import sklearn_lwal.search._scheduler
from sklearn_lwal import LabelSearchCV, LwALClassifier
from sklearn_lwal.search._scheduler import Scheduler

# Two of three folds are trained on any one row.
run = functools.partial(searches.run, cv=3)
check_same_answers = functools.partial(searches.check_same_answers, cv=3)
# Processes take seconds to start.
pytestmark = pytest.mark.slow

CLF = LwALClassifier(max_epochs=2, lr=5e-3, batch_size=32, random_state=0)
GRID = {"lr": [1e-3, 3e-3, 1e-2], "repel_weight": [0.0, 3.0], "output_dim": [1.0, 2.0]}


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


@pytest.fixture(scope="module")
def data():
    return wine()


@pytest.fixture(autouse=True)
def halves(monkeypatch):
    """Lists of candidates are cut in two: so few rows would not be worth it."""

    def shares(lists, n_processes):
        halves = [(len(one) // 2, len(one) - len(one) // 2) for one in lists]
        return [[length for length in half if length] for half in halves]

    monkeypatch.setattr(sklearn_lwal.search._scheduler, "shares", shares)


@pytest.fixture
def trained_here(monkeypatch):
    """Numbers of candidates that are trained in this process, of each chunk."""
    sizes = []

    class Noted(sklearn_lwal.search._scheduler.JointFit):
        def train(self):
            sizes.append(len(self.numbers))
            super().train()

    monkeypatch.setattr(sklearn_lwal.search._scheduler, "JointFit", Noted)
    return sizes


class TestAnswers:
    @pytest.mark.parametrize(
        "options",
        [
            {},
            {"return_train_score": True},
            {"scoring": None},
            {"scoring": {"a": make_scorer(lambda y, p: np.mean(y == p))}, "refit": "a"},
            {"max_memory": 1},
        ],
    )
    def test_are_those_of_one_process(self, data, options, trained_here):
        alone = run(LabelSearchCV, CLF, GRID, *data, **options)
        assert sum(trained_here) == 12
        trained_here.clear()
        ours = run(LabelSearchCV, CLF, GRID, *data, n_jobs=2, **options)
        assert trained_here == []
        assert_same_answers(ours, alone)
        best = [search.best_estimator_ for search in (ours, alone)]
        np.testing.assert_array_equal(best[0].labels_, best[1].labels_)

    def test_weights_and_steps_before(self, data, trained_here):
        X, y = data
        weight = np.random.RandomState(0).uniform(0, 2, len(y))
        pipeline = make_pipeline(StandardScaler(), CLF)
        grid = {f"lwalclassifier__{name}": values for name, values in GRID.items()}
        grid["standardscaler__with_std"] = [True, False]
        fit = {"lwalclassifier__sample_weight": weight}
        check_same_answers(pipeline, grid, X, y, fit, n_jobs=2)
        assert trained_here == []

    def test_failures(self, data):
        X, y = data
        options = {"n_jobs": 2, "error_score": 0.25}
        grid = {"lr": [1e-3, 1e30], "repel_weight": [0.0, 3.0]}
        with pytest.warns(Warning, match="6 fits failed"):
            search = run(LabelSearchCV, CLF, grid, X, y, **options)
        lost = search.cv_results_["mean_test_accuracy"] == 0.25
        assert lost.tolist() == [False, False, True, True]
        X = X.copy()
        X[3, 0] = np.nan
        with pytest.raises(ValueError, match="contains NaN"):
            run(LabelSearchCV, CLF, grid, X, y, n_jobs=2, error_score="raise")

    def test_estimators_of_other_processes(self, data, monkeypatch):
        # Few ask for them; they are trained here then, and are those that were scored.
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
        run(LabelSearchCV, CLF, GRID, *data, n_jobs=2, refit=False)
        grid = [*ParameterGrid(GRID)]
        assert len(seen) == 36
        for number, *values in seen:
            assert values == [grid[number]["lr"], grid[number]["output_dim"]]

    @pytest.mark.parametrize("form", [pd.DataFrame, sp.csr_array, torch.tensor, list])
    def test_forms_of_rows(self, data, form, trained_here):
        X, y = data
        X = pd.DataFrame(X).add_prefix("column ") if form is pd.DataFrame else form(X)
        grid = {"lr": [1e-3, 1e-2]}
        check_same_answers(CLF, grid, X, y, n_jobs=2)
        assert trained_here == []

    @pytest.mark.parametrize(
        "parameters",
        [
            {"early_stopping": True, "max_epochs": 4},
            {"hidden_layer_sizes": (6,), "standardize": False},
            {"random_state": np.random.RandomState(3)},
        ],
        ids=["stopping", "hidden", "generator"],
    )
    def test_kinds_of_training(self, data, parameters):
        clf = clone(CLF).set_params(**parameters)
        alone, ours = (
            run(LabelSearchCV, clf, {"lr": [1e-3, 1e-2]}, *data, n_jobs=n_jobs)
            for n_jobs in (1, 2)
        )
        assert_same_answers(ours, alone)

    def test_no_seed(self, data):
        clf = clone(CLF).set_params(random_state=None, init="random")
        before = np.random.get_state()[1].copy()
        search = run(LabelSearchCV, clf, GRID, *data, n_jobs=2)
        assert search.best_score_ > 0.6
        np.testing.assert_array_equal(np.random.get_state()[1], before)

    @pytest.mark.parametrize("n_rows", [59, 60, 119])
    def test_step_that_transforms_some_rows_only(self, data, n_rows, trained_here):
        # 178 rows: those of a test fold are 59 or 60, of a training fold 118 or 119.
        pipeline = make_pipeline(FailsAt(), CLF)
        grid = {"failsat__n_rows": [0, n_rows], "lwalclassifier__lr": [1e-3, 1e-2]}
        with pytest.warns(Warning, match="not so many rows"):
            check_same_answers(pipeline, grid, *data, n_jobs=2, error_score=-1.0)
        assert trained_here == []

    def test_too_little_memory_in_a_process(self, data, trained_here, monkeypatch):
        search = LabelSearchCV(CLF, {"lr": [1e-3, 1e-2]}, cv=3, n_jobs=2)
        answers = [MemoryError(), MemoryError()]
        monkeypatch.setattr(Scheduler, "_jobs", lambda *_, **__: iter(answers))
        search.fit(*data)
        assert trained_here == [1, 1]
        alone = LabelSearchCV(CLF, {"lr": [1e-3, 1e-2]}, cv=3).fit(*data)
        np.testing.assert_allclose(
            search.cv_results_["mean_test_score"], alone.cv_results_["mean_test_score"]
        )

    @pytest.mark.parametrize(("max_memory", "calls"), [(1, [2] * 6), (10**9, [2])])
    def test_scores_that_wait(self, data, max_memory, calls, monkeypatch):
        # However slow the scorers are, no more is trained than there is room for.
        n_calls, jobs = [], Scheduler._jobs

        def counted(self, calls, **options):
            n_calls.append(len(calls))
            return jobs(self, calls, **options)

        monkeypatch.setattr(Scheduler, "_jobs", counted)
        run(LabelSearchCV, CLF, GRID, *data, n_jobs=2, max_memory=max_memory)
        assert n_calls == calls

    def test_what_is_not_worth_a_process(self, data, trained_here, monkeypatch):
        def whole(lists, n_processes):
            return [[len(one)] for one in lists]

        monkeypatch.setattr(sklearn_lwal.search._scheduler, "shares", whole)
        run(LabelSearchCV, CLF, GRID, *data, n_jobs=2)
        assert trained_here == [12]

    def test_a_process_that_dies(self, data, monkeypatch):
        def dying(self, calls, **options):
            yield next(iter(calls))[0](*next(iter(calls))[1])
            raise TerminatedWorkerError("killed")

        grid = {"lr": [1e-3, 2e-3, 5e-3, 1e-2]}
        search = LabelSearchCV(CLF, grid, cv=3, n_jobs=2)
        monkeypatch.setattr(Scheduler, "_jobs", dying)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            search.fit(*data)
        assert any("killed" in str(warning.message) for warning in caught)
        lost = np.isnan(search.cv_results_["mean_test_score"])
        assert 0 < lost.sum() < 4


class TestWhere:
    def test_scorers_that_want_estimators_stay_here(self, data, trained_here):
        def scorer(estimator, X, y):
            return float(np.mean(estimator.labels_**2) % 1)

        run(LabelSearchCV, CLF, GRID, *data, n_jobs=2, scoring=scorer, refit=False)
        assert trained_here == [12]

    @pytest.mark.parametrize("n_jobs", [None, 1])
    def test_one_job_is_this_process(self, data, n_jobs, trained_here):
        run(LabelSearchCV, CLF, GRID, *data, n_jobs=n_jobs, refit=False)
        assert trained_here == [12]

    def test_threads_are_no_processes(self, data, trained_here):
        with parallel_config("threading", n_jobs=2):
            run(LabelSearchCV, CLF, GRID, *data, refit=False)
        assert trained_here == [12]

    def test_the_jobs_of_a_context(self, data, trained_here):
        with parallel_config("loky", n_jobs=2):
            run(LabelSearchCV, CLF, GRID, *data, refit=False)
        assert trained_here == []

    def test_verbose_tells(self, data, capsys):
        run(LabelSearchCV, CLF, GRID, *data, n_jobs=2, verbose=1, refit=False)
        told = capsys.readouterr().out
        assert "in 1 program on up to 2 processes; 0 one at a time" in told
