"""Standard training: a softmax over one output a class (one-hot labels)."""

import torch

from . import functional as F
from ._head import Head


class OneHotHead(Head):
    """A dense layer with the cross-entropy of its softmax as the loss.

    Parameters
    ----------
    in_features, n_classes : int
    l2 : float, default=0.0
        See :class:`Head`.
    label_smoothing : float, default=0.0
        Share of the target spread evenly over all classes (Szegedy et al. 2016).
    """

    def __init__(self, in_features, n_classes, l2=0.0, label_smoothing=0.0):
        super().__init__(in_features, n_classes, l2)
        self.label_smoothing = label_smoothing
        self.register_buffer("one_hot", torch.eye(n_classes), persistent=False)

    def scores(self, z):
        return z

    def latent_loss(self, z, y, sample_weight=None):
        smoothing = self.label_smoothing if self.training else 0.0
        return F.cross_entropy(z, y, sample_weight, smoothing), z

    @torch.no_grad()
    def set_class_weights(self, weights, first):
        # The bias would get there anyway, in many steps.
        if first:
            self.linear.bias.add_(F.log_class_weights(weights).to(self.linear.bias))

    @property
    def labels(self):
        return self.one_hot
