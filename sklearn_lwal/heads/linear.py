"""A dense layer for features that come in any units."""

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
        self.folds = True

    @torch.no_grad()
    def set_statistics(self, mean, deviation):
        """Standardise by these, (in_features,) each; 0 marks a constant column.

        The outputs become those that the weight gives for standardised features.
        """
        self.shift.copy_(mean)
        # A constant column would get its weight from rounding alone: it counts nothing.
        scale = torch.where(deviation == 0, 0.0, 1 / deviation)
        length = (SQUARED_LENGTH / len(mean)) ** 0.5
        self.scale.copy_(scale * length)
        self.weight.div_(length)
        far = (self.shift.abs() * self.scale).max() / length
        self.folds = bool(far < FAR_FROM_ZERO)

    def standardize(self, x):
        """Features as the weight takes them."""
        return (x - self.shift) * self.scale

    def forward(self, x):
        if not (self.training and self.folds):
            return F.linear(self.standardize(x), self.weight, self.bias)
        weight = self.weight * self.scale
        return F.linear(x, weight, self.bias - weight @ self.shift)

    def extra_repr(self):
        return f"in_features={len(self.shift)}, out_features={len(self.weight)}"


def standardize(layer, x):
    """``x`` in the units of the layer's weight."""
    return layer.standardize(x) if isinstance(layer, StandardizedLinear) else x
