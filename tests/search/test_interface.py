"""A search has the interface and the results of GridSearchCV, whatever trains it.

Most tests have an engine that fits candidates one by one, so the results are equal.
"""

import copy
import importlib.util
import pickle
import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
from _helpers import searches
from _helpers.one_by_one import OneByOne
from _helpers.searches import CLF, assert_same_results, check_same_answers
from _helpers.trained import assert_same as assert_same_weights
from scipy.stats import loguniform
from sklearn import config_context
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score, log_loss, make_scorer
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    PredefinedSplit,
    RandomizedSearchCV,
    RepeatedStratifiedKFold,
    ShuffleSplit,
    StratifiedKFold,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import sklearn_lwal
from sklearn_lwal import LabelRandomizedSearchCV, LabelSearchCV, LwALClassifier

QUICK = LwALClassifier(max_epochs=2, random_state=0, device="cpu")
GRID = {"l2": [1e-2, 1e-3], "lr": [1e-3, 1e-2]}
RATES = {"lr": [1e-3, 1e-2]}
# The third and the fourth candidate cannot be trained together with others.
MIXED = {"callbacks": [None, []], "lr": [1e-3, 1e-2]}
# The first and the last candidate are trained after the others.
IN_ANOTHER_ORDER = [
    {"callbacks": [[]], "lr": [1e-3]},
    RATES,
    {"callbacks": [[]], "lr": [1e-2]},
]
SEARCHES = LabelSearchCV, GridSearchCV
AS_IN_1_9 = pytest.mark.skipif(
    importlib.util.find_spec("sklearn.callback") is None,
    reason="scikit-learn has callbacks and this warning by 1.9",
)


def assert_same(search, other):
    """Compare the fitted attributes of two searches, but for seconds."""
    found, known = search.cv_results_, other.cv_results_
    assert [*found] == [*known]
    for name, values in known.items():
        assert type(found[name]) is type(values)
        if name == "params":
            assert found[name] == values
            continue
        assert (found[name].dtype, found[name].shape) == (values.dtype, values.shape)
        if isinstance(values, np.ma.MaskedArray):
            masks = map(np.ma.getmaskarray, (found[name], values))
            np.testing.assert_array_equal(*masks)
            assert type(found[name].fill_value) is type(values.fill_value)
        if not name.endswith("_time"):
            assert str(found[name].tolist()) == str(values.tolist()), name
    for name in ("best_index_", "best_score_", "multimetric_", "n_splits_", "predict"):
        assert hasattr(search, name) == hasattr(other, name)
    for name in ("best_index_", "best_score_", "multimetric_", "n_splits_"):
        assert getattr(search, name, 0) == getattr(other, name, 0)
    public, ours = (
        {name for name in vars(one) if not name.startswith("_")}
        for one in (other, search)
    )
    assert public | {"max_memory"} == ours
    assert repr(search.scorer_) == repr(other.scorer_)


def both(estimator, grid, X, y, options=(), **params):
    """Our search and scikit-learn's, which found the same."""
    options = {"cv": 2, **dict(options)}
    other = GridSearchCV(estimator, grid, **options).fit(X, y, **params)
    search = LabelSearchCV(estimator, grid, **options).fit(X, y, **params)
    assert_same(search, other)
    return search, other


def parts(estimator, X, y):
    """A callable for several metrics."""
    sure = estimator.predict_proba(X).max(1).mean()
    return {"sure": sure, "right": estimator.score(X, y)}


def second(results):
    return int(np.argsort(results["rank_test_accuracy"], kind="stable")[1])


