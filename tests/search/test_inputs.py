"""All rows, labels, weights, folds and seeds give the results of GridSearchCV."""

import importlib.util
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
import sklearn
from _helpers.searches import (
    CLF,
    EACH,
    FAILED,
    GRID,
    RATES,
    assert_same_results,
    both,
    both_warned,
    check_same_answers,
    digits,
    each_classifier,
    run,
    texts,
)
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.exceptions import FitFailedWarning
from sklearn.model_selection import GroupKFold, KFold, LeaveOneOut
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_lwal import LabelSearchCV, StaticLabelClassifier

RATE = {"lr": [1e-2]}
TWO_PROGRAMS = {"class_weight": [None, "balanced"], "lr": [1e-3]}


class TestWeights:
    @each_classifier
    def test_weights_of_sparse_rows_count(self, clf):
        X, y = digits(200)
        weight = np.random.RandomState(0).randint(0, 4, len(y)).astype(float)
        rows = sp.csr_array(X)
        ours, _ = check_same_answers(clf, RATES, rows, y, {"sample_weight": weight})
        plain = run(LabelSearchCV, clf, RATES, rows, y)
        key = "mean_test_neg_log_loss"
        change = ours.cv_results_[key] - plain.cv_results_[key]
        assert np.abs(change).max() > 2e-3

    def test_class_weights_multiply_weights_in_a_list(self, data):
        X, y = (part[20:] for part in data)
        fit = {"sample_weight": np.random.RandomState(0).rand(len(y)).tolist()}
        grid = {"class_weight": [None, "balanced", {1: 4.0}], "lr": [1e-2]}
        check_same_answers(CLF, grid, X, y, fit)

    def test_weights_count_in_hidden_layers_and_early_stopping(self, data):
        X, y = data
        weight = np.random.RandomState(0).randint(0, 3, len(y)).astype(float)
        clf = clone(CLF).set_params(early_stopping=True, max_epochs=6)
        grid = {"hidden_layer_sizes": [(), (6,)], "n_iter_no_change": [1, 2]}
        check_same_answers(clf, grid, X, y, {"sample_weight": weight})

    @pytest.mark.parametrize("scored", [False, True])
    def test_weights_are_routed(self, data, scored):
        X, y = data
        weight = np.random.RandomState(0).randint(1, 9, len(y)).astype(float)
        groups = np.arange(len(y)) % 5
        with sklearn.config_context(enable_metadata_routing=True):
            clf = clone(CLF).set_fit_request(sample_weight=True)
            clf.set_score_request(sample_weight=scored)
            fit = {"sample_weight": weight, "groups": groups}
            options = {"cv": GroupKFold(2), "scoring": None, "refit": True}
            ours, theirs = check_same_answers(clf, RATES, X, y, fit, **options)
            score = {"sample_weight": weight} if scored else {}
            assert ours.score(X, y, **score) == theirs.score(X, y, **score)

    def test_weights_may_leave_a_fold_one_class(self, data):
        X, y = data
        weight = np.where(y == 0, 1.0, 0.0)
        weight[-5:] = 1
        cv = [(np.arange(178), np.arange(178)), (np.arange(120), np.arange(178))]
        options = {"cv": cv, "scoring": "accuracy"}
        fit = {"sample_weight": weight}
        ours, theirs, told = both_warned(CLF, RATES, X, y, fit, **options)
        assert_same_results(ours, theirs)
        # The model then predicts this class, as LogisticRegression's does.
        assert told == []
        assert np.isfinite(ours.cv_results_["split1_test_score"]).all()

    def test_one_weight_counts_for_all_rows(self, data):
        pipeline = make_pipeline(StandardScaler(), CLF)
        grid = {"lwalclassifier__lr": [1e-3, 1e-2]}
        check_same_answers(
            pipeline, grid, *data, {"lwalclassifier__sample_weight": 2.0}
        )

    def test_scores_of_held_out_rows_without_weight(self, mixed):
        weight = np.random.RandomState(0).rand(178)
        weight[:60] = 0
        options = {"cv": KFold(3), "scoring": None}
        fit = {"sample_weight": weight}
        # The result depends on the version of scikit-learn.
        ours, theirs, _ = both_warned(CLF, RATES, *mixed, fit, **options)
        assert_same_results(ours, theirs)


def named(X):
    return pd.DataFrame(X).add_prefix("column ")


FORMS = {
    "frame": named,
    "index": lambda X: pd.DataFrame(X, index=np.arange(len(X))[::-1]),
    "sparse-frame": lambda X: pd.DataFrame(np.abs(X)).astype(pd.SparseDtype(float, 0)),
    "polars": lambda X: pl.DataFrame(X),
    "list": lambda X: X.tolist(),
    "csc": lambda X: sp.csc_matrix(np.abs(X)),
    "Fortran": np.asfortranarray,
    "float32": lambda X: X.astype(np.float32),
    "int16": lambda X: np.round(10 * X).astype(np.int16),
}


