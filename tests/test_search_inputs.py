"""Whatever rows, labels, weights and folds a search is given, it answers as ever."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
import sklearn
from searches import (
    assert_same_answers,
    assert_same_results,
    both,
    both_warned,
    check_same_answers,
    digits,
    run,
    texts,
    wine,
)
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.exceptions import FitFailedWarning
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    LeaveOneGroupOut,
    PredefinedSplit,
    RepeatedStratifiedKFold,
    ShuffleSplit,
    StratifiedKFold,
)

from sklearn_lwal import (
    LabelEmbedClassifier,
    LabelSearchCV,
    LwALClassifier,
    LWRClassifier,
    StaticLabelClassifier,
    STDClassifier,
)

CLF = LwALClassifier(max_epochs=2, lr=5e-3, batch_size=32, random_state=0)
STD = STDClassifier(max_epochs=2, lr=1e-2, batch_size=32, random_state=0)
GRID = {"lr": [1e-3, 1e-2], "repel_weight": [0.0, 3.0]}
RATES = {"lr": [1e-3, 1e-2]}
EACH = [
    CLF,
    STD,
    StaticLabelClassifier(max_epochs=2, random_state=0),
    LWRClassifier(max_epochs=2, update_every=1, random_state=0),
    LabelEmbedClassifier(max_epochs=2, random_state=0),
]
FAILED = "{} fits failed out of a total of {}."
each_classifier = pytest.mark.parametrize("clf", EACH, ids=lambda c: type(c).__name__)


@pytest.fixture(scope="module")
def data():
    return wine()


class TestWeights:
    @each_classifier
    def test_of_rows(self, clf, data):
        X, y = data
        weight = np.random.RandomState(0).randint(0, 4, len(y)).astype(float)
        ours, theirs = both(clf, RATES, X, y, {"sample_weight": weight})
        assert_same_answers(ours, theirs)
        plain = GridSearchCV(clf, RATES, cv=3, scoring="neg_log_loss").fit(X, y)
        weighted = ours.cv_results_["mean_test_neg_log_loss"]
        assert np.abs(weighted - plain.cv_results_["mean_test_score"]).max() > 2e-3

    def test_of_rows_and_classes(self, data):
        X, y = data
        weight = np.random.RandomState(0).rand(len(y))
        grid = {"class_weight": [None, "balanced", {1: 4.0}], **RATES}
        check_same_answers(CLF, grid, X[20:], y[20:], {"sample_weight": weight[20:]})

    def test_hidden_layers_and_stopping(self, data):
        X, y = data
        weight = np.random.RandomState(0).randint(0, 3, len(y)).astype(float)
        clf = clone(CLF).set_params(early_stopping=True, max_epochs=6)
        grid = {"hidden_layer_sizes": [(), (6,)], "n_iter_no_change": [1, 2]}
        check_same_answers(clf, grid, X, y, {"sample_weight": weight})

    def test_in_a_list(self, data):
        X, y = data
        weight = np.linspace(0.5, 2, len(y))
        check_same_answers(CLF, RATES, X, y, {"sample_weight": weight.tolist()})

    @pytest.mark.parametrize("scored", [False, True])
    def test_routed(self, data, scored):
        X, y = data
        weight = np.random.RandomState(0).randint(1, 9, len(y)).astype(float)
        groups = np.arange(len(y)) % 5
        with sklearn.config_context(enable_metadata_routing=True):
            clf = clone(CLF).set_fit_request(sample_weight=True)
            clf.set_score_request(sample_weight=scored)
            fit = {"sample_weight": weight, "groups": groups}
            options = {"cv": GroupKFold(3), "scoring": None}
            ours, theirs = both(clf, GRID, X, y, fit, **options)
            assert_same_answers(ours, theirs)
            score = {"sample_weight": weight} if scored else {}
            assert ours.score(X, y, **score) == theirs.score(X, y, **score)

    def test_that_leave_a_fold_one_class(self, data):
        X, y = data
        weight = np.where(y == 0, 1.0, 0.0)
        weight[-5:] = 1
        cv = [(np.arange(178), np.arange(178)), (np.arange(120), np.arange(178))]
        search = {"cv": cv, "scoring": "accuracy", "refit": False}
        weights = {"sample_weight": weight}
        ours, theirs, told = both_warned(CLF, RATES, X, y, weights, **search)
        assert_same_results(ours, theirs)
        # It is what the model then predicts, as that of LogisticRegression does.
        assert told == []
        assert np.isfinite(ours.cv_results_["split1_test_score"]).all()


class TestRows:
    @pytest.mark.parametrize(
        ("clf", "form"), [*((clf, sp.csr_array) for clf in EACH), (CLF, sp.csc_matrix)]
    )
    def test_sparse(self, clf, form):
        X, y = digits(200)
        check_same_answers(clf, RATES, form(X), y)

    @pytest.mark.parametrize(
        "form",
        [
            lambda X: pd.DataFrame(X).add_prefix("column "),
            lambda X: pd.DataFrame(X, index=np.arange(len(X))[::-1]),
            lambda X: pd.DataFrame(np.abs(X)).astype(pd.SparseDtype(float, 0)),
            lambda X: pl.DataFrame(X),
            lambda X: X.tolist(),
            lambda X: np.asfortranarray(X),
            lambda X: X.astype(np.float32),
            lambda X: np.round(10 * X).astype(np.int16),
        ],
        ids=[
            "frame",
            "index",
            "sparse-frame",
            "polars",
            "list",
            "Fortran",
            "float32",
            "int16",
        ],
    )
    def test_containers(self, data, form):
        X, y = data
        X = form(X)
        ours, theirs = check_same_answers(CLF, RATES, X, y)
        assert ours.n_features_in_ == theirs.n_features_in_
        named = hasattr(theirs, "feature_names_in_")
        assert hasattr(ours, "feature_names_in_") == named
        if named:
            assert list(ours.feature_names_in_) == list(theirs.feature_names_in_)
        np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))

    def test_read_only(self, data):
        X, y = (part.copy() for part in data)
        before = X.copy()
        X.flags.writeable = y.flags.writeable = False
        check_same_answers(CLF, RATES, X, y)
        np.testing.assert_array_equal(X, before)

    def test_units_do_not_matter(self):
        check_same_answers(CLF, GRID, *load_wine(return_X_y=True))

    def test_more_features_than_rows(self):
        X, y = texts(5, 8)
        grid = {"output_dim": [2, 1.0], **RATES}
        check_same_answers(CLF, grid, X, y)

    def test_one_feature(self, data):
        X, y = data
        check_same_answers(CLF, RATES, X[:, 6:7], y)

    def test_constant_columns(self, data):
        X, y = data
        X = np.column_stack([X, np.full(len(X), 7.0), np.zeros(len(X))])
        check_same_answers(CLF, GRID, X, y)


class TestLabels:
    @pytest.mark.parametrize(
        "form",
        [
            lambda y: np.array(["kept", "cut", "burnt"])[y],
            lambda y: np.array(["kept", "cut", "burnt"], dtype=object)[y],
            lambda y: y.astype(float) - 1,
            lambda y: pd.Series(
                np.array(["b", "a", "c"])[y], index=range(7, 7 + len(y))
            ),
            lambda y: pd.Series(pd.Categorical(np.array(["b", "a", "c"])[y])),
            lambda y: [["b", "a", "c"][i] for i in y],
        ],
        ids=["str", "object", "float", "series", "categorical", "list"],
    )
    def test_names(self, data, form):
        X, y = data[0], form(data[1])
        ours, theirs = check_same_answers(CLF, RATES, X, y)
        np.testing.assert_array_equal(ours.classes_, theirs.classes_)
        np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))

    @each_classifier
    def test_binary(self, clf):
        X, y = load_breast_cancer(return_X_y=True)
        scoring = ["accuracy", "neg_log_loss", "roc_auc", "average_precision", "f1"]
        options = {"scoring": scoring, "refit": "accuracy"}
        check_same_answers(clf, RATES, X[:200], y[:200], **options)

    def test_bool(self, data):
        X, y = data
        check_same_answers(CLF, GRID, X, y == 1)

    def test_of_named_vectors(self, data):
        X, y = data
        names = np.array(["kept", "cut", "burnt"])
        near = {"kept": [0.0, 1.0], "cut": [0.2, 0.9], "burnt": [1.0, -1.0]}
        far = {"kept": [1.0, 0, 0], "cut": [0, 1.0, 0], "burnt": [0, 0, 1.0]}
        clf = StaticLabelClassifier(max_epochs=3, lr=0.01, random_state=0)
        grid = {"label_embeddings": [near, far, None], **RATES}
        check_same_answers(clf, grid, X, names[y])


class TestFolds:
    @pytest.mark.parametrize("clf", EACH[:2], ids=["LwAL", "STD"])
    def test_a_class_is_missing(self, clf, data):
        """Rows in order of their class: each fold trains on the two others."""
        options = {"cv": KFold(3), "scoring": ["accuracy", "balanced_accuracy"]}
        with warnings.catch_warnings():
            # The classes of the held-out rows are never predicted.
            warnings.simplefilter("ignore", UserWarning)
            ours, _ = check_same_answers(clf, RATES, *data, refit="accuracy", **options)
        assert min(ours.cv_results_["split0_test_accuracy"]) < 0.5

    @each_classifier
    def test_a_rare_class_is_missing_in_one_fold(self, clf, data):
        X, y = (part[:-45] for part in data)  # three rows of the last class
        cv = [(np.arange(0, 130), np.arange(60, 133)), (np.arange(133), np.arange(133))]
        check_same_answers(clf, RATES, X, y, cv=cv, scoring="accuracy")

    def test_of_one_class_alone(self, data):
        X, y = data
        cv = [(np.arange(50), np.arange(178)), (np.arange(178), np.arange(178))]
        options = {"cv": cv, "scoring": "accuracy", "refit": False}
        ours, theirs, told = both_warned(CLF, GRID, X, y, **options)
        assert_same_results(ours, theirs)
        assert (FitFailedWarning, FAILED.format(4, 8)) in told
        assert np.isnan(ours.cv_results_["split0_test_score"]).all()
        assert (ours.cv_results_["split1_test_score"] > 0.9).all()

    @pytest.mark.parametrize(
        ("clf", "batch_size"), [*((clf, 56) for clf in EACH), (CLF, 32), (CLF, "auto")]
    )
    def test_rows_that_do_not_divide(self, clf, batch_size):
        """Folds of 112 and 113 rows: two batches of 56, or three."""
        X, y = (part[:150] for part in digits())
        clf = clone(clf).set_params(batch_size=batch_size, max_epochs=3)
        check_same_answers(clf, RATES, X, y, cv=KFold(4), scoring="accuracy")

    @pytest.mark.parametrize("clf", EACH[:2], ids=["LwAL", "STD"])
    def test_of_very_different_sizes(self, clf, data):
        rows = np.random.RandomState(0).permutation(178)
        sizes = (40, 41, 64, 65, 130, 178)
        cv = [(rows[:n], rows[::-1][: n // 3 + 1]) for n in sizes]
        check_same_answers(clf, RATES, *data, cv=cv, scoring="accuracy")

    def test_with_rows_that_repeat(self, data):
        rng = np.random.RandomState(0)
        cv = [(rng.randint(0, 178, 150), np.arange(178)[::-1]) for _ in range(3)]
        check_same_answers(CLF, GRID, *data, cv=cv)

    @pytest.mark.parametrize(
        "cv",
        [
            lambda: StratifiedKFold(
                3, shuffle=True, random_state=np.random.RandomState(1)
            ),
            lambda: ShuffleSplit(3, random_state=np.random.RandomState(1)),
            lambda: RepeatedStratifiedKFold(n_splits=2, n_repeats=2, random_state=1),
            lambda: PredefinedSplit(np.arange(178) % 4 - 1),
            lambda: ShuffleSplit(1, random_state=0),
            lambda: iter([*StratifiedKFold(3).split(np.zeros(178), wine()[1])]),
            lambda: 4,
            lambda: None,
        ],
        ids=[
            "shuffled",
            "random",
            "repeated",
            "predefined",
            "single",
            "iterator",
            "number",
            "none",
        ],
    )
    def test_splitters(self, data, cv):
        fitted = [
            Search(CLF, RATES, cv=cv(), scoring="neg_log_loss").fit(*data)
            for Search in (LabelSearchCV, GridSearchCV)
        ]
        assert_same_answers(*fitted)

    def test_random_splits_are_drawn_once(self, data):
        grid = [{"lr": [1e-2]}, {"lr": [1e-2]}, {"lr": [1e-2], "compile": [False]}]
        search = LabelSearchCV(CLF, grid, cv=ShuffleSplit(2), scoring="neg_log_loss")
        results = search.fit(*data).cv_results_
        for i in range(2):
            assert np.ptp(results[f"split{i}_test_score"]) < 1e-3

    def test_by_groups(self, data):
        X, y = data
        groups = np.repeat([0, 1, 2, 3, 4], 36)[:178][np.argsort(np.arange(178) % 7)]
        fit = {"groups": groups}
        options = {"cv": LeaveOneGroupOut(), "scoring": "accuracy"}
        check_same_answers(CLF, RATES, X, y, fit, **options)

    def test_a_splitter_of_the_user_sees_the_rows(self, data):
        X, y = data
        frame = pd.DataFrame(X).add_prefix("column ")
        seen = []

        class Splitter(StratifiedKFold):
            def split(self, X, y=None, groups=None):
                seen.append(X)
                return super().split(X, y, groups)

        LabelSearchCV(CLF, RATES, cv=Splitter(3)).fit(frame, y)
        assert seen
        assert all(rows is frame for rows in seen)


def n_different(losses):
    return 1 + int((np.diff(np.sort(losses, axis=None)) > 1e-7).sum())


class TestRandomState:
    def test_a_generator(self, data):
        """Each candidate and fold gets a copy of it, as clones do."""
        state = np.random.RandomState(3)
        before = state.get_state()[1].copy()
        clf = clone(CLF).set_params(init="random", random_state=state)
        check_same_answers(clf, GRID, *data)
        np.testing.assert_array_equal(state.get_state()[1], before)

    def test_generators_in_the_grid(self, data):
        clf = clone(CLF).set_params(init="random")
        states = [0, np.random.RandomState(0), np.random.RandomState(1)]
        ours, theirs = both(clf, {"random_state": states}, *data, refit=False)
        for i in range(2):
            key = f"split{i}_test_neg_log_loss"
            expected = theirs.cv_results_[key]
            np.testing.assert_allclose(ours.cv_results_[key], expected, atol=1e-3)

    def test_none_is_another_seed_for_each_fold(self, data):
        clf = clone(CLF).set_params(init="random", random_state=None)
        grid = [{"lr": [1e-2]}] * 3
        searches = [*both(clf, grid, *data), run(LabelSearchCV, clf, grid, *data)]
        losses = [
            [s.cv_results_[f"split{i}_test_neg_log_loss"] for i in range(2)]
            for s in searches
        ]
        # Candidates that start alike share what a fold draws, and differ in the last
        # digits at most; those of GridSearchCV each draw their own.
        assert [n_different(found) for found in losses] == [2, 6, 2]
        assert n_different([losses[0], losses[2]]) == 4
        means = [np.mean(found) for found in losses]
        assert np.ptp(means) < 0.2
