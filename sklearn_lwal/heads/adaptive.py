"""Learning with adaptive labels (LwAL): each class is the mean of its latents.

Source: Yu & Verma, "Improving Model Training via Self-learned Label
Representations", Eqs. (1) to (3) and Algorithm 1. Where the text is silent the
arithmetic is that of the authors' code: labels start as rows of the identity,
steps are counted from 0 over the whole run, and the repel loss joins in at
update steps only.
"""

import torch
from torch import nn

from . import functional as F
from ._head import Head


class AdaptiveLabels(nn.Module):
    """Class labels that follow the class means of the latents, as a torch loss.

    Use it as the loss of any training loop. In training mode a call counts one
    step and, at an update step, first moves each class's label to the mean of
    its samples in the batch (the gradient flows through those means); in
    evaluation mode a call only measures the loss.

    Parameters
    ----------
    n_classes : int
    output_dim : int
        Dimension of the latent.
    update_every : int, default=1
        Steps between two label updates (the paper's k).
    warmup_steps : int, default=0
        Steps before the first update (the paper's w).
    repel_weight : float, default=0.0
        Weight of the repel loss, Eq. (3) (the paper's lambda; 10 in "+rpl").
    label_momentum : float, default=0.0
        Share of the old label that an update keeps.
    temperature : float, default=1.0
        Scores are ``-temperature * distance``.

    Attributes
    ----------
    labels : tensor of shape (n_classes, output_dim)
        Buffer with the current labels; starts as ``eye(n_classes, output_dim)``.
    step : int64 tensor
        Buffer with the number of training steps counted so far.
    log_prior : tensor of shape (n_classes,) or None
        Buffer added to the scores; see :meth:`set_class_shares`.

    Examples
    --------
    >>> import torch
    >>> from sklearn_lwal import AdaptiveLabels
    >>> encoder = torch.nn.Linear(4, 3)
    >>> labels = AdaptiveLabels(n_classes=3, output_dim=3)
    >>> x, y = torch.randn(12, 4), torch.arange(12) % 3
    >>> loss = labels(encoder(x), y)
    >>> loss.backward()
    >>> labels.scores(encoder(x)).shape
    torch.Size([12, 3])
    """

    def __init__(
        self,
        n_classes,
        output_dim,
        update_every=1,
        warmup_steps=0,
        repel_weight=0.0,
        label_momentum=0.0,
        temperature=1.0,
    ):
        super().__init__()
        self.update_every = update_every
        self.warmup_steps = warmup_steps
        self.repel_weight = repel_weight
        self.label_momentum = label_momentum
        self.temperature = temperature
        self.register_buffer("labels", torch.eye(n_classes, output_dim))
        self.register_buffer("step", torch.zeros((), dtype=torch.int64))
        self.register_buffer("log_prior", None)
        self.register_buffer("identity", torch.eye(n_classes), persistent=False)

    def forward(self, z, y, sample_weight=None):
        """The training loss of a batch, a scalar tensor.

        Parameters
        ----------
        z : tensor of shape (n, output_dim)
        y : int64 tensor of shape (n,)
            Class indices.
        sample_weight : tensor of shape (n,), optional
            Weighs the loss and the class means.
        """
        return self.loss_and_scores(z, y, sample_weight)[0]

    def loss_and_scores(self, z, y, sample_weight=None):
        """The loss and the class scores it was taken from, (n, n_classes)."""
        z = _at_least_float32(z)
        base, share = self.labels.to(z.dtype), None
        weight = None if sample_weight is None else sample_weight.to(z.dtype)
        member = F.class_membership(y, self.identity.to(z.dtype), weight)
        if self.training:
            update = self._is_update_step()
            base, share = F.label_update(base, member, self.label_momentum, update)
        loss, scores, labels = F.distance_cross_entropy(
            z, base, member, share, weight, self.temperature, self.log_prior
        )
        if self.training:
            if self.repel_weight:
                repel = F.repel_loss(z, member, weight, self.repel_weight)
                loss = loss + (repel if update is True else update * repel)
            self.labels.copy_(labels)
            self.step.add_(1)
        return loss, scores

    def scores(self, z):
        """``-temperature * distance`` to each label, (n, n_classes)."""
        z = _at_least_float32(z)
        distance = F.pairwise_distance(z, self.labels.to(z.dtype))
        return F.distance_scores(distance.T, self.temperature, self.log_prior).T

    @torch.no_grad()
    def set_labels(self, labels):
        """Replace the labels; ``labels`` is (n_classes, output_dim)."""
        self.labels.copy_(labels)

    @torch.no_grad()
    def set_class_shares(self, shares):
        """Add the logarithm of each class's share of the total weight to its score.

        A distance knows nothing of how often a class occurs, so class weights that
        are to tip the decision need a term of their own; it is known in closed
        form and not trained. Equal shares change nothing, and neither does a model
        without shares: the nearest label decides.
        """
        self.log_prior = F.log_shares(shares).to(self.labels)

    def _is_update_step(self):
        if self.update_every == 1 and not self.warmup_steps:
            return True
        return F.is_update_step(self.step, self.update_every, self.warmup_steps)

    def extra_repr(self):
        n_classes, output_dim = self.labels.shape
        return f"n_classes={n_classes}, output_dim={output_dim}"


class AdaptiveHead(Head):
    """A dense layer whose latents are compared with :class:`AdaptiveLabels`."""

    refinable = True

    def __init__(self, in_features, n_classes, output_dim, l2=0.0, **label_options):
        super().__init__(in_features, output_dim, l2)
        self.adaptive = AdaptiveLabels(n_classes, output_dim, **label_options)

    def scores(self, z):
        return self.adaptive.scores(z)

    def latent_loss(self, z, y, sample_weight=None):
        return self.adaptive.loss_and_scores(z, y, sample_weight)

    @property
    def labels(self):
        return self.adaptive.labels

    def set_class_shares(self, shares, first):
        self.adaptive.set_class_shares(shares)

    @torch.no_grad()
    def refine(self, feature_means, present):
        # The mean of a linear map is the map of the mean, so this is Eq. (1) over
        # the whole training set without another pass through it.
        means = self(feature_means.to(self.linear.weight.dtype))
        self.adaptive.set_labels(torch.where(present[:, None], means, self.labels))


def _at_least_float32(z):
    return z.float() if z.dtype in (torch.float16, torch.bfloat16) else z
