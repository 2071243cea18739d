"""The vectors that stand for the classes after training, for each method.

- LwAL and StaticLabel have them: ``labels_``.
- STD and LWR end with one-hot labels; as in the paper, Eq. (1) gives them the means of
  the latents of each class.
- LabelEmbed learns a similarity of each pair of classes; with S, its symmetric part,
  V diag(s) V' = S gives the vectors V diag(sqrt(max(s, 0))), one row a class.
"""

import numpy as np
from scipy.spatial.distance import pdist, squareform

from sklearn_lwal import LabelEmbedClassifier, LWRClassifier, STDClassifier
from sklearn_lwal.structure import class_means


def label_vectors(clf, X, y):
    """Vectors (n_classes, p) of a fitted classifier and its training data."""
    if isinstance(clf, LabelEmbedClassifier):
        return vectors_of_similarities(clf.labels_)
    if isinstance(clf, (STDClassifier, LWRClassifier)):
        return class_means(clf.transform(X), y)
    return clf.labels_


def vectors_of_similarities(similarities):
    """Rows whose inner products are nearest to these similarities."""
    values, vectors = np.linalg.eigh((similarities + similarities.T) / 2)
    return vectors * np.sqrt(np.maximum(values, 0))


def label_distances(clf, X, y):
    """Distances between the vectors of all pairs of classes, as SciPy's pdist."""
    return rounded(pdist(label_vectors(clf, X, y)))


def rounded(distances):
    return [float(f"{value:.5g}") for value in distances]


def square(distances):
    """The matrix (n_classes, n_classes) of kept distances."""
    return squareform(np.array(distances))
