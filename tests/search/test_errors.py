"""Searches fail as GridSearchCV does, and a bad candidate harms no other."""

import numpy as np
import pytest
from _helpers.searches import (
    CLF,
    FAILED,
    RATES,
    STD,
    assert_same_answers,
    assert_same_results,
    both_warned,
    check_same_error,
    error_of,
    run,
)
from sklearn.base import clone
from sklearn.exceptions import FitFailedWarning
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_lwal import LabelSearchCV, STDClassifier

# At this rate the loss is nan after one epoch.
HUGE = 1e38
SEARCHES = LabelSearchCV, GridSearchCV
PIPELINE = make_pipeline(StandardScaler(), CLF)
# The first candidate is valid.
BAD_VALUES = [
    {"lr": [1e-3, -1.0, "fast"]},
    {"batch_size": [0]},
    {"hidden_layer_sizes": [(4, 0)]},
    {"label_momentum": [1.0]},
    {"output_dim": [0.5]},
    {"class_weight": ["even"]},
    {"device": ["abacus"]},
    {"optimizer": ["newton"]},
    {"random_state": [-1]},
]


class TestParameters:
    def test_bad_values_get_the_error_score(self, data):
        options = {"error_score": 0.25, "return_train_score": True}
        ours, theirs, told = both_warned(CLF, BAD_VALUES, *data, **options)
        assert_same_answers(ours, theirs)
        assert any(kind is FitFailedWarning for kind, _ in told)
        for part in ("test", "train"):
            scores = ours.cv_results_[f"mean_{part}_accuracy"]
            assert (scores == 0.25).tolist() == [False, *[True] * 10]

    def test_their_errors_are_raised_where_asked(self, data):
        grid = {"batch_size": [16, 0], "lr": [1e-3]}
        error = check_same_error(CLF, grid, *data, error_score="raise")
        assert "batch_size" in str(error)

    @pytest.mark.parametrize("bad", [{"lr": -1.0}, {"update_every": 0}])
    def test_a_search_without_valid_candidates_fails(self, data, bad):
        clf = clone(CLF).set_params(**bad)
        error = check_same_error(clf, {"l2": [0.0, 0.1]}, *data)
        assert "All the 4 fits failed" in str(error)
        assert next(iter(bad)) in str(error)

    @pytest.mark.parametrize("grid", [{"rate": [1]}, {"lr": 1e-3}, {"lr": []}])
    def test_bad_grids_are_refused(self, data, grid):
        check_same_error(CLF, grid, *data)

    def test_an_empty_list_of_grids_is_refused(self, data):
        told = []
        for Search in SEARCHES:
            with pytest.raises(ValueError, match="No fits") as caught:
                Search(CLF, [], cv=3).fit(*data)
            told.append(str(caught.value))
        assert told[0] == told[1]

    @pytest.mark.parametrize("scoring", ["none such", ["accuracy", "accuracy"], 3, []])
    def test_bad_scoring_is_refused(self, data, scoring):
        check_same_error(CLF, {"lr": [1e-3]}, *data, scoring=scoring)

    def test_refit_must_name_one_of_several_metrics(self, data):
        scoring = ["accuracy", "neg_log_loss"]
        check_same_error(CLF, {"lr": [1e-3]}, *data, scoring=scoring)
        check_same_error(CLF, {"lr": [1e-3]}, *data, scoring=scoring, refit="f1")

    @pytest.mark.parametrize(
        "wrong", [{"max_memory": 0}, {"cv": "folds"}, {"scoring": "luck"}]
    )
    def test_own_parameters_are_checked(self, data, wrong):
        with pytest.raises(ValueError, match="parameter of LabelSearchCV must"):
            LabelSearchCV(CLF, RATES, **wrong).fit(*data)

    def test_steps_of_one_name_are_refused(self, data):
        steps = Pipeline([("a", StandardScaler()), ("a", CLF)])
        told = [str(error_of(S, steps, {"a__lr": [1e-2]}, *data)) for S in SEARCHES]
        assert "All the 2 fits failed" in told[0]
        assert told[0] == told[1]


