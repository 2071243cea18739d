"""A dense layer on features of any scale, which it standardises."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

# If the mean of a column exceeds this many standard deviations, shift and scale are not
# folded into the weight: cancellation in the float32 product would lose digits.
FAR_FROM_ZERO = 1e3


# Mean squared length of the standardised features for any number of them, so that one
# learning rate suits 4 features and 50,000. Backbones give about this many features:
# for them the learning rate means the same as without this scaling.
SQUARED_LENGTH = 1000


def affine(x, weight, bias):
    """``x @ weight.T + bias``, also for stacked layers.

    Parameters
    ----------
    x : tensor of shape (..., 1, n, in_features)
        Layers share their inputs along a dimension of size 1; one product serves all.
    weight : tensor of shape (..., n_layers, out_features, in_features)
    bias : tensor of shape (..., n_layers, out_features)
    """
    if weight.ndim == 2:
        return F.linear(x, weight, bias)
    if x.ndim > 2 and x.shape[-3] > 1:
        return x @ weight.mT + bias[..., None, :]
    x = x if x.ndim == 2 else x.squeeze(-3)
    n_layers, out_features = bias.shape[-2:]
    z = torch.baddbmm(
        bias.reshape(-1, n_layers * out_features, 1),
        weight.reshape(-1, n_layers * out_features, weight.shape[-1]),
        x.expand(*weight.shape[:-3], *x.shape[-2:]).reshape(-1, *x.shape[-2:]).mT,
    )
    return z.view(*bias.shape, -1).mT


class Dense(nn.Linear):
    """A dense layer by :func:`affine`."""

    def forward(self, x):
        return affine(x, self.weight, self.bias)


class StandardizedLinear(nn.Module):
    """A dense layer on standardised features ``(x - shift) * scale``.

    The scale also brings the features to a mean squared length that does not depend on
    their number. In training shift and scale are folded into weight and bias, which are
    much smaller than a batch; in evaluation they are applied to the features.

    Parameters
    ----------
    linear : nn.Linear
        Its weight and bias become this layer's and apply to standardised features.
    """

    state_flags = ("folds",)

    def __init__(self, linear):
        super().__init__()
        self.weight, self.bias = linear.weight, linear.bias
        self.register_buffer("shift", torch.zeros(linear.in_features))
        self.register_buffer("scale", torch.ones(linear.in_features))
        # The bias is the weight of a constant feature as long as the columns.
        self.register_buffer("constant", torch.ones(()))
        self.folds = True

    @torch.no_grad()
    def set_statistics(self, mean, deviation, squared_length=SQUARED_LENGTH):
        """Set mean and standard deviation, (in_features,); 0 marks a constant column.

        The outputs become those of the same weight and bias on standardised features.
        ``squared_length=None`` leaves the length of these as it is.
        """
        length = self._length(squared_length)
        self.constant.fill_(length)
        self.weight.div_(length)
        self.bias.div_(length)
        self._take(mean, _scale(deviation, length))

    @torch.no_grad()
    def change_statistics(self, mean, deviation, squared_length=SQUARED_LENGTH):
        """Replace the statistics of :meth:`set_statistics` after training has begun.

        A column that varied keeps its statistics if its new deviation is 0.

        Returns
        -------
        change : ChangeOfUnits or None
            Apply it to the weight to keep the layer's outputs, for rows whose constant
            columns have not changed. None where no statistic changed.
        """
        scale = _scale(deviation, self._length(squared_length)).to(self.scale)
        stays = scale == 0
        scale = torch.where(stays, self.scale, scale)
        shift = torch.where(stays & (self.scale > 0), self.shift, mean.to(self.shift))
        if torch.equal(scale, self.scale) and torch.equal(shift, self.shift):
            return None
        wide = torch.float32 if scale.device.type == "mps" else torch.float64
        before, after = self.scale.to(wide), scale.to(wide)
        # The weight of a column that was constant is untrained: it starts to count
        # now, and contributes 0 to rows that still have the constant value.
        gain = torch.where((before > 0) & (after > 0), before / after, 1.0)
        ratio = torch.where(before > 0, after / before, 0.0)
        offset = after * (shift.to(wide) - self.shift.to(wide))
        change = ChangeOfUnits(gain, ratio, offset, self.constant.to(wide))
        self._take(shift, scale)
        return change

    def _length(self, squared_length):
        width = len(self.shift)
        return ((squared_length or width) / width) ** 0.5

    def _take(self, shift, scale):
        self.shift.copy_(shift)
        self.scale.copy_(scale)
        far = (self.shift.abs() * self.scale).max() / self.constant
        self.folds = bool(far < FAR_FROM_ZERO)

    def standardize(self, x):
        """The standardised features, ``(x - shift) * scale``."""
        return (x - _for_rows(self.shift)) * _for_rows(self.scale)

    def forward(self, x):
        if not (self.training and self.folds and x.dtype == self.weight.dtype):
            # Features may be more precise than the weight: subtract the mean first.
            known = self.standardize(x).to(self.weight.dtype)
            return self.outputs(known)
        weight = self.weight * self.scale
        bias = torch.addmv(self.bias * self.constant, weight, self.shift, alpha=-1)
        return F.linear(x, weight, bias)

    def outputs(self, standardized):
        """The outputs for features that :meth:`standardize` returned."""
        constant = self.constant[..., None] if self.constant.ndim else self.constant
        return affine(standardized, self.weight, self.bias * constant)

    def extra_repr(self):
        return f"in_features={len(self.shift)}, out_features={len(self.weight)}"


class ChangeOfUnits(NamedTuple):
    """Converts a weight when the statistics of the standardised features change.

    ``gain``, its inverse ``ratio`` (0 where a column was constant before) and
    ``offset`` are (in_features,).
    """

    gain: torch.Tensor
    ratio: torch.Tensor
    offset: torch.Tensor
    constant: torch.Tensor

    def apply(self, weight, bias):
        """Convert a weight and a bias in place; the layer's outputs stay the same."""
        changed = weight.to(self.gain) * self.gain
        weight.copy_(changed)
        bias.add_((changed @ self.offset / self.constant).to(bias))

    def move(self, standardized):
        """Convert standardised features in place."""
        standardized.copy_(standardized.to(self.ratio) * self.ratio - self.offset)

    def scale_gradients(self, values, power):
        """Convert powers of the weight's gradient in place, as Adam's moments are."""
        values.copy_(values.to(self.ratio) * self.ratio**power)


