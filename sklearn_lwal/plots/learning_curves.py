"""The learning curves of several classifiers, as a scikit-learn Display."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from typing_extensions import Self

from ._axes import axes_for, write_literally

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class LearningCurvesDisplay:
    """A measure of several fitted classifiers over epochs or seconds.

    Parameters
    ----------
    curves : dict of pairs (x, values)
        Arrays of shape (n_epochs,) for each name.
    x : {"epochs", "seconds"}
    measure : str
        The measure of the y-axis, a key of ``history_``.
    reference : str, optional
        Name of the curve whose best value becomes a horizontal line. In the paper's
        Figure 2 it is one-hot training.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    """

    def __init__(
        self,
        curves: dict[str, tuple[NDArray, NDArray]],
        x: str = "epochs",
        measure: str = "valid_acc",
        reference: str | None = None,
    ):
        self.curves = curves
        self.x = x
        self.measure = measure
        self.reference = reference

    @classmethod
    def from_estimator(
        cls,
        estimators: BaseEstimator | dict[str, BaseEstimator],
        *,
        x: str = "epochs",
        measure: str = "valid_acc",
        reference: str | None = None,
        ax: Axes | None = None,
        **kwargs: Any,
    ) -> Self:
        """Plot the histories of fitted classifiers.

        Parameters
        ----------
        estimators : classifier with ``history_``, or dict of them by name
            The fitted classifiers.
        x : {"epochs", "seconds"}, default="epochs"
        measure : str, default="valid_acc"
            A key of ``history_``. Validation measures need
            ``fit(..., eval_set=(X, y))``.
        reference : str, optional
            A name in ``estimators``. A line at its best value shows when the others
            reach it.
        ax : matplotlib Axes, optional
            Axes to draw into; new ones by default.
        **kwargs : dict
            Options of ``matplotlib.axes.Axes.plot``.

        Returns
        -------
        display : LearningCurvesDisplay

        Raises
        ------
        ValueError
            If a history lacks the measure, or no estimator has the reference's name.
        """
        if not isinstance(estimators, dict):
            estimators = {type(estimators).__name__: estimators}
        if x not in ("epochs", "seconds"):
            raise ValueError(f"x must be 'epochs' or 'seconds'. Got {x!r}.")
        if reference is not None and reference not in estimators:
            raise ValueError(
                f"reference must be one of {[*estimators]}. Got {reference!r}."
            )
        curves = {
            name: _curve(name, estimator.history_, x, measure)
            for name, estimator in estimators.items()
        }
        return cls(curves, x, measure, reference).plot(ax, **kwargs)

    def plot(self, ax: Axes | None = None, **kwargs: Any) -> Self:
        """Plot the curves; see :meth:`from_estimator`."""
        ax = axes_for(ax)
        for name, (x, values) in self.curves.items():
            options: dict[str, Any] = {"marker": ".", "ms": 4} | kwargs
            ax.plot(x, values, label=name, **options)
        if self.reference is not None:
            values = self.curves[self.reference][1]
            best = values.min() if self.measure.endswith("loss") else values.max()
            text = f"best of {self.reference}"
            ax.axhline(best, color="0.4", ls="--", lw=1, label=text)
        if self.x == "epochs":
            ax.locator_params(axis="x", integer=True)
        ax.set_xlabel("epoch" if self.x == "epochs" else "seconds of training")
        ax.set_ylabel(MEASURES.get(self.measure, self.measure))
        ax.grid(alpha=0.3)
        write_literally(ax.legend().get_texts())
        self.ax_, self.figure_ = ax, ax.figure
        return self


MEASURES = {
    "valid_acc": "validation accuracy",
    "train_acc": "training accuracy",
    "valid_loss": "validation loss",
    "train_loss": "training loss",
}


def _curve(name, history, x, measure):
    missing = [row["epoch"] for row in history if measure not in row]
    if missing:
        raise ValueError(
            f"The history of {name} has no {measure!r}. Pass eval_set=(X, y) to fit "
            f"for 'valid_acc' and 'valid_loss'; it has {sorted(history[0])}."
        )
    durations = np.cumsum([row["dur"] for row in history])
    epochs = np.array([row["epoch"] for row in history])
    values = np.array([row[measure] for row in history])
    return (epochs if x == "epochs" else durations), values