class TestDivergence:
    @pytest.mark.parametrize(
        "clf",
        [
            CLF,
            clone(CLF).set_params(init="random", label_update="batch"),
            clone(CLF).set_params(
                hidden_layer_sizes=(6,), early_stopping=True, max_epochs=5
            ),
            STD,
        ],
        ids=["LwAL", "random", "hidden, stopping", "STD"],
    )
    def test_harms_no_other(self, data, clf):
        grid = {"lr": [1e-3, HUGE, 1e-2]}
        ours, theirs, told = both_warned(clf, grid, *data)
        assert_same_answers(ours, theirs)
        assert (FitFailedWarning, FAILED.format(2, 6)) in told
        lost = np.isnan(ours.cv_results_["mean_test_accuracy"])
        assert lost.tolist() == [False, True, False]

    def test_of_one_optimizer_harms_no_other(self, data):
        clf = clone(STD).set_params(hidden_layer_sizes=(8,))
        grid = {"optimizer": ["adam", "sgd"], "lr": [1e-2, 1e5]}
        ours, theirs, _ = both_warned(clf, grid, *data)
        lost = np.isnan(theirs.cv_results_["mean_test_accuracy"])
        assert 0 < lost.sum() < 4
        np.testing.assert_array_equal(
            np.isnan(ours.cv_results_["mean_test_accuracy"]), lost
        )

    def test_the_error_names_the_rate(self, data):
        grid = {"lr": [1e-3, HUGE]}
        error = check_same_error(CLF, grid, *data, error_score="raise")
        words = "The training loss became nan in epoch 1. Lower lr (it is 1e+38"
        assert words in str(error)

    def test_in_one_fold_harms_no_other(self, data):
        """Rows so large that their class means overflow are in one of the folds."""
        X, y = data
        X = X.astype(np.float32)
        X[0] = 3e38
        cv = [(np.arange(1, 178), np.arange(1, 178)), (np.arange(178), np.arange(178))]
        clf = clone(CLF).set_params(standardize=False, init="random")
        ours, theirs, _ = both_warned(clf, {"lr": [1e-3, 1e-2]}, X, y, cv=cv)
        assert_same_results(ours, theirs)
        assert np.isnan(ours.cv_results_["split1_test_accuracy"]).all()
        assert np.isfinite(ours.cv_results_["split0_test_accuracy"]).all()


class TestRows:
    def test_a_bad_row_harms_the_folds_that_see_it(self, data):
        """The first is scored on it, the second does not see it, the third fails."""
        X, y = (part.copy() for part in data)
        X[3, 2] = np.nan
        train = np.arange(5, 178)
        others = np.arange(9, 99)
        cv = [(train, np.arange(178)), (train, others), (np.arange(178), others)]
        ours, theirs, told = both_warned(CLF, RATES, X, y, cv=cv)
        assert_same_results(ours, theirs)
        assert (FitFailedWarning, FAILED.format(2, 6)) in told
        assert np.isnan(ours.cv_results_["split0_test_accuracy"]).all()
        assert np.isfinite(ours.cv_results_["split1_test_accuracy"]).all()

    def test_nan_in_all_folds_is_told(self, data):
        X = data[0].copy()
        X[[3, 170, 90], 2] = np.nan
        assert "NaN" in str(check_same_error(CLF, RATES, X, data[1]))

    @pytest.mark.parametrize("shape", ["one column", "ragged"])
    def test_rows_of_wrong_shape_are_refused(self, data, shape):
        X, y = data
        ragged = [row[: 3 + i % 2].tolist() for i, row in enumerate(X)]
        X = {"one column": X[:, 0], "ragged": ragged}[shape]
        error = check_same_error(CLF, RATES, X, y)
        assert "All the 4 fits failed" in str(error)
        words = {"one column": "2D array", "ragged": "inhomogeneous"}
        assert words[shape] in str(error)

    def test_errors_name_the_class(self, data):
        X, y = data[0].copy(), data[1]
        X[::9, 2] = np.nan
        grid = {"lwalclassifier": [CLF, STDClassifier(max_epochs=2, random_state=0)]}
        for Search in SEARCHES:
            error = error_of(Search, PIPELINE, grid, X, y)
            assert type(error) is ValueError
            for name in ("LwALClassifier", "STDClassifier"):
                assert f"contains NaN.\n{name} does not accept" in str(error)


