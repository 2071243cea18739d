"""Small grids that hypothesis draws: a search answers them as GridSearchCV does."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from searches import assert_same_answers, both_warned
from sklearn.datasets import load_digits, load_wine
from sklearn.model_selection import KFold, ParameterGrid, StratifiedKFold
from sklearn.preprocessing import scale
from strategies import CLASSIFIERS

from sklearn_lwal import (
    LabelEmbedClassifier,
    LwALClassifier,
    LWRClassifier,
    StaticLabelClassifier,
    STDClassifier,
)

# Few steps and gentle rates: what rounding differs by does not grow there.
SHARED = {
    "lr": [1e-4, 1e-3, 3e-3],
    "l2": [0.0, 0.01, 0.1],
    "max_epochs": [1, 2, 3],
    "batch_size": [20, 33, 64, "auto"],
    "hidden_layer_sizes": [(), (6,), (5, 4)],
    "dropout": [0.0, 0.1, 0.5],
    "standardize": [True, False],
    "average": [True, False],
    "class_weight": [None, "balanced", {0: 3.0}],
    "optimizer": ["adam", "adamw", "sgd"],
    "early_stopping": [False, True],
    "validation_fraction": [0.1, 0.25],
    "n_iter_no_change": [1, 2],
    "random_state": [0, 1, 2**32 - 1],
}
LABELS = dict(enumerate(np.random.RandomState(0).normal(size=(10, 4))))
OWN = {
    LwALClassifier: {
        "output_dim": ["auto", 2, 5, 1.0, 2.5],
        "init": ["discriminant", "random"],
        "label_update": ["features", "batch"],
        "temperature": ["learned", 0.5, 2.0],
        "update_every": [1, 2, 5],
        "warmup_steps": [0, 1, 7],
        "repel_weight": [0.0, 0.5, 10.0],
        "label_momentum": [0.0, 0.3, 0.9],
        "refine_labels": [True, False],
    },
    STDClassifier: {
        "scores": ["linear", "cosine", "etf"],
        "label_smoothing": [0.0, 0.1, 0.5],
        "confidence_penalty": [0.0, 0.1, 1.0],
        "teacher_weight": [0.0, 0.5, 1.0],
        "teacher_temperature": [1.0, 20.0],
        "teacher_multiplier": [None, 0.0, 5.0],
    },
    StaticLabelClassifier: {"label_embeddings": [None, LABELS]},
    LWRClassifier: {
        "variant": ["paper", "lwal"],
        "update_every": [1, 2],
        "temperature": [1.0, 5.0],
        "retrospection": [0.0, 0.5, 1.0],
    },
    LabelEmbedClassifier: {
        "hard_weight": [0.0, 0.5, 1.0],
        "temperature": [1.0, 2.0],
        "confidence_cap": [0.2, 0.9, 1.0],
    },
}


@st.composite
def searches(draw):
    """A classifier, and a grid of up to eight candidates."""
    Classifier = draw(st.sampled_from(CLASSIFIERS))
    values = {**SHARED, **OWN[Classifier]}
    fixed = {name: draw(st.sampled_from(values[name])) for name in sorted(values)}
    names = draw(st.sets(st.sampled_from(sorted(values)), min_size=1, max_size=2))
    names.add(draw(st.sampled_from(sorted(OWN[Classifier]))))
    several = {
        name: draw(st.permutations(values[name]))[: draw(st.integers(1, 2))]
        for name in sorted(names)
    }
    if fixed["hidden_layer_sizes"] or several.get("hidden_layer_sizes"):
        # Adam makes whole steps of gradients that are but rounding, such as those of a
        # bias before batch normalisation.
        fixed["optimizer"] = "sgd"
        several.pop("optimizer", None)
    return Classifier(**fixed), several


data = st.fixed_dictionaries(
    {
        "n_class": st.integers(2, 10),
        "n": st.integers(90, 150),
        "seed": st.integers(0, 9),
        "form": st.sampled_from([np.asarray, sp.csr_array]),
    }
)
folds = st.builds(
    lambda Folds, n: Folds(n),
    st.sampled_from([StratifiedKFold, KFold]),
    st.integers(2, 3),
)


def rows(n_class, n, seed, form):
    """Some of the digits; of three classes it is wine."""
    if n_class == 3:
        X, y = load_wine(return_X_y=True)
        X = scale(X)
    else:
        X, y = load_digits(n_class=n_class, return_X_y=True)
        X = X / 16
    chosen = np.random.RandomState(seed).permutation(len(y))[:n]
    return form(X[chosen]), y[chosen]


@pytest.mark.slow
@given(searches(), data, folds, st.booleans())
@settings(max_examples=20)
def test_answers(search, data, folds, train):
    clf, grid = search
    options = {"cv": folds, "return_train_score": train}
    ours, theirs, _ = both_warned(clf, grid, *rows(**data), **options)
    assert len(ours.cv_results_["params"]) == len(ParameterGrid(grid))
    assert list(ours.cv_results_) == list(theirs.cv_results_)
    assert_same_answers(ours, theirs)
