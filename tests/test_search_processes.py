"""Searches whose candidates are trained together by several processes."""

import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from joblib import parallel_config
from joblib.externals.loky.process_executor import TerminatedWorkerError
from scipy.special import softmax
from searches import assert_same_answers, check_same_answers, run, wine
from sklearn.base import clone
from sklearn.metrics import make_scorer
from sklearn.model_selection import ParameterGrid
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import sklearn_lwal._cells
import sklearn_lwal._searching
from sklearn_lwal import LabelSearchCV, LwALClassifier
from sklearn_lwal._cells import Cells
from sklearn_lwal._plan import Plan
from sklearn_lwal._together import Fold, needs
from sklearn_lwal._views import Splits, View

# Processes take seconds to start.
pytestmark = pytest.mark.slow

CLF = LwALClassifier(max_epochs=2, lr=5e-3, batch_size=32, random_state=0)
GRID = {"lr": [1e-3, 3e-3, 1e-2], "repel_weight": [0.0, 3.0], "output_dim": [1.0, 2.0]}


@pytest.fixture(scope="module")
def data():
    return wine()


@pytest.fixture
def trained_here(monkeypatch):
    """Numbers of candidates that are trained in this process, of each chunk."""
    sizes = []

    class Noted(sklearn_lwal._cells.Chunk):
        def train(self):
            sizes.append(len(self.numbers))
            super().train()

    monkeypatch.setattr(sklearn_lwal._cells, "Chunk", Noted)
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

        class Asking(Cells):
            def cell(self, number, X):
                cell = super().cell(number, X)
                _, rows = self.splits.pairs[self.splits.place(X)[0]]
                scores = cell.scores(View(self.X, rows))
                proba = cell.estimator.predict_proba(self.X[rows])
                np.testing.assert_allclose(softmax(scores, 1), proba, atol=1e-4)
                seen.append((number, cell.estimator.lr, cell.estimator.output_dim))
                return cell

        monkeypatch.setattr(sklearn_lwal._searching, "Cells", Asking)
        # A view of the same rows is known by where it lies.
        monkeypatch.setattr(Splits, "place", by_rows)
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

    def test_too_little_memory_in_a_process(self, data, trained_here, monkeypatch):
        search = LabelSearchCV(CLF, {"lr": [1e-3, 1e-2]}, cv=3, n_jobs=2)
        answers = [MemoryError(), MemoryError()]
        monkeypatch.setattr(Cells, "_jobs", lambda self, calls: iter(answers))
        search.fit(*data)
        assert trained_here == [1, 1]
        alone = LabelSearchCV(CLF, {"lr": [1e-3, 1e-2]}, cv=3).fit(*data)
        np.testing.assert_allclose(
            search.cv_results_["mean_test_score"], alone.cv_results_["mean_test_score"]
        )

    def test_a_process_that_dies(self, data, monkeypatch):
        def dying(self, calls):
            yield next(iter(calls))[0](*next(iter(calls))[1])
            raise TerminatedWorkerError("killed")

        grid = {"lr": [1e-3, 2e-3, 5e-3, 1e-2]}
        search = LabelSearchCV(CLF, grid, cv=3, n_jobs=2)
        monkeypatch.setattr(Cells, "_jobs", dying)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            search.fit(*data)
        assert "killed" in str(caught[0].message)
        lost = np.isnan(search.cv_results_["mean_test_score"])
        assert 0 < lost.sum() < 4


def by_rows(self, X):
    """As :meth:`Splits.place`, for views with the same rows."""
    for fold, pair in enumerate(self.pairs):
        for part, rows in enumerate(pair):
            if isinstance(X, View) and np.array_equal(rows, X.rows):
                return fold, part
    return None


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
        assert "in 1 program on 2 processes; 0 one at a time" in capsys.readouterr().out


class Folds:
    """What :class:`Plan` and the cells ask a search for."""

    estimator, scoring, n_jobs, max_memory = CLF, None, 3, None
    return_train_score, verbose = False, 0


def shares(grid, n_rows=600):
    """Parameters of the candidates in the share of each of three processes."""
    candidates = [*ParameterGrid(grid)]
    search = Folds()
    search.estimator = clone(CLF).set_params(batch_size="auto")
    plan = Plan(search, candidates, {})
    cells = Cells(plan, search, None, None, None)
    y = np.arange(n_rows) % 4
    folds = [Fold(np.zeros((n_rows, 5)), y, None, {})]

    class Before:
        pass

    before, cells.splits = Before(), Before()
    before.folds = folds
    cells.splits.pairs = [(np.arange(n_rows), np.arange(10))]
    cut = [part for group in plan.groups for part in cells._shares(group, before)]
    works = [
        needs([plan.classifiers[i] for i in part], folds, 10)[1].sum() for part in cut
    ]
    return [[candidates[i] for i in part] for part in cut], works


class TestShares:
    def test_all_candidates_once(self):
        grid = {"lr": [1e-2, 1e-3, 3e-4], "repel_weight": [0, 1], "l2": [0.0, 0.1]}
        found, _ = shares(grid)
        assert len(found) == 3
        rates = [c["lr"] for part in found for c in part]
        # Those of one size of batches come one after the other.
        assert rates == sorted(rates)
        assert len(rates) == 12

    def test_are_about_as_long(self):
        _, works = shares({"lr": np.geomspace(1e-4, 1e-2, 30).tolist()})
        assert len(works) == 3
        assert max(works) < 1.25 * min(works)

    def test_no_more_than_candidates(self):
        found, _ = shares({"lr": [1e-2, 1e-3]})
        assert [len(part) for part in found] == [1, 1]

    def test_of_several_lists(self):
        grid = {"average": [True, False], "lr": [1e-3, 2e-3, 3e-3]}
        found, _ = shares(grid)
        assert sorted(len(part) for part in found) == [1, 1, 2, 2]
