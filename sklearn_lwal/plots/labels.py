"""Displays of learned labels: hierarchy, distances, and a map with samples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.cluster.hierarchy import dendrogram, leaves_list
from sklearn.base import BaseEstimator
from typing_extensions import Self

from .._utils.class_labels import encode
from ..structure import label_distances, label_linkage
from ..structure.distances import labels_and_names
from ..structure.relations import Names
from ._annotations import fit_limits, write_names
from ._axes import (
    POINTS_A_NAME,
    axes_for,
    colours_of,
    names_of,
    room_for,
    write_literally,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class LabelDendrogramDisplay:
    """The hierarchy of the learned labels, by average linkage (the paper's Figure 3).

    Parameters
    ----------
    linkage : ndarray of shape (n_classes - 1, 4)
        Linkage matrix of :func:`scipy.cluster.hierarchy.linkage`.
    names : list of str
        Names of the classes.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    See Also
    --------
    sklearn_lwal.structure.label_linkage : The linkage matrix.
    """

    def __init__(self, linkage: NDArray, names: list[str]):
        self.linkage = linkage
        self.names = names

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator,
        *,
        names: Names | None = None,
        ax: Axes | None = None,
        **kwargs: Any,
    ) -> Self:
        """Plot the hierarchy of a fitted classifier's labels.

        Parameters
        ----------
        estimator : classifier with ``labels_``
            A fitted classifier.
        names : list of str, optional
            Names of the classes, in the order of ``classes_``; ``classes_`` by default.
        ax : matplotlib Axes, optional
            Axes to draw into; new ones by default.
        **kwargs : dict
            Options of :func:`scipy.cluster.hierarchy.dendrogram`.

        Returns
        -------
        display : LabelDendrogramDisplay
        """
        found = cls(label_linkage(estimator), names_of(estimator, names))
        return found.plot(ax, **kwargs)

    def plot(self, ax: Axes | None = None, **kwargs: Any) -> Self:
        """Plot the hierarchy; see :meth:`from_estimator`."""
        ax = axes_for(ax, height=max(2.5, room_for(len(self.names)) + 0.8))
        options: dict[str, Any] = {
            "orientation": "left",
            "color_threshold": 0,
            "above_threshold_color": "C0",
            "leaf_font_size": POINTS_A_NAME - 3,
        }
        dendrogram(self.linkage, labels=self.names, ax=ax, **options | kwargs)
        write_literally([*ax.get_xticklabels(), *ax.get_yticklabels()])
        ax.set_xlabel("distance between labels")
        ax.spines[["top", "right", "left"]].set_visible(False)
        self.ax_, self.figure_ = ax, ax.figure
        return self


class LabelDistanceDisplay:
    """Distances between the learned labels, ordered by their hierarchy.

    Parameters
    ----------
    distances : ndarray of shape (n_classes, n_classes)
        Distances between the labels.
    names : list of str
        Names of the classes.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    """

    def __init__(self, distances: NDArray, names: list[str]):
        self.distances = distances
        self.names = names

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator,
        *,
        names: Names | None = None,
        ax: Axes | None = None,
        **kwargs: Any,
    ) -> Self:
        """Plot the distances between a fitted classifier's labels.

        Parameters
        ----------
        estimator : classifier with ``labels_``
            A fitted classifier.
        names : list of str, optional
            Names of the classes, in the order of ``classes_``; ``classes_`` by default.
        ax : matplotlib Axes, optional
            Axes to draw into; new ones by default.
        **kwargs : dict
            Options of ``matplotlib.axes.Axes.imshow``.

        Returns
        -------
        display : LabelDistanceDisplay
        """
        order = leaves_list(label_linkage(estimator))
        names = names_of(estimator, names)
        distances = label_distances(estimator)[np.ix_(order, order)]
        return cls(distances, [names[i] for i in order]).plot(ax, **kwargs)

    def plot(self, ax: Axes | None = None, **kwargs: Any) -> Self:
        """Plot the distances; see :meth:`from_estimator`."""
        n_classes = len(self.names)
        side = max(4.0, room_for(n_classes) + 1.5)
        ax = axes_for(ax, side + 1.0, side)
        # The colour scale ignores the diagonal, which is 0.
        apart = self.distances[~np.eye(n_classes, dtype=bool)]
        options: dict[str, Any] = {
            "cmap": "viridis",
            "vmin": apart.min(),
            "vmax": apart.max(),
        }
        image = ax.imshow(self.distances, **options | kwargs)
        places = range(n_classes)
        size: dict[str, Any] = {"fontsize": POINTS_A_NAME - 3}
        ax.set_xticks(places, self.names, rotation=90, **size)
        ax.set_yticks(places, self.names, **size)
        write_literally([*ax.get_xticklabels(), *ax.get_yticklabels()])
        ax.tick_params(length=0)
        ax.figure.colorbar(image, ax=ax, label="distance", fraction=0.045, pad=0.02)
        self.ax_, self.figure_ = ax, ax.figure
        return self


class LabelMapDisplay:
    """The labels, and samples around them, in the plane of their principal axes.

    The first two principal axes of the labels span the plane.

    Parameters
    ----------
    labels : ndarray of shape (n_classes, 2)
        Coordinates of the labels in the plane.
    names : list of str
        Names of the classes.
    points : ndarray of shape (n_samples, 2), optional
        Coordinates of the samples in the plane.
    classes : int ndarray of shape (n_samples,), optional
        Classes of the samples, as indices into ``names``.
    explained : float, optional
        Share of the labels' variance that the plane shows.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    """

    def __init__(
        self,
        labels: NDArray,
        names: list[str],
        points: NDArray | None = None,
        classes: NDArray | None = None,
        explained: float | None = None,
    ):
        self.labels = labels
        self.names = names
        self.points = points
        self.classes = classes
        self.explained = explained

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator,
        X: Any = None,
        y: ArrayLike | None = None,
        *,
        names: Names | None = None,
        ax: Axes | None = None,
        **kw: Any,
    ) -> Self:
        """Plot a fitted classifier's labels and the latents of samples.

        Parameters
        ----------
        estimator : classifier with ``labels_`` and ``transform``
            A fitted classifier.
        X : n_samples of any kind that ``transform`` takes, optional
            Samples to show around the labels.
        y : array-like of shape (n_samples,), optional
            Classes of the samples, which determine their colours; the predicted
            classes by default.
        names : list of str, optional
            Names of the classes, in the order of ``classes_``; ``classes_`` by default.
        ax : matplotlib Axes, optional
            Axes to draw into; new ones by default.
        **kw : dict
            Options of ``matplotlib.axes.Axes.scatter`` for the samples.

        Returns
        -------
        display : LabelMapDisplay
        """
        labels, _ = labels_and_names(estimator)
        centre = labels.mean(0)
        _, sizes, axes = np.linalg.svd(labels - centre, full_matrices=False)
        # Two labels, or latents of one dimension, have one principal axis only.
        axes = np.vstack([axes[:2], np.zeros((max(0, 2 - len(axes)), len(centre)))])
        total = np.square(sizes).sum()
        explained = np.square(sizes[:2]).sum() / total if total else 1.0
        points = classes = None
        if X is not None:
            points = (estimator.transform(X) - centre) @ axes.T
            y = estimator.predict(X) if y is None else np.asarray(y)
            classes = encode(y, estimator.classes_)
        found = cls(
            (labels - centre) @ axes.T,
            names_of(estimator, names),
            points,
            classes,
            float(explained),
        )
        return found.plot(ax, **kw)

    def plot(self, ax: Axes | None = None, **kwargs: Any) -> Self:
        """Plot the map; see :meth:`from_estimator`."""
        many = len(self.names) > 20
        ax = axes_for(ax, *((11, 9) if many else (6.4, 5.2)))
        colours = colours_of(len(self.names))
        if self.points is not None:
            options = {"s": 6, "alpha": 0.25, "linewidths": 0} | kwargs
            x, y = self.points.T
            ax.scatter(x, y, c=colours[self.classes], **options)
        x, y = self.labels.T
        ax.scatter(x, y, c=colours, s=30, edgecolors="black", zorder=2)
        shown = "" if self.explained is None else f" ({self.explained:.0%} of variance)"
        ax.set_title(f"labels on their two principal axes{shown}", fontsize=10)
        fit_limits(ax, self.labels)
        ax.set_xticks([])
        ax.set_yticks([])
        write_names(ax, self.labels, self.names, 7 if many else 9)
        self.ax_, self.figure_ = ax, ax.figure
        return self
