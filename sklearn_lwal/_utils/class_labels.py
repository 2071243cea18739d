"""Comparison of class labels by value, without NumPy's type promotion."""

import numpy as np


def places(labels, classes):
    """Indices of labels among the sorted classes; -1 for a label that is not a class.

    Values compare as in Python: 1, 1.0 and True are equal, 1 and "1" are not, and
    64-bit integers keep all their digits. A date equals only another date.

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
        # Promotion within one kind is to its widest type and loses nothing.
        found = np.searchsorted(classes, labels).clip(max=len(classes) - 1)
        return np.where(classes[found] == labels, found, -1)
    place = {value: i for i, value in enumerate(plain(classes))}
    found = (place.get(value, -1) for value in plain(labels))
    return np.fromiter(found, np.int64, len(labels))


def _places_in_time(labels, classes):
    """:func:`places` of dates.

    NumPy wraps silently when a date does not fit the range of a finer unit, so each
    conversion is checked by its inverse.
    """
    if labels.dtype.kind != classes.dtype.kind:
        return np.full(len(labels), -1)
    moved = labels.astype(classes.dtype)
    found = places(moved.view(np.int64), classes.view(np.int64))
    return np.where(moved.astype(labels.dtype) == labels, found, -1)


def plain(labels):
    """The labels as a list of Python values; dates stay NumPy scalars."""
    # tolist() converts dates in nanoseconds to ints.
    values = list(labels) if labels.dtype.kind in "mM" else labels.tolist()
    return [_plain(value) for value in values] if labels.dtype.kind == "O" else values


def _plain(value):
    is_scalar = isinstance(value, np.generic) and value.dtype.kind not in "mM"
    return value.item() if is_scalar else value


def same_labels(labels, classes):
    """Whether distinct labels are the classes, in any order."""
    return labels.shape == classes.shape and bool((places(labels, classes) >= 0).all())


def encode(labels, classes, name="y"):
    """Indices of the labels among the sorted classes, int64.

    Raises
    ------
    ValueError
        If a label is not among the classes; the message calls the labels ``name``.
    """
    found = places(labels, classes)
    unknown = labels[found < 0]
    if len(unknown):
        raise ValueError(
            f"{name} has labels that are not among the classes {plain(classes)}: "
            f"{plain(np.unique(unknown))}"
        )
    return found
