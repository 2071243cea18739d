"""Distances between classes, from a classifier, from labels or from distances."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.distance import pdist, squareform

from .wordnet import TaxonomyDistances

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator

# Labels, or distances between them; a DataFrame is array-like.
LabelsOrDistances: TypeAlias = "BaseEstimator | ArrayLike | TaxonomyDistances"

# Distances whose relative difference is below this count as equal. Labels are float32:
# the distances of rotated one-hot labels differ by this much.
TIE = 1e-6


def label_distances(
    labels: BaseEstimator | ArrayLike,
    metric: str | Callable[[NDArray, NDArray], float] = "euclidean",
) -> NDArray[np.float64]:
    """Distances between the labels of the classes.

    Parameters
    ----------
    labels : fitted classifier, or array-like of shape (n_classes, p)
        A classifier, whose ``labels_`` are used, or one vector for each class, such as
        ``class_means(X, y)``.
    metric : str or callable, default="euclidean"
        As in :func:`scipy.spatial.distance.pdist`. The classifiers use the Euclidean
        distance.

    Returns
    -------
    distances : ndarray of shape (n_classes, n_classes)
        In the order of ``classes_``; symmetric, 0 on the diagonal.

    Raises
    ------
    ValueError
        If the labels are not a finite matrix, or the metric is not defined for them.

    Notes
    -----
    The rows of :class:`~sklearn_lwal.LabelEmbedClassifier`'s ``labels_`` hold a class's
    similarities to the others. This function treats them as vectors; the paper applies
    an eigendecomposition to them first.

    Examples
    --------
    >>> from sklearn_lwal.structure import label_distances
    >>> label_distances([[0, 0], [3, 4], [0, 1]])
    array([[0.        , 5.        , 1.        ],
           [5.        , 0.        , 4.24264069],
           [1.        , 4.24264069, 0.        ]])
    """
    labels, _ = labels_and_names(labels)
    with np.errstate(invalid="ignore", divide="ignore"):
        distances = squareform(pdist(labels, metric))
    if not np.isfinite(distances).all():
        raise ValueError(
            f"The metric {metric!r} is not defined for these labels, for example "
            "because one of them is zero."
        )
    return distances


def labels_and_names(source):
    """Labels (n_classes, p) in float64, and the names of their rows."""
    names = None
    if hasattr(source, "fit"):
        source, names = _fitted_labels(source)
    elif _is_frame(source):
        names = list(source.index)
        if set(names) == set(source.columns):
            source = source[names]  # distances; the columns may be in another order
    labels = np.asarray(source, dtype=np.float64)
    if labels.ndim != 2 or 0 in labels.shape:
        raise ValueError(
            f"Labels have the shape (n_classes, p). Got shape {labels.shape}."
        )
    if not np.isfinite(labels).all():
        raise ValueError("The labels or distances contain NaN or infinity.")
    return labels, list(range(len(labels))) if names is None else names


def _fitted_labels(clf):
    from sklearn.utils.validation import check_is_fitted

    check_is_fitted(clf)
    if not hasattr(clf, "labels_") or not hasattr(clf, "classes_"):
        raise ValueError(
            f"{type(clf).__name__} has no label representations. Pass the classifier "
            "itself (pipeline[-1], search.best_estimator_), or an array such as "
            "class_means(X, y)."
        )
    return clf.labels_, clf.classes_.tolist()


def _is_frame(source):
    return all(hasattr(source, name) for name in ("to_numpy", "index", "columns"))


def distances_and_names(source, reference=False):
    """Distances and class names; ``source`` holds labels or distances.

    A ``reference`` must hold distances.
    """
    if isinstance(source, TaxonomyDistances):
        return source.distances.copy(), list(source.names)
    values, names = labels_and_names(source)
    hollow = not hasattr(source, "fit") and _is_hollow(values)
    if reference and not hollow:
        raise ValueError(
            "reference_distances must have the shape (n_classes, n_classes) and be 0 "
            f"on the diagonal. Got shape {values.shape}. For labels, pass "
            "label_distances(labels); for similarities, 1 - similarity or the like."
        )
    if not hollow:
        return label_distances(values), names
    if _is_frame(source) and set(source.columns) != set(names):
        raise ValueError(
            "A DataFrame of distances must have the same names as index and as "
            f"columns. Got {names} and {list(source.columns)}."
        )
    asymmetry = np.abs(values - values.T).max()
    if (values < 0).any() or asymmetry > 10 * TIE * values.max():
        raise ValueError(
            "Distances must be symmetric and not negative. Pass (D + D.T) / 2, or if "
            "these are labels, label_distances(labels)."
        )
    distances = (values + values.T) / 2
    np.fill_diagonal(distances, 0)
    return distances, names


def _is_hollow(values):
    """Whether the diagonal is 0 or tiny; losses often clip distances at sqrt(1e-12)."""
    square = values.shape[0] == values.shape[1]
    return square and np.abs(np.diag(values)).max() <= 10 * TIE * np.abs(values).max()


def given_names(names, own_names):
    if names is None:
        return own_names
    names = names.tolist() if hasattr(names, "tolist") else list(names)
    if len(names) != len(own_names):
        raise ValueError(f"There are {len(own_names)} classes, but {len(names)} names.")
    return names
