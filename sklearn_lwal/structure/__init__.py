"""How the classes relate: distances, groups, and agreement with a taxonomy.

Every function takes a fitted classifier, whose ``labels_`` it reads, or an array. Pass

- ``clf`` for the learned labels;
- ``class_means(clf.transform(X), y)`` for the class means in the latent space. The
  labels of an adaptive classifier are such means already; those of others, such as
  one-hot labels, are not. On held-out rows these means check the labels;
- ``class_means(X, y)`` for the class means of the features. They show the structure
  before training, the baseline for every claim about training.
"""

from .distances import label_distances
from .relations import (
    class_means,
    hierarchy,
    label_linkage,
    nearest_classes,
    structure_correlation,
)
from .wordnet import TaxonomyDistances, paper_distances, wordnet_distances

__all__ = [
    "TaxonomyDistances",
    "class_means",
    "hierarchy",
    "label_distances",
    "label_linkage",
    "nearest_classes",
    "paper_distances",
    "structure_correlation",
    "wordnet_distances",
]
