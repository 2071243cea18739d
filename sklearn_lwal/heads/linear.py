"""A dense layer for features that come in any units."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

# Above this many standard deviations from zero, a column's mean would swallow digits
# of the float32 product that it cancels in.
FAR_FROM_ZERO = 1e3


# Mean squared length of the features as the weight takes them, so that a learning rate
# moves the outputs by as much for 4 features as for 50,000. About the number of
# features that backbones give: there a rate is what it would be without this.
SQUARED_LENGTH = 1000


def affine(x, weight, bias):
    """``x @ weight.T + bias``, also of many layers at once.

    Parameters
    ----------
    x : tensor of shape (..., 1, n, in_features)
        What is common to the layers along the dimension of size 1 is multiplied once.
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

    They are also brought to one length, whatever their number. In training shift and
    scale are folded into weight and bias, which are much smaller than a batch; in
    evaluation they are applied to the features themselves.

    Parameters
    ----------
    linear : nn.Linear
        Gives its weight and bias, which belong to the standardised features.
    """

    def __init__(self, linear):
        super().__init__()
        self.weight, self.bias = linear.weight, linear.bias
        self.register_buffer("shift", torch.zeros(linear.in_features))
        self.register_buffer("scale", torch.ones(linear.in_features))
        # The bias is the weight of a constant of the same size as the columns.
        self.register_buffer("constant", torch.ones(()))
        self.folds = True

    @torch.no_grad()
    def set_statistics(self, mean, deviation, squared_length=SQUARED_LENGTH):
        """Standardise by these, (in_features,) each; 0 marks a constant column.

        The outputs become those that the weight gives for standardised features.
        ``squared_length=None`` leaves those as long as they are.
        """
        length = self._length(squared_length)
        self.constant.fill_(length)
        self.weight.div_(length)
        self.bias.div_(length)
        self._take(mean, _scale(deviation, length))

    @torch.no_grad()
    def change_statistics(self, mean, deviation, squared_length=SQUARED_LENGTH):
        """Standardise by others, as :meth:`set_statistics`, from now on.

        A column that varied stays as it is where its deviation is 0 now. The outputs
        can be kept for all rows whose constant columns are as they were.

        Returns
        -------
        change : ChangeOfUnits or None
            Keeps them, once it is applied to the weight. None where nothing changed.
        """
        scale = _scale(deviation, self._length(squared_length)).to(self.scale)
        stays = scale == 0
        scale = torch.where(stays, self.scale, scale)
        shift = torch.where(stays & (self.scale > 0), self.shift, mean.to(self.shift))
        if torch.equal(scale, self.scale) and torch.equal(shift, self.shift):
            return None
        wide = torch.float32 if scale.device.type == "mps" else torch.float64
        before, after = self.scale.to(wide), scale.to(wide)
        # Nothing has been learned of a column that was constant: its first weight
        # counts from now on, and nothing where the column still has that value.
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
        """Features as the weight takes them."""
        return (x - _for_rows(self.shift)) * _for_rows(self.scale)

    def forward(self, x):
        if not (self.training and self.folds and x.dtype == self.weight.dtype):
            # Features may have more digits than the weight: those count before.
            known = self.standardize(x).to(self.weight.dtype)
            return self.outputs(known)
        weight = self.weight * self.scale
        bias = torch.addmv(self.bias * self.constant, weight, self.shift, alpha=-1)
        return F.linear(x, weight, bias)

    def outputs(self, standardized):
        """The outputs for features as :meth:`standardize` gives them."""
        constant = self.constant[..., None] if self.constant.ndim else self.constant
        return affine(standardized, self.weight, self.bias * constant)

    def extra_repr(self):
        return f"in_features={len(self.shift)}, out_features={len(self.weight)}"


class ChangeOfUnits(NamedTuple):
    """From the weight of features in one kind of units to that of another.

    ``gain``, its inverse ``ratio`` (0 where a column counted nothing before) and
    ``offset`` are (in_features,).
    """

    gain: torch.Tensor
    ratio: torch.Tensor
    offset: torch.Tensor
    constant: torch.Tensor

    def apply(self, weight, bias):
        """Change a weight and a bias in place; the layer's outputs stay."""
        changed = weight.to(self.gain) * self.gain
        weight.copy_(changed)
        bias.add_((changed @ self.offset / self.constant).to(bias))

    def move(self, standardized):
        """Change standardised features in place."""
        standardized.copy_(standardized.to(self.ratio) * self.ratio - self.offset)

    def scale_gradients(self, values, power):
        """Change what has the unit of the weight's gradient to a power, in place."""
        values.copy_(values.to(self.ratio) * self.ratio**power)


def _scale(deviation, length):
    """What standardised columns are multiplied by, so that all have this length."""
    # A constant column would get its weight from rounding alone: it counts nothing.
    scale = torch.where(deviation == 0, 0.0, 1 / deviation) * length
    return scale.clamp_max(torch.finfo(torch.float32).max)


def _for_rows(of_features):
    """With a dimension for rows where there is one for networks."""
    return of_features if of_features.ndim == 1 else of_features[..., None, :]


def standardize(layer, x):
    """``x`` in the units of the layer's weight."""
    return layer.standardize(x) if isinstance(layer, StandardizedLinear) else x


def outputs(layer, standardized):
    """The layer's outputs for what :func:`standardize` gives."""
    if isinstance(layer, StandardizedLinear):
        return layer.outputs(standardized)
    return affine(standardized, layer.weight, layer.bias)


def outputs_of_both(layer, x, standardized):
    """The outputs for features and for what is standardised already, by one product."""
    rows = torch.cat([standardize(layer, x).to(standardized.dtype), standardized], -2)
    sizes = [x.shape[-2], standardized.shape[-2]]
    # Split as they lie in memory, dimensions first, their gradients are joined so, too.
    return [part.mT for part in outputs(layer, rows).mT.split(sizes, -1)]


@torch.no_grad()
def set_bias(layer, bias):
    """Let the layer's outputs be ``bias`` where the standardised features are 0."""
    constant = layer.constant if isinstance(layer, StandardizedLinear) else 1.0
    layer.bias.copy_(bias / constant)
