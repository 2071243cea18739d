"""Searches side by side: the library's and scikit-learn's over the same candidates."""

import pickle
import random
import re
import warnings

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits, load_wine
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import normalize, scale

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
EACH = [
    CLF,
    STD,
    StaticLabelClassifier(max_epochs=2, random_state=0),
    LWRClassifier(max_epochs=2, update_every=1, random_state=0),
    LabelEmbedClassifier(max_epochs=2, random_state=0),
]
RATES = {"lr": [1e-3, 1e-2]}
GRID = {**RATES, "repel_weight": [0.0, 3.0]}
FAILED = "{} fits failed out of a total of {}."
each_classifier = pytest.mark.parametrize("clf", EACH, ids=lambda c: type(c).__name__)
# Tolerance of one cell. The accuracy of a few hundred rows moves in larger steps, so
# there it means equal predictions; for a log-loss above 1 it is relative.
ATOL = 1e-3
SPLIT = re.compile(r"split\d+_(test|train)_")


def digits(n=300):
    """Pixels, many of them zero in all rows, (n, 64), of ten classes."""
    X, y = load_digits(return_X_y=True)
    return X[:n], y[:n]


def wine():
    """Columns on one scale, (178, 13), of three classes in order."""
    X, y = load_wine(return_X_y=True)
    return scale(X), y


def texts(n_classes=40, rows=6, n_features=96):
    """Unit vectors as sentence encoders give them, of many classes with few rows."""
    rng = np.random.RandomState(0)
    y = np.tile(np.arange(n_classes), rows)
    X = rng.normal(size=(n_classes, n_features))[y]
    X += 1.5 * rng.normal(size=X.shape)
    return normalize(X).astype(np.float32), y


DATA = {"digits": digits, "wine": wine, "texts": texts}


def run(Search, estimator, grid, X, y, params=None, **options):
    """A fitted search of that class, by default without the refit."""
    defaults = {"cv": 2, "scoring": ["accuracy", "neg_log_loss"], "refit": False}
    search = Search(estimator, grid, **defaults | options)
    return search.fit(X, y, **params or {})


def both(*args, **options):
    """The library's search and scikit-learn's, both fitted."""
    return [run(Search, *args, **options) for Search in (LabelSearchCV, GridSearchCV)]


def assert_same_results(ours, theirs, atol=ATOL):
    """Compare candidates and scores in cv_results_."""
    ours, theirs = ours.cv_results_, theirs.cv_results_
    assert ours["params"] == theirs["params"]
    cells = [key for key in theirs if SPLIT.match(key)]
    assert cells
    for key in cells:
        rtol = atol if np.nanmax(np.abs(theirs[key]), initial=0) > 1 else 0
        np.testing.assert_allclose(ours[key], theirs[key], rtol, atol, err_msg=key)


def assert_same_answers(ours, theirs, atol=ATOL):
    """Compare each cell's scores, and the choice by them."""
    assert_same_results(ours, theirs, atol)
    # Ties of accuracies are exact.
    rank = "rank_test_accuracy"
    if rank in theirs.cv_results_:
        first = [np.argmin(search.cv_results_[rank]) for search in (ours, theirs)]
        assert first[0] == first[1]
    assert ours.n_splits_ == theirs.n_splits_
    assert ours.multimetric_ == theirs.multimetric_
    assert hasattr(ours, "best_index_") == hasattr(theirs, "best_index_")
    if hasattr(theirs, "best_index_"):
        assert ours.best_index_ == theirs.best_index_
        assert ours.best_params_ == theirs.best_params_
    if hasattr(theirs, "best_score_"):
        np.testing.assert_allclose(
            ours.best_score_, theirs.best_score_, rtol=0, atol=atol
        )


def check_same_answers(*args, **options):
    """Run both searches, compare them, and return them."""
    ours, theirs = both(*args, **options)
    assert_same_answers(ours, theirs)
    return ours, theirs


def assert_told_apart(search, metric="neg_log_loss"):
    """The candidates are not all the same, so mixing them up would be seen."""
    scores = [
        search.cv_results_[f"split{i}_test_{metric}"] for i in range(search.n_splits_)
    ]
    assert np.ptp(scores, axis=1).max() > 5 * ATOL


def global_states():
    """The random states that everyone shares."""
    torch_state = torch.get_rng_state().numpy().tobytes()
    return torch_state, pickle.dumps(np.random.get_state()), random.getstate()


def both_warned(*args, **options):
    """Both searches, and the kinds and first lines of their equal warnings."""
    fitted, told = [], []
    for Search in (LabelSearchCV, GridSearchCV):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            fitted.append(run(Search, *args, **options))
        words = [str(one.message).strip().splitlines()[0] for one in caught]
        # A list of scores may follow, with their last digits.
        kinds = [one.category for one in caught]
        told.append([(k, w.split(": [")[0]) for k, w in zip(kinds, words, strict=True)])
    assert sorted(told[0], key=str) == sorted(told[1], key=str)
    return *fitted, told[0]


def error_of(Search, estimator, grid, X, y, fit=None, **options):
    """The exception that the search raises."""
    with pytest.raises(Exception) as caught:  # noqa: PT011
        Search(estimator, grid, **{"cv": 2, **options}).fit(X, y, **fit or {})
    return caught.value


def first_words(error):
    """Its first line, up to a set, whose order is another each time."""
    line = str(error).strip().splitlines()[0].split("{")[0]
    return line.replace(LabelSearchCV.__name__, GridSearchCV.__name__)


def check_same_error(*args, **options):
    """Both searches raise the same, and it begins with the same words."""
    searches = LabelSearchCV, GridSearchCV
    ours, theirs = (error_of(Search, *args, **options) for Search in searches)
    assert type(ours) is type(theirs)
    assert first_words(ours) == first_words(theirs)
    return ours
