"""Searches over Pipelines and backbones: what comes before the head is done once."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from _helpers.searches import (
    assert_same_answers,
    both,
    both_warned,
    check_same_answers,
    digits,
    wine,
)
from _helpers.stand_ins import Letters
from _helpers.trained import digit_images
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_wine
from sklearn.decomposition import PCA
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.feature_selection import SelectKBest, VarianceThreshold
from sklearn.linear_model import LogisticRegression
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

CLF = LwALClassifier(
    max_epochs=2, lr=5e-3, batch_size=32, standardize=False, random_state=0
)
STD = STDClassifier(
    max_epochs=2, lr=1e-2, batch_size=32, standardize=False, random_state=0
)
HEAD = {
    "lwalclassifier__lr": [1e-3, 1e-2],
    "lwalclassifier__repel_weight": [0.0, 3.0],
}
RATES = {"lwalclassifier__lr": [1e-3, 1e-2]}
WORDS = {
    0: ["letter", "stamp", "post", "parcel", "card"],
    1: ["bank", "money", "loan", "card", "rate"],
    2: ["rain", "wind", "storm", "rate", "cloud"],
}


@pytest.fixture(scope="module")
def data():
    return wine()


def sentences(n=120):
    rng = np.random.RandomState(0)
    y = np.arange(n) % 3
    texts = [" ".join(rng.choice(WORDS[c], 4)) for c in y]
    # Some that are like another class.
    for i in range(0, n, 7):
        texts[i] += " " + rng.choice(WORDS[(y[i] + 1) % 3])
    return texts, y


class Counted(TransformerMixin, BaseEstimator):
    """Centres and scales; all copies count their calls in one place."""

    calls = Counter()

    def __init__(self, factor=1.0, name="counted"):
        self.factor = factor
        self.name = name

    def fit(self, X, y=None):
        self.calls[self.name, "fit", self.factor] += 1
        self.mean_ = np.mean(X, axis=0)
        self.n_seen_ = len(X)
        return self

    def transform(self, X):
        self.calls[self.name, "transform", self.factor] += 1
        return (X - self.mean_) * self.factor


@pytest.fixture
def calls():
    Counted.calls.clear()
    return Counted.calls


def fits(calls, name="counted"):
    """How often a step was fitted, by the value of its factor."""
    return {key[2]: n for key, n in calls.items() if key[:2] == (name, "fit")}


class TestCounts:
    def test_once_a_fold(self, data, calls):
        search = LabelSearchCV(make_pipeline(Counted(), CLF), HEAD, cv=3, refit=False)
        search.fit(*data)
        assert fits(calls) == {1.0: 3}

    def test_and_once_for_the_refit(self, data, calls):
        LabelSearchCV(make_pipeline(Counted(), CLF), HEAD, cv=4).fit(*data)
        assert fits(calls) == {1.0: 5}

    def test_once_a_fold_and_value(self, data, calls):
        grid = {"counted__factor": [0.5, 2.0], **HEAD}
        search = LabelSearchCV(make_pipeline(Counted(), CLF), grid, cv=3, refit=False)
        search.fit(*data)
        assert fits(calls) == {0.5: 3, 2.0: 3}

    def test_values_in_several_grids(self, data, calls):
        grid = [
            {"counted__factor": [0.5], **HEAD},
            {"counted__factor": [0.5, 2.0], "lwalclassifier__update_every": [2, 3]},
        ]
        search = LabelSearchCV(make_pipeline(Counted(), CLF), grid, cv=3, refit=False)
        search.fit(*data)
        assert fits(calls) == {0.5: 3, 2.0: 3}

    def test_whatever_the_groups_and_chunks(self, data, calls):
        grid = {
            "lwalclassifier__output_dim": [2, 1.0],
            "lwalclassifier__hidden_layer_sizes": [(), (4,)],
            "lwalclassifier__batch_size": [16, 32],
        }
        pipeline = make_pipeline(Counted(), CLF)
        LabelSearchCV(pipeline, grid, cv=3, refit=False, max_memory=1).fit(*data)
        assert fits(calls) == {1.0: 3}

    def test_with_train_scores_and_metrics(self, data, calls):
        options = {
            "scoring": ["accuracy", "neg_log_loss"],
            "return_train_score": True,
            "refit": False,
        }
        LabelSearchCV(make_pipeline(Counted(), CLF), HEAD, cv=3, **options).fit(*data)
        assert fits(calls) == {1.0: 3}

    def test_the_steps_before_a_tuned_one(self, data, calls):
        first, second = Counted(name="first"), Counted(name="second")
        pipeline = Pipeline([("a", first), ("b", second), ("clf", CLF)])
        grid = {"b__factor": [0.5, 2.0, 3.0], "clf__lr": [1e-3, 1e-2]}
        LabelSearchCV(pipeline, grid, cv=3, refit=False).fit(*data)
        assert fits(calls, "second") == {0.5: 3, 2.0: 3, 3.0: 3}
        assert fits(calls, "first") == {1.0: 3}

    def test_the_steps_between_tuned_ones(self, data, calls):
        names = {"a": "first", "b": "second", "c": "third"}
        steps = [(step, Counted(name=name)) for step, name in names.items()]
        grid = {"c__factor": [1.0, 2.0], "a__factor": [3.0, 4.0], "clf__lr": [1e-3]}
        pipeline = Pipeline([*steps, ("clf", CLF)])
        LabelSearchCV(pipeline, grid, cv=3, refit=False).fit(*data)
        assert fits(calls, "first") == {3.0: 3, 4.0: 3}
        assert fits(calls, "second") == {1.0: 6}
        assert fits(calls, "third") == {1.0: 6, 2.0: 6}

    def test_the_steps_after_a_tuned_one(self, data, calls):
        first, second = Counted(name="first"), Counted(name="second")
        pipeline = Pipeline([("a", first), ("b", second), ("clf", CLF)])
        grid = {"a__factor": [0.5, 2.0], "clf__lr": [1e-3, 1e-2]}
        LabelSearchCV(pipeline, grid, cv=3, refit=False).fit(*data)
        assert fits(calls, "first") == {0.5: 3, 2.0: 3}
        assert fits(calls, "second") == {1.0: 6}

    def test_weights_of_the_last_step(self, data, calls):
        X, y = data
        weight = np.random.RandomState(0).randint(1, 5, len(y)).astype(float)
        pipeline = make_pipeline(Counted(), CLF)
        search = LabelSearchCV(pipeline, HEAD, cv=3, refit=False)
        search.fit(X, y, lwalclassifier__sample_weight=weight)
        assert fits(calls) == {1.0: 3}

    def test_only_rows_of_training_are_fitted(self, data):
        pipeline = make_pipeline(Counted(), CLF)
        seen = []

        def scorer(fitted, X, y):
            seen.append((fitted[0].n_seen_, len(X)))
            return fitted.score(X, y)

        cv = KFold(4, shuffle=True, random_state=0)
        LabelSearchCV(pipeline, RATES, cv=cv, scoring=scorer).fit(*data)
        sizes = [(len(train), len(test)) for train, test in cv.split(data[0])]
        assert sorted(seen) == sorted(sizes * 2)


class TestAnswers:
    @pytest.mark.parametrize(
        ("steps", "grid"),
        [
            ([StandardScaler()], {"standardscaler__with_mean": [True, False]}),
            ([StandardScaler(), PCA(random_state=0)], {"pca__n_components": [2, 5]}),
            ([SelectKBest(k=5)], {"selectkbest__k": [3, 6]}),
            ([StandardScaler()], {"standardscaler": [MinMaxScaler(), "passthrough"]}),
            ([MinMaxScaler(), None], {}),
            (
                [MinMaxScaler(), StandardScaler(), PCA(4, random_state=0)],
                {"pca__n_components": [3, 5], "standardscaler": [None, MinMaxScaler()]},
            ),
            ([MinMaxScaler(), "passthrough"], {}),
            ([FunctionTransformer(np.log1p), VarianceThreshold(0.01)], {}),
            ([FeatureUnion([("a", MinMaxScaler()), ("b", PCA(2))])], {}),
            ([make_pipeline(StandardScaler(), PCA(6, random_state=0))], {}),
        ],
    )
    def test_of_steps(self, steps, grid):
        X, y = load_wine(return_X_y=True)
        pipeline = make_pipeline(*steps, CLF)
        ours, theirs = check_same_answers(pipeline, {**grid, **RATES}, X, y)
        assert type(ours.best_estimator_) is Pipeline
        np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))
        assert list(ours.cv_results_) == list(theirs.cv_results_)

    def test_a_step_called_last(self, data):
        pipeline = Pipeline([("last", StandardScaler()), ("x", PCA(3)), ("clf", CLF)])
        check_same_answers(pipeline, {"clf__lr": [1e-3, 1e-2]}, *data)

    def test_the_pipelines_own_parameters(self, data, tmp_path):
        steps = [("scale", StandardScaler()), ("clf", CLF)]
        others = [("scale", MinMaxScaler()), ("pca", PCA(4)), ("clf", CLF)]
        ours, theirs = both(Pipeline(steps), {"steps": [steps, others]}, *data)
        for search in (ours, theirs):
            search.cv_results_["params"] = list(map(str, search.cv_results_["params"]))
            search.best_params_ = str(search.best_params_)
        assert_same_answers(ours, theirs)
        memory = {"memory": [None, str(tmp_path)]}
        check_same_answers(Pipeline(steps), memory, *data)

    def test_a_step_that_fails_before_a_tuned_one(self, data):
        class Picky(Counted):
            def fit(self, X, y=None):
                if len(X) == 118:
                    raise ValueError("These are not enough rows.")
                return super().fit(X, y)

        pipeline = Pipeline([("a", Picky()), ("b", Counted()), ("clf", CLF)])
        grid = {"b__factor": [1.0, 2.0]}
        ours, theirs, _ = both_warned(pipeline, grid, *data, cv=KFold(3))
        lost = np.isnan(theirs.cv_results_["split0_test_accuracy"])
        assert lost.all()
        assert_same_answers(ours, theirs)

    def test_of_another_last_step(self, data):
        pipeline = Pipeline([("scale", StandardScaler()), ("clf", CLF)])
        grid = [
            {"clf": [CLF, STD], "clf__lr": [1e-3, 1e-2]},
            {"clf": [LogisticRegression()], "clf__C": [0.1, 1.0]},
            {"clf": [STD], "clf__label_smoothing": [0.0, 0.2]},
        ]
        ours, theirs = both(pipeline, grid, *data)
        for search in (ours, theirs):
            # Estimators compare by identity.
            search.cv_results_["params"] = list(map(str, search.cv_results_["params"]))
            search.best_params_ = str(search.best_params_)
        assert_same_answers(ours, theirs)

    def test_of_the_last_step_alone(self, data):
        pipeline = make_pipeline(CLF)
        check_same_answers(pipeline, HEAD, *data)

    def test_weights_and_train_scores(self, data):
        X, y = data
        weight = np.random.RandomState(0).randint(0, 5, len(y)).astype(float)
        pipeline = make_pipeline(StandardScaler(), CLF)
        fit = {"lwalclassifier__sample_weight": weight}
        check_same_answers(pipeline, HEAD, X, y, fit, return_train_score=True)
        fit["standardscaler__sample_weight"] = weight
        check_same_answers(pipeline, HEAD, X, y, fit)

    def test_memory(self, data, tmp_path):
        pipeline = make_pipeline(StandardScaler(), CLF, memory=str(tmp_path))
        check_same_answers(pipeline, HEAD, *data)

    def test_a_frame_by_columns(self, data):
        X, y = data
        frame = pd.DataFrame(X).add_prefix("column ")
        by_column = ColumnTransformer(
            [("a", StandardScaler(), ["column 0", "column 6"])], remainder="passthrough"
        )
        ours, theirs = check_same_answers(make_pipeline(by_column, CLF), HEAD, frame, y)
        assert list(ours.feature_names_in_) == list(theirs.feature_names_in_)

    def test_frames_between_the_steps(self, data):
        X, y = data
        frame = pd.DataFrame(X).add_prefix("column ")
        scaler = StandardScaler().set_output(transform="pandas")
        fitted = check_same_answers(make_pipeline(scaler, CLF), HEAD, frame, y)
        names = [search.best_estimator_[-1].feature_names_in_ for search in fitted]
        assert list(names[0]) == list(names[1])

    def test_a_generator_in_a_step(self, data):
        state = np.random.RandomState(0)
        pca = PCA(4, svd_solver="randomized", random_state=state)
        check_same_answers(make_pipeline(pca, CLF), HEAD, *data)

    def test_a_subclass_of_pipeline(self, data):
        class Halved(Pipeline):
            def predict(self, X, **params):
                return super().predict(X, **params) // 2

        pipeline = Halved([("scale", StandardScaler()), ("clf", CLF)])
        check_same_answers(
            pipeline, {"clf__lr": [1e-3, 1e-2]}, *data, scoring="accuracy"
        )

    def test_pipelines_within(self, data):
        inner = make_pipeline(MinMaxScaler(), CLF)
        pipeline = Pipeline([("scale", StandardScaler()), ("inner", inner)])
        grid = {"inner__lwalclassifier__lr": [1e-3, 1e-2]}
        check_same_answers(pipeline, grid, *data)

    def test_nothing_is_fitted_in_place(self, data):
        scaler = StandardScaler()
        LabelSearchCV(make_pipeline(scaler, CLF), HEAD, cv=3).fit(*data)
        assert not hasattr(scaler, "mean_")


class TestTexts:
    def test_words(self):
        texts, y = sentences()
        pipeline = make_pipeline(TfidfVectorizer(), CLF)
        grid = {"tfidfvectorizer__ngram_range": [(1, 1), (1, 2)], **HEAD}
        ours, _ = check_same_answers(pipeline, grid, texts, y)
        assert ours.best_score_ > 0.8

    def test_are_encoded_once_a_fold(self):
        seen = []

        class Encoder(Letters):
            def encode(self, texts, **options):
                seen.append(len(texts))
                return super().encode(texts, **options)

        texts, y = sentences()
        pipeline = make_pipeline(TextFeatures(Encoder()), CLF)
        LabelSearchCV(pipeline, HEAD, cv=3, refit=False).fit(texts, y)
        # Training and held-out rows of three folds.
        assert len(texts) <= sum(seen) <= 3 * len(texts)
        check_same_answers(pipeline, HEAD, texts, y)


class Pixels(nn.Module):
    """Features that are the pixels of one channel; copies count the images together."""

    seen = 0

    def forward(self, x):
        Pixels.seen += len(x)
        return x[:, 0].flatten(1)


class TestBackbones:
    GRID = {"lr": [1e-3, 1e-2], "update_every": [1, 3]}

    def test_answers(self):
        images, y = digit_images(150)
        clf = clone(CLF).set_params(backbone=Pixels())
        check_same_answers(clf, self.GRID, images, y)
        frozen = GridSearchCV(clf, self.GRID, cv=3, scoring="neg_log_loss")
        pixels = LabelSearchCV(CLF, self.GRID, cv=3, scoring="neg_log_loss")
        X, _ = digits(150)
        assert_same_answers(pixels.fit(X / 16, y), frozen.fit(images, y))

    def test_each_image_is_seen_once_a_fold_at_most(self):
        images, y = digit_images(120)
        clf = clone(CLF).set_params(backbone=Pixels())
        Pixels.seen = 0
        LabelSearchCV(clf, self.GRID, cv=3, refit=False).fit(images, y)
        # Training and held-out images of three folds, and some to tell their size.
        assert 120 <= Pixels.seen <= 3 * 120 + 3

    def test_that_are_trained(self):
        images, y = digit_images(60)
        backbone = nn.Sequential(nn.AvgPool2d(2), nn.Flatten(), nn.Linear(48, 12))
        clf = clone(CLF).set_params(backbone=Backbone(backbone, trainable=True))
        check_same_answers(clf, {"lr": [1e-3, 1e-2]}, images, y, cv=2)
