"""Pictures of labels and of training."""

import matplotlib
import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.text import Annotation, Text
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline

from sklearn_lwal import LwALClassifier, STDClassifier
from sklearn_lwal.plots import (
    LabelDendrogramDisplay,
    LabelDistanceDisplay,
    LabelMapDisplay,
    LearningCurvesDisplay,
)
from sklearn_lwal.structure import label_distances, label_linkage

matplotlib.use("Agg")
OF_LABELS = [LabelDendrogramDisplay, LabelDistanceDisplay, LabelMapDisplay]


@pytest.fixture(autouse=True)
def _close():
    yield
    pyplot.close("all")


@pytest.fixture(scope="module")
def digits():
    return load_digits(return_X_y=True)


@pytest.fixture(scope="module")
def clf(digits):
    X, y = digits
    names = np.array([f"digit {i}" for i in range(10)])[y]
    return LwALClassifier(random_state=0).fit(X, names, eval_set=(X, names))


@pytest.fixture(scope="module")
def std(digits):
    X, y = digits
    fitted = STDClassifier(random_state=0, max_epochs=4)
    return fitted.fit(X, y, eval_set=(X, y))


def texts(ax):
    return [text.get_text() for text in ax.get_xticklabels() + ax.get_yticklabels()]


@pytest.mark.parametrize("Display", OF_LABELS)
class TestOfLabels:
    def test_dollars_are_no_formula(self, Display):
        names = ["$$", "from $5 to $6", r"a\$b", "plain"]
        fitted = LwALClassifier(max_epochs=1).fit(np.eye(4), names)
        display = Display.from_estimator(fitted)
        display.figure_.canvas.draw()
        written = [t for t in display.figure_.findobj(Text) if t.get_visible()]
        written = [t for t in written if t.get_text() in names]
        assert {t.get_text() for t in written} == {*names}
        assert not any(t.get_parse_math() for t in written)

    def test_a_pipeline_has_no_labels(self, Display, digits):
        pipeline = make_pipeline(LwALClassifier(max_epochs=1)).fit(*digits)
        with pytest.raises(ValueError, match=r"Pipeline has no label.*pipeline\[-1\]"):
            Display.from_estimator(pipeline)

    def test_shows_all_classes_by_name(self, Display, clf):
        display = Display.from_estimator(clf)
        shown = texts(display.ax_) + [t.get_text() for t in display.ax_.texts]
        assert set(clf.classes_) <= set(shown)
        assert display.figure_ is display.ax_.figure

    def test_draws_again_into_given_axes(self, Display, clf):
        display = Display.from_estimator(clf)
        figure, ax = pyplot.subplots()
        assert display.plot(ax) is display
        assert display.ax_ is ax
        assert display.figure_ is figure
        assert Display.from_estimator(clf, ax=ax).ax_ is ax

    def test_takes_names(self, Display, clf):
        names = list("abcdefghij")
        display = Display.from_estimator(clf, names=names)
        shown = texts(display.ax_) + [t.get_text() for t in display.ax_.texts]
        assert set(names) <= set(shown)
        with pytest.raises(ValueError, match="each of the 10 classes"):
            Display.from_estimator(clf, names=names[:3])

    def test_wants_a_fitted_classifier(self, Display):
        with pytest.raises(NotFittedError):
            Display.from_estimator(LwALClassifier())

    def test_two_classes_in_one_dimension(self, Display, digits):
        X, y = digits
        small = LwALClassifier(output_dim=1, max_epochs=1).fit(X[y < 2], y[y < 2])
        Display.from_estimator(small).figure_.canvas.draw()


def test_dendrogram_is_the_linkage(clf):
    display = LabelDendrogramDisplay.from_estimator(clf)
    np.testing.assert_array_equal(display.linkage, label_linkage(clf))
    reach = display.ax_.get_xlim()
    assert max(reach) >= display.linkage[:, 2].max()


