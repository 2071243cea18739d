"""Steps and backbones before a classifier run once, and the results stay the same."""

import os
from collections import Counter
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from _helpers.searches import CLF, assert_same_results, check_same_answers, run
from _helpers.stand_ins import Letters
from _helpers.trained import digit_images
from joblib import effective_n_jobs, parallel_config
from sklearn import config_context
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_wine
from sklearn.decomposition import PCA, KernelPCA
from sklearn.exceptions import FitFailedWarning
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.feature_selection import SelectKBest, VarianceThreshold
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, make_scorer
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, StandardScaler
from torch import nn

from sklearn_lwal import (
    Backbone,
    LabelSearchCV,
    LwALClassifier,
    STDClassifier,
    TextFeatures,
)
from sklearn_lwal.search._pipeline_steps import fit_steps
from sklearn_lwal.search._preprocessing import TEST

PLAIN = clone(CLF).set_params(standardize=False)
STD = STDClassifier(max_epochs=2, random_state=0)
RATES = {"lwalclassifier__lr": [1e-3, 1e-2]}
HEAD = {**RATES, "lwalclassifier__repel_weight": [0.0, 3.0]}


def both(estimator, grid, X, y, options=(), **params):
    """Our search and scikit-learn's, which found the same."""
    options = {"cv": 2, **dict(options)}
    theirs, ours = (
        Search(estimator, grid, **options).fit(X, y, **params)
        for Search in (GridSearchCV, LabelSearchCV)
    )
    assert [*ours.cv_results_] == [*theirs.cv_results_]
    found = [{k: str(v) for k, v in one.cv_results_.items()} for one in (ours, theirs)]
    for name, values in found[1].items():
        assert name.endswith("_time") or found[0][name] == values, name
    return ours, theirs


class Counted(TransformerMixin, BaseEstimator):
    """Multiplies; all copies count their calls in one place."""

    calls = Counter()

    def __init__(self, factor=1.0, name="counted", fails_at=None):
        self.factor, self.name, self.fails_at = factor, name, fails_at

    def fit(self, X, y=None):
        if self.fails_at in (self.factor, len(X)):
            raise ValueError(f"no such factor as {self.factor}")
        self.calls[self.name, "fit", self.factor] += 1
        self.n_features_in_ = X.shape[1]
        self.n_seen_ = len(X)
        return self

    def transform(self, X):
        self.calls[self.name, "transform", self.factor] += 1
        return X * self.factor


@pytest.fixture(autouse=True)
def calls():
    Counted.calls.clear()
    return Counted.calls


def counts(calls, name="counted", method="fit"):
    """How often a step was called, by the value of its factor."""
    return {key[2]: n for key, n in calls.items() if key[:2] == (name, method)}


