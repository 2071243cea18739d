"""Candidates, rows, splitters and scorers as searches give them to scikit-learn."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, make_scorer
from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold
from sklearn.preprocessing import StandardScaler
from sklearn.utils import get_tags

from sklearn_lwal.search._scoring_proxies import (
    NUMBER,
    CandidateProxy,
    FittedCandidate,
    RealContext,
    RealRows,
    RecordingSplitter,
    ScorerAdapter,
    TaggedParams,
    asks_estimators,
    scoring_on_rows,
)

X = np.arange(24.0).reshape(12, 2)
Y = np.arange(12) % 3
SCORES = np.eye(3)[Y] + np.arange(12)[:, None] / 100
NUMBERS = np.array([4, 1, 0])


class TestRows:
    def test_all_of_them_are_X_itself(self):
        for given in (X, X.tolist(), pd.DataFrame(X)):
            rows = RealRows(given)
            assert rows.numbers.tolist() == [*range(12)]
            assert rows(rows.numbers) is given

    def test_some_are_taken_by_number(self):
        np.testing.assert_array_equal(RealRows(X)(np.array([3, 1])), X[[3, 1]])
        assert RealRows(X.tolist())([2]) == [X[2].tolist()]
        frame = RealRows(pd.DataFrame(X, index=[*"abcdefghijkl"]))([0, 2])
        assert [*frame.index] == ["a", "c"]


class Noting(KFold):
    """A splitter that keeps its arguments."""

    def split(self, X, y=None, groups=None):
        self.asked = X, y, groups
        return super().split(X, y)

    def get_n_splits(self, X=None, y=None, groups=None):
        self.counted = X, y, groups
        return super().get_n_splits()


class TestSplits:
    def test_the_splitter_sees_the_real_rows(self):
        cv, groups = Noting(3), np.arange(12)
        splits = RecordingSplitter(cv, True, X)
        numbers = RealRows(X).numbers
        pairs = splits.split(numbers, Y, groups)
        assert all(a is b for a, b in zip(cv.asked, (X, Y, groups), strict=True))
        assert splits.get_n_splits(numbers, Y, groups) == 3
        assert all(a is b for a, b in zip(cv.counted, (X, Y, groups), strict=True))
        assert pairs is splits.pairs
        for (train, test), (a, b) in zip(pairs, KFold(3).split(X), strict=True):
            assert train.tolist() == a.tolist()
            assert test.tolist() == b.tolist()
        splits.split(numbers, Y)
        assert cv.asked[2] is None

    def test_no_groups_are_not_passed(self):
        class OfNoGroups:
            def split(self, X, y):
                return iter([([0, 1], [2])])

            def get_n_splits(self, X, y, sample=None):
                return sample

        splits = RecordingSplitter(OfNoGroups(), True, X)
        assert len(splits.split(X, Y)) == 1
        assert splits.get_n_splits(X, Y, sample=7) == 7
        with pytest.raises(TypeError):
            splits.split(X, Y, groups=Y)

    def test_numbers_are_stratified_for_classifiers(self):
        for classifier, kind in ((True, StratifiedKFold), (False, KFold)):
            splits = RecordingSplitter(4, classifier, X)
            assert splits.get_n_splits(X, Y) == 4
            assert isinstance(splits._splitter(Y), kind)
            # It is made once.
            assert splits._splitter(None) is splits._splitter(Y)
        groups = np.arange(12) // 4
        pairs = RecordingSplitter(GroupKFold(3), True, X).split(X, Y, groups)
        assert all(len({*groups[test]}) == 1 for _, test in pairs)

    def test_masks_and_lists_become_numbers(self):
        mask = np.arange(12) < 4
        ((train, test),) = RecordingSplitter([(mask, [5, -1])], True, X).split(X, Y)
        assert train.tolist() == [0, 1, 2, 3]
        assert test.tolist() == [5, 11]

    def test_folds_of_the_same_rows_take_turns(self):
        one, other = np.array([0, 1]), np.array([2, 3])
        splits = RecordingSplitter(None, True, X)
        splits.pairs = [(one, other), (other, one), (one, other), (one, one)]
        last, seen = -1, []
        for _ in range(5):
            last = splits.fold(one.copy(), last)
            seen.append(last)
        assert seen == [0, 2, 3, 0, 2]
        assert splits.fold(other, 1) == 1
        with pytest.raises(StopIteration):
            splits.fold(np.array([9]), 0)

    def test_other_attributes_are_the_splitters(self):
        cv = KFold(3, shuffle=True, random_state=7)
        splits = RecordingSplitter(cv, True, X)
        assert splits.random_state == 7
        assert repr(splits) == repr(cv)
        with pytest.raises(AttributeError, match="__array__"):
            splits.__array__  # noqa: B018
        assert copy.copy(splits).n_splits == 3


class Real:
    """A proxy's estimator."""

    real = "estimator"


