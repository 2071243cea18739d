"""How the classes relate: distances, groups, and agreement with a taxonomy.

Every function takes a fitted classifier, whose ``labels_`` it reads, or an array. What
is read decides what is learned from it:

- ``clf``: the labels. What training made of the classes.
- ``class_means(clf.transform(X), y)``: class means in the latent space. The same thing
  for labels that are class means already, and what to take for labels that are not,
  such as one-hot ones; on held-out rows also a check of the labels.
- ``class_means(X, y)``: mean features. What was there before training, and so the
  figure to compare with before anything is credited to training.
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
