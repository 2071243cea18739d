"""Results in groups, and numbers over several seeds as text."""

import numpy as np


def grouped(found, *keys):
    """Results of the runs that have one, by these fields of the run.

    Parameters
    ----------
    found : dict from a run to its result or None
    keys : str

    Returns
    -------
    groups : dict from tuples to lists of pairs (run, result)
    """
    groups = {}
    for run, result in found.items():
        if result is not None:
            key = tuple(getattr(run, name) for name in keys)
            groups.setdefault(key, []).append((run, result))
    return groups


def spread(values, digits=1):
    """Mean and standard deviation as text."""
    return f"{np.mean(values):.{digits}f} ± {np.std(values):.{digits}f}"
