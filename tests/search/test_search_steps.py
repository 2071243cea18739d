"""Searches over Pipelines and backbones: what comes first is done once for all."""

import numpy as np
import pandas as pd
import pytest
from _helpers.one_by_one import OneByOne
from _helpers.trained import digit_images
from joblib import effective_n_jobs, parallel_config
from sklearn import config_context
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, make_scorer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from test_search_front import QUICK, both, programs  # noqa: F401
from torch import nn

from sklearn_lwal import Backbone, LabelSearchCV, LwALClassifier, STDClassifier

RATES = {"lwalclassifier__lr": [1e-3, 1e-2, 1e-1]}


class Counted(TransformerMixin, BaseEstimator):
    """Scales and counts how often it was fitted and asked."""

    n_fits, n_calls = 0, 0

    def __init__(self, factor=1.0, fails_from=np.inf):
        self.factor, self.fails_from = factor, fails_from

    def fit(self, X, y=None):
        if self.factor >= self.fails_from:
            raise ValueError(f"no such factor as {self.factor}")
        Counted.n_fits += 1
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X):
        Counted.n_calls += 1
        return X * self.factor


@pytest.fixture(autouse=True)
def _start():
    Counted.n_fits = Counted.n_calls = 0


def test_earlier_steps_are_fitted_once_a_fold(iris, programs):  # noqa: F811
    estimator = make_pipeline(Counted(), QUICK)
    grid = {"counted__factor": [0.5, 2.0], **RATES}
    options = {"cv": 3, "refit": False, "return_train_score": True}
    other = GridSearchCV(estimator, grid, **options).fit(*iris)
    assert Counted.n_fits == 3 * 6
    Counted.n_fits = Counted.n_calls = 0
    search = LabelSearchCV(estimator, grid, **options).fit(*iris)
    # Rows to train on, to test on, and to train on once more as rows to predict.
    assert (Counted.n_fits, Counted.n_calls) == (3 * 2, 3 * 2 * 3)
    assert [len(candidates) for candidates, _ in programs] == [3, 3]
    for name in ("mean_test_score", "mean_train_score"):
        np.testing.assert_array_equal(search.cv_results_[name], other.cv_results_[name])


def test_steps_have_the_jobs_of_the_user(iris):
    jobs = []

    class Asks(Counted):
        def fit(self, X, y=None):
            jobs.append(effective_n_jobs(None))
            return super().fit(X, y)

    with parallel_config("threading", n_jobs=2):
        LabelSearchCV(make_pipeline(Asks(), QUICK), RATES, cv=3).fit(*iris)
    assert jobs == [2] * 4


def test_programs_that_memory_parts_share_the_steps(iris):
    estimator = make_pipeline(Counted(), QUICK)
    options = {"cv": 3, "refit": False, "max_memory": 1}
    LabelSearchCV(estimator, RATES, **options).fit(*iris)
    assert (Counted.n_fits, Counted.n_calls) == (3, 6)


SEARCHES = {
    "parameter": ({"standardscaler__with_mean": [True, False], **RATES}, [3, 3]),
    "step": (
        {"standardscaler": [StandardScaler(), MinMaxScaler(), None], **RATES},
        [3, 3, 3],
    ),
    "no step": ({"standardscaler": ["passthrough"], **RATES}, [3]),
    "last": (
        {"lwalclassifier": [QUICK, STDClassifier(max_epochs=2, random_state=0)]},
        [1, 1],
    ),
    "both": (
        [
            {"lwalclassifier": [QUICK], "standardscaler": [PCA(2)], **RATES},
            {"lwalclassifier": [LogisticRegression()]},
        ],
        [3],
    ),
    "own": ({"verbose": [False], **RATES}, [3]),
}


@pytest.mark.parametrize("name", SEARCHES)
def test_pipelines(iris, programs, name):  # noqa: F811
    grid, sizes = SEARCHES[name]
    estimator = make_pipeline(StandardScaler(), QUICK)
    X, y = iris
    search, other = both(estimator, grid, X, y)
    assert [len(candidates) for candidates, _ in programs] == sizes
    assert type(search.best_estimator_) is Pipeline
    np.testing.assert_array_equal(search.predict(X), other.predict(X))


def test_steps_of_the_same_values_are_shared(iris, programs):  # noqa: F811
    grid = [
        {"counted__factor": [2.0], "lwalclassifier__lr": [1e-2]},
        {"counted__factor": [2.0], "lwalclassifier__tol": [1e-3]},
    ]
    both(make_pipeline(Counted(), QUICK), grid, *iris)
    assert [len(candidates) for candidates, _ in programs] == [2]


def test_what_steps_say_of_frames_and_targets(iris, programs):  # noqa: F811
    class Encoder(StandardScaler):
        """Makes other columns of the rows that it is fitted on."""

        def fit_transform(self, X, y):
            X = self.fit(X).transform(X)
            return X.assign(k=X["k"] + (y == 0))

    X = pd.DataFrame(iris[0], columns=list("klmn"))
    estimator = make_pipeline(Encoder().set_output(transform="pandas"), QUICK)
    search, _ = both(estimator, RATES, X, iris[1], {"return_train_score": True})
    assert [*search.feature_names_in_] == [*"klmn"]
    assert programs