@pytest.mark.usefixtures("untrained")
class TestStepsAreFittedOnce:
    def search(self, estimator, grid, data, **options):
        LabelSearchCV(estimator, grid, **{"cv": 3, "refit": False} | options).fit(*data)

    def test_once_a_fold_and_value_and_once_for_the_refit(self, data, calls):
        grid = {"counted__factor": [0.5, 2.0], **HEAD}
        scaler = StandardScaler()
        pipeline = make_pipeline(scaler, Counted(), CLF)
        self.search(pipeline, grid, data, refit=True)
        assert sorted(counts(calls).values()) == [3, 4]
        # Steps transform the training rows and the test rows.
        assert sum(counts(calls, method="transform").values()) == 2 * 3 * 2 + 1
        assert not hasattr(scaler, "mean_")

    def test_values_in_several_grids_are_the_same(self, data, calls, untrained):
        grid = [
            {"counted__factor": [0.5], **RATES},
            {"counted__factor": [0.5, 2.0], "lwalclassifier__tol": [1e-3]},
        ]
        self.search(make_pipeline(Counted(), CLF), grid, data)
        assert counts(calls) == {0.5: 3, 2.0: 3}
        assert [len(candidates) for candidates, _ in untrained] == [3, 1]

    def test_programs_share_them(self, data, calls, untrained):
        grid = {
            "lwalclassifier__output_dim": [2, 1.0],
            "lwalclassifier__hidden_layer_sizes": [(), (4,)],
        }
        self.search(make_pipeline(Counted(), CLF), grid, data, max_memory=1)
        assert [len(candidates) for candidates, _ in untrained] == [1] * 4
        assert counts(calls) == {1.0: 3}
        assert counts(calls, method="transform") == {1.0: 6}

    def test_metrics_and_scores_of_training_rows_share_them(self, data, calls):
        scoring = ["accuracy", "neg_log_loss"]
        options = {"scoring": scoring, "return_train_score": True}
        self.search(make_pipeline(Counted(), CLF), HEAD, data, **options)
        assert counts(calls) == {1.0: 3}
        # Training rows are transformed twice: to train on, and to be scored.
        assert counts(calls, method="transform") == {1.0: 9}

    def test_steps_before_and_between_tuned_ones(self, data, calls):
        steps = [(name, Counted(name=name)) for name in "abcd"]
        grid = {"b__factor": [3.0, 4.0], "d__factor": [1.0, 2.0], "clf__lr": [1e-3]}
        self.search(Pipeline([*steps, ("clf", CLF)]), grid, data)
        assert counts(calls, "a") == {1.0: 3}
        assert counts(calls, "b") == {3.0: 3, 4.0: 3}
        assert counts(calls, "c") == {1.0: 6}
        assert counts(calls, "d") == {1.0: 6, 2.0: 6}

    def test_weights_of_the_last_step_leave_them(self, data, calls):
        weight = np.arange(178.0)
        search = LabelSearchCV(make_pipeline(Counted(), CLF), HEAD, cv=3, refit=False)
        search.fit(*data, lwalclassifier__sample_weight=weight)
        assert counts(calls) == {1.0: 3}

    def test_steps_have_the_jobs_of_the_user(self, data):
        jobs = []

        class Asks(Counted):
            def fit(self, X, y=None):
                jobs.append(effective_n_jobs(None))
                return super().fit(X, y)

        with parallel_config("threading", n_jobs=2):
            self.search(make_pipeline(Asks(), CLF), RATES, data)
        assert jobs == [2] * 3


TWO = make_pipeline(StandardScaler(), CLF)
# The pipeline, the grid, and the number of candidates in each program.
SEARCHES = {
    "parameter": (TWO, {"standardscaler__with_mean": [True, False], **RATES}, [2, 2]),
    "step": (
        TWO,
        {"standardscaler": [StandardScaler(), MinMaxScaler(), None], **RATES},
        [2, 2, 2],
    ),
    "no step": (TWO, {"standardscaler": ["passthrough"], **RATES}, [2]),
    "last": (TWO, {"lwalclassifier": [CLF, STD], **RATES}, [2, 2]),
    "both": (
        TWO,
        [
            {"lwalclassifier": [CLF], "standardscaler": [PCA(2)], **RATES},
            {"lwalclassifier": [LogisticRegression()]},
        ],
        [2],
    ),
    "own": (TWO, {"verbose": [False], **RATES}, [2]),
    "steps": (TWO, {"steps": [TWO.steps, [("pca", PCA(2)), ("clf", CLF)]]}, [1, 1]),
    "classifier alone": (make_pipeline(CLF), HEAD, [4]),
    "called last": (
        Pipeline([("last", StandardScaler()), ("x", PCA(3)), ("clf", CLF)]),
        {"clf__lr": [1e-3, 1e-2]},
        [2],
    ),
    "Pipeline as classifier": (
        Pipeline([("scale", StandardScaler()), ("inner", TWO)]),
        {"inner__lwalclassifier__lr": [1e-3, 1e-2]},
        [],
    ),
    "rows that are columns": (
        make_pipeline(KernelPCA(kernel="precomputed", n_components=3), CLF),
        RATES,
        [],
    ),
}


