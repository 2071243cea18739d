"""Joint fits and their scores, with an engine that trains nothing."""

import pickle

import numpy as np
import pandas as pd
import pytest

from sklearn_lwal import STDClassifier
from sklearn_lwal.search import _joint_fit
from sklearn_lwal.search._joint_fit import JointFit, JointScores, ScoreRequest
from sklearn_lwal.search._scoring_proxies import FittedCandidate

X = np.arange(12.0).reshape(6, 2)
CLASSES = np.array(["a", "b"])
PAIRS = [
    (np.array([0, 1, 2, 3]), np.array([4, 5])),
    (np.array([2, 3, 4, 5]), np.array([0, 1])),
    (np.array([0, 1, 4, 5]), np.array([2, 3])),
]


class Trained:
    """Takes the place of StackedFits and notes the requests."""

    made = []
    error_of = {}

    def __init__(self, classifiers, folds, starts=None):
        self.classifiers, self.folds, self.starts = classifiers, folds, starts
        self.seconds, self.wrong = 7.0, None
        Trained.made.append(self)

    def error(self, fold, candidate):
        return self.error_of.get((fold, candidate))

    def classes(self, fold, candidate):
        return CLASSES, fold, candidate

    def scores(self, fold, rows):
        if np.asarray(rows).ndim != 2:
            raise self.wrong or ValueError("no rows")
        size = (len(rows), 2)
        return [np.full(size, 10 * fold + c) for c in range(len(self.classifiers))]

    def estimator(self, fold, candidate):
        return "estimator", fold, candidate


@pytest.fixture(autouse=True)
def made_up(monkeypatch):
    monkeypatch.setattr(_joint_fit, "StackedFits", Trained)
    monkeypatch.setattr(Trained, "made", [])
    monkeypatch.setattr(Trained, "error_of", {})


class TestScores:
    def test_each_candidate_is_scored_on_each_fold(self):
        Trained.error_of[1, 0] = ValueError("one class")
        rows = np.array([4, 5])
        questions = {"some": ScoreRequest(1, X, rows), "all": ScoreRequest(0, X, None)}
        starts = {"a": 1}
        found = JointScores(["c0", "c1"], ["f0", "f1"], questions, starts)
        (trained,) = Trained.made
        assert found.trained is trained
        assert (trained.classifiers, trained.folds) == (["c0", "c1"], ["f0", "f1"])
        assert trained.starts is starts
        assert found.seconds == 7
        assert 0 <= found.score_seconds < 60
        assert found.errors == [[None, None], [Trained.error_of[1, 0], None]]
        assert found.classes[0] == [(CLASSES, 0, 0), (CLASSES, 0, 1)]
        assert found.classes[1] == [None, (CLASSES, 1, 1)]
        assert found.scores.keys() == questions.keys()
        for scores, (n, values) in zip(
            found.scores.values(), [(2, (10, 11)), (6, (0, 1))], strict=True
        ):
            assert [s.shape for s in scores] == [(n, 2)] * 2
            assert [s[0, 0] for s in scores] == [*values]

    def test_no_folds_need_no_training(self):
        found = JointScores(["c"], [], {}, {})
        assert (found.trained, found.seconds, found.errors) == (None, 0.0, [])
        assert not Trained.made

    def test_scores_that_are_not_finite_are_none(self, monkeypatch):
        good, bad = np.ones((2, 2)), np.array([[1.0, np.nan], [1.0, 1.0]])
        monkeypatch.setattr(Trained, "scores", lambda *_: [good, None, bad])
        found = JointScores(["c"] * 3, ["f"], {0: ScoreRequest(0, X, None)}, {})
        assert found.scores[0][0] is good
        assert found.scores[0][1:] == [None, None]

    @pytest.mark.parametrize("error", [ValueError("a"), TypeError("b")])
    def test_rows_that_cannot_be_scored_have_none(self, error, monkeypatch):
        def fail(*_):
            raise error

        monkeypatch.setattr(Trained, "scores", fail)
        found = JointScores(["c"] * 3, ["f"], {0: ScoreRequest(0, X, None)}, {})
        assert found.scores[0] == [None] * 3
        error = KeyError("other")
        with pytest.raises(KeyError):
            JointScores(["c"], ["f"], {0: ScoreRequest(0, X, None)}, {})

    def test_networks_stay_where_they_were_trained(self):
        found = pickle.loads(pickle.dumps(JointScores(["c"], ["f"], {}, {})))
        assert found.trained is None
        assert found.seconds == 7
        assert found.errors == [[None]]

    def test_rows_of_frames_are_taken_by_number(self):
        question = ScoreRequest(0, pd.DataFrame(X), np.array([3]))
        found = JointScores(["c"], ["f"], {0: question}, {})
        assert found.scores[0][0].shape == (1, 2)


