"""What the pictures share: axes, colours and room for names."""

import numpy as np

# Points between the names of neighbouring classes.
POINTS_A_NAME = 11
POINTS_AN_INCH = 72


def axes_for(ax, width=6.4, height=4.8):
    """The axes to draw into, new ones of this size by default."""
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
    """Inches that hold the names of so many classes, one below the other."""
    return n_names * POINTS_A_NAME / POINTS_AN_INCH


def names_of(estimator, names):
    names = estimator.classes_ if names is None else names
    if len(names) != len(estimator.classes_):
        raise ValueError(
            f"names must have one entry a class, {len(estimator.classes_)}. Got "
            f"{len(names)}."
        )
    return [str(name) for name in names]


def write_literally(texts):
    """Let matplotlib write what stands between dollars as it is, not as a formula."""
    for text in texts:
        text.set_parse_math(False)


def colours_of(n_classes):
    from matplotlib import colormaps

    if n_classes <= 10:
        return colormaps["tab10"](np.arange(n_classes))
    return colormaps["hsv"](np.linspace(0, 1, n_classes, endpoint=False))