class TestResultsAreExact:
    @pytest.mark.parametrize("name", SEARCHES)
    def test_pipelines(self, iris, programs, name):
        estimator, grid, sizes = SEARCHES[name]
        X, y = iris
        X = X @ X.T if name == "rows that are columns" else X
        ours, theirs = both(estimator, grid, X, y)
        assert [len(candidates) for candidates, _ in programs] == sizes
        assert type(ours.best_estimator_) is Pipeline
        np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))

    def test_a_subclass_of_pipeline(self, iris, programs):
        class Halved(Pipeline):
            def predict(self, X, **params):
                return super().predict(X, **params) // 2

        pipeline = Halved([("scale", StandardScaler()), ("clf", CLF)])
        both(pipeline, {"clf__lr": [1e-3, 1e-2]}, *iris, {"scoring": "accuracy"})
        assert not programs

    def test_steps_that_change_frames_by_targets(self, iris, programs):
        class Encoder(StandardScaler):
            """Makes other columns of the rows that it is fitted on."""

            def fit_transform(self, X, y):
                X = self.fit(X).transform(X)
                return X.assign(k=X["k"] + (y == 0))

        X = pd.DataFrame(iris[0], columns=list("klmn"))
        estimator = make_pipeline(Encoder().set_output(transform="pandas"), CLF)
        search, _ = both(estimator, RATES, X, iris[1], {"return_train_score": True})
        assert [*search.feature_names_in_] == [*"klmn"]
        assert programs

    def test_steps_in_memory(self, iris, tmp_path, programs):
        estimator = make_pipeline(StandardScaler(), CLF, memory=str(tmp_path))
        both(estimator, {**RATES, "memory": [None, str(tmp_path)]}, *iris)
        assert len(programs) == 2
        assert [*tmp_path.rglob("output.pkl")]

    def test_weights_for_one_step(self, iris, programs):
        weight = np.random.default_rng(0).uniform(0.1, 2, 150)
        options = {"return_train_score": True}
        both(TWO, RATES, *iris, options, lwalclassifier__sample_weight=weight)
        assert len(programs) == 1
        both(TWO, RATES, *iris, options, standardscaler__sample_weight=weight)
        assert len(programs) == 1

    def test_routed_weights_are_left_to_the_pipeline(self, iris, programs):
        weight = np.random.default_rng(0).uniform(0.1, 2, 150)
        with config_context(enable_metadata_routing=True):
            last = clone(CLF).set_fit_request(sample_weight=True)
            last = last.set_score_request(sample_weight=False)
            scaler = StandardScaler().set_fit_request(sample_weight=True)
            estimator = make_pipeline(scaler, last)
            scorer = make_scorer(accuracy_score).set_score_request(sample_weight=True)
            options = {"scoring": scorer}
            both(estimator, RATES, *iris, options, sample_weight=weight)
            assert not programs
            both(estimator, RATES, *iris, options)
            assert programs

    def test_a_generator_in_a_step(self, iris, programs):
        state = np.random.RandomState(0)
        pca = PCA(2, svd_solver="randomized", random_state=state)
        both(make_pipeline(pca, CLF), RATES, *iris, {"refit": False})

    def test_a_step_that_fails(self, iris, programs):
        estimator = make_pipeline(Counted(fails_at=2.0), CLF)
        grid = {"counted__factor": [1.0, 2.0], **RATES}
        with (
            pytest.warns(match="fits failed") as found,
            pytest.warns(match="non-finite"),
        ):
            both(estimator, grid, *iris)
        told = [str(w.message) for w in found if "fits failed" in str(w.message)]
        assert len(told) == 2
        for warning in told:
            # All fits fail with the same message.
            assert warning.count("fits failed with the following error") == 1
            assert "no such factor as 2.0" in warning
        with pytest.raises(ValueError, match="no such factor"):
            LabelSearchCV(estimator, grid, error_score="raise").fit(*iris)

    def test_a_step_that_fails_before_a_tuned_one(self, data, programs):
        picky = Counted(name="picky", fails_at=118)
        pipeline = Pipeline([("a", picky), ("b", Counted()), ("clf", CLF)])
        options = {"cv": KFold(3), "refit": False}
        with pytest.warns(FitFailedWarning), pytest.warns(match="non-finite"):
            ours, _ = both(pipeline, {"b__factor": [1.0, 2.0]}, *data, options)
        assert np.isnan(ours.cv_results_["split0_test_score"]).all()
        assert np.isfinite(ours.cv_results_["split1_test_score"]).all()

    def test_scorers_see_whole_pipelines(self, iris, programs):
        seen = []

        def score(estimator, X, y):
            seen.append(estimator)
            return estimator.score(X, y)

        both(TWO, RATES, *iris, {"scoring": score, "refit": False})
        assert len(seen) == 8
        for one, other in zip(seen[:4], seen[4:], strict=True):
            assert type(other) is Pipeline
            assert str(one) == str(other)
            np.testing.assert_array_equal(one[0].mean_, other[0].mean_)
            np.testing.assert_array_equal(one[-1].labels_, other[-1].labels_)


