"""The interface of a search: GridSearchCV's results, however it trains candidates.

The engine is one that fits candidates one by one, so what is found must be equal.
"""

import pickle

import numpy as np
import pytest
from _helpers.one_by_one import OneByOne
from scipy import sparse
from scipy.stats import loguniform
from sklearn import config_context
from sklearn.base import clone
from sklearn.metrics import accuracy_score, log_loss, make_scorer
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    PredefinedSplit,
    RandomizedSearchCV,
    ShuffleSplit,
    cross_val_score,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_lwal import (
    LabelRandomizedSearchCV,
    LabelSearchCV,
    LwALClassifier,
    STDClassifier,
)

QUICK = LwALClassifier(max_epochs=2, random_state=0, device="cpu")
GRID = {"l2": [1e-2, 1e-3], "lr": [1e-3, 1e-2]}
# The second and the fourth can not be trained together with others.
MIXED = {"callbacks": [None, []], "lr": [1e-3, 1e-2]}


@pytest.fixture(autouse=True)
def programs(monkeypatch):
    """The programs that were trained, as (candidates, folds)."""
    monkeypatch.setattr("sklearn_lwal.search._joint_fit.StackedFits", OneByOne)
    monkeypatch.setattr(OneByOne, "programs", [])
    monkeypatch.setattr(OneByOne, "n_taken", 0)
    return OneByOne.programs


def assert_same(search, other):
    """The fitted attributes of two searches, but for seconds."""
    found, known = search.cv_results_, other.cv_results_
    assert [*found] == [*known]
    for name, values in known.items():
        if name.endswith("_time"):
            assert found[name].shape == values.shape
        elif name == "params":
            assert found[name] == values
        else:
            assert found[name].dtype == values.dtype
            np.testing.assert_array_equal(found[name], values, name)
    for name in ("best_index_", "best_score_", "multimetric_", "n_splits_"):
        assert hasattr(search, name) == hasattr(other, name)
        assert getattr(search, name, 0) == getattr(other, name, 0)
    public, ours = (
        {name for name in vars(one) if not name.startswith("_")}
        for one in (other, search)
    )
    assert public | {"max_memory"} == ours
    assert repr(search.scorer_) == repr(other.scorer_)


def both(estimator, grid, X, y, options=(), **params):
    """Our search, the same as scikit-learn's."""
    options = {"cv": 3, **dict(options)}
    other = GridSearchCV(estimator, grid, **options).fit(X, y, **params)
    search = LabelSearchCV(estimator, grid, **options).fit(X, y, **params)
    assert_same(search, other)
    return search, other