several = {"return_train_score": True}
OPTIONS = {
    "default": {},
    "train scores": several,
    "scorer": {"scoring": "neg_log_loss", **several},
    "made scorer": {"scoring": make_scorer(accuracy_score)},
    "metrics": {
        "scoring": ["accuracy", "neg_log_loss", "roc_auc_ovr"],
        "refit": "roc_auc_ovr",
        **several,
    },
    "named metrics": {
        "scoring": {
            "a": make_scorer(f1_score, average="macro"),
            "b": "top_k_accuracy",
        },
        "refit": "b",
    },
    "metrics, no refit": {"scoring": ("neg_log_loss", "f1_macro"), "refit": False},
    "metrics, function": {"scoring": ["accuracy", "neg_log_loss"], "refit": second},
    "no refit": {"refit": False},
    "refit by a function": {"refit": lambda results: 2},
    "user's": {"scoring": lambda c, X, y: c.transform(X).std() % 1, **several},
    "user's metrics": {
        "scoring": {"a": lambda c, X, y: c.labels_.mean()},
        "refit": "a",
    },
    "user's, several": {"scoring": parts, "refit": "sure", **several},
    "user's, no refit": {"scoring": parts, "refit": False},
}
FOLDS = {
    "shuffled": lambda: StratifiedKFold(2, shuffle=True, random_state=_state()),
    "drawn": lambda: ShuffleSplit(2, random_state=_state()),
    "single": lambda: ShuffleSplit(1, random_state=0),
    "repeated": lambda: RepeatedStratifiedKFold(
        n_splits=2, n_repeats=2, random_state=1
    ),
    "predefined": lambda: PredefinedSplit(np.arange(150) % 3 - 1),
    "lists": lambda: [([*range(0, 150, 2)], [*range(1, 150, 2)])] * 2,
    "masks": lambda: [(np.arange(150) % 3 > 0, np.arange(150) % 3 == 0)],
    "iterator": lambda: iter([(np.arange(0, 150, 2), np.arange(1, 150, 2))]),
    "number": lambda: 3,
    "none": lambda: None,
}
# Values that NumPy makes arrays of in different ways.
KINDS = [
    {"lr": [1e-3, 1e-2], "warmup_steps": [0, 2]},
    {"hidden_layer_sizes": [(), (4,), (4, 3)]},
    {"class_weight": [None, "balanced", {0: 2.0}]},
    {"output_dim": ["auto", 2, 1.0], "max_grad_norm": [None, 1.0]},
    [{"lr": [1e-3]}, {"temperature": ["learned", 1.0]}, {"repel_weight": [0, 1.5]}],
]


def _state():
    return np.random.RandomState(1)


