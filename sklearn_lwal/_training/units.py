"""Units of the features: which mean and deviation standardises each column."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch

from ..heads.linear import SQUARED_LENGTH, StandardizedLinear

# Share of zeros from which a column is one of words, say, and how many times larger
# than the typical one of those it may be.
MOSTLY_ZERO, OTHER_UNIT = 0.9, 20
# Share of its mean below which a deviation is only rounding.
ROUNDING = {torch.float32: 1e-7, torch.float64: 1e-15}
# Powers of a gradient's unit in what optimizers keep of it, by their names for that.
MOMENT_POWERS = {
    "momentum_buffer": 1,
    "exp_avg": 1,
    "exp_avg_sq": 2,
    "max_exp_avg_sq": 2,
    "square_avg": 2,
    "grad_avg": 1,
}


class ColumnStatistics(NamedTuple):
    """Sums over rows that tell the units of their columns; float64 on the CPU.

    ``n_rows`` have a weight of ``mass`` in all; ``rounding`` is the share of a column's
    mean that its values are rounded by. The others are (n_features,): ``squares`` are
    the weighted squared distances from ``mean``, ``n_zeros`` counts without weights,
    ``low`` and ``high`` are the least and largest values.
    """

    n_rows: float
    mass: float
    rounding: float
    mean: torch.Tensor
    squares: torch.Tensor
    n_zeros: torch.Tensor
    low: torch.Tensor
    high: torch.Tensor

    @classmethod
    def of(cls, train, sample):
        """Those of all training rows, most of it from a sample of them.

        A sample tells little of a column that has one value almost everywhere: all rows
        are asked for its least and largest.
        """
        mean, variance, zeros = (part.cpu() for part in sample.column_statistics())
        low, high = (part.cpu().double() for part in train.column_ranges())
        n_rows, weights = sample.n_available, train.weights
        mass = len(train) if weights is None else weights.sum(dtype=variance.dtype)
        variance = variance.clamp_min(0)
        if len(sample) < n_rows:
            # One value that far from the mean makes for a variance of at least so much.
            least = torch.maximum(high - mean, mean - low).square() / n_rows
            variance = torch.where(
                zeros > MOSTLY_ZERO, variance, torch.maximum(variance, least)
            )
        sums = mean, variance * mass, zeros * n_rows, low, high
        rounding = ROUNDING[torch.float64 if train.is_wide else torch.float32]
        return cls(
            float(n_rows), float(mass), rounding, *(part.double() for part in sums)
        )

    @classmethod
    def checked(cls, values, n_features):
        """From the values in a file.

        Raises
        ------
        ValueError
            If they are none that rows can have.
        """
        found = cls(*values)
        numbers, vectors = found[:3], found[3:]
        fits = all(type(n) is float and math.isfinite(n) and n > 0 for n in numbers)
        fits = fits and all(
            isinstance(v, torch.Tensor)
            and (v.dtype, v.shape) == (torch.float64, (n_features,))
            and bool(v.isfinite().all())
            for v in vectors
        )
        if not fits or bool((found.squares < 0).any()):
            raise ValueError("statistics that no columns have")
        return found

    def merged(self, other):
        """Those of the rows of both (Chan, Golub and LeVeque, 1983)."""
        mass = self.mass + other.mass
        between = other.mean - self.mean
        share = other.mass / mass
        return ColumnStatistics(
            self.n_rows + other.n_rows,
            mass,
            min(self.rounding, other.rounding),
            self.mean + share * between,
            self.squares + other.squares + self.mass * share * between.square(),
            self.n_zeros + other.n_zeros,
            torch.minimum(self.low, other.low),
            torch.maximum(self.high, other.high),
        )

    def deviations(self):
        """The unit of each column; 0 marks one that is constant."""
        # Words, categories, pixels of a margin: what is mostly zero counts in one unit,
        # or the rarest column would be blown up the most. Only what is far larger than
        # the others must have another unit.
        rare = self.n_zeros > MOSTLY_ZERO * self.n_rows
        found = (self.squares / self.mass).sqrt()
        if rare.any():
            rare &= found <= OTHER_UNIT * found[rare].median()
            found[rare] = found[rare].square().mean().sqrt()
        # A rare column may have values in rows to come.
        constant = (self.low == self.high) & ~rare
        found[constant | (found <= self.rounding * self.mean.abs())] = 0
        return found


@torch.no_grad()
def set_units(module, statistics):
    """Let the first layer of a new network standardise by these."""
    layer = module.first_layer
    layer.set_statistics(statistics.mean, statistics.deviations(), _length(module))


def _length(module):
    # Hidden layers keep their inputs at the size of those between them.
    return None if len(module.hidden) else SQUARED_LENGTH


@torch.no_grad()
def change_units(net, statistics):
    """Let the first layer standardise by others; what the network computes stays.

    The steps that training goes on with are those of the new units.
    """
    module, layer = net.module_, net.module_.first_layer
    change = layer.change_statistics(
        statistics.mean, statistics.deviations(), _length(module)
    )
    if change is None:
        return
    kept = {} if net.average_ is None else net.average_.others_of()
    change.apply(layer.weight, layer.bias)
    if id(layer.weight) in kept:
        # A bias that is not trained is no part of the average, and does not count.
        bias = kept.get(id(layer.bias), layer.bias.clone())
        change.apply(kept[id(layer.weight)], bias)
    state = net.optimizer_.state.get(layer.weight, {})
    for name in sorted(state.keys() & MOMENT_POWERS.keys()):
        change.scale_gradients(state[name], MOMENT_POWERS[name])
    head = module.head
    if layer is head.linear and head.feature_decay is not None:
        change.move(head.class_features)


def standardizes(module):
    """Whether the network has units of its own."""
    return isinstance(module.first_layer, StandardizedLinear)