class Plan:
    """Three candidates."""

    def __init__(self):
        self.classifiers = {n: STDClassifier(lr=n + 1.0) for n in (2, 5, 6)}

    def estimator(self, number):
        return "unfitted", number


class Before:
    """A Preprocessing that changes nothing and has failed on one fold."""

    def __init__(self):
        self.folds = ["f0", ValueError("fold"), "f2"]
        self.starts = {}

    def asked(self, fold, part):
        if (fold, part) == (2, 0):
            raise RuntimeError("can not be transformed")
        return X, PAIRS[fold][part]

    def whole(self, fold, classifier, estimator):
        return fold, classifier, estimator


class RecordingSplitter:
    pairs = PAIRS


def make_joint_fit(parts=(0, 1)):
    return JointFit([5, 2], Plan(), Before(), RecordingSplitter(), parts)


class TestJointFit:
    def test_the_task_has_clones_of_the_classifiers_and_whole_folds(self):
        fit = make_joint_fit()
        assert [*fit.questions] == [(0, 0), (0, 1), (2, 1)]
        assert [q.fold for q in fit.questions.values()] == [0, 0, 1]
        assert fit.questions[2, 1].X is X
        assert fit.questions[2, 1].rows is PAIRS[2][1]
        classifiers, folds, questions, starts = fit.task()
        assert [c.lr for c in classifiers] == [6, 3]
        assert classifiers[0] is not fit.plan.classifiers[5]
        assert folds == ["f0", "f2"]
        assert questions is fit.questions
        assert starts == {}
        given = {}
        assert fit.task(given)[3] is given
        assert [*make_joint_fit((1,)).questions] == [(0, 1), (2, 1)]

    def test_starts_are_kept_for_the_next_joint_fit(self):
        fit = make_joint_fit()
        fit.train()
        assert [*fit.before.starts] == ["auto"]
        starts = fit.before.starts["auto"]
        assert Trained.made[0].starts is starts
        fit.train()
        assert Trained.made[1].starts is starts

    def test_cells_are_fitted_candidates_or_errors(self):
        Trained.error_of[1, 0] = error = ValueError("one class")
        fit = make_joint_fit()
        fit.train()
        assert fit.seconds == (7.0, fit.answers.score_seconds)
        cell = fit.cell(2, 2)
        assert isinstance(cell, FittedCandidate)
        assert cell.classes == (CLASSES, 1, 1)
        assert cell.estimator == (2, ("estimator", 1, 1), ("unfitted", 2))
        np.testing.assert_array_equal(cell.scores(PAIRS[2][1]), np.full((2, 2), 11))
        # Other rows were not requested.
        assert cell.scores(PAIRS[2][0]) is None
        assert cell.scores(np.array([9])) is None
        cell = fit.cell(5, 0)
        np.testing.assert_array_equal(cell.scores(PAIRS[0][0]), np.zeros((4, 2)))
        # The fit failed here, and the preprocessing there.
        assert fit.cell(5, 2) is error
        assert fit.cell(2, 1) is fit.before.folds[1]

    def test_an_error_takes_the_place_of_all_scores(self):
        fit, error = make_joint_fit(), MemoryError()
        fit.take(error)
        assert fit.answers is error
        assert fit.seconds == (0.0, 0.0)
        assert fit.cell(5, 0) is fit.cell(2, 1) is error

    def test_an_estimator_of_another_process_is_trained_here(self):
        fit = make_joint_fit()
        fit.train()
        fit.take(pickle.loads(pickle.dumps(fit.answers)))
        cell = fit.cell(2, 2)
        assert len(Trained.made) == 1
        assert cell.estimator == (2, ("estimator", 0, 0), ("unfitted", 2))
        again = Trained.made[1]
        assert again.folds == ["f2"]
        assert [c.lr for c in again.classifiers] == [3]
        assert again.classifiers[0] is not fit.plan.classifiers[2]