def test_distances_are_in_the_order_of_the_hierarchy(clf):
    display = LabelDistanceDisplay.from_estimator(clf)
    place = [list(clf.classes_).index(name) for name in display.names]
    expected = label_distances(clf)[np.ix_(place, place)]
    np.testing.assert_array_equal(display.distances, expected)
    # Neighbours in the picture are nearer than classes at random.
    assert np.diag(expected, 1).mean() < expected[np.triu_indices(10, 1)].mean()


class TestMap:
    def test_labels_lie_amid_their_samples(self, clf, digits):
        X, y = digits
        names = clf.classes_[y]
        display = LabelMapDisplay.from_estimator(clf, X, names)
        means = [display.points[names == c].mean(0) for c in clf.classes_]
        np.testing.assert_allclose(display.labels, means, atol=1e-3)
        assert 0.3 < display.explained <= 1

    def test_distances_are_those_of_the_labels_where_two_axes_hold_all(self, digits):
        X, y = digits
        flat = LwALClassifier(output_dim=2, max_epochs=1, random_state=0).fit(X, y)
        display = LabelMapDisplay.from_estimator(flat)
        assert display.explained == pytest.approx(1)
        np.testing.assert_allclose(
            label_distances(display.labels), label_distances(flat), rtol=1e-5
        )

    def test_samples_are_coloured_by_their_prediction_without_y(self, clf, digits):
        display = LabelMapDisplay.from_estimator(clf, digits[0][:50])
        expected = clf.classes_[display.classes]
        np.testing.assert_array_equal(expected, clf.predict(digits[0][:50]))

    def test_names_of_a_hundred_classes_can_be_read(self):
        places = np.random.default_rng(0).normal(size=(100, 2))
        names = [f"class number {i}" for i in range(100)]
        display = LabelMapDisplay(places, names).plot()
        display.figure_.canvas.draw()
        written = [t for t in display.ax_.texts if isinstance(t, Annotation)]
        boxes = [Text.get_window_extent(text) for text in written]
        hidden = sum(
            one.overlaps(other) for i, one in enumerate(boxes) for other in boxes[:i]
        )
        assert len(written) == 100
        assert hidden <= 5
        size = display.ax_.get_window_extent()
        span = np.ptp(display.ax_.get_xlim()), np.ptp(display.ax_.get_ylim())
        assert span[0] / span[1] == pytest.approx(size.width / size.height, rel=0.05)


class TestCurves:
    def test_accuracy_over_epochs_and_seconds(self, clf, std):
        both = {"LwAL": clf, "STD": std}
        display = LearningCurvesDisplay.from_estimator(both, reference="STD")
        lines = {line.get_label(): line for line in display.ax_.lines}
        expected = [row["valid_acc"] for row in std.history_]
        np.testing.assert_array_equal(lines["STD"].get_ydata(), expected)
        np.testing.assert_array_equal(lines["STD"].get_xdata(), [1, 2, 3, 4])
        assert lines["best of STD"].get_ydata()[0] == max(expected)
        seconds = LearningCurvesDisplay.from_estimator(both, x="seconds").curves["STD"]
        assert seconds[0][-1] == pytest.approx(sum(r["dur"] for r in std.history_))

    def test_the_best_loss_is_the_lowest(self, std):
        display = LearningCurvesDisplay.from_estimator(
            std, measure="train_loss", reference="STDClassifier"
        )
        best = min(row["train_loss"] for row in std.history_)
        assert display.ax_.lines[-1].get_ydata()[0] == best

    def test_dollars_are_no_formula(self, std):
        display = LearningCurvesDisplay.from_estimator({"$$": std})
        display.figure_.canvas.draw()

    def test_errors(self, std, digits):
        for options, match in (
            ({"x": "hours"}, "'epochs' or 'seconds'"),
            ({"reference": "LwAL"}, "one of \\['STDClassifier'\\]"),
            ({"measure": "valid_f1"}, "has no 'valid_f1'"),
        ):
            with pytest.raises(ValueError, match=match):
                LearningCurvesDisplay.from_estimator(std, **options)
        unmeasured = STDClassifier(max_epochs=1).fit(*digits)
        with pytest.raises(ValueError, match="Pass eval_set"):
            LearningCurvesDisplay.from_estimator(unmeasured)