def sentences(n=60):
    by_class = {
        0: ["letter", "stamp", "post", "parcel", "card"],
        1: ["bank", "money", "loan", "card", "rate"],
        2: ["rain", "wind", "storm", "rate", "cloud"],
    }
    rng = np.random.RandomState(0)
    y = np.arange(n) % 3
    texts = [" ".join(rng.choice(by_class[c], 4)) for c in y]
    # Some sentences have a word of another class.
    for i in range(0, n, 7):
        texts[i] += " " + rng.choice(by_class[(y[i] + 1) % 3])
    return texts, y


class TestTrainedTogether:
    @pytest.mark.parametrize(
        ("steps", "grid"),
        [
            (
                [SelectKBest(k=9), MinMaxScaler(), PCA(4, random_state=0)],
                {"pca__n_components": [3, 5], "minmaxscaler": [None, StandardScaler()]},
            ),
            ([FunctionTransformer(np.log1p), VarianceThreshold(0.01)], {}),
            (
                [
                    make_pipeline(StandardScaler(), PCA(6, random_state=0)),
                    FeatureUnion([("a", MinMaxScaler()), ("b", PCA(2))]),
                ],
                {},
            ),
        ],
        ids=["many", "stateless", "nested"],
    )
    def test_steps(self, steps, grid):
        X, y = load_wine(return_X_y=True)
        pipeline = make_pipeline(*steps, PLAIN)
        check_same_answers(pipeline, {**grid, **RATES}, X, y)

    def test_a_frame_by_columns(self, data):
        X, y = data
        frame = pd.DataFrame(X).add_prefix("column ")
        by_column = ColumnTransformer(
            [("a", StandardScaler(), ["column 0", "column 6"])], remainder="passthrough"
        )
        pipeline, options = make_pipeline(by_column, PLAIN), {"refit": "accuracy"}
        ours, theirs = check_same_answers(pipeline, RATES, frame, y, **options)
        assert list(ours.feature_names_in_) == list(theirs.feature_names_in_)

    def test_steps_are_fitted_on_training_rows_alone(self, data):
        seen = []

        def scorer(fitted, X, y):
            seen.append((fitted[0].n_seen_, len(X)))
            return fitted.score(X, y)

        cv = KFold(4, shuffle=True, random_state=0)
        run(
            LabelSearchCV,
            make_pipeline(Counted(), CLF),
            RATES,
            *data,
            cv=cv,
            **{"scoring": scorer},
        )
        sizes = [(len(train), len(test)) for train, test in cv.split(data[0])]
        assert sorted(seen) == sorted(sizes * 2)

    def test_words(self):
        texts, y = sentences()
        pipeline = make_pipeline(TfidfVectorizer(), PLAIN)
        grid = {"tfidfvectorizer__ngram_range": [(1, 1), (1, 2)], **RATES}
        ours, _ = check_same_answers(pipeline, grid, texts, y)
        assert ours.cv_results_["mean_test_accuracy"].max() > 0.8

    def test_texts_are_encoded_once_a_fold(self):
        seen = []

        class Encoder(Letters):
            def encode(self, texts, **options):
                seen.append(len(texts))
                return super().encode(texts, **options)

        texts, y = sentences()
        pipeline = make_pipeline(TextFeatures(Encoder()), PLAIN)
        ours = run(LabelSearchCV, pipeline, RATES, texts, y)
        # Two folds encode their training and test rows.
        assert len(texts) <= sum(seen) <= 2 * len(texts)
        assert_same_results(ours, run(GridSearchCV, pipeline, RATES, texts, y))


class Pixels(nn.Module):
    """Features that are the pixels of one channel; copies count the images together."""

    seen = 0

    def forward(self, x):
        Pixels.seen += len(x)
        return x[:, 0].flatten(1)


