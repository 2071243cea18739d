"""Searches at their edges: single rows and columns, odd shapes, what is said."""

import numpy as np
import pandas as pd
import pytest
from _helpers.searches import (
    assert_same_results,
    both,
    both_warned,
    check_same_answers,
    check_same_error,
    error_of,
    run,
    wine,
)
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, KFold, LeaveOneOut
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_lwal import LabelSearchCV, LwALClassifier, STDClassifier

CLF = LwALClassifier(max_epochs=2, lr=5e-3, batch_size=32, random_state=0)
RATES = {"lr": [1e-3, 1e-2]}
PIPELINE = make_pipeline(StandardScaler(), CLF)
searches = pytest.mark.parametrize("Search", [LabelSearchCV, GridSearchCV])


@pytest.fixture(scope="module")
def data():
    X, y = wine()
    order = np.random.RandomState(0).permutation(len(y))
    return X[order], y[order]


class TestDimensionsOfOne:
    """Where rows and columns lie alike in memory."""

    @pytest.mark.parametrize("max_memory", [None, 1])
    @pytest.mark.parametrize(
        "grid",
        [
            {"batch_size": [1, 4]},
            {"output_dim": [1, 2]},
            {"output_dim": [1], "batch_size": [1], "label_update": ["batch"]},
        ],
        ids=["batch", "latent", "both"],
    )
    def test_of_batches_and_latents(self, data, grid, max_memory):
        X, y = data
        ours, theirs = both(CLF, grid, X[:60], y[:60], refit=False)
        assert_same_results(ours, theirs)
        ours.set_params(max_memory=max_memory).fit(X[:60], y[:60])
        assert_same_results(ours, theirs)

    def test_of_folds(self, data):
        X, y = data
        options = {"cv": LeaveOneOut(), "scoring": "accuracy"}
        check_same_answers(CLF, RATES, X[:6], y[:6], **options)

    def test_of_features(self, data):
        X, y = data
        check_same_answers(CLF, RATES, X[:, :1], y)


class TestLabels:
    @pytest.mark.filterwarnings("ignore:A column-vector")
    @pytest.mark.parametrize("of", [np.asarray, pd.DataFrame])
    def test_in_a_column(self, data, of):
        X, y = data
        ours, _ = check_same_answers(CLF, RATES, X, of(y[:, None]), scoring=None)
        assert ours.best_score_ > 0.8

    @pytest.mark.parametrize("wrong", [np.nan, 0.5])
    def test_that_are_wrong_in_some_folds(self, data, wrong):
        X, y = data[0], data[1].astype(float)
        y[0] = wrong
        options = {"cv": KFold(3), "refit": False, "scoring": None}
        # Two folds train on it, one is scored on it.
        ours, theirs, said = both_warned(CLF, RATES, X, y, **options)
        assert_same_results(ours, theirs)
        assert np.isnan(ours.cv_results_["mean_test_score"]).all()
        assert any("4 fits failed out of a total of 6" in words for _, words in said)
        assert any("Scoring failed" in words for _, words in said)

    def test_errors_name_the_class(self, data):
        X, y = data[0].copy(), data[1]
        X[::9, 2] = np.nan
        grid = {"lwalclassifier": [CLF, STDClassifier(max_epochs=2, random_state=0)]}
        for Search in (LabelSearchCV, GridSearchCV):
            error = error_of(Search, PIPELINE, grid, X, y)
            assert type(error) is ValueError
            for name in ("LwALClassifier", "STDClassifier"):
                assert f"contains NaN.\n{name} does not accept" in str(error)


class TestWeights:
    """Given as ``fit`` takes them, or as it does not."""

    @pytest.mark.parametrize("clf", [CLF, PIPELINE], ids=["classifier", "pipeline"])
    @pytest.mark.parametrize("n", [200, 50])
    def test_of_another_length(self, data, clf, n):
        name = "sample_weight" if clf is CLF else "lwalclassifier__sample_weight"
        grid = {"lr" if clf is CLF else "lwalclassifier__lr": [1e-2]}
        options = {"error_score": "raise", "refit": False}
        error = check_same_error(clf, grid, *data, {name: np.ones(n)}, **options)
        assert type(error) is ValueError
        assert "sample_weight" in str(error)

    def test_one_for_all(self, data):
        fit = {"lwalclassifier__sample_weight": 2.0}
        grid = {"lwalclassifier__lr": [1e-3, 1e-2]}
        check_same_answers(PIPELINE, grid, *data, fit)

    def test_of_the_held_out_rows(self, data):
        weight = np.random.RandomState(0).rand(len(data[1]))
        fit = {"sample_weight": weight}
        options = {"cv": KFold(3), "scoring": None}
        check_same_answers(CLF, RATES, *data, fit, **options)
        # The result depends on the version of scikit-learn.
        weight[:60] = 0
        ours, theirs, _ = both_warned(CLF, RATES, *data, fit, refit=False, **options)
        assert_same_results(ours, theirs)


class TestFolds:
    @pytest.mark.parametrize(
        "of", [tuple, list, lambda rows: range(rows[0], rows[-1] + 1)]
    )
    def test_of_any_sequence(self, data, of):
        pair = of([*range(100)]), of([*range(100, 178)])
        check_same_answers(CLF, RATES, *data, cv=[pair])

    @pytest.mark.parametrize("pair", [(slice(100), slice(100, 178)), ([], [1, 2])])
    def test_that_are_none(self, data, pair):
        check_same_error(CLF, RATES, *data, cv=[pair])


class TestSaid:
    def test_why_nothing_is_trained_together(self, data, capsys):
        clf = clone(CLF).set_params(warm_start=True)
        run(LabelSearchCV, clf, RATES, *data, verbose=1)
        told = capsys.readouterr().out
        assert "0 candidates are trained together; 2 one at a time." in told
        assert "2 one at a time: warm_start=True" in told

    def test_of_each_cell(self, data, capsys):
        told = []
        for Search in (LabelSearchCV, GridSearchCV):
            run(Search, CLF, RATES, *data, verbose=2)
            words = capsys.readouterr().out.splitlines()
            cells = [line.split(";")[0] for line in words if "END" in line]
            told.append(sorted(line.replace(".", "") for line in cells))
        assert told[0] == told[1]
        assert len(told[0]) == 4
        assert told[0][0].endswith(" lr=0001")

    def test_of_the_users_scorer(self, data):
        def words(estimator, X, y):
            return "good"

        error = check_same_error(CLF, RATES, *data, scoring=words)
        assert type(error) is ValueError
        assert "words at" in str(error)


class TestSubclasses:
    @searches
    def test_that_run_the_search_themselves(self, data, Search, capsys):
        class Twice(Search):
            def _run_search(self, evaluate_candidates, **context):
                evaluate_candidates([{"lr": 1e-3}], **context)
                evaluate_candidates([{"lr": 1e-2}], **context)

        fitted = Twice(CLF, RATES, cv=3, verbose=1).fit(*data)
        known = GridSearchCV(CLF, RATES, cv=3).fit(*data)
        assert_same_results(fitted, known)
        if Search is LabelSearchCV:
            assert "Twice has a _run_search of its own" in capsys.readouterr().out


def test_steps_of_one_name(data):
    steps = Pipeline([("a", StandardScaler()), ("a", CLF)])
    ours, theirs = (
        error_of(Search, steps, {"a__lr": [1e-2]}, *data)
        for Search in (LabelSearchCV, GridSearchCV)
    )
    assert "All the 2 fits failed" in str(ours)
    assert str(ours) == str(theirs)