class TestResults:
    @pytest.mark.parametrize("name", OPTIONS)
    def test_any_scoring_and_refit_give_the_same(self, iris, name, programs):
        search, other = both(QUICK, GRID, *iris, OPTIONS[name])
        ((candidates, folds),) = programs
        assert len(candidates) == 4
        assert len(folds) == search.n_splits_
        # Other scorers need no estimators.
        assert bool(OneByOne.n_taken) == name.startswith("user's")
        if search.refit:
            X, y = iris
            assert type(search.best_estimator_) is LwALClassifier
            proba = search.predict_proba(X)
            np.testing.assert_array_equal(proba, other.predict_proba(X))
            assert search.refit_time_ > 0
            # With several metrics a function names none to score with.
            if not (search.multimetric_ and callable(search.refit)):
                assert search.score(X, y) == other.score(X, y)

    @pytest.mark.parametrize("cv", FOLDS.values(), ids=FOLDS)
    def test_any_splitter_gives_the_same(self, iris, cv, programs):
        ours, theirs = (
            Search(QUICK, RATES, cv=cv(), refit=False).fit(*iris) for Search in SEARCHES
        )
        assert_same(ours, theirs)
        assert len(programs) == 1

    @pytest.mark.parametrize("grid", KINDS)
    def test_any_kind_of_values_is_listed_alike(self, iris, grid, programs):
        both(QUICK, grid, *iris, {"refit": False})

    def test_candidates_stay_in_the_order_of_the_grid(self, iris, programs):
        # The first candidate is fitted last, and its scores differ.
        grid = [{"callbacks": [[]], "lr": [10.0]}, RATES]
        search, _ = both(QUICK, grid, *iris, {"scoring": "neg_log_loss"})
        assert search.best_index_ > 0
        ((candidates, _),) = programs
        assert len(candidates) == 2

    def test_fits_have_their_share_of_the_seconds(self, iris, programs):
        search, _ = both(QUICK, MIXED, *iris, {"return_train_score": True})
        ((candidates, _),) = programs
        assert [c.lr for c in candidates] == [1e-3, 1e-2]
        # Fits have a share of the program's seconds; other fits have their own.
        times = search.cv_results_["mean_fit_time"]
        np.testing.assert_allclose(times[:2], OneByOne.seconds / 4)
        assert (times[2:] != times[0]).all()
        assert (search.cv_results_["mean_score_time"] >= 0).all()

    def test_equal_candidates_have_equal_scores(self, data):
        grid = [{"lr": [1e-2, 1e-3]}, {"lr": [1e-2]}]
        ours, _ = check_same_answers(CLF, grid, *data)
        first, _, again = ours.cv_results_["mean_test_neg_log_loss"]
        assert first == pytest.approx(again, abs=1e-6)

    def test_one_candidate_is_enough(self, iris, programs):
        both(QUICK, {}, *iris)
        assert len(programs) == 1

    def test_drawn_candidates_are_the_same(self, iris, programs):
        drawn = {"lr": loguniform(1e-4, 1e-1), "callbacks": [None, []]}
        for state in (0, np.random.RandomState(3)):
            fitted = []
            for Search in (LabelRandomizedSearchCV, RandomizedSearchCV):
                own = copy.deepcopy(state)
                search = Search(QUICK, drawn, n_iter=4, cv=2, random_state=own)
                fitted.append(search.fit(*iris))
            assert_same(*fitted)
        assert programs

    def test_other_candidates_are_fitted_as_ever(self, iris, programs):
        both(QUICK, {"callbacks": [[]], **RATES}, *iris)
        # For other estimators the search is GridSearchCV.
        both(LogisticRegression(), {"C": [0.01, 1.0]}, *iris)
        assert not programs

    def test_classifiers_of_the_user_are_fitted_alone(self, iris, programs):
        class Careful(LwALClassifier):
            def score(self, X, y, sample_weight=None):
                return float(self.predict_proba(X).max(1).mean())

            def predict(self, X):
                return super().predict(X) // 2

        for scoring in (None, "accuracy"):
            clf = Careful(**QUICK.get_params())
            both(clf, RATES, *iris, {"scoring": scoring})
        assert not programs

    def test_results_are_formatted_from_real_parameters(self, iris, untrained):
        class Noting(LabelSearchCV):
            def _format_results(self, candidate_params, *args):
                noted.extend(candidate_params)
                return super()._format_results(candidate_params, *args)

        noted = []
        Noting(QUICK, RATES, cv=2, refit=False).fit(*iris)
        assert noted == [{"lr": 1e-3}, {"lr": 1e-2}]

    def test_subclasses_may_run_the_search_themselves(self, iris, capsys):
        class Twice(LabelSearchCV):
            def _run_search(self, evaluate_candidates, **context):
                evaluate_candidates([{"lr": 1e-3}], **context)
                evaluate_candidates([{"lr": 1e-2}], **context)

        fitted = Twice(QUICK, RATES, cv=2, verbose=1).fit(*iris)
        assert_same_results(fitted, GridSearchCV(QUICK, RATES, cv=2).fit(*iris))
        assert "Twice has a _run_search of its own" in capsys.readouterr().out


class TestData:
    def test_groups_reach_the_splitter(self, iris, programs):
        both(QUICK, MIXED, *iris, {"cv": GroupKFold(2)}, groups=np.arange(150) % 7)

    def test_the_splitter_splits_the_real_rows_once(self, iris, programs):
        class Counted(ShuffleSplit):
            seen = []

            def split(self, X, y=None, groups=None):
                self.seen.append(X)
                return super().split(X, y, groups)

        X, y = pd.DataFrame(iris[0]), iris[1]
        cv, again = (Counted(2, random_state=_state()) for _ in range(2))
        search = LabelSearchCV(QUICK, MIXED, cv=cv).fit(X, y)
        (seen,) = cv.seen
        assert seen is X
        assert_same(search, GridSearchCV(QUICK, MIXED, cv=again).fit(X, y))

    @pytest.mark.parametrize("scoring", [None, ["accuracy", "neg_log_loss"]])
    def test_weights_reach_all_fits(self, iris, scoring, programs):
        weight = np.random.default_rng(0).uniform(0.1, 2, 150)
        options = {"scoring": scoring, "refit": "accuracy" if scoring else True}
        both(QUICK, MIXED, *iris, options, sample_weight=weight)
        assert programs

    def test_weights_are_routed(self, iris, programs):
        weight = np.random.default_rng(0).uniform(0.1, 2, 150)
        with config_context(enable_metadata_routing=True):
            estimator = clone(QUICK).set_fit_request(sample_weight="mass")
            estimator = estimator.set_score_request(sample_weight=True)
            scorer = make_scorer(accuracy_score).set_score_request(sample_weight="mass")
            for scoring in (scorer, None):
                given = {"mass": weight}
                if scoring is None:
                    given["sample_weight"] = weight + 1
                both(estimator, MIXED, *iris, {"scoring": scoring}, **given)
            with pytest.raises(ValueError, match="not explicitly set"):
                LabelSearchCV(QUICK, GRID).fit(*iris, sample_weight=weight)
        assert len(programs) == 2

    def test_an_eval_set_reaches_all_fits(self, data):
        X, y = data
        clf = clone(CLF).set_params(early_stopping=True, max_epochs=6)
        check_same_answers(clf, RATES, X, y, {"eval_set": (X[::5], y[::5])})