def scorer(estimator, X, *args, **kwargs):
    """Said by the user."""
    return estimator, X, args, kwargs


class TestScorers:
    def test_they_are_given_real_objects(self):
        rows = RealRows(X)
        for scoring in (scorer, {"a": scorer}):
            found = scoring_on_rows(scoring, rows)
            found = found["a"] if isinstance(found, dict) else found
            estimator, given, args, kwargs = found(Real(), np.array([2]), 5, b=6)
            assert estimator == "estimator"
            assert given.tolist() == X[[2]].tolist()
            assert (args, kwargs) == ((5,), {"b": 6})
            assert found(Real(), rows.numbers)[1] is X

    def test_they_look_like_the_users_own(self):
        scorer.noted = 3
        found = ScorerAdapter(scorer, RealRows(X))
        assert found.noted == 3
        assert (found.__name__, found.__doc__) == ("scorer", "Said by the user.")
        assert repr(found) == repr(scorer)
        with pytest.raises(AttributeError, match="missing"):
            found.missing  # noqa: B018
        with pytest.raises(AttributeError, match="__sklearn_tags__"):
            found.__sklearn_tags__  # noqa: B018
        again = pickle.loads(pickle.dumps(found))
        assert again.function is scorer

    @pytest.mark.parametrize(
        ("scoring", "asks"),
        [
            (None, False),
            ("accuracy", False),
            (["accuracy"], False),
            (make_scorer(accuracy_score), False),
            ({"a": "accuracy", "b": make_scorer(accuracy_score)}, False),
            (scorer, True),
            ({"a": "accuracy", "b": scorer}, True),
        ],
    )
    def test_callables_need_estimators(self, scoring, asks):
        assert asks_estimators(scoring) is asks
        found = scoring_on_rows(scoring, RealRows(X))
        if isinstance(scoring, dict):
            kinds = [type(one) is ScorerAdapter for one in found.values()]
            assert [*found] == [*scoring]
            assert kinds == [False, asks]
        elif not asks:
            assert found is scoring


class Context:
    """Keeps the calls of a callback context."""

    def __init__(self):
        self.asked = []

    def __getattr__(self, name):
        def call(*args, **given):
            self.asked.append((name, args, given))
            return self if name == "subcontext" else name

        return call


class TestContexts:
    def test_hooks_see_the_search_and_the_rows(self):
        inner, rows = Context(), RealRows(X)
        context = RealContext(inner, lambda: "search", rows)
        assert context.call_on_fit_task_begin(estimator="e", X=[2], y=3) is context
        assert context.call_on_fit_task_end(estimator="e") == "call_on_fit_task_end"
        (_, _, begin), (_, _, end) = inner.asked
        assert end == {"estimator": "search"}
        assert (begin.pop("estimator"), begin.pop("y")) == ("search", 3)
        assert begin.pop("X")().tolist() == X[[2]].tolist()
        assert not begin
        sub = Real()
        assert context.propagate_callback_context(sub) == "propagate_callback_context"
        assert inner.asked[-1][1] == ("estimator",)

    def test_tasks_have_the_numbers_that_the_user_expects(self):
        inner = Context()
        context = RealContext(inner, None, None)
        assert context.task_ids is None
        context.subcontext(task_id=1, task_name="a")
        context.task_ids = [7, 5]
        found = context.subcontext(task_id=1, task_name="b")
        assert isinstance(found, RealContext)
        assert (found.context, found.task_ids) == (inner, None)
        given = [asked[2] for asked in inner.asked]
        assert given == [
            {"task_id": 1, "task_name": "a"},
            {"task_id": 5, "task_name": "b"},
        ]


