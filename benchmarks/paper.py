"""The paper's experiments: which runs make up each table and figure.

Settings are the paper's: Adam, 50 rows a class in a batch, seeds 12, 123 and 1234, 10
epochs (20 where there are about 100 classes), a learning rate for each backbone, k = 1,
w = 0, lambda = 10. Scales:

- ``smoke``: data that scikit-learn brings along, to see that all of it works;
- ``frozen``: a dense layer on standardised frozen features, for a machine without GPU;
- ``full``: the backbone is trained, as in the paper.
"""

import csv
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from benchmarks.datasets import DATASETS
from benchmarks.methods import paper_methods
from benchmarks.training import Run, check_fits

SCALES = ("smoke", "frozen", "full")
SEEDS = (12, 123, 1234)
IMAGES = ("mnist", "fashion_mnist", "cifar10", "cifar100", "food101")
BACKBONES = ("resnet50", "efficientnet_b0", "densenet121")
# The paper's; the Lite0 network, which it lacks, has each of its two.
RATES = {
    "resnet50": (1e-4,),
    "efficientnet_b0": (1e-3,),
    "densenet121": (1e-4,),
    "efficientnet_lite0": (1e-4, 1e-3),
    "pixels": (1e-3,),
    "bert": (1e-4,),
    "minilm": (1e-4,),
}
# Whose printed values stand beside ours where the paper has not the same backbone: of
# images those that it trains with the same rate.
NEIGHBOUR = {
    ("efficientnet_lite0", 1e-4): "resnet50",
    ("efficientnet_lite0", 1e-3): "efficientnet_b0",
    ("minilm", 1e-4): "bert",
}
LWAL = ("LwAL", "LwAL10", "LwAL10+rpl")
WARMUPS = (0, 2, 5)
FEATURES = "mean features"
WITH_TAXONOMY = ("cifar10", "fashion_mnist", "awa2", "digits")
VALUES = Path(__file__).parent / "paper_values.csv"


@dataclass(frozen=True)
class Scope:
    """What is asked for; None is the experiment's own choice."""

    scale: str = "frozen"
    datasets: tuple | None = None
    backbones: tuple | None = None
    methods: tuple | None = None
    seeds: tuple = SEEDS
    max_epochs: int | None = None

    def filled(self, datasets, backbones, methods):
        """With choices in the place of None; the first two by scale."""
        return replace(
            self,
            datasets=self.datasets or datasets[self.scale],
            backbones=self.backbones or backbones[self.scale],
            methods=self.methods or methods,
        )


def image_runs(scope, methods=None):
    """Tables 1 and 5, Figure 2: every method, to be compared with STD."""
    datasets = {"smoke": ("digits",), "frozen": IMAGES[:4], "full": IMAGES}
    scope = scope.filled(datasets, image_backbones(), methods or (*paper_methods(),))
    return runs(scope, trained=scope.scale == "full")


def curve_runs(scope):
    """Figure 2: CIFAR-100, every method."""
    smoke = scope.scale == "smoke"
    datasets = scope.datasets or (("digits",) if smoke else ("cifar100",))
    return image_runs(replace(scope, datasets=datasets))


def text_runs(scope):
    """Table 3: a hidden layer of 768 before the classes, on features of texts."""
    datasets = {"smoke": ("breast_cancer",), "frozen": ("imdb",)}
    datasets["full"] = ("imdb", "yelp")
    backbones = {"smoke": ("pixels",), "frozen": ("minilm",), "full": ("bert",)}
    scope = scope.filled(datasets, backbones, (*paper_methods(),))
    return runs(scope, hidden_layer_sizes=(768,))


def warmup_runs(scope):
    """Table 4: w steps before the first update of the labels."""
    others = {*(scope.methods or ())} - {*LWAL}
    if others:
        raise ValueError(f"Table 4 is about {LWAL}, not about {sorted(others)}.")
    base = at_rate(max, image_runs(scope, LWAL))
    return [replace(run, warmup_steps=w) for run in base for w in WARMUPS]


