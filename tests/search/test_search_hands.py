"""Searches put real objects into the user's hands: rows, estimators, the search itself.

Callbacks, scorers, messages and printed lines see what GridSearchCV shows them.
"""

import importlib.util
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from _helpers.searches import check_same_answers
from joblib import parallel_config
from sklearn import config_context, get_config
from sklearn.decomposition import KernelPCA
from sklearn.metrics import accuracy_score, make_scorer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_lwal import LabelSearchCV, LwALClassifier

CLF = LwALClassifier(max_epochs=2, random_state=0, device="cpu")
RATES = {"lr": [1e-3, 1e-2]}
TWO_PROGRAMS = {"class_weight": [None, "balanced"], "lr": [1e-3]}
# The first and the third are trained after the others.
MIXED = [{"callbacks": [[]], "lr": [1e-3]}, RATES, {"callbacks": [[]], "lr": [1e-2]}]
SEARCHES = LabelSearchCV, GridSearchCV
AS_IN_1_9 = pytest.mark.skipif(
    importlib.util.find_spec("sklearn.callback") is None,
    reason="scikit-learn has callbacks, its own array API and this warning by 1.9",
)


def last(grid):
    """The grid for the last step of a Pipeline."""
    return {f"lwalclassifier__{name}": values for name, values in grid.items()}


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_every_program_knows_the_names_of_columns(iris, frame):
    X = frame(dict(zip("klmn", iris[0].T, strict=True)))
    check_same_answers(CLF, TWO_PROGRAMS, X, iris[1])
    pipeline = make_pipeline(StandardScaler().set_output(transform="pandas"), CLF)
    check_same_answers(pipeline, last(TWO_PROGRAMS), X, iris[1])


@AS_IN_1_9
@pytest.mark.parametrize("scoring", [None, "accuracy", "neg_log_loss"])
def test_array_api_dispatch(iris, scoring, monkeypatch):
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")
    with config_context(array_api_dispatch=True):
        check_same_answers(CLF, RATES, *iris, scoring=scoring)


def test_folds_that_share_rows(iris):
    some, others = np.arange(0, 150, 2), np.arange(1, 150, 2)
    cv = [(some, others), (some, some), (some, others[::2]), (others, some)]
    options = {"cv": cv, "return_train_score": True}
    check_same_answers(CLF, MIXED, *iris, **options)


def test_rows_that_are_columns_too(iris):
    X, y = iris
    first = KernelPCA(kernel="precomputed", n_components=3)
    check_same_answers(make_pipeline(first, CLF), last(RATES), X @ X.T, y)


class Configured(LwALClassifier):
    """Fits where scikit-learn's configuration has arrived."""

    def fit(self, X, y):
        assert get_config()["assume_finite"]
        return super().fit(X, y)


def test_configuration_reaches_all_fits(iris):
    grid = {"clf": [CLF, Configured(max_epochs=2, random_state=0)]}
    pipeline, options = Pipeline([("clf", CLF)]), {"error_score": "raise"}
    with parallel_config("threading", n_jobs=2), config_context(assume_finite=True):
        check_same_answers(pipeline, grid, *iris, **options)


def test_results_are_formatted_from_real_parameters(iris):
    class Noting(LabelSearchCV):
        def _format_results(self, candidate_params, *args):
            noted.extend(candidate_params)
            return super()._format_results(candidate_params, *args)

    noted = []
    Noting(CLF, RATES, cv=2).fit(*iris)
    assert noted == [{"lr": 1e-3}, {"lr": 1e-2}]


class TestMessages:
    @AS_IN_1_9
    def test_scorers_that_know_no_weights(self, iris):
        def scores(y, predicted):
            return accuracy_score(y, predicted)

        told = []
        for Search in SEARCHES:
            search = Search(CLF, RATES, cv=2, scoring=make_scorer(scores))
            with pytest.warns(UserWarning, match="does not support") as caught:
                search.fit(*iris, sample_weight=np.ones(150))
            told.append([words(one.message, Search) for one in caught])
        assert told[0] == told[1]
        assert "LwALClassifier" in told[0][0]

    def test_answers_that_no_classifier_gives(self, iris):
        scorer = make_scorer(accuracy_score, response_method=["score_samples"])
        told = []
        for Search in SEARCHES:
            search = Search(CLF, RATES, cv=2, scoring=scorer, error_score="raise")
            with pytest.raises(AttributeError) as caught:
                search.fit(*iris)
            told.append(str(caught.value))
        assert told[0] == told[1]

    def test_steps_that_report(self, iris, capsys):
        pipeline = make_pipeline(StandardScaler(), "passthrough", CLF, verbose=True)
        told = []
        for Search in SEARCHES:
            Search(pipeline, last(RATES), cv=2).fit(*iris)
            lines = capsys.readouterr().out.splitlines()
            told.append({line.split(", total")[0] for line in lines})
        assert told[0] == told[1]

    def test_a_bad_refit_is_told_first(self, iris):
        class Untouched(StandardScaler):
            def set_params(self, **parameters):
                raise AssertionError

        pipeline = make_pipeline(Untouched(), CLF)
        grid = {**last(RATES), "untouched__with_std": [False]}
        search = LabelSearchCV(pipeline, grid, scoring=["accuracy", "f1_macro"])
        with pytest.raises(ValueError, match="refit must be set to a scorer key"):
            search.fit(*iris)


