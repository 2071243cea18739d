"""Batches of several folds, stacked; each fold has the batches of a separate fit."""

from typing import NamedTuple

import torch

from .._training.batches import n_batches


class JointBatch(NamedTuple):
    """A batch of S folds; padding rows, which fill up shorter folds, have weight 0.

    ``X`` is (S, 1, n, n_features). The others are (S, 1, n): ``y``; ``weight``, or None
    if all rows have the same; ``rows``, indices among the rows of the fold, where a
    padding row has an index after all of them; and ``is_real``, False for padding, or
    None if there is none. ``counts``, (S,) on the CPU, are the numbers of real rows.
    """

    X: torch.Tensor
    y: torch.Tensor
    weight: torch.Tensor | None
    rows: torch.Tensor
    is_real: torch.Tensor | None
    counts: torch.Tensor | None


def joint_epoch(folds, batch_size, generators):
    """One shuffled epoch of :class:`JointBatch`, as many batches for each fold.

    ``folds`` are S :class:`LabelledRows`, each with its own generator.
    """
    orders = [
        torch.randperm(len(fold), generator=generator)
        for fold, generator in zip(folds, generators, strict=True)
    ]
    count = n_batches(len(folds[0]), batch_size)
    # The first batches get one more row each if the division has a remainder.
    sizes = [
        [len(fold) // count + (i < len(fold) % count) for i in range(count)]
        for fold in folds
    ]
    return _batches(folds, orders, torch.tensor(sizes))


def joint_in_order(folds, size):
    """All rows of the folds once, in order, in batches of at most ``size``."""
    starts = torch.arange(0, max(map(len, folds)), size)
    ends = torch.tensor([len(fold) for fold in folds])[:, None]
    sizes = (ends - starts).clamp(0, size)
    return _batches(folds, [torch.arange(len(fold)) for fold in folds], sizes)


def _batches(folds, orders, sizes):
    """Yield batches with these (S, n_batches) sizes and the rows in these orders."""
    device, longest = folds[0].device, sizes.amax(0)
    parts = [_padded(*known, longest) for known in zip(orders, sizes, strict=True)]
    places, is_real = (
        torch.stack(part).to(device) for part in zip(*parts, strict=True)
    )
    pairs = list(zip(folds, places, strict=True))
    index = [p if fold.subset is None else fold.subset[p] for fold, p in pairs]
    y = torch.stack([fold.all_y[i] for fold, i in zip(folds, index, strict=True)])
    weight = None
    if folds[0].weight is not None:
        weight = [fold.weight[i] for fold, i in zip(folds, index, strict=True)]
        weight = torch.stack(weight) * is_real
    index = torch.stack(index)
    places = places.where(is_real, max(map(len, folds)))
    full = (sizes == longest).all(0).tolist()
    start = 0
    for i, (n, is_full) in enumerate(zip(longest.tolist(), full, strict=True)):
        batch = slice(start, start + n)
        start = batch.stop
        real = None if is_full else is_real[:, None, batch]
        known = None if weight is None else weight[:, None, batch]
        if known is None and real is not None:
            known = real.float()
        X = _taken(folds, index[:, batch])
        counts = None if is_full else sizes[:, i]
        where = places[:, None, batch]
        yield JointBatch(X, y[:, None, batch], known, where, real, counts)


def _padded(order, sizes, longest):
    """The order, with each batch padded to the longest among the folds.

    Also returns which rows are real; padding repeats arbitrary rows.
    """
    ends = sizes.cumsum(0)
    within = torch.cat([torch.arange(n) for n in longest.tolist()])
    batch = torch.arange(len(longest)).repeat_interleave(longest)
    places = (ends - sizes)[batch] + within
    is_real = within < sizes[batch]
    return order[places.clamp_max(len(order) - 1)], is_real


def _taken(folds, index):
    """The features (S, 1, n, n_features) of the rows at ``index`` (S, n)."""
    rows = [fold.rows for fold in folds]
    if all(part is rows[0] for part in rows):
        return rows[0].take(index.flatten()).unflatten(0, index.shape)[:, None]
    taken = [part.take(chosen) for part, chosen in zip(rows, index, strict=True)]
    return torch.stack(taken)[:, None]