class Scheduler:
    """A scheduler with one cell."""

    labels_are_plain = True

    def __init__(self, cell):
        self.found, self.asked = cell, []

    def cell(self, number, rows):
        self.asked.append((number, rows))
        return self.found


class Fitted(LogisticRegression):
    """An estimator that returns its arguments."""

    def score(self, X, y, sample_weight=None, **params):
        return X, y, sample_weight, params

    def predict(self, X, **params):
        return "predicted", X, params

    def helper(self, X, *args, **kwargs):
        """Helps."""
        return X, args, kwargs


def proxy(scores=None, classes=None, number=3):
    """A fitted proxy, whose cell knows these scores of all rows, and its estimator."""

    def of(numbers):
        return None if scores is None else scores[numbers]

    estimator = Fitted(C=2.0)
    cells = Scheduler(FittedCandidate(lambda: estimator, classes, of))
    found = CandidateProxy(Fitted(C=7.0), cells, RealRows(X))
    found.set_params(**TaggedParams({"C": 2.0, NUMBER: number}))
    return found.fit(NUMBERS, Y[NUMBERS]), estimator


class TestCandidateProxy:
    CLASSES = np.array(["a", "b", "c"])

    def test_numbers_of_candidates_are_not_shown(self):
        given = TaggedParams({"C": 1, NUMBER: 5})
        assert [*given] == ["C"]
        assert {**given} == {"C": 1, NUMBER: 5}
        assert copy.deepcopy(given) is given

    def test_it_looks_like_the_estimator(self):
        estimator = Fitted(C=7.0)
        found = CandidateProxy(estimator, Scheduler(None), RealRows(X))
        assert found.__class__ is Fitted
        assert isinstance(found, LogisticRegression)
        assert repr(found) == repr(estimator)
        assert found.get_params() == found.get_params(False) == estimator.get_params()
        assert found.real is estimator
        assert not found.__sklearn_is_fitted__()
        assert found.__sklearn_tags__() == get_tags(estimator)
        routing = found.get_metadata_routing()
        assert repr(routing) == repr(estimator.get_metadata_routing())
        assert found.C == 7
        with pytest.raises(AttributeError, match="__array__"):
            found.__array__  # noqa: B018
        with pytest.raises(AttributeError, match="coef_"):
            found.coef_  # noqa: B018
        other = found.__sklearn_clone__()
        assert type(other) is CandidateProxy
        assert (other.estimator, other.rows) == (estimator, found.rows)
        assert other.scheduler is found.scheduler
        assert other.cell is None

    def test_a_cell_is_asked_by_its_number(self):
        found, estimator = proxy()
        assert found.number == 3
        assert found.scheduler.asked[0][0] == 3
        assert found.scheduler.asked[0][1] is NUMBERS
        assert found.real is estimator
        assert found.__sklearn_is_fitted__()
        assert found.C == 2
        # The cell's estimator has the parameters already.
        assert found.estimator.C == 7

    def test_the_best_is_fitted_by_itself(self):
        found = CandidateProxy(StandardScaler(), Scheduler(None), RealRows(X))
        before = found.estimator
        assert found.set_params(with_mean=False) is found
        assert found.estimator.with_mean is False
        assert found.estimator is not before
        assert found.fit(np.arange(6), None, sample_weight=np.ones(6)) is found
        np.testing.assert_allclose(found.var_, X[:6].var(0))
        assert found.real is found.estimator

    def test_known_scores_give_the_predictions(self):
        found, _ = proxy(SCORES, self.CLASSES)
        assert found.classes_ is self.CLASSES
        assert found.predict(NUMBERS).tolist() == ["b", "b", "a"]
        proba = found.predict_proba(NUMBERS)
        np.testing.assert_allclose(proba.sum(1), 1)
        np.testing.assert_allclose(found.predict_log_proba(NUMBERS), np.log(proba))
        decisions = found.decision_function(NUMBERS)
        np.testing.assert_array_equal(decisions, SCORES[NUMBERS])
        assert found.predict.__name__ == "predict"
        # The estimator takes other arguments.
        words, rows, params = found.predict(NUMBERS, more=1)
        assert (words, params) == ("predicted", {"more": 1})
        np.testing.assert_array_equal(rows, X[NUMBERS])

    def test_two_classes_have_one_score(self):
        found, _ = proxy(SCORES[:, :2], self.CLASSES[:2])
        margin = found.decision_function(NUMBERS)
        np.testing.assert_allclose(margin, SCORES[NUMBERS, 1] - SCORES[NUMBERS, 0])

    @pytest.mark.parametrize("scores", [None, SCORES])
    def test_the_estimator_predicts_without_scores_or_classes(self, scores):
        classes = self.CLASSES if scores is None else None
        found, estimator = proxy(scores, classes)
        words, rows, params = found.predict(NUMBERS)
        assert (words, params) == ("predicted", {})
        np.testing.assert_array_equal(rows, X[NUMBERS])
        rows, args, kwargs = found.helper(NUMBERS, 5, b=6)
        np.testing.assert_array_equal(rows, X[NUMBERS])
        assert (args, kwargs) == ((5,), {"b": 6})
        assert found.helper.__doc__ == "Helps."
        estimator.classes_ = np.array([1])
        if classes is None:
            assert found.classes_ is estimator.classes_
        estimator.note = 8
        assert found.note == 8
        with pytest.raises(AttributeError, match="missing"):
            found.missing  # noqa: B018

    @pytest.mark.parametrize("kind", [np.asarray, list, torch.tensor])
    def test_known_scores_give_the_accuracy(self, kind):
        found, _ = proxy(SCORES, np.arange(3))
        y = Y[NUMBERS].copy()
        assert found.score(NUMBERS, kind(y)) == 1
        y[0] = 2
        for plain in (True, False):
            found.scheduler.labels_are_plain = plain
            score = found.score(NUMBERS, kind(y))
            assert type(score) is float
            assert score == pytest.approx(2 / 3)
            weight = [2.0, 1.0, 1.0]
            score = found.score(NUMBERS, kind(y), sample_weight=weight)
            assert score == pytest.approx(1 / 2)

    def test_wrong_labels_are_told_by_scikit_learn(self):
        found, _ = proxy(SCORES, np.arange(3))
        found.scheduler.labels_are_plain = False
        with pytest.raises(ValueError, match="mix of"):
            found.score(NUMBERS, [0.5, 0.25, 1.5])

    def test_the_estimator_is_scored_without_them(self):
        found, _ = proxy()
        rows, y, weight, params = found.score(NUMBERS, Y, more=3)
        np.testing.assert_array_equal(rows, X[NUMBERS])
        assert y is Y
        assert (weight, params) == (None, {"more": 3})
        assert found.score(NUMBERS, Y, [1, 2, 3])[2] == [1, 2, 3]

    def test_a_cell_makes_its_estimator_once(self):
        made = []
        cell = FittedCandidate(lambda: made.append(1) or "fitted")
        assert cell.classes is None
        assert cell.scores(NUMBERS) is None
        assert not made
        assert (cell.estimator, cell.estimator, made) == ("fitted", "fitted", [1])
