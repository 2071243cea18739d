"""Class labels are compared by value, whatever NumPy would promote them to."""

import numpy as np


def places(labels, classes):
    """Where labels stand among the sorted classes; -1 for one that is none of them.

    Values are equal as in Python: 1, 1.0 and True are, 1 and "1" are not, and integers
    of 64 bits keep all their digits. Dates equal dates alone.

    Parameters
    ----------
    labels, classes : arrays of shape (n,) and (n_classes,)

    Returns
    -------
    places : int64 array of shape (n,)
    """
    kinds = {labels.dtype.kind, classes.dtype.kind}
    if kinds & {*"mM"}:
        return _places_in_time(labels, classes)
    if len(kinds) == 1 and kinds <= {*"biufcU"}:
        # One kind is promoted to its widest type, which loses nothing.
        found = np.searchsorted(classes, labels).clip(max=len(classes) - 1)
        return np.where(classes[found] == labels, found, -1)
    place = {value: i for i, value in enumerate(plain(classes))}
    found = (place.get(value, -1) for value in plain(labels))
    return np.fromiter(found, np.int64, len(labels))


def _places_in_time(labels, classes):
    """As :func:`places`; a finer unit reaches fewer years, and wraps silently."""
    if labels.dtype.kind != classes.dtype.kind:
        return np.full(len(labels), -1)
    moved = labels.astype(classes.dtype)
    found = places(moved.view(np.int64), classes.view(np.int64))
    return np.where(moved.astype(labels.dtype) == labels, found, -1)


def plain(labels):
    """The labels as Python values, which compare by value; dates stay NumPy's."""
    # tolist() makes numbers of dates in nanoseconds.
    values = list(labels) if labels.dtype.kind in "mM" else labels.tolist()
    return [_plain(value) for value in values] if labels.dtype.kind == "O" else values


def _plain(value):
    is_scalar = isinstance(value, np.generic) and value.dtype.kind not in "mM"
    return value.item() if is_scalar else value


def same_labels(labels, classes):
    """Whether distinct labels are the classes, in any order."""
    return labels.shape == classes.shape and bool((places(labels, classes) >= 0).all())


def encode(labels, classes, name="y"):
    """Places of the labels among the sorted classes, int64.

    Raises
    ------
    ValueError
        If a label is none of the classes; ``name`` says whose labels they are.
    """
    found = places(labels, classes)
    unknown = labels[found < 0]
    if len(unknown):
        raise ValueError(
            f"{name} has labels that are not among the classes {plain(classes)}: "
            f"{plain(np.unique(unknown))}"
        )
    return found