class Recorder:
    """A scoring callable that keeps what it has seen."""

    def __init__(self):
        self.seen = []

    def __call__(self, estimator, X, y):
        self.seen.append((estimator, X))
        return -log_loss(y, estimator.predict_proba(X))

    def __repr__(self):
        return "recorder"


class TestScorers:
    @pytest.mark.parametrize("wrap", [lambda f: f, lambda f: {"a": f, "b": "accuracy"}])
    def test_they_see_real_objects(self, iris, wrap, programs):
        recorder = Recorder()
        scoring = wrap(recorder)
        refit = "a" if isinstance(scoring, dict) else True
        search, _ = both(QUICK, MIXED, *iris, {"scoring": scoring, "refit": refit})
        assert len(recorder.seen) == 2 * 8
        for estimator, X in recorder.seen:
            assert type(estimator) is LwALClassifier
            assert estimator.net_ is not None
            assert type(X) is np.ndarray
        kept = search.scorer_["a"] if isinstance(scoring, dict) else search.scorer_
        assert kept is recorder

    def test_they_see_estimators_that_were_trained_together(self, data):
        def scorer(estimator, X, y):
            found = parts(estimator, X, y)
            return {**found, "labels": (estimator.labels_**2).mean() % 1}

        options = {"scoring": scorer, "return_train_score": True}
        check_same_answers(CLF, searches.GRID, *data, **options)

    @AS_IN_1_9
    def test_those_that_know_no_weights_are_named(self, iris, untrained):
        def scores(y, predicted):
            return accuracy_score(y, predicted)

        told = []
        for Search in SEARCHES:
            search = Search(QUICK, RATES, cv=2, scoring=make_scorer(scores))
            with pytest.warns(UserWarning, match="does not support") as caught:
                search.fit(*iris, sample_weight=np.ones(150))
            told.append([words(one.message, Search) for one in caught])
        assert told[0] == told[1]
        assert "LwALClassifier" in told[0][0]

    def test_responses_that_no_classifier_has_are_named(self, iris, untrained):
        scorer = make_scorer(accuracy_score, response_method=["score_samples"])
        told = []
        for Search in SEARCHES:
            search = Search(QUICK, RATES, cv=2, scoring=scorer, error_score="raise")
            with pytest.raises(AttributeError) as caught:
                search.fit(*iris)
            told.append(str(caught.value))
        assert told[0] == told[1]


class TestMemory:
    def test_less_memory_makes_more_programs(self, iris, programs):
        both(QUICK, GRID, *iris, {"refit": False})
        assert len(programs) == 1
        programs.clear()
        other = GridSearchCV(QUICK, GRID, cv=2).fit(*iris)
        small = LabelSearchCV(QUICK, GRID, cv=2, max_memory=1).fit(*iris)
        assert [len(candidates) for candidates, _ in programs] == [1] * 4
        assert_same(small, other)

    def test_too_little_memory_is_found_out(self, iris, programs, monkeypatch):
        class Narrow(OneByOne):
            def __init__(self, estimators, folds, starts=None):
                if len(estimators) > 1:
                    raise MemoryError
                super().__init__(estimators, folds, starts)

        monkeypatch.setattr("sklearn_lwal.search._joint_fit.StackedFits", Narrow)
        both(QUICK, GRID, *iris)
        assert len(programs) == 4

    def test_an_error_of_training_is_told_once(self, iris, programs, monkeypatch):
        class Broken(OneByOne):
            def __init__(self, estimators, folds, starts=None):
                super().__init__([], folds)
                raise RuntimeError("no such device")

        monkeypatch.setattr("sklearn_lwal.search._joint_fit.StackedFits", Broken)
        with pytest.raises(ValueError, match=r"12 fits failed(.|\n)*no such device"):
            LabelSearchCV(QUICK, GRID, cv=3).fit(*iris)
        assert len(programs) == 1


