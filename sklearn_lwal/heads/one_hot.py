"""Training with one-hot labels, and the regularisers of its loss.

With z the latents, s(z) the class scores, p = softmax(s(z)), K classes and q a target
distribution, the loss of a sample of class y is

    (1 - alpha) CE(q_smooth, p) + alpha M / K KL(q_teacher || p) - beta H(p)

- Label smoothing (Szegedy et al. 2016, "Rethinking the Inception Architecture"):
  q_smooth = (1 - eps) onehot(y) + eps / K, as in torch.
- Confidence penalty (Pereyra et al. 2017, "Regularizing Neural Networks by Penalizing
  Confident Output Distributions"): beta, with H the entropy.
- Teacher-free distillation (Yuan et al. 2020, "Revisiting Knowledge Distillation via
  Label Smoothing Regularization", Tf-KD_reg): alpha, M and T, with
  q_teacher = softmax(u / T) and u = 0.99 for y and 0.01 / (K - 1) elsewhere. T softens
  the teacher alone, and KL is averaged over the K classes, as in the authors' code.

Scores may be the latents themselves or scaled cosines between latents and labels.
"""

import math
from typing import NamedTuple

import torch
from torch import nn

from . import functional as F
from .base import Head

# Probability that the teacher of teacher-free distillation assigns to the true class.
TEACHER_CERTAINTY = 0.99
# Lowest cross-entropy that the initial scale of the cosines allows.
REACHABLE_LOSS = 0.01


class Regularization(NamedTuple):
    """Weights of the regularisers above; all are off by default."""

    label_smoothing: float = 0.0  # eps
    confidence_penalty: float = 0.0  # beta
    teacher_weight: float = 0.0  # alpha
    teacher_temperature: float = 20.0  # T
    teacher_multiplier: float | None = None  # M, by default K


class OneHotHead(Head):
    """A dense layer with the cross-entropy of the softmax of its outputs.

    Parameters
    ----------
    in_features, n_classes : int
    l2 : float, default=0.0
        See :class:`Head`.
    regularization : Regularization
        Applied in training mode only.
    """

    def __init__(self, in_features, n_classes, l2=0.0, regularization=None):
        super().__init__(in_features, n_classes, l2)
        self.regularization = regularization or Regularization()
        self.register_buffer("one_hot", torch.eye(n_classes), persistent=False)

    def scores(self, z):
        return z

    def latent_loss(self, z, y, sample_weight=None):
        scores = self.scores(z)
        logp = F.log_probabilities(scores)
        own = F.gather_class(logp, y)
        losses = self._regularized(logp, own) if self.training else -own
        return F.weighted_mean(losses, sample_weight), scores

    def _regularized(self, logp, own):
        """Losses of the samples; ``own`` (n,) is log p of their own classes.

        ``logp`` is (n_classes, n).
        """
        eps, beta, alpha, temperature, multiplier = (
            F.spread(option, 1) for option in self.regularization
        )
        losses = -own
        if not F.is_zero(eps):
            losses = (1 - eps) * losses - eps * logp.mean(-2)
        if not F.is_zero(alpha):
            kl = self._teacher_kl(logp, own, temperature)
            share = 1.0 if multiplier is None else multiplier / logp.shape[-2]
            losses = (1 - alpha) * losses + alpha * share * kl
        if not F.is_zero(beta):
            losses = losses + beta * (logp.exp() * logp).sum(-2)
        return losses

    @staticmethod
    def _teacher_kl(logp, own, temperature):
        """KL(q_teacher || p) from sums of log p, as q_teacher has just two values."""
        n_classes = logp.shape[-2]
        rest = (1 - TEACHER_CERTAINTY) / (n_classes - 1)
        exp, log = math.exp, math.log
        if isinstance(temperature, torch.Tensor):
            exp, log = torch.exp, torch.log
        ratio = exp((rest - TEACHER_CERTAINTY) / temperature)
        truth = 1 / (1 + (n_classes - 1) * ratio)
        other = truth * ratio
        entropy = truth * log(truth) + (n_classes - 1) * other * log(other)
        return entropy - truth * own - other * (logp.sum(-2) - own)

    def set_options(self, l2=None, **regularization):
        super().set_options(l2=l2)
        self.regularization = self.regularization._replace(**regularization)

    @torch.no_grad()
    def set_class_weights(self, weights, first):
        # Training would move the bias here, but it would take many steps.
        if first:
            self.linear.bias.add_(F.log_class_weights(weights).to(self.linear.bias))

    @property
    def labels(self):
        return self.one_hot


class CosineHead(OneHotHead):
    """Scaled cosines between latents and learned class labels.

    NormFace (Wang et al. 2017): ``scores = s cos(z, l_c)``, with the scale s a
    parameter. At its initial value, the lowest cross-entropy that unit vectors allow,
    ``log(1 + (K - 1) exp(-s K / (K - 1)))``, is 0.01.

    Parameters
    ----------
    in_features, n_classes, l2, regularization
        As for :class:`OneHotHead`.
    """

    def __init__(self, in_features, n_classes, l2=0.0, regularization=None):
        super().__init__(in_features, n_classes, l2, regularization)
        self.directions = nn.Parameter(torch.randn(n_classes, n_classes))
        share = (n_classes - 1) / n_classes
        scale = share * math.log((n_classes - 1) / math.expm1(REACHABLE_LOSS))
        self.log_scale = nn.Parameter(torch.tensor(math.log(scale)))
        self.register_buffer("class_offset", torch.zeros(n_classes))

    def scores(self, z):
        cosines = _unit(z) @ self.labels.to(z.dtype).mT
        scale, offset = self.log_scale.exp(), self.class_offset
        if scale.ndim:
            scale, offset = F.spread(scale), offset[..., None, :]
        return scale * cosines + offset

    @property
    def labels(self):
        """Unit vectors, (n_classes, n_classes), so the nearest has the top cosine."""
        return _unit(self.directions)

    @torch.no_grad()
    def set_class_weights(self, weights, first):
        # Cosines have no bias term for each class, so training could not learn this.
        self.class_offset.copy_(F.log_class_weights(weights))


class SimplexHead(CosineHead):
    """:class:`CosineHead` with fixed labels at the corners of a simplex.

    The labels are a simplex equiangular tight frame, ``sqrt(K / (K - 1)) (I - 1/K)``,
    which training converges to once it fits all samples (neural collapse; Yang et al.
    2022, "Inducing Neural Collapse in Imbalanced Learning").
    """

    def __init__(self, in_features, n_classes, l2=0.0, regularization=None):
        super().__init__(in_features, n_classes, l2, regularization)
        corners = torch.eye(n_classes) - 1 / n_classes
        self.directions.data = _unit(corners)
        self.directions.requires_grad_(False)


def _unit(rows):
    """The rows scaled to length 1; a zero row stays zero and has no gradient."""
    return rows / F.row_lengths(rows)
