"""Candidates that cannot be trained or scored, and the others beside them."""

import numpy as np
import pytest
from searches import (
    assert_same_answers,
    assert_same_results,
    both_warned,
    check_same_answers,
    check_same_error,
    wine,
)
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.exceptions import FitFailedWarning
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from sklearn_lwal import LabelSearchCV, LwALClassifier, STDClassifier

CLF = LwALClassifier(max_epochs=2, lr=5e-3, batch_size=32, random_state=0)
STD = STDClassifier(max_epochs=2, lr=1e-2, batch_size=32, random_state=0)
# A rate whose loss is not finite in the first epoch.
HUGE = 1e38
FAILED = "{} fits failed out of a total of {}."
searches = pytest.mark.parametrize("Search", [LabelSearchCV, GridSearchCV])


@pytest.fixture(scope="module")
def data():
    return wine()


class TestValues:
    """Values that a classifier does not take, among others that it does."""

    GRIDS = {
        "lr": {"lr": [1e-3, -1.0, "fast"]},
        "batch": {"batch_size": [16, 0], "lr": [1e-3, 1e-2]},
        "hidden": {"hidden_layer_sizes": [(), (4, 0)], "lr": [1e-3, 1e-2]},
        "momentum": {"label_momentum": [0.5, 1.0], "repel_weight": [0.0, 1.0]},
        "dimension": {"output_dim": [2, 0.5], "lr": [1e-3, 1e-2]},
        "class weight": {"class_weight": [None, "even"], "lr": [1e-3, 1e-2]},
        "device": {"device": ["cpu", "abacus"], "lr": [1e-3, 1e-2]},
        "optimizer": {"optimizer": ["adam", "newton"], "lr": [1e-3, 1e-2]},
        "seed": {"random_state": [0, -1], "lr": [1e-3, 1e-2]},
    }

    @pytest.mark.parametrize("name", GRIDS)
    def test_get_the_error_score(self, data, name):
        ours, theirs, told = both_warned(CLF, self.GRIDS[name], *data)
        assert_same_answers(ours, theirs)
        assert any(kind is FitFailedWarning for kind, _ in told)
        failed = np.isnan(ours.cv_results_["mean_test_neg_log_loss"])
        assert 0 < failed.sum() < len(failed)

    def test_another_error_score(self, data):
        grid = self.GRIDS["batch"]
        ours, theirs, _ = both_warned(CLF, grid, *data, error_score=0.25)
        assert_same_answers(ours, theirs)
        assert ours.cv_results_["split0_test_accuracy"].min() == 0.25

    def test_train_scores(self, data):
        grid = self.GRIDS["hidden"]
        ours, theirs, _ = both_warned(CLF, grid, *data, return_train_score=True)
        assert_same_answers(ours, theirs)
        assert np.isnan(ours.cv_results_["split0_train_accuracy"]).sum() == 2

    def test_are_raised_where_asked(self, data):
        grid = self.GRIDS["batch"]
        error = check_same_error(CLF, grid, *data, error_score="raise")
        assert "batch_size" in str(error)

    def test_none_is_valid(self, data):
        error = check_same_error(CLF, {"lr": [-1.0, 0.0]}, *data)
        assert "All the 4 fits failed" in str(error)

    def test_of_the_estimator_itself(self, data):
        clf = clone(CLF).set_params(update_every=0)
        error = check_same_error(clf, {"lr": [1e-3, 1e-2]}, *data)
        assert "update_every" in str(error)

    @pytest.mark.parametrize("grid", [{"rate": [1]}, {"lr": 1e-3}, {"lr": []}, [], {}])
    def test_no_grid(self, data, grid):
        if grid in ([], {}):
            # No candidates at all, or the estimator as it is.
            ours, theirs = (
                outcome(S, grid, data) for S in (LabelSearchCV, GridSearchCV)
            )
            assert ours == theirs
        else:
            check_same_error(CLF, grid, *data)


def outcome(Search, grid, data):
    try:
        return Search(CLF, grid, cv=3).fit(*data).cv_results_["params"]
    except Exception as error:
        return type(error), str(error)


class TestDivergence:
    @pytest.mark.parametrize(
        "clf",
        [
            CLF,
            STD,
            clone(CLF).set_params(hidden_layer_sizes=(6,)),
            clone(CLF).set_params(early_stopping=True, max_epochs=5),
            clone(CLF).set_params(init="random", label_update="batch"),
        ],
        ids=["LwAL", "STD", "hidden", "stopping", "random"],
    )
    def test_harms_no_other(self, data, clf):
        grid = {"lr": [1e-3, HUGE, 1e-2]}
        ours, theirs, told = both_warned(clf, grid, *data)
        assert_same_answers(ours, theirs)
        assert (FitFailedWarning, FAILED.format(2, 6)) in told
        lost = np.isnan(ours.cv_results_["mean_test_accuracy"])
        assert lost.tolist() == [False, True, False]

    def test_by_one_of_two_optimizers(self, data):
        clf = clone(STD).set_params(hidden_layer_sizes=(8,))
        grid = {"optimizer": ["adam", "sgd"], "lr": [1e-2, 1e5]}
        ours, theirs, _ = both_warned(clf, grid, *data)
        lost = np.isnan(theirs.cv_results_["mean_test_accuracy"])
        assert 0 < lost.sum() < 4
        np.testing.assert_array_equal(
            np.isnan(ours.cv_results_["mean_test_accuracy"]), lost
        )

    def test_error_says_the_rate(self, data):
        grid = {"lr": [1e-3, HUGE]}
        error = check_same_error(CLF, grid, *data, error_score="raise")
        assert "The training loss became nan in epoch 1. Lower lr (it is 1e+38" in str(
            error
        )

    def test_in_one_fold_alone(self, data):
        """Rows so large that their class means overflow are in one of the folds."""
        X, y = data
        X = X.astype(np.float32)
        X[0] = 3e38
        cv = [(np.arange(1, 178), np.arange(1, 178)), (np.arange(178), np.arange(178))]
        clf = clone(CLF).set_params(standardize=False, init="random")
        grid = {"lr": [1e-3, 1e-2]}
        ours, theirs, _ = both_warned(clf, grid, X, y, cv=cv, refit=False)
        assert_same_results(ours, theirs)
        assert np.isnan(ours.cv_results_["split1_test_accuracy"]).all()
        assert np.isfinite(ours.cv_results_["split0_test_accuracy"]).all()


