"""Units of the features: the mean and deviation that standardise each column."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch

from ..heads.linear import SQUARED_LENGTH, StandardizedLinear

# A column with more than this share of zeros (a word count, for example) shares its
# unit with other such columns, unless its deviation exceeds their median by a factor.
MOSTLY_ZERO, OTHER_UNIT = 0.9, 20
# A deviation below this share of the column's mean is rounding error.
ROUNDING = {torch.float32: 1e-7, torch.float64: 1e-15}
# The state of optimizers by name, with the power of the gradient's unit that it has.
MOMENT_POWERS = {
    "momentum_buffer": 1,
    "exp_avg": 1,
    "exp_avg_sq": 2,
    "max_exp_avg_sq": 2,
    "square_avg": 2,
    "grad_avg": 1,
}


class ColumnStatistics(NamedTuple):
    """Statistics of rows that determine the units of columns; float64 on the CPU.

    ``mass`` is the total weight of ``n_rows``; ``rounding`` is the rounding error of
    values relative to their column's mean. The others are (n_features,): ``squares``
    are weighted sums of squared deviations from ``mean``, ``n_zeros`` ignores weights,
    and ``low`` and ``high`` are the smallest and largest values.
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
        """Statistics of all training rows, mostly estimated from a sample.

        Smallest and largest values come from all rows, because a sample may miss the
        variation of a column that is almost constant.
        """
        mean, variance, zeros = (part.cpu() for part in sample.column_statistics())
        low, high = (part.cpu().double() for part in train.column_ranges())
        n_rows, weights = sample.n_available, train.weights
        mass = len(train) if weights is None else weights.sum(dtype=variance.dtype)
        variance = variance.clamp_min(0)
        if len(sample) < n_rows:
            # The extreme values bound the variance from below.
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
        """Statistics from the values in a file.

        Raises
        ------
        ValueError
            If they cannot be statistics of rows.
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
            raise ValueError("invalid statistics of columns")
        return found

    def merged(self, other):
        """Statistics of the rows of both (Chan, Golub and LeVeque, 1983)."""
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
        """The unit of each column; 0 marks a constant column."""
        # Columns that are mostly zero (words, categories, pixels of a margin) share one
        # unit, as their own deviations would amplify the rarest columns the most. A
        # deviation far above the others shows that a column has another unit.
        rare = self.n_zeros > MOSTLY_ZERO * self.n_rows
        found = (self.squares / self.mass).sqrt()
        if rare.any():
            rare &= found <= OTHER_UNIT * found[rare].median()
            found[rare] = found[rare].square().mean().sqrt()
        # A rare column that is all zero so far may have other values in later rows.
        constant = (self.low == self.high) & ~rare
        found[constant | (found <= self.rounding * self.mean.abs())] = 0
        return found


@torch.no_grad()
def set_units(module, statistics):
    """Set the statistics with which the first layer of a new network standardises."""
    layer = module.first_layer
    layer.set_statistics(statistics.mean, statistics.deviations(), _length(module))


def _length(module):
    # Inputs of hidden layers keep unit scale, like those of the layers in between.
    return None if len(module.hidden) else SQUARED_LENGTH


@torch.no_grad()
def change_units(net, statistics):
    """Change the statistics of the first layer without changing the outputs.

    Further training steps are taken in the new units.
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
        # The average does not include an untrained bias, which has no influence.
        bias = kept.get(id(layer.bias), layer.bias.clone())
        change.apply(kept[id(layer.weight)], bias)
    state = net.optimizer_.state.get(layer.weight, {})
    for name in sorted(state.keys() & MOMENT_POWERS.keys()):
        change.scale_gradients(state[name], MOMENT_POWERS[name])
    head = module.head
    if layer is head.linear and head.feature_decay is not None:
        change.move(head.class_features)


def standardizes(module):
    """Whether the network standardises its inputs."""
    return isinstance(module.first_layer, StandardizedLinear)