class TestPrinted:
    def test_the_plan_and_a_bar_are_told(self, iris, capfd, untrained):
        LabelSearchCV(QUICK, MIXED, cv=3).fit(*iris)
        assert capfd.readouterr() == ("", "")
        LabelSearchCV(QUICK, MIXED, cv=3, verbose=1).fit(*iris)
        told, bar = capfd.readouterr()
        assert (
            "2 candidates are trained together, in 1 program; 2 one at a time." in told
        )
        assert "2 one at a time: callbacks=[]" in told
        assert "12/12" in bar

    def test_reasons_to_train_alone_are_told(self, iris, capsys, untrained):
        clf = clone(QUICK).set_params(warm_start=True)
        LabelSearchCV(clf, RATES, cv=2, verbose=1).fit(*iris)
        told = capsys.readouterr().out
        assert "0 candidates are trained together; 2 one at a time." in told
        assert "2 one at a time: warm_start=True" in told

    def test_each_cell_is_told(self, iris, capsys, untrained):
        told = []
        for Search in SEARCHES:
            Search(QUICK, RATES, cv=2, verbose=2).fit(*iris)
            lines = capsys.readouterr().out.splitlines()
            cells = [line.split(";")[0] for line in lines if "END" in line]
            told.append(sorted(line.replace(".", "") for line in cells))
        assert told[0] == told[1]
        assert len(told[0]) == 4
        assert told[0][0].endswith(" lr=0001")

    def test_the_steps_of_pipelines_are_told(self, iris, capsys, untrained):
        pipeline = make_pipeline(StandardScaler(), "passthrough", QUICK, verbose=True)
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

        pipeline = make_pipeline(Untouched(), QUICK)
        grid = {**last(RATES), "untouched__with_std": [False]}
        search = LabelSearchCV(pipeline, grid, scoring=["accuracy", "f1_macro"])
        with pytest.raises(ValueError, match="refit must be set to a scorer key"):
            search.fit(*iris)


def last(grid):
    """The grid for the last step of a Pipeline."""
    return {f"lwalclassifier__{name}": values for name, values in grid.items()}


def words(message, Search):
    """The message in one line, as GridSearchCV gives it."""
    return " ".join(str(message).replace(Search.__name__, "GridSearchCV").split())


@pytest.fixture(scope="module")
def fitted(data):
    return searches.both(CLF, searches.GRID, *data, refit="accuracy")


class TestFittedSearches:
    def test_the_best_is_a_fit_of_its_own(self, data):
        X, y = data
        weight = np.random.RandomState(0).rand(len(y))
        search = LabelSearchCV(CLF, RATES, cv=2).fit(X, y, sample_weight=weight)
        best = search.best_estimator_
        assert type(best) is LwALClassifier
        alone = clone(CLF).set_params(**search.best_params_)
        alone.fit(X, y, sample_weight=weight)
        assert_same_weights(best, alone)
        np.testing.assert_array_equal(best.labels_, alone.labels_)
        np.testing.assert_array_equal(search.predict_proba(X), alone.predict_proba(X))
        assert best.n_iter_ == alone.n_iter_

    def test_its_methods_are_those_of_the_best(self, fitted, data):
        ours, theirs = fitted
        for name in ("predict", "predict_proba", "predict_log_proba", "transform"):
            found, expected = (getattr(one, name)(data[0]) for one in fitted)
            np.testing.assert_array_equal(found, expected)
        np.testing.assert_array_equal(ours.classes_, theirs.classes_)
        assert ours.n_features_in_ == 13

    def test_the_best_can_be_saved(self, fitted, data, tmp_path):
        search, _ = fitted
        search.best_estimator_.save(tmp_path / "best.lwal")
        loaded = sklearn_lwal.load(tmp_path / "best.lwal")
        np.testing.assert_array_equal(loaded.predict(data[0]), search.predict(data[0]))

    @pytest.mark.parametrize(
        "through",
        [lambda s: pickle.loads(pickle.dumps(s)), copy.copy, copy.deepcopy],
        ids=["pickle", "copy", "deepcopy"],
    )
    def test_copies_predict_alike(self, fitted, data, through):
        search, X = fitted[0], data[0]
        twin = through(search)
        np.testing.assert_array_equal(twin.predict_proba(X), search.predict_proba(X))
        assert twin.best_params_ == search.best_params_
        assert_same_results(twin, search, atol=0)
        assert list(twin.cv_results_) == list(search.cv_results_)

    def test_files_of_joblib_predict_alike(self, fitted, data, tmp_path):
        joblib.dump(fitted[0], tmp_path / "search.joblib")
        twin = joblib.load(tmp_path / "search.joblib")
        np.testing.assert_array_equal(twin.predict(data[0]), fitted[0].predict(data[0]))

    def test_it_keeps_no_rows_and_nothing_of_the_training(self, fitted):
        ours, theirs = map(pickle.dumps, fitted)
        # The rows are 18 kB.
        assert len(ours) < len(theirs) + 4000
        for module in (b"_scoring_proxies", b"_scheduler", b"_stacked_fits"):
            assert module not in ours

    def test_clones_are_not_fitted(self, fitted):
        search = fitted[0]
        twin = clone(search.set_params(max_memory=10**8))
        assert not hasattr(twin, "cv_results_")
        assert twin.get_params().keys() == search.get_params().keys()
        assert twin.max_memory == 10**8

    def test_the_estimator_stays(self, fitted):
        search = fitted[0]
        assert search.estimator is CLF
        assert not hasattr(CLF, "labels_")
        assert CLF.lr == 5e-3

    def test_it_can_be_fitted_again(self, iris, programs):
        options = {"refit": False, "scoring": "neg_log_loss"}
        search, other = both(QUICK, GRID, *iris)
        for one in (search, other):
            one.set_params(**options).fit(*iris)
        assert_same(search, other)

    def test_html_names_the_classifier(self, fitted):
        for search in fitted:
            assert "LwALClassifier" in search._repr_html_()


