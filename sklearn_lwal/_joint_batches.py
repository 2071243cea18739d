"""Batches of several folds side by side, each as its own fit would see them."""

from typing import NamedTuple

import torch

from ._batches import n_batches


class JointBatch(NamedTuple):
    """A batch of S folds; rows that only fill up the shorter ones have no weight.

    ``X`` is (S, 1, n, ...), the others are (S, 1, n): ``y``, the weights (or None where
    all rows count alike), places among the rows of the fold, and which rows are real
    (None: all).
    """

    X: torch.Tensor
    y: torch.Tensor
    weight: torch.Tensor | None
    rows: torch.Tensor
    is_real: torch.Tensor | None

    @property
    def mass(self):
        """Real rows of each fold, (S, 1) or their number."""
        return self.y.shape[-1] if self.is_real is None else self.is_real.sum(-1)


def joint_epoch(trains, batch_size, generators):
    """One epoch of :class:`JointBatch` over folds of as many batches.

    ``trains`` are S :class:`LabelledRows`, each with its generator.
    """
    orders = [
        torch.randperm(len(train), generator=generator)
        for train, generator in zip(trains, generators, strict=True)
    ]
    count = n_batches(len(trains[0]), batch_size)
    parts = zip(*(order.tensor_split(count) for order in orders), strict=True)
    for places in parts:
        yield joint_batch(trains, places)


def joint_in_order(folds, size):
    """All rows of the folds once, in order, in batches of at most ``size``."""
    most = max(map(len, folds))
    for start in range(0, most, size):
        places = [torch.arange(start, min(start + size, len(f))) for f in folds]
        yield joint_batch(folds, places)


def joint_batch(folds, places):
    """The rows at these places of each fold."""
    longest = max(map(len, places))
    is_real = None
    if min(map(len, places)) < longest:
        sizes = torch.tensor([len(part) for part in places])
        is_real = (torch.arange(longest) < sizes[:, None])[:, None]
        # Any row will do where there is none: it does not count.
        places = [
            torch.cat([part, part.new_zeros(longest - len(part))]) for part in places
        ]
    device = folds[0].device
    places = [part.to(device) for part in places]
    index = [
        part if fold.subset is None else fold.subset[part]
        for fold, part in zip(folds, places, strict=True)
    ]
    rows = [fold.rows for fold in folds]
    if all(part is rows[0] for part in rows):
        X = rows[0].take(torch.cat(index))
        X = X.unflatten(0, (len(folds), longest))
    else:
        taken = zip(rows, index, strict=True)
        X = torch.stack([part.take(chosen) for part, chosen in taken])
    y = torch.stack([f.all_y[i] for f, i in zip(folds, index, strict=True)])
    weight = None
    if folds[0].weight is not None:
        weight = [f.weight[i] for f, i in zip(folds, index, strict=True)]
        weight = torch.stack(weight)[:, None]
    if is_real is not None:
        is_real = is_real.to(device)
        weight = is_real.to(X.dtype) if weight is None else weight * is_real
    return JointBatch(X[:, None], y[:, None], weight, torch.stack(places)[:, None], is_real)
