"""Random bad inputs: errors of the documented kinds alone, and nothing has changed."""

import contextlib
import copy

import numpy as np
import pytest
from _helpers import bad_inputs as bad
from _helpers.strategies import CLASSIFIERS, classifiers
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from sklearn.exceptions import NotFittedError
from skorch.callbacks import Callback

X, Y = bad.X, bad.Y
QUICK = {"max_epochs": 1, "random_state": 0}
FITTED = {Classifier: Classifier(**QUICK).fit(X, Y) for Classifier in CLASSIFIERS}
WENT_ON = {
    Classifier: copy.deepcopy(clf).partial_fit(X, Y).predict_proba(X)
    for Classifier, clf in FITTED.items()
}
ANSWERS = [
    "predict",
    "predict_proba",
    "predict_log_proba",
    "decision_function",
    "transform",
]
# Warnings of scikit-learn's estimators about inputs that they accept.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:A column-vector y was passed"),
    # Until version 1.7, from which on they are refused.
    pytest.mark.filterwarnings("ignore:Support for labels represented as bytes"),
    pytest.mark.filterwarnings("ignore:X (has|does not have valid) feature names"),
]


@pytest.fixture(scope="module", autouse=True)
def elsewhere(tmp_path_factory):
    """A folder to work in: some strings that are drawn are places to write to."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(tmp_path_factory.mktemp("fuzz"))
        yield


def fuzz(n_examples):
    # Drawing bad inputs takes about as long as refusing them, and few are small.
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large]
    return settings(max_examples=n_examples, suppress_health_check=checks)


def refused(call, *also):
    """Whether a documented error came; any other, or a warning, fails the test."""
    try:
        call()
    except (ValueError, TypeError, *also) as error:
        words = str(error)
    else:
        return False
    note(words)
    assert words.strip()
    return True


def assert_works(clf):
    """It answers for rows like those that it was fitted on."""
    rows = X[:, : clf.n_features_in_]
    if rows.shape[1] == clf.n_features_in_:
        assert np.isin(clf.predict(rows), clf.classes_).all()
        assert np.isfinite(clf.predict_proba(rows)).all()


def assert_as_it_was(clf):
    expected = FITTED[type(clf)]
    clf.set_params(**expected.get_params())
    assert vars(clf).keys() == vars(expected).keys()
    assert clf.history_ == expected.history_
    np.testing.assert_array_equal(clf.labels_, expected.labels_)
    np.testing.assert_array_equal(clf.predict_proba(X), expected.predict_proba(X))
    # Further training is as if nothing had been tried, too.
    went_on = clf.partial_fit(X, Y).predict_proba(X)
    np.testing.assert_array_equal(went_on, WENT_ON[type(clf)])


def check_new(Classifier, parameters, train, *also):
    clf = Classifier(**{**QUICK, **parameters})
    before = set(vars(clf))
    if not refused(lambda: train(clf), *also):
        return assert_works(clf)
    assert vars(clf).keys() == before
    with pytest.raises(NotFittedError):
        clf.predict(X)


def check_fitted(Classifier, parameters, train, *also):
    clf = copy.deepcopy(FITTED[Classifier]).set_params(**parameters)
    if refused(lambda: train(clf), *also):
        assert_as_it_was(clf)
    else:
        assert_works(clf)


WAYS = {
    "fit": lambda clf, X, y, **more: clf.fit(X, y, **more),
    "warm start": lambda clf, X, y, **more: clf.set_params(warm_start=True).fit(
        X, y, **more
    ),
    "partial_fit": lambda clf, X, y, **more: clf.partial_fit(
        X, y, classes=[0, 1, 2], **more
    ),
}
ways = st.sampled_from(sorted(WAYS))
new = st.booleans()


def check(Classifier, train, is_new, parameters=None, *also):
    checks = check_new if is_new else check_fitted
    checks(Classifier, parameters or {}, train, *also)


@given(classifiers, bad.bad_features, ways, new)
@fuzz(100)
def test_features(Classifier, features, way, new):
    check(Classifier, lambda clf: WAYS[way](clf, features, Y), new)


@given(classifiers, bad.bad_targets, ways, new)
@fuzz(100)
def test_targets(Classifier, targets, way, new):
    check(Classifier, lambda clf: WAYS[way](clf, X, targets), new)


@given(classifiers, bad.bad_features, bad.bad_targets, bad.bad_weights, ways, new)
@fuzz(50)
def test_all_of_the_data(Classifier, features, targets, weight, way, new):
    def train(clf):
        WAYS[way](clf, features, targets, sample_weight=weight)

    check(Classifier, train, new)


@given(classifiers, bad.bad_weights, ways, new)
@fuzz(80)
def test_sample_weight(Classifier, weight, way, new):
    check(Classifier, lambda clf: WAYS[way](clf, X, Y, sample_weight=weight), new)


@given(classifiers, bad.bad_eval_sets, new)
@fuzz(60)
def test_eval_set(Classifier, eval_set, new):
    check(Classifier, lambda clf: clf.fit(X, Y, eval_set=eval_set), new)


@given(classifiers, bad.bad_classes, new)
@fuzz(60)
def test_classes(Classifier, classes, new):
    check(Classifier, lambda clf: clf.partial_fit(X, Y, classes=classes), new)


@given(classifiers, st.data(), ways, new)
@fuzz(160)
def test_parameters(Classifier, data, way, new):
    parameters = data.draw(bad.bad_parameters(Classifier), "parameters")
    # Layers that no memory has room for; nothing else may ask for much.
    also = [MemoryError] if {"hidden_layer_sizes", "output_dim"} & {*parameters} else []
    with contextlib.redirect_stderr(None):
        check(Classifier, lambda clf: WAYS[way](clf, X, Y), new, parameters, *also)


class Stumbles(Callback):
    """Fails when training has begun, or has changed the weights."""

    def __init__(self, event):
        setattr(self, event, self.fail)

    def fail(self, *args, **kwargs):
        raise ValueError("the callback stumbled")


EVENTS = ["on_train_begin", "on_epoch_begin", "on_epoch_end", "on_train_end"]


@given(classifiers, st.sampled_from(EVENTS), ways, new)
@fuzz(30)
def test_training_that_fails(Classifier, event, way, new):
    parameters = {"callbacks": [Stumbles(event)]}
    check(Classifier, lambda clf: WAYS[way](clf, X, Y), new, parameters)


@given(classifiers, bad.bad_features, st.sampled_from(ANSWERS))
@fuzz(100)
def test_answers(Classifier, features, method):
    clf = copy.deepcopy(FITTED[Classifier])
    if not refused(lambda: getattr(clf, method)(features)):
        values = getattr(clf, method)(features)
        assert np.isfinite(values).all()
    assert_as_it_was(clf)


@given(classifiers, bad.bad_features, st.sampled_from(ANSWERS))
@fuzz(25)
def test_nothing_is_answered_before_fit(Classifier, features, method):
    with pytest.raises(NotFittedError):
        getattr(Classifier(), method)(features)
