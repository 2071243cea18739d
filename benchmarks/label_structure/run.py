"""Chance correlations and a map of labels, for the guide to structure.

``python -m benchmarks label_structure --data-root DIR`` prints mean and standard
deviation of the structure correlation (Eq. 4) of 400 random labels (normal, 100
dimensions) for the paper's class lists, and draws the labels of CIFAR-100: the
library's default on frozen EfficientNet-Lite0 features of 8,000 training images, amid
1,500 test images.
"""

import pickle

import numpy as np

from benchmarks._shared.command import DOCS, add_places, parser_of
from sklearn_lwal import LwALClassifier
from sklearn_lwal.plots import LabelMapDisplay
from sklearn_lwal.structure import paper_distances, structure_correlation

N_DRAWS, N_TRAIN, N_TEST = 400, 8_000, 1_500


def chance(dataset):
    """Correlations of random labels with WordNet."""
    rng, reference = np.random.default_rng(0), paper_distances(dataset)
    draws = rng.normal(size=(N_DRAWS, len(reference.names), 100))
    return [structure_correlation(labels, reference) for labels in draws]


def label_map(data_root, path):
    """The picture of CIFAR-100's labels."""
    meta = data_root / "cifar-100-python" / "meta"
    names = pickle.loads(meta.read_bytes())["fine_label_names"]
    with np.load(data_root / "features" / "cifar100.npz") as f:
        X, y, X_test, y_test = (
            f[k] for k in ("X_train", "y_train", "X_test", "y_test")
        )
    index = np.random.default_rng(0).permutation(len(X))[:N_TRAIN]
    clf = LwALClassifier(random_state=0).fit(X[index], y[index])
    display = LabelMapDisplay.from_estimator(
        clf, X_test[:N_TEST], y_test[:N_TEST], names=names
    )
    display.figure_.savefig(path, dpi=80)


def main(arguments=None):
    parser = parser_of("label_structure", __doc__)
    add_places(parser, DOCS / "guide" / "label_map.png")
    args = parser.parse_args(arguments)
    for dataset in ("fashion_mnist", "cifar10", "awa2"):
        found = chance(dataset)
        print(f"{dataset}: {np.mean(found):.2f} ± {np.std(found):.2f}")
    label_map(args.data_root, args.out)
