"""Estimates of the memory and time of candidates, and equal shares of the work."""

import copy
import heapq
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from .._training.batches import n_batches
from .._training.initialization import sample_size
from ..classifiers._build import make_network

# Training one network holds so many tensors of the size of its weights: weight,
# gradient, two moments, the state before a step, the average, copies and the start.
COPIES = 10
# Training holds so many tensors of the size of a batch's scores or latents.
INTERMEDIATE = 12
# Bytes of a score: it exists twice for a while. Sent to another process, it exists
# twice more on the way and once there.
SCORE, SENT_SCORE = 2 * 8, 5 * 8
# Overhead of a step, in multiplications that take as long: of the step itself, and of
# each network in it.
STEP, STEP_OF_EACH = 12_000_000, 200_000
# Overhead of the start of a fit, and passes over the second moments of the features.
START, MOMENTS = 150_000_000, 3


class Need(NamedTuple):
    """The memory and time of one candidate.

    ``n_bytes`` is the peak of its training, ``n_sent`` the size of its scores. Times
    are in multiplications: ``work`` is the candidate's own, ``shared`` is spent once
    for all candidates of a process with as many ``n_steps``, ``start`` once a process.
    """

    n_bytes: float = 0.0
    n_sent: float = 0.0
    work: float = 0.0
    n_steps: int = 0
    shared: float = 0.0
    start: float = 0.0


def needs(estimators, folds, n_test_rows, are_sent=False):
    """The :class:`Need` of each of the classifiers.

    Parameters
    ----------
    estimators : list of classifiers
        Not fitted; they differ in numbers and in the width of their latents alone.
    folds : list of Fold
    n_test_rows : int
        Rows to be scored in each fold.
    are_sent : bool, default=False
        Whether the scores go to another process.

    Raises
    ------
    ValueError, TypeError, IndexError, RuntimeError, OverflowError
        If X, y or a parameter is not valid.
    """
    X, y, *_ = folds[0]
    if 0 in np.shape(X):
        raise ValueError("X has no rows or no features.")
    n_rows = max(len(y) if rows is None else len(rows) for _, y, rows, _ in folds)
    probe = copy.copy(estimators[0])
    probe.classes_ = np.unique(np.asarray(y))
    probe.n_features_in_ = np.shape(X)[1]
    probe._built_for = n_classes = len(probe.classes_)
    n_moments = min(n_rows, sample_size(probe.n_features_in_)) * probe.n_features_in_**2
    start = len(folds) * (START + MOMENTS * n_moments)
    n_scores = len(folds) * n_test_rows * n_classes
    n_sent, of_scores = (n_scores * n for n in (8, SENT_SCORE if are_sent else SCORE))
    known, found = {}, []
    for estimator in estimators:
        probe.set_params(**estimator.get_params(deep=False))
        batch = min(n_rows, probe._batch_size(n_rows, n_classes))
        # An int counts dimensions, a float dimensions for each class.
        dim = getattr(estimator, "output_dim", None)
        key = type(dim), dim
        if key not in known:
            known[key] = _sizes(probe)
        n_weights, width, follows = known[key]
        values = COPIES * n_weights + INTERMEDIATE * batch * (n_classes + width)
        n_bytes = len(folds) * 4 * values + of_scores
        n_epochs = probe._n_epochs(n_rows, probe.n_features_in_, batch)
        n_steps = n_epochs * n_batches(n_rows, batch)
        # Class means pass through the head beside the rows.
        products = n_weights * (batch + n_classes * follows)
        work = n_steps * len(folds) * (STEP_OF_EACH + products)
        found.append(Need(n_bytes, n_sent, work, n_steps, n_steps * STEP, start))
    return found


def _sizes(estimator):
    """The number of weights, the values that a row takes, and the kind of labels."""
    with torch.device("meta"):
        network = make_network(estimator)
    n_weights = sum(p.numel() for p in network.parameters())
    width = network.head.linear.weight.shape[0] + sum(estimator._hidden_sizes())
    return n_weights, width, network.head.follows_features


def shares(lists, n_processes):
    """Cut lists of :class:`Need` so that the last process ends as early as possible.

    Returns
    -------
    cuts : list of lists of int
        For each list the lengths of its parts. Processes take the parts in turn.
    """
    whole = sum(work for part in _cut(lists, np.inf) for _, work in part)
    # The coarsest cut comes first and wins a tie, because each part costs a start.
    limits = whole / n_processes * np.geomspace(n_processes, 1, 8 * n_processes)
    cuts = [_cut(lists, limit) for limit in limits]
    best = min(cuts, key=lambda cut: _time_until_done(cut, n_processes))
    return [[length for length, _ in part] for part in best]


def _cut(lists, limit):
    """Parts (length, work) of each list, each of at most ``limit`` work."""
    return [_parts(one, limit) for one in lists]


def _parts(needs, limit):
    parts, length, total, known = [], 0, 0.0, set()
    for need in needs:
        more = need.work + need.shared * (need.n_steps not in known)
        if length and total + more > limit:
            parts.append((length, total))
            length, total, known = 0, 0.0, set()
        if not length:
            more = need.work + need.shared + need.start
        known.add(need.n_steps)
        length, total = length + 1, total + more
    return [*parts, (length, total)]


def _time_until_done(cut, n_processes):
    """The work of the busiest process, where processes take the parts in turn."""
    busy = [0.0] * n_processes
    for part in cut:
        for _, work in part:
            heapq.heapreplace(busy, busy[0] + work)
    return max(busy)


# Assumed where the system does not tell.
USUAL = 4 * 2**30


def free_bytes(device):
    """Free bytes of a torch.device; for the CPU those of the host."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        known = dict(line.split(":", 1) for line in lines)
        return int(known["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        pass
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return USUAL
