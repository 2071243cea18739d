"""Estimators that stand for those trained together, without training."""

import copy

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from sklearn.utils import get_tags

from sklearn_lwal.search._proxies import (
    NUMBER,
    CandidateProxy,
    FittedCandidate,
    RealRows,
    TaggedParams,
)

X = np.arange(24.0).reshape(12, 2)
Y = np.arange(12) % 3
SCORES = np.eye(3)[Y] + np.arange(12)[:, None] / 100


class Scheduler:
    """JointScores with one cell."""

    labels_are_plain = True

    def __init__(self, cell):
        self.found, self.asked = cell, []

    def cell(self, number, rows):
        self.asked.append((number, rows))
        return self.found


class Fitted(LogisticRegression):
    """An estimator that notes what it is given."""

    def score(self, X, y, sample_weight=None, **params):
        return X, y, sample_weight, params

    def predict(self, X, **params):
        return "predicted", X, params

    def helper(self, X, *args, **kwargs):
        """Helps."""
        return X, args, kwargs


NUMBERS = np.array([4, 1, 0])


def stand_in(scores=None, classes=None, number=3):
    """A fitted stand-in, whose cell knows these scores of all rows."""

    def of(numbers):
        return None if scores is None else scores[numbers]

    estimator = Fitted(C=2.0)
    cells = Scheduler(FittedCandidate(lambda: estimator, classes, of))
    found = CandidateProxy(Fitted(C=7.0), cells, RealRows(X))
    found.set_params(**TaggedParams({"C": 2.0, NUMBER: number}))
    return found.fit(NUMBERS, Y[NUMBERS]), estimator


class TestStandIn:
    CLASSES = np.array(["a", "b", "c"])

    def test_numbered_parameters(self):
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
        found, estimator = stand_in()
        assert found.number == 3
        assert found.scheduler.asked[0][0] == 3
        assert found.scheduler.asked[0][1] is NUMBERS
        assert found.real is estimator
        assert found.__sklearn_is_fitted__()
        assert found.C == 2
        # The parameters are those of the cell's estimator, which is there already.
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

    def test_answers_by_known_scores(self):
        found, _ = stand_in(SCORES, self.CLASSES)
        assert found.classes_ is self.CLASSES
        assert found.predict(NUMBERS).tolist() == ["b", "b", "a"]
        proba = found.predict_proba(NUMBERS)
        np.testing.assert_allclose(proba.sum(1), 1)
        np.testing.assert_allclose(found.predict_log_proba(NUMBERS), np.log(proba))
        decisions = found.decision_function(NUMBERS)
        np.testing.assert_array_equal(decisions, SCORES[NUMBERS])
        assert found.predict.__name__ == "predict"
        # With more to say, the estimator is asked.
        words, rows, params = found.predict(NUMBERS, more=1)
        assert (words, params) == ("predicted", {"more": 1})
        np.testing.assert_array_equal(rows, X[NUMBERS])

    def test_two_classes_have_one_score(self):
        found, _ = stand_in(SCORES[:, :2], self.CLASSES[:2])
        margin = found.decision_function(NUMBERS)
        np.testing.assert_allclose(margin, SCORES[NUMBERS, 1] - SCORES[NUMBERS, 0])

    @pytest.mark.parametrize("scores", [None, SCORES])
    def test_answers_by_the_estimator(self, scores):
        # Without classes, or without scores.
        classes = self.CLASSES if scores is None else None
        found, estimator = stand_in(scores, classes)
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
    def test_accuracies(self, kind):
        found, _ = stand_in(SCORES, np.arange(3))
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
        found, _ = stand_in(SCORES, np.arange(3))
        found.scheduler.labels_are_plain = False
        with pytest.raises(ValueError, match="mix of"):
            found.score(NUMBERS, [0.5, 0.25, 1.5])

    def test_scores_by_the_estimator(self):
        found, _ = stand_in()
        rows, y, weight, params = found.score(NUMBERS, Y, more=3)
        np.testing.assert_array_equal(rows, X[NUMBERS])
        assert y is Y
        assert (weight, params) == (None, {"more": 3})
        assert found.score(NUMBERS, Y, [1, 2, 3])[2] == [1, 2, 3]

    def test_cells(self):
        made = []
        cell = FittedCandidate(lambda: made.append(1) or "fitted")
        assert cell.classes is None
        assert cell.scores(NUMBERS) is None
        assert not made
        assert (cell.estimator, cell.estimator, made) == ("fitted", "fitted", [1])