class TestRows:
    def test_that_cannot_be_scored(self, data):
        """NaN among the held-out rows: the fit stands, its scores do not."""
        X, y = (part.copy() for part in data)
        X[3, 2] = np.nan
        cv = [
            (np.arange(5, 178), np.arange(178)),
            (np.arange(5, 178), np.arange(9, 99)),
        ]
        grid = {"lr": [1e-3, 1e-2]}
        ours, theirs, told = both_warned(CLF, grid, X, y, cv=cv, refit=False)
        assert_same_results(ours, theirs)
        assert not any(kind is FitFailedWarning for kind, _ in told)
        assert np.isnan(ours.cv_results_["split0_test_accuracy"]).all()
        assert np.isfinite(ours.cv_results_["split1_test_accuracy"]).all()

    def test_nan_everywhere(self, data):
        X, y = (part.copy() for part in data)
        X[[3, 170, 90], 2] = np.nan
        error = check_same_error(CLF, {"lr": [1e-3, 1e-2]}, X, y)
        assert "NaN" in str(error)

    def test_of_other_lengths(self, data):
        X, y = data
        check_same_error(CLF, {"lr": [1e-3]}, X, y[:-1])

    def test_no_labels(self, data):
        check_same_error(CLF, {"lr": [1e-3]}, data[0], None)

    def test_labels_that_are_no_classes(self, data):
        X, y = data
        check_same_error(CLF, {"lr": [1e-3, 1e-2]}, X, y + 0.5)
        check_same_error(CLF, {"lr": [1e-3, 1e-2]}, X, np.eye(3, dtype=int)[y])

    def test_weights(self, data):
        X, y = data
        for weight in (-np.ones(len(y)), np.full(len(y), np.nan), np.zeros(len(y))):
            fit = {"sample_weight": weight}
            check_same_error(CLF, {"lr": [1e-3, 1e-2]}, X, y, fit)
        check_same_error(CLF, {"lr": [1e-3]}, X, y, {"sample_weight": np.ones(3)})

    def test_arguments_that_fit_does_not_have(self, data):
        check_same_error(CLF, {"lr": [1e-3, 1e-2]}, *data, {"epochs": 3})

    def test_more_folds_than_rows_of_a_class(self, data):
        X, y = data
        check_same_error(CLF, {"lr": [1e-3]}, X, y, cv=100)


@pytest.mark.parametrize("scoring", ["none such", ["accuracy", "accuracy"], 3, []])
def test_scoring(data, scoring):
    check_same_error(CLF, {"lr": [1e-3]}, *data, scoring=scoring)


def test_refit_of_several_metrics(data):
    scoring = ["accuracy", "neg_log_loss"]
    check_same_error(CLF, {"lr": [1e-3]}, *data, scoring=scoring)
    check_same_error(CLF, {"lr": [1e-3]}, *data, scoring=scoring, refit="f1")


def test_a_scorer_that_fails(data):
    def scorer(estimator, X, y):
        if estimator.lr == 1e-2:
            raise ValueError("no score")
        return estimator.score(X, y)

    options = {"scoring": scorer, "refit": True}
    ours, theirs, told = both_warned(CLF, {"lr": [1e-3, 1e-2]}, *data, **options)
    assert_same_answers(ours, theirs)
    assert any(text.startswith("Scoring failed") for _, text in told)


class Refuses(TransformerMixin, BaseEstimator):
    """A step that does not take one of its values."""

    def __init__(self, share=1.0):
        self.share = share

    def fit(self, X, y=None):
        if self.share > 1:
            raise ValueError("share must be at most 1")
        return self

    def transform(self, X):
        return X * self.share


def test_a_step_that_fails(data):
    pipeline = make_pipeline(Refuses(), CLF)
    grid = {"refuses__share": [0.5, 2.0], "lwalclassifier__lr": [1e-3, 1e-2]}
    ours, theirs, told = both_warned(pipeline, grid, *data)
    assert_same_answers(ours, theirs)
    assert (FitFailedWarning, FAILED.format(4, 8)) in told
    error = check_same_error(pipeline, grid, *data, error_score="raise")
    assert "share must be" in str(error)


@searches
def test_a_failed_search_leaves_no_trace(data, Search):
    search = Search(CLF, {"lr": [-1.0]}, cv=3)
    with pytest.raises(ValueError, match="All the 3 fits failed"):
        search.fit(*data)
    assert not hasattr(search, "best_estimator_")
    assert not hasattr(search.estimator, "labels_")


def test_it_can_be_fitted_again(data):
    search = LabelSearchCV(CLF, {"lr": [1e-3, -1.0]}, cv=3, error_score="raise")
    with pytest.raises(ValueError, match="lr"):
        search.fit(*data)
    search.set_params(param_grid={"lr": [1e-3, 1e-2]}).fit(*data)
    theirs = GridSearchCV(CLF, {"lr": [1e-3, 1e-2]}, cv=3).fit(*data)
    assert_same_answers(search, theirs)
    check_same_answers(CLF, {"lr": [1e-3, 1e-2]}, *data)