OPTIONS = {
    "default": {},
    "train scores": {"return_train_score": True},
    "scorer": {"scoring": "neg_log_loss"},
    "made scorer": {"scoring": make_scorer(accuracy_score)},
    "metrics": {
        "scoring": ["accuracy", "neg_log_loss", "roc_auc_ovr"],
        "refit": "neg_log_loss",
        "return_train_score": True,
    },
    "named metrics": {"scoring": {"a": "f1_macro", "b": "accuracy"}, "refit": "b"},
    "no refit": {"refit": False},
    "refit by a function": {"refit": lambda results: 2},
    "shuffled": {"cv": ShuffleSplit(4, test_size=0.3, random_state=1)},
    "list of splits": {"cv": [([*range(0, 150, 2)], [*range(1, 150, 2)])] * 2},
    "masks": {"cv": [(np.arange(150) % 3 > 0, np.arange(150) % 3 == 0)]},
    "predefined": {"cv": PredefinedSplit(np.arange(150) % 2)},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_finds_what_grid_search_finds(iris, options, programs):
    search, other = both(QUICK, GRID, *iris, options)
    ((candidates, folds),) = programs
    assert len(candidates) == 4
    assert len(folds) == search.n_splits_
    assert OneByOne.n_taken == 0
    if search.refit:
        X, y = iris
        assert type(search.best_estimator_) is LwALClassifier
        np.testing.assert_array_equal(search.predict_proba(X), other.predict_proba(X))
        assert search.score(X, y) == other.score(X, y)
        assert search.refit_time_ > 0


def test_what_can_not_be_together_is_fitted_as_always(iris, programs):
    search, _ = both(QUICK, MIXED, *iris, {"return_train_score": True})
    ((candidates, _),) = programs
    assert [c.lr for c in candidates] == [1e-3, 1e-2]
    # Seconds of the program, a share a fit; those of the others are their own.
    times = search.cv_results_["mean_fit_time"]
    np.testing.assert_allclose(times[:2], 6.0 / 6)
    assert (times[2:] != times[0]).all()


@pytest.mark.parametrize("backend", ["threading", "multiprocessing"])
def test_any_backend(iris, backend):
    from joblib import parallel_config

    with parallel_config(backend, n_jobs=2):
        both(QUICK, MIXED, *iris)


def test_results_are_in_the_order_of_the_grid(iris, programs):
    # The first is fitted last, and has other scores than those before it then.
    grid = [{"callbacks": [[]], "lr": [10.0]}, {"lr": [1e-3, 1e-2]}]
    search, _ = both(QUICK, grid, *iris, {"scoring": "neg_log_loss"})
    assert search.best_index_ > 0
    ((candidates, _),) = programs
    assert len(candidates) == 2


def test_nothing_together(iris, programs):
    both(QUICK, {"callbacks": [[]], "lr": [1e-3, 1e-2]}, *iris)
    assert not programs


def test_random_splits_are_drawn_once(iris):
    class Counted(ShuffleSplit):
        seen = []

        def split(self, X, y=None, groups=None):
            self.seen.append(X)
            return super().split(X, y, groups)

    X, y = iris
    cv = Counted(2, random_state=np.random.RandomState(0))
    search = LabelSearchCV(QUICK, MIXED, cv=cv).fit(X, y)
    (seen,) = cv.seen
    assert seen is X
    cv = Counted(2, random_state=np.random.RandomState(0))
    assert_same(search, GridSearchCV(QUICK, MIXED, cv=cv).fit(X, y))


def test_groups(iris):
    groups = np.arange(150) % 7
    both(QUICK, MIXED, *iris, {"cv": GroupKFold(3)}, groups=groups)


@pytest.mark.parametrize("scoring", [None, "accuracy", ["accuracy", "neg_log_loss"]])
def test_sample_weight(iris, scoring, programs):
    weight = np.random.default_rng(0).uniform(0.1, 2, 150)
    refit = "accuracy" if isinstance(scoring, list) else True
    options = {"scoring": scoring, "refit": refit}
    both(QUICK, MIXED, *iris, options, sample_weight=weight)
    assert programs


def test_routed_weights(iris, programs):
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


class Recorder:
    """A scoring callable that keeps what it has seen."""

    def __init__(self, several=False):
        self.seen, self.several = [], several

    def __call__(self, estimator, X, y):
        self.seen.append((estimator, X))
        found = -log_loss(y, estimator.predict_proba(X))
        return {"loss": found, "n": len(y)} if self.several else found

    def __repr__(self):
        return "recorder"


@pytest.mark.parametrize("wrap", [lambda f: f, lambda f: {"a": f, "b": "accuracy"}])
def test_scorers_of_the_user_see_real_objects(iris, wrap):
    recorder = Recorder()
    scoring = wrap(recorder)
    refit = "a" if isinstance(scoring, dict) else True
    search, _ = both(QUICK, MIXED, *iris, {"scoring": scoring, "refit": refit})
    assert len(recorder.seen) == 2 * 12
    for estimator, X in recorder.seen:
        assert type(estimator) is LwALClassifier
        assert estimator.net_ is not None
        assert type(X) is np.ndarray
    kept = search.scorer_["a"] if isinstance(scoring, dict) else search.scorer_
    assert kept is recorder


def test_one_callable_for_several_metrics(iris):
    options = {"scoring": Recorder(several=True), "refit": "loss"}
    both(QUICK, MIXED, *iris, options)


def test_a_fit_that_fails(iris):
    X, y = iris
    grid = {"hidden_layer_sizes": [(), (-1,)], "lr": [1e-3, 1e-2]}
    with pytest.warns(match="non-finite"), pytest.warns(match="6 fits failed"):
        search, _ = both(QUICK, grid, X, y)
    assert np.isnan(search.cv_results_["mean_test_score"][2:]).all()
    with pytest.raises(ValueError, match="must be a flat list"):
        LabelSearchCV(QUICK, grid, error_score="raise").fit(X, y)


def test_folds_of_which_one_fails(iris, programs):
    X, y = iris[0].copy(), iris[1]
    X[0] = np.nan
    options = {"error_score": 0.25, "cv": 3, "return_train_score": True}
    with pytest.warns(match="fits failed"), pytest.warns(match="Scoring failed"):
        search = LabelSearchCV(QUICK, GRID, refit=False, **options).fit(X, y)
    with pytest.warns(match="fits failed"), pytest.warns(match="Scoring failed"):
        other = GridSearchCV(QUICK, GRID, refit=False, **options).fit(X, y)
    assert_same(search, other)


def test_all_fits_fail(iris):
    X, y = iris
    with pytest.raises(ValueError, match="All the 12 fits failed"):
        LabelSearchCV(QUICK, GRID, cv=3).fit(X * np.nan, y)


@pytest.mark.parametrize(
    ("grid", "fitted", "message"),
    [
        ({"nothing": [1]}, ("X", "y"), "Invalid parameter 'nothing'"),
        ({"lr": []}, ("X", "y"), "non-empty sequence"),
        (GRID, ("X", "short"), "inconsistent numbers of samples"),
        (GRID, ("X", None), "All the 20 fits failed"),
    ],
)
def test_errors_are_those_of_grid_search(iris, grid, fitted, message):
    known = {"X": iris[0], "y": iris[1], "short": iris[1][:-1], None: None}
    for Search in (LabelSearchCV, GridSearchCV):
        with pytest.raises(ValueError, match=message):
            Search(QUICK, grid).fit(*(known[name] for name in fitted))


def test_parameters_are_checked(iris):
    for wrong in ({"max_memory": 0}, {"cv": "folds"}, {"scoring": "luck"}):
        with pytest.raises(ValueError, match="parameter of LabelSearchCV must"):
            LabelSearchCV(QUICK, GRID, **wrong).fit(*iris)


@pytest.mark.parametrize("kind", ["list", "frame", "sparse", "read-only"])
def test_kinds_of_rows(iris, kind, programs):
    import pandas as pd

    X, y = iris
    y = np.array(["a", "b", "c"])[y]
    frame = pd.DataFrame(X, columns=list("klmn"))
    known = {"list": X.tolist(), "frame": frame, "sparse": sparse.coo_array(X)}
    X.setflags(write=False)
    try:
        search, other = both(QUICK, MIXED, known.get(kind, X), y)
    finally:
        X.setflags(write=True)
    assert programs
    names = getattr(other, "feature_names_in_", None)
    assert getattr(search, "feature_names_in_", None) is names or [*names]


def test_less_memory_makes_more_programs(iris, programs):
    search, _ = both(QUICK, GRID, *iris)
    programs.clear()
    small = LabelSearchCV(QUICK, GRID, cv=3, max_memory=1).fit(*iris)
    assert [len(candidates) for candidates, _ in programs] == [1] * 4
    assert_same(small, search)


def test_too_little_memory_is_found_out(iris, programs, monkeypatch):
    class Narrow(OneByOne):
        def __init__(self, estimators, folds, starts=None):
            if len(estimators) > 1:
                raise MemoryError
            super().__init__(estimators, folds, starts)

    monkeypatch.setattr("sklearn_lwal.search._joint_fit.StackedFits", Narrow)
    both(QUICK, GRID, *iris)
    assert len(programs) == 4


def test_what_goes_wrong_in_training_is_told_once(iris, programs, monkeypatch):
    class Broken(OneByOne):
        def __init__(self, estimators, folds, starts=None):
            super().__init__([], folds)
            raise RuntimeError("no such device")

    monkeypatch.setattr("sklearn_lwal.search._joint_fit.StackedFits", Broken)
    with pytest.raises(ValueError, match=r"12 fits failed(.|\n)*no such device"):
        LabelSearchCV(QUICK, GRID, cv=3).fit(*iris)
    assert len(programs) == 1


@pytest.mark.parametrize("wrong", ["one column", "ragged", "classes"])
def test_wrong_input_fails_as_in_grid_search(iris, wrong):
    X, y = iris
    ragged = [row[: 3 + i % 2].tolist() for i, row in enumerate(X)]
    X = {"one column": X[:, 0], "ragged": ragged}.get(wrong, X)
    y = np.zeros(150) if wrong == "classes" else y
    for Search in (LabelSearchCV, GridSearchCV):
        with pytest.raises(ValueError, match="All the 12 fits failed") as raised:
            Search(QUICK, GRID, cv=KFold(3)).fit(X, y)
        known = ("2D array", "inhomogeneous", "at least 2 classes")
        assert any(words in str(raised.value) for words in known)


def test_randomized(iris, programs):
    options = {"n_iter": 5, "cv": 3, "random_state": 0}
    known = {"lr": loguniform(1e-4, 1e-1), "callbacks": [None, []]}
    for state in (0, np.random.RandomState(3)):
        options["random_state"] = state
        search = LabelRandomizedSearchCV(QUICK, known, **clone_of(options)).fit(*iris)
        other = RandomizedSearchCV(QUICK, known, **clone_of(options)).fit(*iris)
        assert_same(search, other)
    assert programs


def clone_of(options):
    return pickle.loads(pickle.dumps(options))


def test_within_other_searches_and_steps(iris):
    scores = []
    for Search in (LabelSearchCV, GridSearchCV):
        search = Search(QUICK, GRID, cv=2)
        search = make_pipeline(StandardScaler(), search)
        scores.append(cross_val_score(search, *iris, cv=3, n_jobs=2))
    np.testing.assert_array_equal(*scores)


def test_fitted_search_is_free_of_stand_ins(iris):
    search = LabelSearchCV(QUICK, GRID, cv=3).fit(*iris)
    loaded = pickle.loads(pickle.dumps(search))
    assert b"_stand_in" not in pickle.dumps(search)
    np.testing.assert_array_equal(loaded.predict(iris[0]), search.predict(iris[0]))
    assert search.estimator is QUICK
    assert not hasattr(clone(search), "cv_results_")


def test_fits_again(iris):
    X, y = iris
    search = LabelSearchCV(QUICK, GRID, cv=3).fit(X, y)
    search.set_params(refit=False, scoring="neg_log_loss").fit(X, y)
    other = GridSearchCV(QUICK, GRID, cv=3).fit(X, y)
    other.set_params(refit=False, scoring="neg_log_loss").fit(X, y)
    assert_same(search, other)
    with pytest.raises(ValueError, match="inconsistent"):
        search.set_params(refit=True).fit(X, y[1:])
    assert_same(search, other)


def test_says_what_it_does(iris, capsys):
    LabelSearchCV(QUICK, MIXED, cv=3).fit(*iris)
    assert capsys.readouterr() == ("", "")
    LabelSearchCV(QUICK, MIXED, cv=3, verbose=1).fit(*iris)
    told, bar = capsys.readouterr()
    assert "2 candidates are trained together, in 1 program; 2 one at a time." in told
    assert "2 one at a time: callbacks=[]" in told
    assert "12/12" in bar
    LabelSearchCV(QUICK, MIXED, cv=3, verbose=2).fit(*iris)
    assert "lr=0.001" in capsys.readouterr().out


def test_classifiers_of_the_user_are_fitted_as_always(iris, programs):
    class Second(STDClassifier):
        def predict(self, X):
            return super().predict(X)[::-1]

    both(Second(max_epochs=2, random_state=0), {"lr": [1e-3, 1e-2]}, *iris)
    assert not programs
