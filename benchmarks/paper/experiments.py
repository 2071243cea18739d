"""The runs that each table and figure of the paper is made of.

The settings are the paper's: Adam, 50 rows a class in a batch, seeds 12, 123 and 1234,
10 epochs (20 for about 100 classes), a learning rate for each backbone, k = 1, w = 0,
lambda = 10. There are three scales:

- ``smoke``: data that scikit-learn brings along, to try the program;
- ``frozen``: a dense layer on standardised frozen features, for a machine without GPU;
- ``full``: the backbone is trained, as in the paper.
"""

from dataclasses import replace

from benchmarks._shared.datasets import DATASETS
from benchmarks._shared.methods import paper_methods
from benchmarks.paper.training import Run, check_fits

SCALES = ("smoke", "frozen", "full")
IMAGES = ("mnist", "fashion_mnist", "cifar10", "cifar100", "food101")
BACKBONES = ("resnet50", "efficientnet_b0", "densenet121")
# The paper's rates. It lacks the Lite0 network, which is run with both of them.
RATES = {
    "resnet50": (1e-4,),
    "efficientnet_b0": (1e-3,),
    "densenet121": (1e-4,),
    "efficientnet_lite0": (1e-4, 1e-3),
    "pixels": (1e-3,),
    "bert": (1e-4,),
    "minilm": (1e-4,),
}
LWAL = ("LwAL", "LwAL10", "LwAL10+rpl")
WARMUPS = (0, 2, 5)
FEATURES = "mean features"
WITH_TAXONOMY = ("cifar10", "fashion_mnist", "awa2", "digits")


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

    The mean features, for which nothing is trained, are a run of no epochs.
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
    found = map(without_training, map(without_unmapped, at_rate(min, found)))
    return list(dict.fromkeys(found))


def at_rate(choose, found):
    """The runs at one rate: ``min`` is ResNet50's, ``max`` EfficientNetB0's."""
    return [run for run in found if run.lr == choose(RATES[run.backbone])]


def hierarchy_runs(scope):
    """Figure 3: the labels of CIFAR-10."""
    smoke = scope.scale == "smoke"
    datasets = scope.datasets or (("digits",) if smoke else ("cifar10",))
    return structure_runs(replace(scope, datasets=datasets))


def without_unmapped(run):
    """The run with only those classes that WordNet has."""
    if run.dataset != "fashion_mnist":
        return run
    return replace(run, mapped=True, batch_size=50 * 8)


def without_training(run):
    """The run; mean features get one run alone, as they need no seed or training."""
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