class TestRows:
    @pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
    def test_containers_are_read_alike(self, data, form):
        X, y = form(data[0]), np.array(["a", "b", "c"])[data[1]]
        # The second candidate is fitted alone.
        grid = [{"lr": [1e-3]}, {"lr": [1e-2], "callbacks": [[]]}]
        ours, theirs = check_same_answers(CLF, grid, X, y, refit="accuracy")
        assert ours.n_features_in_ == theirs.n_features_in_
        names = "feature_names_in_"
        assert hasattr(ours, names) == hasattr(theirs, names)
        assert [*getattr(ours, names, "")] == [*getattr(theirs, names, "")]
        np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))

    def test_read_only_rows_stay(self, data):
        X, y = (part.copy() for part in data)
        X.flags.writeable = y.flags.writeable = False
        check_same_answers(CLF, RATE, X, y)
        np.testing.assert_array_equal(X, data[0])

    @pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
    def test_every_program_knows_the_names_of_columns(self, data, frame):
        X = frame({f"column {i}": column for i, column in enumerate(data[0].T)})
        # Rows without names would bring a warning, which is an error here.
        check_same_answers(CLF, TWO_PROGRAMS, X, data[1])
        pipeline = make_pipeline(StandardScaler().set_output(transform="pandas"), CLF)
        grid = {f"lwalclassifier__{name}": v for name, v in TWO_PROGRAMS.items()}
        check_same_answers(pipeline, grid, X, data[1])

    def test_units_and_constant_columns_do_not_matter(self):
        X, y = load_wine(return_X_y=True)
        X = np.column_stack([X, np.full(len(X), 7.0), np.zeros(len(X))])
        check_same_answers(CLF, GRID, X, y)

    def test_more_features_than_rows(self):
        X, y = texts(5, 8)
        check_same_answers(CLF, {"output_dim": [2, 1.0], **RATES}, X, y)

    @pytest.mark.skipif(
        importlib.util.find_spec("sklearn.callback") is None,
        reason="scikit-learn has its own array API by 1.9",
    )
    @pytest.mark.parametrize("scoring", [None, "neg_log_loss"])
    def test_array_api_dispatch(self, data, scoring, monkeypatch):
        monkeypatch.setenv("SCIPY_ARRAY_API", "1")
        with sklearn.config_context(array_api_dispatch=True):
            check_same_answers(CLF, RATES, *data, scoring=scoring)


class TestDimensionsOfOne:
    """Rows and columns lie alike in memory there."""

    @pytest.mark.parametrize(
        "grid",
        [
            {"batch_size": [1, 4]},
            {"output_dim": [1, 2]},
            {"output_dim": [1], "batch_size": [1], "label_update": ["batch"]},
        ],
        ids=["batch", "latent", "both"],
    )
    def test_one_row_of_a_batch_or_one_latent_dimension(self, mixed, grid):
        X, y = (part[:40] for part in mixed)
        ours, theirs = check_same_answers(CLF, grid, X, y)
        # Programs then hold one candidate.
        assert_same_results(ours.set_params(max_memory=1).fit(X, y), theirs)

    def test_one_row_of_a_fold(self, mixed):
        X, y = (part[:6] for part in mixed)
        options = {"cv": LeaveOneOut(), "scoring": "accuracy"}
        check_same_answers(CLF, RATE, X, y, **options)

    def test_one_feature_is_enough(self, data):
        X, y = data
        check_same_answers(CLF, RATES, X[:, 6:7], y)


LABELS = {
    "object": lambda y: np.array(["kept", "cut", "burnt"], dtype=object)[y],
    "float": lambda y: y.astype(float) - 1,
    "series": lambda y: pd.Series(np.array([*"bac"])[y], index=range(7, 7 + len(y))),
    "categorical": lambda y: pd.Series(pd.Categorical(np.array([*"bac"])[y])),
    "list": lambda y: [[*"bac"][i] for i in y],
    "bool": lambda y: y == 1,
    "column": lambda y: y[:, None],
    "frame": lambda y: pd.DataFrame(y),
}


class TestLabels:
    @pytest.mark.filterwarnings("ignore:A column-vector")
    @pytest.mark.parametrize("form", LABELS.values(), ids=LABELS)
    def test_labels_are_read_alike(self, data, form):
        X, y = data[0], form(data[1])
        options = {"scoring": None, "refit": True}
        ours, theirs = check_same_answers(CLF, RATE, X, y, **options)
        assert ours.best_score_ > 0.65
        np.testing.assert_array_equal(ours.classes_, theirs.classes_)
        np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))

    @each_classifier
    def test_two_classes_have_their_own_metrics(self, clf):
        X, y = load_breast_cancer(return_X_y=True)
        scoring = ["accuracy", "neg_log_loss", "roc_auc", "average_precision", "f1"]
        check_same_answers(clf, RATE, X[:200], y[:200], scoring=scoring)

    def test_named_vectors_belong_to_their_classes(self, data):
        X, y = data
        names = np.array(["kept", "cut", "burnt"])
        near = {"kept": [0.0, 1.0], "cut": [0.2, 0.9], "burnt": [1.0, -1.0]}
        far = {"kept": [1.0, 0, 0], "cut": [0, 1.0, 0], "burnt": [0, 0, 1.0]}
        clf = StaticLabelClassifier(max_epochs=3, lr=0.01, random_state=0)
        grid = {"label_embeddings": [near, far, None]}
        check_same_answers(clf, grid, X, names[y])


