"""All candidates trained at once score as each does in a fit of its own."""

from pathlib import Path

import numpy as np
import pytest
from searches import DATA, assert_told_apart, check_same_answers, wine
from sklearn.base import clone

from sklearn_lwal import (
    LabelEmbedClassifier,
    LwALClassifier,
    LWRClassifier,
    StaticLabelClassifier,
    STDClassifier,
)

BANKING = Path(__file__).parents[1] / ".data" / "features" / "banking77.npz"
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
    """The first values, each other value beside them, and all last ones at once."""
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
# On a kind of classifier that the values make a difference to, and on data where they
# do; these are such that the last digits of the features make none, which a fit of
# many steps from a random start magnifies. The first of the data are quick.
GRIDS = {
    "updates": (LWAL, UPDATES, "digits", "texts"),
    "updates, paper": (PAPER, UPDATES, "texts"),
    "updates, hidden": (
        DEEP,
        {"update_every": [1, 3], "warmup_steps": [0, 4]},
        "digits",
    ),
    "rates": (
        LWAL,
        {"lr": [1e-4, 1e-3, 1e-2], "l2": [0.0, 0.1]},
        "wine",
    ),
    "rates, paper": (PAPER, {"lr": [1e-4, 5e-3], "l2": [0.0, 0.1]}, "digits"),
    "dimensions": (
        LWAL,
        # At 1e-2 the loss on the texts falls to 1e-6, of which Adam makes steps of full
        # size: their direction is rounding.
        apart({"output_dim": ["auto", 2, 3, 1.0, 2.5], "lr": [1e-3, 3e-3]}),
        "wine",
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
        "texts",
    ),
    "steps by rate": (
        LwALClassifier(random_state=0),
        {"lr": [5e-4, 5e-3]},
        "wine",
    ),
    "hidden layers": (
        LWAL,
        {"hidden_layer_sizes": [(), (8,), (12, 6)], "dropout": [0.0, 0.5]},
        "wine",
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
        "texts",
    ),
    "stopping, hidden": (
        clone(DEEP).set_params(early_stopping=True, max_epochs=8),
        {"n_iter_no_change": [1, 3], "tol": [1e-4, 0.1]},
        "wine",
    ),
    "optimizers": (
        PAPER,
        {"optimizer": ["adam", "adamw", "rmsprop", "sgd"], "lr": [1e-3, 3e-3]},
        "digits",
    ),
    "gradients": (PAPER, {"max_grad_norm": [None, 0.01, 0.1]}, "digits"),
    "seeds": (PAPER, {"random_state": [0, 1, 2], "lr": [1e-3, 3e-3]}, "digits"),
    "several grids": (
        LWAL,
        [
            {"output_dim": [1.0, 2.0], "lr": [1e-3, 1e-2]},
            {"hidden_layer_sizes": [(4,)], "dropout": [0.0, 0.3]},
            {"repel_weight": [0.0, 10.0]},
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
        "wine",
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


def cases():
    for name, (estimator, grid, quick, *others) in {**GRIDS, **RIVALS}.items():
        yield pytest.param(estimator, grid, quick, id=f"{name}-{quick}")
        for data in others:
            slow = pytest.mark.slow
            yield pytest.param(estimator, grid, data, id=f"{name}-{data}", marks=slow)


@pytest.mark.parametrize(("estimator", "grid", "data"), [*cases()])
def test_every_cell_and_the_choice(estimator, grid, data):
    _, theirs = check_same_answers(estimator, grid, *DATA[data](), cv=3)
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
def test_banking77(estimator, grid):
    with np.load(BANKING) as features:
        X, y = features["X_train"], features["y_train"]
    rows = np.random.RandomState(0).permutation(len(X))[:4000]
    _, theirs = check_same_answers(estimator, grid, X[rows], y[rows])
    assert_told_apart(theirs)


@pytest.mark.parametrize(
    ("average", "label_update"), [(True, "features"), (False, "batch")]
)
def test_options_that_differ_where_some_stop_early(average, label_update):
    clf = LwALClassifier(
        early_stopping=True,
        max_epochs=6,
        batch_size=32,
        average=average,
        label_update=label_update,
        random_state=0,
    )
    values = {"update_every": [1, 3], "repel_weight": [0.0, 3.0]}
    grid = [{"n_iter_no_change": [1, 20], **one} for one in apart(values)]
    check_same_answers(clf, grid, *wine())