class TestBackbones:
    def test_features_of_frozen_ones_are_trained_together(self):
        clf = clone(PLAIN).set_params(backbone=Pixels())
        grid = {"lr": [1e-3, 1e-2], "update_every": [1, 3]}
        check_same_answers(clf, grid, *digit_images(100))

    def test_frozen_ones_see_each_image_once(self, untrained):
        X, y = digit_images(100)
        grid = {"lr": [1e-3, 1e-2], "l2": [1e-2, 1e-3]}
        Pixels.seen = 0
        estimator = LwALClassifier(backbone=Pixels(), device="cpu")
        LabelSearchCV(estimator, grid, cv=3, refit=False).fit(X, y)
        assert Pixels.seen == len(X)
        assert [len(candidates) for candidates, _ in untrained] == [4]

    def test_frozen_ones_have_equal_results(self, programs, tmp_path):
        X, y = digit_images(60)
        backbone = Backbone(Pixels(), memory=str(tmp_path))
        estimator = clone(CLF).set_params(backbone=backbone)
        seen = []

        def score(estimator, X, y):
            seen.append((estimator.get_params()["lr"], estimator.decision_function(X)))
            return estimator.score(X, y)

        grid = {"lr": [1e-3, 1e-2], "backbone__model": [Pixels(), Pixels()]}
        search, other = both(estimator, grid, X, y, {"scoring": score})
        assert [len(candidates) for candidates, _ in programs] == [2, 2]
        for one, two in zip(seen[:8], seen[8:], strict=True):
            assert one[0] == two[0]
            np.testing.assert_array_equal(one[1], two[1])
        np.testing.assert_array_equal(search.predict(X), other.predict(X))

    def test_trained_ones_are_fitted_alone(self, programs):
        X, y = digit_images(60)
        model = nn.Sequential(nn.AvgPool2d(2), nn.Flatten(), nn.Linear(48, 12))
        estimator = clone(STD).set_params(backbone=Backbone(model, trainable=True))
        both(estimator, {"lr": [1e-3, 1e-2]}, X, y, {"refit": False})
        assert not programs

    def test_one_that_fails(self, programs):
        estimator = clone(CLF).set_params(backbone="resnet0")
        with pytest.raises(ValueError, match=r"All the 4 fits failed(.|\n)*resnet0"):
            LabelSearchCV(estimator, {"lr": [1e-3, 1e-2]}, cv=2).fit(*digit_images(60))
        assert not programs


class Call(NamedTuple):
    name: str
    process: int
    factor: float


class Log:
    """Calls that any process writes into files of a folder."""

    def __init__(self, folder):
        self.folder = folder

    def take(self):
        """All calls since the last time."""
        paths = sorted(self.folder.iterdir())
        lines = [line for path in paths for line in path.read_text().splitlines()]
        for path in paths:
            path.unlink()
        return [Call(a, int(b), float(c)) for a, b, c in map(str.split, lines)]


WORTH_SENDING = "sklearn_lwal.search._preprocessing.WORTH_SENDING"
SHARES = "sklearn_lwal.search._scheduler.shares"


