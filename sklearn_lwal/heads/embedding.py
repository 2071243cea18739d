"""Label embeddings that are learned together with the classifier.

Source: Sun, Wei, Ren, Ma, "Label Embedding Network", 2017. From features h two dense
layers give o1 = A1 h and o2 = A2 sg(h), where sg stops the gradient; E is an
(n_classes, n_classes) matrix that starts as the identity, and t_i = E[y_i]. With
H(q, p) = -sum q log p and m_i = [argmax o2_i = y_i] the loss of a batch is

    beta mean CE(o1, y) + (1 - beta) mean H(sg softmax(t), softmax(o1))
    + mean CE(o2, y)
    + sum_i m_i H(sg softmax(o2_i / tau), softmax(t_i)) / (sum_i m_i + 1e-8)
    + sum_i max(0, softmax(o2_i)[y_i] - alpha)

The first line trains the classifier and the second the auxiliary layer. The third moves
each embedding towards the auxiliary layer's softened predictions, on samples that this
layer classifies correctly. The last penalises overconfident predictions of the
auxiliary layer. The predicted class is argmax o1.
"""

import torch
from torch import nn

from . import functional as F
from .base import Head


class LabelEmbedHead(Head):
    """Two dense layers, stored as one, and the label embeddings.

    Parameters
    ----------
    in_features, n_classes : int
    l2 : float, default=0.0
        See :class:`Head`; both layers count.
    hard_weight : float, default=0.5
        Weight of the one-hot labels relative to the embeddings (beta).
    temperature : float, default=2.0
        Softens the auxiliary layer's predictions as targets of the embeddings (tau).
    confidence_cap : float, default=0.9
        Probabilities of the auxiliary layer above this are penalised (alpha).
    """

    def __init__(
        self,
        in_features,
        n_classes,
        l2=0.0,
        hard_weight=0.5,
        temperature=2.0,
        confidence_cap=0.9,
    ):
        super().__init__(in_features, 2 * n_classes, l2)
        self.hard_weight = hard_weight
        self.temperature = F.number(temperature)
        self.confidence_cap = confidence_cap
        self.embeddings = nn.Parameter(torch.eye(n_classes))

    def forward(self, features):
        return super().forward(features)[..., : self.embeddings.shape[-1]]

    def training_latents(self, features):
        """o1 and o2 side by side, (n, 2 * n_classes)."""
        both = super().forward(features)
        if not features.requires_grad:
            return both, None
        n_classes = self.embeddings.shape[-1]
        alone = super().forward(features.detach())
        both = torch.cat([both[..., :n_classes], alone[..., n_classes:]], dim=-1)
        return both, None

    def scores(self, z):
        return z

    def latent_loss(self, z, y, sample_weight=None):
        o1, o2 = z.chunk(2, dim=-1)
        logp1, logp2 = F.log_probabilities(o1), F.log_probabilities(o2)
        own1, own2 = (F.gather_class(logp, y) for logp in (logp1, logp2))
        targets = F.log_probabilities(self.embeddings)
        soft = -(F.columns(targets.detach().exp(), y) * logp1).sum(-2)
        hard, cap = (F.spread(x, 1) for x in (self.hard_weight, self.confidence_cap))
        losses = -hard * own1 + (1 - hard) * soft - own2
        loss = F.weighted_mean(losses, sample_weight)
        weight = _relative(sample_weight, own2)
        taught = weight * (o2.detach().argmax(-1) == y)
        softened = o2.detach() / F.spread(self.temperature)
        teacher = F.log_probabilities(softened).exp()
        lesson = -(teacher * F.columns(targets, y)).sum(-2)
        loss = loss + (taught * lesson).sum(-1) / (taught.sum(-1) + 1e-8)
        excess = (own2.exp() - cap).clamp_min(0)
        return loss + (weight * excess).sum(-1), o1

    @torch.no_grad()
    def set_class_weights(self, weights, first):
        # Training would move the biases here, but it would take many steps.
        if first:
            offset = F.log_class_weights(weights).to(self.linear.bias)
            self.linear.bias.add_(offset.repeat(2))

    @property
    def labels(self):
        return self.embeddings


def _relative(sample_weight, like):
    """Sample weights with a mean of 1 over the samples that have any."""
    if sample_weight is None:
        return torch.ones_like(like)
    weight = sample_weight.to(like.dtype)
    count, mass = (weight > 0).sum(-1), F.safe_divisor(weight.sum(-1))
    return weight * F.spread(count / mass, 1)