class TestLabels:
    @pytest.mark.parametrize("wrong", [np.nan, 0.5])
    def test_wrong_labels_harm_the_folds_that_see_them(self, mixed, wrong):
        X, y = mixed[0], mixed[1].astype(float)
        y[0] = wrong
        options = {"cv": KFold(3), "scoring": None}
        # Two folds train on the wrong label, one is scored on it.
        ours, theirs, said = both_warned(CLF, RATES, X, y, **options)
        assert_same_results(ours, theirs)
        assert np.isnan(ours.cv_results_["mean_test_score"]).all()
        assert any("4 fits failed out of a total of 6" in words for _, words in said)
        assert any("Scoring failed" in words for _, words in said)

    @pytest.mark.parametrize(
        "of",
        [
            lambda y: y[:-1],
            lambda y: None,
            lambda y: y + 0.5,
            lambda y: np.eye(3, dtype=int)[y],
            lambda y: y * 0,
        ],
        ids=["another length", "none", "no classes", "indicators", "one class"],
    )
    def test_labels_that_cannot_be_learned_are_refused(self, data, of):
        X, y = data
        check_same_error(CLF, RATES, X, of(y), cv=KFold(3))


class TestFitArguments:
    @pytest.mark.parametrize("weight", [-1.0, np.nan, 0.0])
    def test_bad_weights_are_refused(self, data, weight):
        fit = {"sample_weight": np.full(178, weight)}
        check_same_error(CLF, RATES, *data, fit)

    @pytest.mark.parametrize(
        ("clf", "n"), [(CLF, 200), (CLF, 50), (PIPELINE, 50)], ids=str
    )
    def test_weights_of_another_length_are_refused(self, data, clf, n):
        before = "" if clf is CLF else "lwalclassifier__"
        grid, fit = {f"{before}lr": [1e-2]}, {f"{before}sample_weight": np.ones(n)}
        error = check_same_error(clf, grid, *data, fit, error_score="raise")
        assert type(error) is ValueError
        assert "sample_weight" in str(error)

    def test_unknown_arguments_are_refused(self, data):
        check_same_error(CLF, RATES, *data, {"epochs": 3})


@pytest.mark.parametrize("cv", [100, [(slice(100), slice(100, 178))], [([], [1, 2])]])
def test_bad_folds_are_refused(data, cv):
    check_same_error(CLF, RATES, *data, cv=cv)


def test_a_scorer_that_fails_harms_no_other_candidate(data):
    def scorer(estimator, X, y):
        if estimator.lr == 1e-2:
            raise ValueError("no score")
        return estimator.score(X, y)

    ours, theirs, told = both_warned(CLF, RATES, *data, scoring=scorer)
    assert_same_answers(ours, theirs)
    assert any(text.startswith("Scoring failed") for _, text in told)


def test_a_scorer_that_gives_no_number_is_named(data):
    def words(estimator, X, y):
        return "good"

    error = check_same_error(CLF, RATES, *data, scoring=words)
    assert type(error) is ValueError
    assert "words at" in str(error)


def test_a_failed_search_leaves_no_trace_and_can_be_fitted_again(data):
    search = LabelSearchCV(CLF, {"lr": [1e-3, -1.0]}, cv=2, error_score="raise")
    with pytest.raises(ValueError, match="lr"):
        search.fit(*data)
    assert not hasattr(search, "best_estimator_")
    assert not hasattr(search.estimator, "labels_")
    search.set_params(param_grid=RATES, refit=False).fit(*data)
    theirs = run(GridSearchCV, CLF, RATES, *data, scoring=None)
    assert_same_answers(search, theirs)
    with pytest.raises(ValueError, match="inconsistent"):
        search.fit(data[0], data[1][1:])
    assert_same_answers(search, theirs)
