"""Fixed label representations that the latents are regressed to.

Source: Chen, Li, Raghupathi, Lipson, "Beyond Categorical Label Representations for
Image Classification", ICLR 2021. With e_c the embedding of class c, p its dimension and
z the latent of a sample of class y, the sample's loss is

    (1 / p) sum_j huber(z_j - e_yj),  huber(r) = r^2 / 2 if |r| <= 1 else |r| - 1/2

and the predicted class is the one with the nearest embedding. Probabilities are the
softmax of the negative distances, which training does not use.
"""

import torch

from . import functional as F
from .base import Head


class StaticHead(Head):
    """A dense layer whose outputs are regressed to the class embeddings.

    Parameters
    ----------
    in_features : int
    label_embeddings : tensor of shape (n_classes, output_dim)
    l2 : float, default=0.0
        See :class:`Head`.
    """

    def __init__(self, in_features, label_embeddings, l2=0.0):
        super().__init__(in_features, label_embeddings.shape[1], l2)
        self.register_buffer("label_embeddings", label_embeddings)
        # The mean of the embeddings may be far from 0, many training steps away.
        self.linear.bias.data += label_embeddings.mean(0)

    def scores(self, z):
        return -F.pairwise_distance(z, self.labels.to(z.dtype))

    def latent_loss(self, z, y, sample_weight=None):
        target = F.rows(self.labels.to(z.dtype), y).expand_as(z)
        losses = torch.nn.functional.huber_loss(z, target, reduction="none").mean(-1)
        with torch.no_grad():
            scores = self.scores(z)
        return F.weighted_mean(losses, sample_weight), scores

    @torch.no_grad()
    def set_class_weights(self, weights, first):
        # Training would move the bias to the weighted mean of the targets, but it would
        # take many steps.
        if first:
            shares = weights / weights.sum() - 1 / len(weights)
            self.linear.bias.add_(shares.to(self.labels) @ self.labels)

    @property
    def labels(self):
        return self.label_embeddings