def words(message, Search):
    """In one line, about GridSearchCV."""
    return " ".join(str(message).replace(Search.__name__, "GridSearchCV").split())


class Recorder:
    """A callback that keeps what its hooks have seen, by the search that called them.

    It raises an error where a cell begins whose number is ``fails``.
    """

    def __init__(self, fails=None):
        self.seen, self.estimators, self.fails = [], [], fails

    def setup(self, estimator, context):
        self.note("setup", estimator, context)

    def on_fit_task_begin(self, estimator, context, *, X=None, y=None, metadata=None):
        self.note("begin", estimator, context, X, y, metadata)
        is_cell = context.task_name.startswith("candidate")
        if is_cell and context.task_id == self.fails:
            raise ValueError("stop this one")

    def on_fit_task_end(self, estimator, context, *, X=None, y=None, metadata=None):
        self.note("end", estimator, context, X, y, metadata)

    def teardown(self, estimator, context):
        self.note("teardown", estimator, context)

    def note(self, hook, estimator, context, X=None, y=None, metadata=None):
        known = {name for name in vars(estimator) if name[-1] == "_" != name[0]}
        task = context.task_name, context.task_id, context.max_subtasks
        weight = metadata and metadata["sample_weight"]
        given = [v if v is None else (type(v), str(v)) for v in (X, y, weight)]
        self.seen.append((hook, *task, *given, sorted(known)))
        self.estimators.append(estimator)


class Following(Recorder):
    """It is set for the estimators within, too."""

    max_propagation_depth = None


@AS_IN_1_9
class TestCallbacks:
    def seen(self, make, estimator, grid, X, y, fit=None, **options):
        """Both searches, and everything that callbacks have seen of them."""
        seen, fitted = [], []
        for Search in SEARCHES:
            callback, options = make(), {"cv": 2, **options}
            search = Search(estimator, grid, **options).set_callbacks(callback)
            search.fit(X, y, **fit or {})
            assert {*map(type, callback.estimators)} >= {Search}
            own = [e for e in callback.estimators if type(e) is Search]
            assert all(e is search for e in own)
            fitted.append(search)
            # In the order of the tasks; cells are trained in another.
            seen.append(sorted(callback.seen, key=str))
        return seen, fitted

    def test_they_see_real_objects(self, iris):
        X = pd.DataFrame(iris[0]).add_prefix("x")
        fit = {"sample_weight": np.linspace(0, 1, 150)}
        (ours, theirs), _ = self.seen(Recorder, CLF, MIXED, X, iris[1], fit)
        assert len(ours) == 2 + 2 * (1 + 1 + 8 + 1)
        assert ours == theirs

    @pytest.mark.parametrize("refit", [False, True])
    def test_estimators_within_are_followed(self, iris, refit):
        pipeline = make_pipeline(StandardScaler(), CLF)
        with warnings.catch_warnings():
            # The classifier knows no callbacks.
            warnings.filterwarnings("ignore", message=".*LwALClassifier does not sup")
            (ours, theirs), _ = self.seen(
                Following, pipeline, last(RATES), *iris, refit=refit
            )
        assert ours == theirs

    def test_estimators_that_know_none_are_named(self, iris):
        told = []
        for Search in SEARCHES:
            search = Search(CLF, RATES, cv=2).set_callbacks(Following())
            with pytest.warns(UserWarning, match="not support callbacks") as caught:
                search.fit(*iris)
            told.append([words(one.message, Search) for one in caught])
        assert told[0] == told[1]

    @pytest.mark.parametrize("fails", range(8))
    def test_one_that_fails(self, iris, fails):
        with pytest.warns(Warning, match="1 fits failed"):
            _, (ours, theirs) = self.seen(
                lambda: Recorder(fails), CLF, MIXED, *iris, error_score=-1.0
            )
        for key in ("split0_test_score", "split1_test_score"):
            np.testing.assert_allclose(ours.cv_results_[key], theirs.cv_results_[key])

    def test_those_of_a_pipeline_see_each_of_its_fits(self, iris):
        counts = []
        for Search in SEARCHES:
            callback = Recorder()
            pipeline = make_pipeline(StandardScaler(), CLF).set_callbacks(callback)
            Search(pipeline, last(RATES), cv=2).fit(*iris)
            counts.append(len(callback.seen))
        assert counts[0] == counts[1]
