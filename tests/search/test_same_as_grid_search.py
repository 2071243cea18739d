"""Candidates trained together score as in GridSearchCV, whatever the grid."""

from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from _helpers.searches import (
    DATA,
    assert_same_answers,
    assert_told_apart,
    both_warned,
    check_same_answers,
    digits,
)
from _helpers.strategies import CLASSIFIERS
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.datasets import load_digits, load_wine
from sklearn.model_selection import KFold, ParameterGrid, StratifiedKFold
from sklearn.preprocessing import scale

from sklearn_lwal import (
    LabelEmbedClassifier,
    LwALClassifier,
    LWRClassifier,
    StaticLabelClassifier,
    STDClassifier,
)

BANKING = Path(__file__).parents[2] / ".data" / "features" / "banking77.npz"
LWAL = LwALClassifier(max_epochs=3, lr=5e-3, batch_size=32, random_state=0)
PAPER = LwALClassifier(
    init="random",
    label_update="batch",
    temperature=1.0,
    standardize=False,
    average=False,
    refine_labels=False,
    max_epochs=3,
    lr=3e-3,
    random_state=0,
)
DEEP = clone(LWAL).set_params(hidden_layer_sizes=(8,))
STOPPING = clone(PAPER).set_params(early_stopping=True, max_epochs=12, lr=0.01)


def apart(grid):
    """The first values, each other value with the first ones, and all last values."""
    first, last = ({k: [v[i]] for k, v in grid.items()} for i in (0, -1))
    others = [{**first, k: [v]} for k, values in grid.items() for v in values[1:]]
    return [first, *others, last]