class CallbackRecorder:
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


class Following(CallbackRecorder):
    """It is set for the estimators within, too."""

    max_propagation_depth = None


@AS_IN_1_9
@pytest.mark.usefixtures("programs")
class TestCallbacks:
    def seen(self, make, estimator, grid, X, y, fit=None, **options):
        """Everything that callbacks have seen of both searches, and the searches."""
        seen, fitted = [], []
        for Search in SEARCHES:
            callback, options = make(), {"cv": 2, **options}
            search = Search(estimator, grid, **options).set_callbacks(callback)
            search.fit(X, y, **fit or {})
            assert {*map(type, callback.estimators)} >= {Search}
            own = [e for e in callback.estimators if type(e) is Search]
            assert all(e is search for e in own)
            fitted.append(search)
            # Cells are trained in an order of their own.
            seen.append(sorted(callback.seen, key=str))
        return seen, fitted

    def test_they_see_real_objects(self, iris):
        X = pd.DataFrame(iris[0]).add_prefix("x")
        fit = {"sample_weight": np.linspace(0, 1, 150)}
        grid = IN_ANOTHER_ORDER
        (ours, theirs), _ = self.seen(CallbackRecorder, QUICK, grid, X, iris[1], fit)
        assert len(ours) == 2 + 2 * (1 + 1 + 8 + 1)
        assert ours == theirs

    @pytest.mark.parametrize("refit", [False, True])
    def test_estimators_within_are_followed(self, iris, refit):
        pipeline = make_pipeline(StandardScaler(), QUICK)
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
            search = Search(QUICK, RATES, cv=2).set_callbacks(Following())
            with pytest.warns(UserWarning, match="not support callbacks") as caught:
                search.fit(*iris)
            told.append([words(one.message, Search) for one in caught])
        assert told[0] == told[1]

    # The cells belong to the first, the second and the last candidate.
    @pytest.mark.parametrize("fails", [0, 3, 7])
    def test_one_that_fails_stops_one_cell(self, iris, fails):
        with pytest.warns(Warning, match="1 fits failed"):
            _, (ours, theirs) = self.seen(
                lambda: CallbackRecorder(fails),
                QUICK,
                IN_ANOTHER_ORDER,
                *iris,
                error_score=-1.0,
            )
        assert_same(ours, theirs)

    def test_those_of_a_pipeline_see_each_of_its_fits(self, iris):
        counts = []
        for Search in SEARCHES:
            callback = CallbackRecorder()
            pipeline = make_pipeline(StandardScaler(), QUICK).set_callbacks(callback)
            Search(pipeline, last(RATES), cv=2).fit(*iris)
            counts.append(len(callback.seen))
        assert counts[0] == counts[1]