class TestFolds:
    @pytest.mark.parametrize("clf", EACH[:2], ids=["LwAL", "STD"])
    def test_a_class_is_missing(self, clf, data):
        """Rows in order of their class: each fold trains on the two others."""
        options = {"cv": KFold(3), "scoring": ["accuracy", "balanced_accuracy"]}
        with warnings.catch_warnings():
            # The classes of the held-out rows are never predicted.
            warnings.simplefilter("ignore", UserWarning)
            ours, _ = check_same_answers(clf, RATE, *data, **options)
        assert min(ours.cv_results_["split0_test_accuracy"]) < 0.5

    @each_classifier
    def test_a_rare_class_is_missing_in_one_fold(self, clf, data):
        X, y = (part[:-45] for part in data)  # three rows of the last class
        cv = [(np.arange(0, 130), np.arange(60, 133)), (np.arange(133), np.arange(133))]
        check_same_answers(clf, RATE, X, y, cv=cv, scoring="accuracy")

    def test_a_fold_of_one_class_fails_alone(self, data):
        X, y = data
        cv = [(np.arange(50), np.arange(178)), (np.arange(178), np.arange(178))]
        options = {"cv": cv, "scoring": "accuracy"}
        ours, theirs, told = both_warned(CLF, RATES, X, y, **options)
        assert_same_results(ours, theirs)
        assert (FitFailedWarning, FAILED.format(2, 4)) in told
        assert np.isnan(ours.cv_results_["split0_test_score"]).all()
        assert (ours.cv_results_["split1_test_score"] > 0.9).all()

    @pytest.mark.parametrize(
        ("clf", "batch_size"), [*((clf, 56) for clf in EACH), (CLF, 32), (CLF, "auto")]
    )
    def test_rows_that_do_not_divide(self, clf, batch_size):
        """Folds of 112 and 113 rows: two batches of 56, or three."""
        X, y = (part[:150] for part in digits())
        clf = clone(clf).set_params(batch_size=batch_size, max_epochs=3)
        check_same_answers(clf, RATE, X, y, cv=[*KFold(4).split(X)][1:3])

    @pytest.mark.parametrize("clf", EACH[:2], ids=["LwAL", "STD"])
    def test_very_different_sizes(self, clf, data):
        rows = np.random.RandomState(0).permutation(178)
        sizes = (40, 41, 65, 178)
        cv = [(rows[:n], rows[::-1][: n // 3 + 1]) for n in sizes]
        check_same_answers(clf, RATE, *data, cv=cv, scoring="accuracy")

    def test_rows_that_repeat(self, data):
        rng = np.random.RandomState(0)
        cv = [(rng.randint(0, 178, 150), np.arange(178)[::-1]) for _ in range(2)]
        check_same_answers(CLF, GRID, *data, cv=cv)

    def test_folds_that_share_rows(self, data):
        some, others = np.arange(0, 178, 2), np.arange(1, 178, 2)
        cv = [(some, others), (some, some), (some, others[::2]), (others, some)]
        grid = [{"callbacks": [[]]}, {"lr": [1e-3]}]
        check_same_answers(CLF, grid, *data, cv=cv, return_train_score=True)

    def test_sequences_of_any_kind(self, mixed):
        rows = [*range(100)], [*range(100, 178)]
        kinds = tuple, list, lambda rows: range(rows[0], rows[-1] + 1)
        cv = [tuple(map(kind, rows)) for kind in kinds]
        check_same_answers(CLF, RATE, *mixed, cv=cv)


def n_different(losses):
    return 1 + int((np.diff(np.sort(losses, axis=None)) > 1e-7).sum())


class TestRandomState:
    def test_each_candidate_and_fold_gets_a_copy_of_a_generator(self, data):
        state = np.random.RandomState(3)
        before = state.get_state()[1].copy()
        clf = clone(CLF).set_params(init="random", random_state=state)
        check_same_answers(clf, RATES, *data)
        np.testing.assert_array_equal(state.get_state()[1], before)

    def test_generators_in_the_grid(self, data):
        clf = clone(CLF).set_params(init="random")
        states = [0, np.random.RandomState(0), np.random.RandomState(1)]
        ours, theirs = both(clf, {"random_state": states}, *data)
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
        # Candidates that start alike share the draws of a fold, and differ in the last
        # digits at most; those of GridSearchCV each draw their own.
        assert [n_different(found) for found in losses] == [2, 6, 2]
        assert n_different([losses[0], losses[2]]) == 4
        means = [np.mean(found) for found in losses]
        assert np.ptp(means) < 0.2
