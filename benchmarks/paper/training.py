"""One training of a method in the paper's configuration, and its result."""

import functools
from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import pdist

from benchmarks._shared.backbones import EfficientNetLite
from benchmarks._shared.datasets import DATASETS, class_names, load_images
from benchmarks._shared.frozen_features import BACKBONES, frozen_features, name_vectors
from benchmarks._shared.measuring import curves, provenance, timed_fit
from benchmarks._shared.methods import paper_methods
from benchmarks.paper.label_vectors import label_distances, rounded
from sklearn_lwal import Backbone
from sklearn_lwal.structure import class_means, paper_distances

# With more classes, the distances between their labels are not kept.
MAX_CLASSES_KEPT = 25
# Side of the images on which a backbone is trained; the paper does not say its own.
TRAINED_SIZE = 32


@dataclass(frozen=True)
class Run:
    """One training: the data, the method and its settings.

    ``backbone`` names the network that gives the features ("pixels": none), or that is
    ``trained`` on images instead; ``mapped`` leaves out the classes that WordNet lacks.
    """

    dataset: str
    backbone: str
    method: str
    seed: int
    max_epochs: int
    lr: float
    batch_size: int
    warmup_steps: int = 0
    hidden_layer_sizes: tuple = ()
    trained: bool = False
    mapped: bool = False

    @property
    def network(self):
        """The backbone, and whether it is trained."""
        return self.backbone + ", trained" * self.trained

    @property
    def group(self):
        """Runs of a group have the same data."""
        return self.dataset, self.backbone, self.mapped, self.trained

    @property
    def path(self):
        """The file of the result, in the folder of results."""
        return f"{self.dataset}-{self.backbone}.jsonl"


def execute(run, data_root, device="auto"):
    """Train and measure: curves over the epochs, seconds, and the machine."""
    X, y, X_test, y_test = load(
        run.dataset, run.backbone, run.trained, run.mapped, data_root
    )
    if run.max_epochs == 0:
        # Nothing is trained: these are the features themselves.
        return {"label_distances": rounded(pdist(class_means(X, y)))}
    clf = classifier(run, data_root, device)
    seconds = timed_fit(clf, X, y, eval_set=(X_test, y_test))
    result = {
        "fit_seconds": seconds,
        "curves": curves(clf.history_),
        **provenance(clf),
    }
    if len(clf.classes_) <= MAX_CLASSES_KEPT:
        result["label_distances"] = label_distances(clf, X, y)
    return result


def classifier(run, data_root, device):
    """The method, with the settings of the run."""
    clf = paper_methods()[run.method].set_params(
        max_epochs=run.max_epochs,
        lr=run.lr,
        batch_size=run.batch_size,
        random_state=run.seed,
        hidden_layer_sizes=run.hidden_layer_sizes,
        device=device,
    )
    if run.warmup_steps:
        clf.set_params(warmup_steps=run.warmup_steps)
    if run.method == "StaticLabel" and run.backbone != "pixels":
        vectors = name_vectors(run.dataset, data_root)
        kept = mapped_classes(run.dataset, data_root) if run.mapped else slice(None)
        clf.set_params(label_embeddings=vectors[kept])
    if run.trained:
        clf.set_params(
            backbone=Backbone(
                image_model(run.backbone),
                trainable=True,
                image_size=TRAINED_SIZE,
                lr=run.lr,
                recalibrate_batch_norm=False,
            )
        )
    return clf


def image_model(backbone):
    """The model of a :class:`Backbone`, with ImageNet weights."""
    return EfficientNetLite() if backbone == "efficientnet_lite0" else backbone


@functools.lru_cache(maxsize=1)
def load(dataset, backbone, trained, mapped, data_root):
    """X_train, y_train, X_test, y_test; standardised features, or uint8 images."""
    check_fits(dataset, backbone)
    if trained:
        (X, y), (X_test, y_test) = load_images(dataset, data_root, TRAINED_SIZE)
    else:
        X, y, X_test, y_test = frozen_features(
            dataset, data_root, backbone=None if backbone == "pixels" else backbone
        )
    if mapped:
        kept = mapped_classes(dataset, data_root)
        (X, y), (X_test, y_test) = only(X, y, kept), only(X_test, y_test, kept)
    return X, y, X_test, y_test


def check_fits(dataset, backbone):
    """Raise a ValueError if the backbone is for another kind of data."""
    kind = DATASETS[dataset].kind
    fitting = BACKBONES[kind] or ("pixels",)
    if backbone not in fitting:
        scale = " (--scale smoke)" * (kind == "table")
        raise ValueError(
            f"{backbone!r} gives no features of {dataset!r}. Pass --backbone with one "
            f"of {fitting}{scale}, or another --dataset."
        )


def mapped_classes(dataset, data_root):
    """Indices of the classes that have a place in WordNet, ascending."""
    names = class_names(dataset, data_root)
    return np.array([names.index(name) for name in paper_distances(dataset).names])


def only(X, y, kept):
    """The rows of these classes, which are numbered anew."""
    rows = np.isin(y, kept)
    return X[rows], np.searchsorted(kept, y[rows])