def _scale(deviation, length):
    """Scale of each column that standardises it and brings it to ``length``."""
    # Scaling a constant column would amplify nothing but rounding: its scale is 0.
    scale = torch.where(deviation == 0, 0.0, 1 / deviation) * length
    return scale.clamp_max(torch.finfo(torch.float32).max)


def _for_rows(of_features):
    """Insert the dimension of the rows if there is one of stacked networks."""
    return of_features if of_features.ndim == 1 else of_features[..., None, :]


def standardize(layer, x):
    """``x``, standardised if the layer standardises its inputs."""
    return layer.standardize(x) if isinstance(layer, StandardizedLinear) else x


def outputs(layer, standardized):
    """The layer's outputs for inputs that :func:`standardize` returned."""
    if isinstance(layer, StandardizedLinear):
        return layer.outputs(standardized)
    return affine(standardized, layer.weight, layer.bias)


def outputs_of_both(layer, x, standardized):
    """The outputs for raw and for standardised features, by one product."""
    rows = torch.cat([standardize(layer, x).to(standardized.dtype), standardized], -2)
    sizes = [x.shape[-2], standardized.shape[-2]]
    # Splitting along the last dimension in memory lets autograd join the gradients in
    # the same order.
    return [part.mT for part in outputs(layer, rows).mT.split(sizes, -1)]


@torch.no_grad()
def set_bias(layer, bias):
    """Set the layer's outputs at standardised features of 0 to ``bias``."""
    constant = layer.constant if isinstance(layer, StandardizedLinear) else 1.0
    layer.bias.copy_(bias / constant)