def structure_runs(scope):
    """Table 2: only the classes that WordNet has.

    The mean features, which nothing was trained for, are a run of no epochs.
    """
    unknown = {*(scope.datasets or ())} - {*WITH_TAXONOMY}
    if unknown:
        raise ValueError(f"{sorted(unknown)} have no taxonomy; {WITH_TAXONOMY} have.")
    lwr = ("LWR2k", "LWR3k", "LWR5k")
    methods = ("STD", *lwr, "LabelEmbed", *LWAL, "library default")
    datasets = {"smoke": ("digits",), "frozen": ("cifar10", "fashion_mnist")}
    datasets["full"] = ("cifar10", "fashion_mnist", "awa2")
    backbones = image_backbones() | {"full": ("resnet50",)}
    scope = scope.filled(datasets, backbones, (*methods, FEATURES))
    found = runs(scope, trained=scope.scale == "full")
    found = map(of_features, map(of_mapped, at_rate(min, found)))
    return list(dict.fromkeys(found))


def at_rate(choose, found):
    """Of two rates the lowest, ResNet50's, or the highest, EfficientNetB0's."""
    return [run for run in found if run.lr == choose(RATES[run.backbone])]


def hierarchy_runs(scope):
    """Figure 3: the labels of CIFAR-10."""
    smoke = scope.scale == "smoke"
    datasets = scope.datasets or (("digits",) if smoke else ("cifar10",))
    return structure_runs(replace(scope, datasets=datasets))


def of_mapped(run):
    """The run on the classes that WordNet has, where those are not all."""
    if run.dataset != "fashion_mnist":
        return run
    return replace(run, mapped=True, batch_size=50 * 8)


def of_features(run):
    """Mean features depend on neither the seed nor how they are trained on."""
    if run.method != FEATURES:
        return run
    return replace(run, seed=0, max_epochs=0, lr=0.0, trained=False)


def image_backbones():
    return {"smoke": ("pixels",), "frozen": ("efficientnet_lite0",), "full": BACKBONES}


def runs(scope, **options):
    """One run for each combination.

    Raises
    ------
    ValueError
        If a backbone is for another kind of data.
    """
    for dataset in scope.datasets:
        for backbone in scope.backbones:
            check_fits(dataset, backbone)
    return [
        Run(
            dataset=dataset,
            backbone=backbone,
            method=method,
            seed=seed,
            max_epochs=scope.max_epochs or n_epochs(dataset, scope.scale),
            lr=lr,
            batch_size=50 * DATASETS[dataset].n_classes,
            **options,
        )
        for dataset in scope.datasets
        for backbone in scope.backbones
        for lr in RATES[backbone]
        for seed in scope.seeds
        for method in scope.methods
    ]


def n_epochs(dataset, scale):
    if scale == "smoke":
        return 5
    return 20 if DATASETS[dataset].n_classes >= 100 else 10


@cache
def printed():
    """The paper's values, {(table, dataset, backbone, method, w, quantity): row}."""
    with VALUES.open() as f:
        return {tuple(row.values())[:6]: row for row in csv.DictReader(f)}


def paper_value(table, run, quantity, warmup_steps=""):
    """What the paper prints for the like of a run, as text; "" where it has nothing."""
    backbone = NEIGHBOUR.get((run.backbone, run.lr), run.backbone)
    backbone = "resnet50" if table == 2 else backbone
    # Table 2 has the best k of learning with retrospection.
    method = "LWR" if table == 2 and run.method.startswith("LWR") else run.method
    where = (run.dataset, backbone, method, str(warmup_steps), quantity)
    row = printed().get((str(table), *where))
    if row is None:
        return ""
    if not row["mean"]:
        return "-"
    star = "*" if row["note"] else ""
    return row["mean"] + (f" ± {row['spread']}" if row["spread"] else "") + star
