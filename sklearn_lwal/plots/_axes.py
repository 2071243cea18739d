"""Helpers of all displays: axes, colours and space for names."""

import numpy as np

# Points between the names of neighbouring classes.
POINTS_A_NAME = 11
POINTS_AN_INCH = 72


def axes_for(ax, width=6.4, height=4.8):
    """``ax``, or new axes of this size in inches if it is None."""
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise ImportError(
            "Plots need matplotlib: pip install matplotlib (or the extra 'plots')."
        ) from error
    if ax is None:
        _, ax = pyplot.subplots(figsize=(width, height), layout="constrained")
    return ax


def room_for(n_names):
    """Height in inches of a column of ``n_names`` names."""
    return n_names * POINTS_A_NAME / POINTS_AN_INCH


def names_of(estimator, names):
    names = estimator.classes_ if names is None else names
    if len(names) != len(estimator.classes_):
        raise ValueError(
            "names must have one entry for each of the "
            f"{len(estimator.classes_)} classes. Got {len(names)}."
        )
    return [str(name) for name in names]


def write_literally(texts):
    """Stop matplotlib from rendering text between dollar signs as a formula."""
    for text in texts:
        text.set_parse_math(False)


def colours_of(n_classes):
    from matplotlib import colormaps

    if n_classes <= 10:
        return colormaps["tab10"](np.arange(n_classes))
    return colormaps["hsv"](np.linspace(0, 1, n_classes, endpoint=False))