def test_steps_in_memory(iris, tmp_path, programs):  # noqa: F811
    estimator = make_pipeline(StandardScaler(), QUICK, memory=str(tmp_path))
    both(estimator, RATES, *iris)
    assert programs
    assert [*tmp_path.rglob("output.pkl")]


def test_weights_for_the_last_step(iris, programs):  # noqa: F811
    weight = np.random.default_rng(0).uniform(0.1, 2, 150)
    estimator = make_pipeline(StandardScaler(), QUICK)
    both(estimator, RATES, *iris, lwalclassifier__sample_weight=weight)
    assert len(programs) == 1
    both(estimator, RATES, *iris, standardscaler__sample_weight=weight)
    assert len(programs) == 1


def test_routed_weights_are_left_to_the_pipeline(iris, programs):  # noqa: F811
    weight = np.random.default_rng(0).uniform(0.1, 2, 150)
    with config_context(enable_metadata_routing=True):
        last = clone(QUICK).set_fit_request(sample_weight=True)
        last = last.set_score_request(sample_weight=False)
        scaler = StandardScaler().set_fit_request(sample_weight=True)
        estimator = make_pipeline(scaler, last)
        scorer = make_scorer(accuracy_score).set_score_request(sample_weight=True)
        options = {"scoring": scorer}
        both(estimator, RATES, *iris, options, sample_weight=weight)
        assert not programs
        both(estimator, RATES, *iris, options)
        assert programs


def test_a_step_that_fails(iris):
    estimator = make_pipeline(Counted(fails_from=2.0), QUICK)
    grid = {"counted__factor": [1.0, 2.0], **RATES}
    with pytest.warns(match="fits failed") as found, pytest.warns(match="non-finite"):
        both(estimator, grid, *iris)
    # All of them with one and the same message.
    for warning in (str(w.message) for w in found if "fits failed" in str(w.message)):
        assert warning.count("fits failed with the following error") == 1
        assert "no such factor as 2.0" in warning
    with pytest.raises(ValueError, match="no such factor"):
        LabelSearchCV(estimator, grid, error_score="raise").fit(*iris)


def test_scorers_see_whole_pipelines(iris):
    seen = []

    def score(estimator, X, y):
        seen.append(estimator)
        return estimator.score(X, y)

    estimator = make_pipeline(StandardScaler(), QUICK)
    both(estimator, RATES, *iris, {"scoring": score, "refit": False})
    assert len(seen) == 18
    for one, other in zip(seen[:9], seen[9:], strict=True):
        assert type(other) is Pipeline
        assert str(one) == str(other)
        np.testing.assert_array_equal(one[0].mean_, other[0].mean_)
        np.testing.assert_array_equal(one[-1].labels_, other[-1].labels_)


class Pixels(nn.Module):
    """Features that are the pixels of one channel, and a count of the images."""

    seen = 0

    def forward(self, x):
        Pixels.seen += len(x)
        return x[:, 0].flatten(1)


def test_a_frozen_backbone_sees_each_image_once(programs):  # noqa: F811
    X, y = digit_images(150)
    estimator = LwALClassifier(backbone=Pixels(), **QUICK_IMAGES)
    grid = {"lr": [1e-3, 1e-2], "l2": [1e-2, 1e-3]}
    Pixels.seen = 0
    LabelSearchCV(estimator, grid, cv=3, refit=False).fit(X, y)
    assert Pixels.seen == len(X)
    assert [len(candidates) for candidates, _ in programs] == [4]


def test_frozen_backbones_find_what_grid_search_finds(programs, tmp_path):  # noqa: F811
    X, y = digit_images(90)
    backbone = Backbone(Pixels(), memory=str(tmp_path))
    estimator = LwALClassifier(backbone, **QUICK_IMAGES)
    seen = []

    def score(estimator, X, y):
        seen.append((estimator.get_params()["lr"], estimator.decision_function(X)))
        return estimator.score(X, y)

    grid = {"lr": [1e-3, 1e-2], "backbone__model": [Pixels(), Pixels()]}
    search, other = both(estimator, grid, X, y, {"scoring": score})
    assert [len(candidates) for candidates, _ in programs] == [2, 2]
    for (lr, scores), (other_lr, other_scores) in zip(
        seen[:12], seen[12:], strict=True
    ):
        assert lr == other_lr
        np.testing.assert_array_equal(scores, other_scores)
    np.testing.assert_array_equal(search.predict(X), other.predict(X))


def test_trained_backbones_are_fitted_as_always(programs):  # noqa: F811
    X, y = digit_images(60)
    backbone = Backbone(nn.Sequential(Pixels(), nn.LazyLinear(4)), trainable=True)
    estimator = STDClassifier(backbone, **QUICK_IMAGES)
    LabelSearchCV(estimator, {"lr": [1e-3, 1e-2]}, cv=2).fit(X, y)
    assert not programs


def test_a_backbone_that_fails():
    X, y = digit_images(60)
    estimator = LwALClassifier(backbone="resnet0", **QUICK_IMAGES)
    with pytest.raises(ValueError, match=r"All the 4 fits failed(.|\n)*resnet0"):
        LabelSearchCV(estimator, {"lr": [1e-3, 1e-2]}, cv=2).fit(X, y)
    assert OneByOne.programs == []


QUICK_IMAGES = {"max_epochs": 2, "random_state": 0, "device": "cpu"}