class TestSlowSteps:
    """Other processes fit steps that are slow."""

    FACTORS = {"noted__factor": [0.5, 2.0]}
    OPTIONS = {"cv": 3, "refit": False, "return_train_score": True}

    @pytest.fixture
    def log(self, tmp_path):
        return Log(tmp_path)

    @pytest.fixture
    def step(self, tmp_path):
        """A kind of step that is sent with its code: it multiplies, and notes it."""

        class Noted(TransformerMixin, BaseEstimator):
            def __init__(self, factor=1.0, folder=str(tmp_path), fails_at=None):
                self.factor, self.folder, self.fails_at = factor, folder, fails_at

            def _note(self, name):
                with open(f"{self.folder}/{os.getpid()}", "a") as file:
                    file.write(f"{name} {os.getpid()} {self.factor}\n")

            def fit(self, X, y=None):
                self._note("fit")
                if self.fails_at == self.factor:
                    raise ValueError(f"no such factor as {self.factor}")
                self.n_features_in_ = X.shape[1]
                return self

            def transform(self, X):
                self._note("transform")
                return X * self.factor

        return Noted

    @pytest.fixture
    def slow(self, monkeypatch):
        monkeypatch.setattr(WORTH_SENDING, -1.0)

    def both(self, pipeline, grid, X, y, log, **options):
        """Our search in two processes finds what GridSearchCV does, by these calls."""
        options = self.OPTIONS | options
        theirs = GridSearchCV(pipeline, grid, **options).fit(X, y)
        log.take()
        ours = LabelSearchCV(pipeline, grid, n_jobs=2, **options).fit(X, y)
        for name, scores in theirs.cv_results_.items():
            if "score" in name and "time" not in name:
                np.testing.assert_allclose(ours.cv_results_[name], scores, err_msg=name)
        return log.take()

    @pytest.mark.usefixtures("slow")
    def test_others_fit_after_the_first_fold(self, iris, log, step):
        pipeline = make_pipeline(step(), CLF)
        calls = self.both(pipeline, self.FACTORS | RATES, *iris, log)
        here = [call for call in calls if call.process == os.getpid()]
        # Training rows are transformed twice: to train on, and to be scored.
        assert Counter(call.name for call in here) == {"fit": 1, "transform": 3}
        # Later steps are known to be slow.
        assert {call.factor for call in here} == {0.5}
        assert Counter(call.name for call in calls) == {"fit": 6, "transform": 18}

    @pytest.mark.usefixtures("untrained")
    @pytest.mark.parametrize("n_jobs", [1, 2])
    def test_quick_steps_and_those_of_one_process_are_fitted_here(
        self, iris, log, step, n_jobs, monkeypatch
    ):
        monkeypatch.setattr(WORTH_SENDING, {1: -1.0, 2: 1000.0}[n_jobs])
        monkeypatch.setattr(SHARES, lambda lists, n: [[2]])
        pipeline = make_pipeline(step(), CLF)
        options = {**self.OPTIONS, "n_jobs": n_jobs}
        LabelSearchCV(pipeline, self.FACTORS | RATES, **options).fit(*iris)
        calls = log.take()
        assert {call.process for call in calls} == {os.getpid()}
        assert Counter(call.name for call in calls) == {"fit": 6, "transform": 18}

    @pytest.mark.usefixtures("slow")
    def test_first_steps_are_fitted_once(self, iris, log, step):
        pipeline = make_pipeline(step(), StandardScaler(), CLF)
        grid = {"standardscaler__with_std": [True, False], **self.FACTORS}
        calls = self.both(pipeline, grid, *iris, log)
        assert Counter(call.name for call in calls) == {"fit": 6, "transform": 18}

    @pytest.mark.usefixtures("slow")
    def test_a_step_that_fails_there(self, iris, log, step):
        pipeline = make_pipeline(StandardScaler(), step(fails_at=2.0), CLF)
        words = r"no such factor as 2\.0"
        with pytest.warns(FitFailedWarning, match=words) as found:
            self.both(pipeline, self.FACTORS, *iris, log, error_score=0.25)
        told = [str(w.message) for w in found if "fits failed" in str(w.message)]
        assert len(told) == 2
        assert all("3 fits failed out of a total of 6" in text for text in told)

    @pytest.mark.usefixtures("slow", "programs")
    def test_a_step_that_cannot_be_sent(self, iris, log, step, monkeypatch):
        class Stays(step):
            def __reduce__(self):
                raise TypeError("it stays where it is")

        monkeypatch.setattr(SHARES, lambda lists, n: [[2]])
        steps = make_pipeline(Stays(), CLF).set_params(stays__factor=2.0)
        with pytest.warns(RuntimeWarning, match="are fitted in one process"):
            calls = self.both(steps, RATES, *iris, log)
        assert Counter(call.name for call in calls) == {"fit": 3, "transform": 9}

    def test_rows_that_nobody_needs_again_are_not_sent(self, iris, step):
        X, y = iris
        pipeline = make_pipeline(step(3.0), step(5.0), CLF)
        steps, error, _ = fit_steps(
            pipeline, 0, X, np.arange(90), y[:90], {TEST: (X, np.arange(90, 150))}, {1}
        )
        assert error is None
        assert steps[0].made is None
        assert steps[0].answers == {}
        np.testing.assert_array_equal(steps[1].made, X[:90] * 3.0 * 5.0)
        np.testing.assert_array_equal(steps[1].answers[TEST], X[90:] * 3.0 * 5.0)