UPDATES = apart(
    {
        "update_every": [1, 3],
        "warmup_steps": [0, 4],
        "repel_weight": [0.0, 3.0],
        "label_momentum": [0.0, 0.5],
    }
)
PREPARATION = apart(
    {
        "standardize": [True, False],
        "average": [True, False],
        "refine_labels": [True, False],
    }
)
WEIGHTS = [None, "balanced", {0: 5.0, 2: 0.5}]
# Each grid has a classifier and data on which its values make a difference, and the
# last digits of the features make none: many steps from a random start magnify them.
GRIDS = {
    "updates": (LWAL, UPDATES, "texts"),
    "updates, paper": (PAPER, UPDATES, "texts"),
    "updates, hidden": (
        DEEP,
        {"update_every": [1, 3], "warmup_steps": [0, 4]},
        "texts",
    ),
    "rates": (
        LWAL,
        apart({"lr": [1e-4, 1e-3, 1e-2], "l2": [0.0, 0.1]}),
        "wine",
    ),
    "rates, paper": (PAPER, {"lr": [1e-4, 5e-3], "l2": [0.0, 0.1]}, "digits"),
    "dimensions": (
        LWAL,
        # At 1e-2 the loss on the texts falls to 1e-6, of which Adam makes steps of full
        # size: their direction is rounding.
        apart({"output_dim": ["auto", 2, 3, 1.0, 2.5], "lr": [1e-3, 3e-3]}),
        "texts",
    ),
    "dimensions, paper": (
        PAPER,
        {"output_dim": [2, 1.0, 10.0], "repel_weight": [0.0, 10.0]},
        "digits",
    ),
    "temperatures": (
        LWAL,
        {"temperature": ["learned", 0.5, 1.0, 3.0]},
        "digits",
    ),
    "temperatures, paper": (
        PAPER,
        {"temperature": ["learned", 0.5, 1.0, 3.0]},
        "texts",
    ),
    "class weights": (
        LWAL,
        {"class_weight": WEIGHTS, "lr": [1e-3, 1e-2]},
        "wine",
    ),
    "class weights, paper": (PAPER, {"class_weight": WEIGHTS}, "digits"),
    "starts": (
        LWAL,
        apart(
            {
                "init": ["discriminant", "random"],
                "label_update": ["features", "batch"],
                "temperature": ["learned", 1.0],
            }
        ),
        "wine",
    ),
    "preparation": (LWAL, PREPARATION, "digits"),
    "preparation, paper": (PAPER, PREPARATION, "texts"),
    "steps": (
        LWAL,
        {"max_epochs": [1, 4], "batch_size": [16, 50, "auto"]},
        "digits",
    ),
    "steps by rate": (
        LwALClassifier(random_state=0),
        {"lr": [5e-4, 5e-3]},
        "wine",
    ),
    "hidden layers": (
        LWAL,
        {"hidden_layer_sizes": [(), (8,), (12, 6)], "dropout": [0.0, 0.5]},
        "texts",
    ),
    "hidden layers, paper": (
        clone(PAPER).set_params(optimizer="sgd", lr=0.1),
        {"hidden_layer_sizes": [(8,), [8, 4]], "dropout": [0.1, 0.5]},
        "wine",
    ),
    "stopping": (
        STOPPING,
        apart({"n_iter_no_change": [1, 2], "tol": [1e-4, 0.1], "lr": [0.003, 0.01]}),
        "digits",
    ),
    "stopping or not": (
        STOPPING,
        {"early_stopping": [False, True], "validation_fraction": [0.1, 0.3]},
        "digits",
    ),
    "stopping, hidden": (
        clone(DEEP).set_params(early_stopping=True, max_epochs=8),
        {"n_iter_no_change": [1, 3], "tol": [1e-4, 0.1]},
        "wine",
    ),
    "optimizers": (
        PAPER,
        apart({"optimizer": ["adam", "adamw", "rmsprop", "sgd"], "lr": [1e-3, 3e-3]}),
        "digits",
    ),
    "gradients": (PAPER, {"max_grad_norm": [None, 0.01, 0.1]}, "digits"),
    "seeds": (PAPER, apart({"random_state": [0, 1], "lr": [1e-3, 3e-3]}), "digits"),
    "several grids": (
        LWAL,
        [
            {"output_dim": [1.0, 2.0], "lr": [1e-2]},
            {"hidden_layer_sizes": [(4,)], "dropout": [0.0, 0.3]},
            {"repel_weight": [10.0]},
        ],
        "wine",
    ),
}
STD = STDClassifier(max_epochs=3, lr=0.01, random_state=0)
ANCHORS = dict(enumerate(np.random.RandomState(0).normal(size=(40, 5))))
RIVALS = {
    "STD, losses": (
        STD,
        apart(
            {
                "label_smoothing": [0.0, 0.2],
                "confidence_penalty": [0.0, 0.5],
                "teacher_weight": [0.0, 0.5],
            }
        ),
        "digits",
    ),
    "STD, scores": (
        STD,
        {"scores": ["linear", "cosine", "etf"], "label_smoothing": [0.0, 0.2]},
        "texts",
    ),
    "STD, teachers": (
        clone(STD).set_params(teacher_weight=0.5),
        {"teacher_temperature": [1.0, 20.0], "teacher_multiplier": [None, 1.0]},
        "wine",
    ),
    "STD, shared": (
        STD,
        apart({"l2": [0.0, 0.1], "lr": [1e-3, 1e-2], "average": [True, False]}),
        "texts",
    ),
    "STD, hidden": (
        STD,
        {"hidden_layer_sizes": [(), (8,)], "scores": ["linear", "etf"]},
        "wine",
    ),
    "STD, stopping": (
        clone(STD).set_params(early_stopping=True, max_epochs=12),
        {"n_iter_no_change": [1, 3], "lr": [1e-3, 3e-2]},
        "digits",
    ),
    "StaticLabel": (
        StaticLabelClassifier(max_epochs=3, lr=0.01, random_state=0),
        apart(
            {
                "label_embeddings": [None, ANCHORS],
                "l2": [0.0, 0.1],
                "class_weight": [None, "balanced"],
            }
        ),
        "digits",
    ),
    "LWR": (
        LWRClassifier(max_epochs=4, lr=0.01, random_state=0),
        apart(
            {
                "variant": ["paper", "lwal"],
                "update_every": [1, 2],
                "temperature": [1.0, 5.0],
                "retrospection": [0.1, 0.9],
            }
        ),
        "wine",
    ),
    "LWR, epochs": (
        LWRClassifier(update_every=2, lr=0.01, random_state=0),
        {"max_epochs": [2, 5], "batch_size": [20, 64]},
        "digits",
    ),
    "LabelEmbed": (
        LabelEmbedClassifier(max_epochs=3, lr=0.01, random_state=0),
        apart(
            {
                "hard_weight": [0.2, 0.8],
                "temperature": [1.0, 4.0],
                "confidence_cap": [0.3, 0.9],
            }
        ),
        "texts",
    ),
    "LabelEmbed, hidden": (
        LabelEmbedClassifier(max_epochs=3, hidden_layer_sizes=(8,), random_state=0),
        {"lr": [1e-3, 1e-2], "dropout": [0.0, 0.5]},
        "wine",
    ),
}


