"""What candidates need of memory and of time, and shares that take about as long."""

import copy
import heapq
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from .._training.dataset import n_batches
from .._training.initialization import sample_size
from ..classifiers._build import make_network

# Tensors of the size of the weights that training one network takes: weight, gradient,
# two moments, the state before a step, the average, copies in between and the start.
COPIES = 10
# Tensors of the size of a batch's scores, or of its latents.
INTERMEDIATE = 12
# Bytes of a score: there are two copies of it for a while, and two more on their way
# to another process, besides the one there.
SCORE, SENT_SCORE = 2 * 8, 5 * 8
# Multiplications that take as long as what a step does besides: once a program, and
# once more for each of its networks.
STEP, STEP_OF_EACH = 12_000_000, 200_000
# The same of what comes before the first step, and its passes over the second moments
# of the features.
START, MOMENTS = 150_000_000, 3


class Need(NamedTuple):
    """What one candidate takes.

    ``n_bytes`` are those of its training at its peak, ``n_sent`` those of its scores.
    Times are in multiplications: ``work`` is that of training it beside others of as
    many ``n_steps``, which takes ``shared`` once; all of a process take ``start`` once.
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
        Not fitted; alike but for numbers and the width of their latents.
    folds : list of Fold
    n_test_rows : int
        To be scored in a fold.
    are_sent : bool, default=False
        Whether the scores go to another process.

    Raises
    ------
    ValueError, TypeError, IndexError, RuntimeError, OverflowError
        If X, y or a parameter is nothing to train with.
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
        # Of an int, dimensions; of a float, those of each class.
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
    """Weights of its network, widths of what it makes of a row, and kind of labels."""
    with torch.device("meta"):
        network = make_network(estimator)
    n_weights = sum(p.numel() for p in network.parameters())
    width = network.head.linear.weight.shape[0] + sum(estimator._hidden_sizes())
    return n_weights, width, network.head.follows_features


def shares(lists, n_processes):
    """Where to cut lists of :class:`Need`, so that all processes are done soonest.

    Returns
    -------
    cuts : list of lists of int
        For each list the lengths of its parts, which are started in turn.
    """
    whole = sum(work for part in _cut(lists, np.inf) for _, work in part)
    # From the least to cut: where it saves nothing, nothing is begun twice.
    limits = whole / n_processes * np.geomspace(n_processes, 1, 8 * n_processes)
    cuts = [_cut(lists, limit) for limit in limits]
    best = min(cuts, key=lambda cut: _time_until_done(cut, n_processes))
    return [[length for length, _ in part] for part in best]


def _cut(lists, limit):
    """Parts (length, work) of each list, as long as the limit allows."""
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
    """Until processes that take the parts in turn have finished the last."""
    busy = [0.0] * n_processes
    for part in cut:
        for _, work in part:
            heapq.heapreplace(busy, busy[0] + work)
    return max(busy)


# Where the system does not tell.
USUAL = 4 * 2**30


def free_bytes(device):
    """Bytes that are free on a torch.device, for the CPU those of the host."""
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
