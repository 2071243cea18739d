"""Distances, groups and neighbours of classes, from labels or class means."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from operator import itemgetter
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.cluster.hierarchy import linkage
from scipy.sparse import sparray, spmatrix
from scipy.spatial.distance import squareform
from scipy.stats import kendalltau

from .distances import (
    TIE,
    LabelsOrDistances,
    distances_and_names,
    given_names,
)
from .wordnet import TaxonomyDistances, check_names

# Names of the classes, in the order of ``classes_``.
Names: TypeAlias = Sequence | NDArray


def class_means(X: ArrayLike | spmatrix | sparray, y: ArrayLike) -> NDArray[np.float64]:
    """Class means of features, or of latents ``clf.transform(X)``.

    Parameters
    ----------
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Features or latents.
    y : array-like of shape (n_samples,)
        Class labels.

    Returns
    -------
    means : ndarray of shape (n_classes, n_features)
        In the order of ``np.unique(y)``, which is that of ``classes_``.

    Raises
    ------
    ValueError
        If X and y differ in length, or X is not a matrix.

    Examples
    --------
    >>> from sklearn_lwal.structure import class_means
    >>> class_means([[0, 1], [2, 1], [5, 5]], ["a", "a", "b"])
    array([[1., 1.],
           [5., 5.]])
    """
    X = X.tocsr() if hasattr(X, "tocsr") else np.asarray(X)
    y = np.asarray(y)
    if X.ndim != 2 or y.shape != X.shape[:1]:
        raise ValueError(
            "X must be a matrix and y have an entry for each of its rows. Got shapes "
            f"{X.shape} and {y.shape}."
        )
    # One class at a time, so X may be a memory map larger than the memory.
    rows = (X[np.flatnonzero(y == c)] for c in np.unique(y))
    return np.stack([np.asarray(r.mean(0, dtype=np.float64)).ravel() for r in rows])


def label_linkage(
    labels_or_distances: LabelsOrDistances, method: str = "average"
) -> NDArray[np.float64]:
    """Hierarchical clustering of the classes, as SciPy's linkage matrix.

    Parameters
    ----------
    labels_or_distances : classifier, array-like, DataFrame or TaxonomyDistances
        As in :func:`structure_correlation`.
    method : str, default="average"
        As in :func:`scipy.cluster.hierarchy.linkage`; the paper's Figure 3 is drawn
        with "average".

    Returns
    -------
    Z : ndarray of shape (n_classes - 1, 4)
        Draw it with ``scipy.cluster.hierarchy.dendrogram(Z, labels=clf.classes_)``.

    See Also
    --------
    hierarchy : The clustering as nested lists.

    Examples
    --------
    >>> from sklearn_lwal.structure import label_linkage
    >>> label_linkage([[0, 0], [9, 9], [0, 1]])[:, :2]
    array([[0., 2.],
           [1., 3.]])
    """
    distances, _ = distances_and_names(labels_or_distances)
    _check_n_classes(distances, 2)
    return linkage(squareform(distances, checks=False), method)


def hierarchy(
    labels_or_distances: LabelsOrDistances,
    *,
    names: Names | None = None,
    method: str = "average",
) -> list:
    """The classes in nested groups, with the most similar ones innermost.

    Parameters
    ----------
    labels_or_distances : classifier, array-like, DataFrame or TaxonomyDistances
        As in :func:`structure_correlation`.
    names : sequence of n_classes, default=None
        Names of the classes. None takes the classifier's ``classes_``, the names that
        belong to the distances, or else numbers from 0.
    method : str, default="average"
        As in :func:`label_linkage`.

    Returns
    -------
    groups : list
        A list of classes and of such lists. It has two items, or more if these are
        equally far apart, so one-hot labels form a single group.

    Examples
    --------
    >>> from sklearn_lwal.structure import hierarchy, paper_distances
    >>> hierarchy([[0, 0], [9, 9], [0, 1]], names=["cat", "ship", "dog"])
    [['cat', 'dog'], 'ship']
    >>> for group in hierarchy(paper_distances("cifar10")):
    ...     print(group)
    [['airplane', 'ship'], ['automobile', 'truck']]
    [[['bird', 'frog'], ['cat', 'dog']], ['deer', 'horse']]
    """
    distances, own_names = distances_and_names(labels_or_distances)
    names = given_names(names, own_names)
    # The parts of each group, each with its first class, by SciPy's group numbers.
    parts_of = [[(i, name)] for i, name in enumerate(names)]
    heights = [0.0] * len(names)
    for left, right, height, _ in label_linkage(distances, method):
        parts = []
        for group in (int(left), int(right)):
            inner = parts_of[group]
            if len(inner) == 1 or heights[group] >= height * (1 - TIE):
                parts += inner
            else:
                parts.append((inner[0][0], _second(inner)))
        parts_of.append(sorted(parts, key=itemgetter(0)))
        heights.append(height)
    return _second(parts_of[-1])


def nearest_classes(
    labels_or_distances: LabelsOrDistances, k: int = 1, *, names: Names | None = None
) -> dict[Any, list]:
    """The k nearest other classes of each class, nearest first.

    Parameters
    ----------
    labels_or_distances : classifier, array-like, DataFrame or TaxonomyDistances
        As in :func:`structure_correlation`.
    k : int, default=1
        At most n_classes - 1.
    names : sequence of n_classes, default=None
        As in :func:`hierarchy`.

    Returns
    -------
    nearest : dict of lists
        The k nearest classes of each class; ties keep the order of the classes.

    Raises
    ------
    ValueError
        If there are fewer than k other classes.

    Examples
    --------
    >>> from sklearn_lwal.structure import nearest_classes
    >>> nearest_classes([[0, 0], [9, 9], [0, 1]], names=["cat", "ship", "dog"])
    {'cat': ['dog'], 'ship': ['dog'], 'dog': ['cat']}
    """
    distances, own_names = distances_and_names(labels_or_distances)
    names = given_names(names, own_names)
    if not isinstance(k, Integral) or not 1 <= k < len(names):
        raise ValueError(
            f"k must be an int from 1 to {len(names) - 1}, the number of other "
            f"classes. Got {k!r}."
        )
    np.fill_diagonal(distances, np.inf)
    order = np.argsort(distances, axis=1, kind="stable")[:, :k]
    return {
        name: [names[i] for i in row] for name, row in zip(names, order, strict=True)
    }


def structure_correlation(
    labels_or_distances: LabelsOrDistances,
    reference_distances: ArrayLike | TaxonomyDistances,
    *,
    names: Names | None = None,
) -> float:
    """How well distances between labels agree with a reference.

    This is Eq. (4) of the paper [1]_: Kendall's tau-b between a class's distances to
    the other classes and those in the reference, averaged over the classes.

    Parameters
    ----------
    labels_or_distances : classifier, array-like, DataFrame or TaxonomyDistances
        A fitted classifier, labels of shape (n_classes, p), or distances of shape
        (n_classes, n_classes). A square matrix with a diagonal of 0 counts as
        distances, any other matrix as labels.
    reference_distances : TaxonomyDistances, DataFrame or array-like
        Distances of shape (n_classes, n_classes).
    names : sequence of n_classes str, default=None
        Class names of ``labels_or_distances``. None takes the classifier's
        ``classes_``, if they are str, or the names that belong to the distances.

    Returns
    -------
    correlation : float
        In [-1, 1]. Random labels give 0 with a standard deviation of 0.11 for the
        paper's classes of CIFAR-10, 0.16 for Fashion-MNIST and 0.06 for AwA2.

    Raises
    ------
    ValueError
        If the sizes or names do not match, if the distances are not symmetric with a
        diagonal of 0, or if tau-b is not defined because a class is equally far from
        all others, as with one-hot labels.

    Notes
    -----
    If both sides have names, classes are matched by name, and those that the reference
    lacks are left out; else row i of one is row i of the other. Equal distances, which
    are common in a taxonomy, are ties of tau-b.

    The paper does not say how to treat an undefined tau-b; here it is an error.

    References
    ----------
    .. [1] Xiao Yu and Nakul Verma, "Improving Model Training via Self-learned Label
       Representations", 2022, Eq. (4).

    Examples
    --------
    >>> from sklearn_lwal.structure import structure_correlation
    >>> labels = [[0, 0], [0, 1], [1, 3], [9, 9]]
    >>> tree = [[0, 2, 4, 6], [2, 0, 4, 5], [4, 4, 0, 3], [6, 5, 3, 0]]
    >>> round(structure_correlation(labels, tree), 3)
    0.546
    """
    found, own_names = distances_and_names(labels_or_distances)
    reference, classes = distances_and_names(reference_distances, reference=True)
    rows = _matching_rows(given_names(names, own_names), classes)
    found = found[np.ix_(rows, rows)]
    _check_n_classes(found, 3)
    _check_defined(found, classes, "labels")
    _check_defined(reference, classes, "reference")
    pairs = zip(_off_diagonal(found), _off_diagonal(reference), strict=True)
    return float(np.mean([kendalltau(*pair).statistic for pair in pairs]))


def _second(pairs):
    return [second for _, second in pairs]


def _off_diagonal(distances):
    """The rows without their diagonal element, (n_classes, n_classes - 1)."""
    n = len(distances)
    return distances[~np.eye(n, dtype=bool)].reshape(n, n - 1)


def _check_n_classes(distances, at_least):
    if len(distances) < at_least:
        raise ValueError(
            f"There must be at least {at_least} classes. Got {len(distances)}."
        )


def _matching_rows(found, reference):
    """Indices in ``found`` of the names in ``reference``."""
    if all(isinstance(name, str) for name in [*found, *reference]):
        found, reference = check_names(found), check_names(reference)
        missing = [name for name in reference if name not in found]
        if missing:
            raise ValueError(
                f"The reference has {missing[0]!r}, which is not one of the classes "
                f"{found}. Pass the reference's names of the classes as names=."
            )
        return [found.index(name) for name in reference]
    if len(found) != len(reference):
        raise ValueError(
            f"There are {len(found)} classes, but {len(reference)} in the reference. "
            "Pass names= to match them by name, or only the matching rows, such as "
            "clf.labels_[1:9]."
        )
    return list(range(len(found)))


def _check_defined(distances, names, where):
    rows = _off_diagonal(distances)
    constant = np.ptp(rows, axis=1) <= TIE * rows.max(1)
    if constant.any():
        which = "each class" if constant.all() else repr(names[constant.argmax()])
        raise ValueError(
            f"Kendall's tau is not defined: in the {where}, {which} is equally far "
            "from all others. One-hot labels have no structure: take "
            "class_means(clf.transform(X), y) instead. Else leave the class out."
        )