CASES = GRIDS | RIVALS


@pytest.mark.parametrize(("estimator", "grid", "data"), CASES.values(), ids=CASES)
def test_every_cell_and_the_choice_are_the_same(estimator, grid, data):
    _, theirs = check_same_answers(estimator, grid, *DATA[data]())
    assert_told_apart(theirs)


@pytest.mark.slow
@pytest.mark.skipif(not BANKING.exists(), reason="needs the features of Banking77")
@pytest.mark.parametrize(
    ("estimator", "grid"),
    [
        (
            LwALClassifier(random_state=0),
            {
                "update_every": [1, 4],
                "repel_weight": [0.0, 10.0],
                "output_dim": [1.0, 2.0],
                "lr": [1e-3, 4e-3],
            },
        ),
        (
            PAPER,
            {"update_every": [1, 4], "output_dim": [1.0, 10.0], "lr": [1e-3, 1e-2]},
        ),
        (
            clone(STD).set_params(max_epochs=5),
            {"label_smoothing": [0.0, 0.1], "lr": [1e-3, 1e-2]},
        ),
    ],
    ids=["LwAL", "paper", "STD"],
)
def test_real_texts_of_many_classes(estimator, grid):
    with np.load(BANKING) as features:
        X, y = features["X_train"], features["y_train"]
    rows = np.random.RandomState(0).permutation(len(X))[:4000]
    _, theirs = check_same_answers(estimator, grid, X[rows], y[rows])
    assert_told_apart(theirs)


STOPS, GOES_ON = {"n_iter_no_change": [1], "tol": [10.0]}, {"n_iter_no_change": [20]}
UNLIKE = {"update_every": [3], "label_momentum": [0.5]}


@pytest.mark.parametrize(
    ("clf", "unlike"),
    [
        (LwALClassifier(), UNLIKE),
        (LwALClassifier(average=False, label_update="batch"), UNLIKE),
        (LWRClassifier(update_every=2), {"temperature": [5.0]}),
    ],
    ids=["averages", "labels", "retrospection"],
)
def test_candidates_keep_their_own_where_others_stop(clf, unlike):
    """The first and the third rate stop after two epochs, and the others go on."""
    options = {"early_stopping": True, "max_epochs": 6, "batch_size": 64}
    clf = clone(clf).set_params(random_state=0, **options)
    grid = [
        {**STOPS, "lr": [1e-3, 3e-3]},
        {**GOES_ON, "lr": [2e-3]},
        {**GOES_ON, "lr": [4e-3], **unlike},
    ]
    check_same_answers(clf, grid, *digits())


# Differences of rounding do not grow in few steps at low rates.
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
def drawn_searches(draw):
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
        # The gradient of a bias before batch normalisation is rounding alone, of which
        # Adam makes steps of full size.
        fixed["optimizer"] = "sgd"
        several.pop("optimizer", None)
    return Classifier(**fixed), several


data = st.fixed_dictionaries(
    {
        "n_class": st.integers(2, 10),
        "n": st.integers(90, 120),
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
@given(drawn_searches(), data, folds, st.booleans())
@settings(max_examples=10)
def test_drawn_grids_give_the_same_results(search, data, folds, train):
    clf, grid = search
    options = {"cv": folds, "return_train_score": train}
    ours, theirs, _ = both_warned(clf, grid, *rows(**data), **options)
    assert len(ours.cv_results_["params"]) == len(ParameterGrid(grid))
    assert list(ours.cv_results_) == list(theirs.cv_results_)
    assert_same_answers(ours, theirs)
