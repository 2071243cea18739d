"""Rows, splitters and scorers as searches give them to scikit-learn."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, make_scorer
from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold

from sklearn_lwal.search._proxies import (
    RealContext,
    RealRows,
    RecordingSplitter,
    ScorerAdapter,
    asks_estimators,
    scoring_on_rows,
)

X = np.arange(24.0).reshape(12, 2)
Y = np.arange(12) % 3


class TestRows:
    def test_all_of_them_are_X_itself(self):
        for given in (X, X.tolist(), pd.DataFrame(X)):
            rows = RealRows(given)
            assert rows.numbers.tolist() == [*range(12)]
            assert rows(rows.numbers) is given

    def test_some(self):
        np.testing.assert_array_equal(RealRows(X)(np.array([3, 1])), X[[3, 1]])
        assert RealRows(X.tolist())([2]) == [X[2].tolist()]
        frame = RealRows(pd.DataFrame(X, index=[*"abcdefghijkl"]))([0, 2])
        assert [*frame.index] == ["a", "c"]


class Noting(KFold):
    """A splitter that notes what it is asked."""

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

    def test_groups_that_are_none_are_not_passed(self):
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

    def test_a_number_of_folds(self):
        for classifier, kind in ((True, StratifiedKFold), (False, KFold)):
            splits = RecordingSplitter(4, classifier, X)
            assert splits.get_n_splits(X, Y) == 4
            assert isinstance(splits._splitter(Y), kind)
            # It is looked at once.
            assert splits._splitter(None) is splits._splitter(Y)
        groups = np.arange(12) // 4
        pairs = RecordingSplitter(GroupKFold(3), True, X).split(X, Y, groups)
        assert all(len({*groups[test]}) == 1 for _, test in pairs)

    def test_masks_and_lists_become_numbers(self):
        mask = np.arange(12) < 4
        ((train, test),) = RecordingSplitter([(mask, [5, -1])], True, X).split(X, Y)
        assert train.tolist() == [0, 1, 2, 3]
        assert test.tolist() == [5, 11]

    def test_folds_in_turn(self):
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

    def test_it_is_the_splitter_otherwise(self):
        cv = KFold(3, shuffle=True, random_state=7)
        splits = RecordingSplitter(cv, True, X)
        assert splits.random_state == 7
        assert repr(splits) == repr(cv)
        with pytest.raises(AttributeError, match="__array__"):
            splits.__array__  # noqa: B018
        assert copy.copy(splits).n_splits == 3


class Real:
    """The estimator that a stand-in stands for."""

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
    def test_those_that_ask_estimators(self, scoring, asks):
        assert asks_estimators(scoring) is asks
        found = scoring_on_rows(scoring, RealRows(X))
        if isinstance(scoring, dict):
            kinds = [type(one) is ScorerAdapter for one in found.values()]
            assert [*found] == [*scoring]
            assert kinds == [False, asks]
        elif not asks:
            assert found is scoring


class Context:
    """Notes what a callback context is asked."""

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
