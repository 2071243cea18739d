"""Learning from one-hot labels and from predictions of earlier epochs.

Source: Deng and Zhang, "Learning with Retrospection", AAAI 2021. Epochs e are counted
from 1 to E. In every epoch that k divides, each training step stores the softened
predictions q = softmax(z / T) of its samples. For e <= k the loss is the cross-entropy
CE. Afterwards

- variant "paper", with c = floor(e / k) k and a = b c / E:
  L = (1 - a) CE + a T^2 KL(q || softmax(z / T))
- variant "lwal", the baseline of the authors of LwAL, with a = b e / E:
  L = (1 - a) CE + a KL(q || softmax(z))

where b = 0.9, T = 5 and q is the prediction stored last.
"""

import torch

from . import functional as F
from .base import Head
from .one_hot import OneHotHead


class RetrospectionHead(OneHotHead):
    """A dense layer that is also trained towards its own earlier predictions.

    Between :meth:`start_training` and :meth:`end_training` it holds a float32 table
    (n_samples, n_classes) of the stored predictions.

    Parameters
    ----------
    in_features, n_classes : int
    l2 : float, default=0.0
        See :class:`Head`.
    variant : {"paper", "lwal"}, default="paper"
    update_every : int, default=5
        Epochs between two updates of the table (k).
    temperature : float, default=5.0
        Softens the stored predictions (T).
    retrospection : float, default=0.9
        Weight of the stored predictions at the end of training (b).
    """

    # A step depends on the epoch, a Python number.
    steps_in_place = False

    def __init__(
        self,
        in_features,
        n_classes,
        l2=0.0,
        variant="paper",
        update_every=5,
        temperature=5.0,
        retrospection=0.9,
    ):
        super().__init__(in_features, n_classes, l2)
        self.variant = variant
        self.update_every = update_every
        self.temperature = temperature
        self.retrospection = retrospection
        self.end_training()

    def start_training(self, n_samples, n_epochs):
        self.n_epochs = n_epochs
        if n_epochs > self.update_every and not F.is_zero(self.retrospection):
            # Stacked heads have one table each.
            shape = *self.linear.bias.shape[:-1], n_samples, len(self.one_hot)
            self.soft_labels = torch.zeros(shape, device=self.linear.weight.device)

    def start_epoch(self):
        self.epoch += 1

    def end_training(self):
        self.soft_labels, self.epoch, self.n_epochs = None, 0, 0

    def select_members(self, kept):
        if self.soft_labels is not None:
            self.soft_labels = self.soft_labels[:, kept]

    def training_state(self):
        return {"soft_labels": self.soft_labels, "epoch": self.epoch}

    def load_training_state(self, state):
        self.epoch = state["epoch"]
        if state["soft_labels"] is not None:
            self.soft_labels.copy_(state["soft_labels"])

    def loss(self, z, y, sample_weight=None, aux=None, rows=None):
        loss, scores = self.latent_loss(z, y, sample_weight)
        if self.soft_labels is not None:
            share, places = self._share(), self._places(rows)
            if not F.is_zero(share):
                known = self.soft_labels.gather(-2, places)
                past = F.weighted_mean(self._divergence(z, known), sample_weight)
                loss = torch.lerp(loss, past, share)
            if self.epoch % self.update_every == 0:
                soft = z.detach() / F.spread(self.temperature)
                soft = F.log_probabilities(soft).exp().mT.float()
                self.soft_labels.scatter_(-2, places, soft)
        return self._with_l2(loss), scores

    def _places(self, rows):
        """Indices of the rows' stored predictions in the table, (n, n_classes)."""
        shape = *self.soft_labels.shape[:-2], rows.shape[-1], len(self.one_hot)
        return rows[..., None].expand(shape)

    def _share(self):
        """The weight a of the stored predictions in this epoch."""
        if self.epoch <= self.update_every:
            return 0.0
        epoch = self.epoch
        if self.variant == "paper":
            epoch -= epoch % self.update_every
        return self.retrospection * epoch / self.n_epochs

    def _divergence(self, z, soft):
        """Divergence of each sample from its stored prediction; soft (n, n_classes)."""
        paper = self.variant == "paper"
        temperature = self.temperature if paper else 1.0
        logp = F.log_probabilities(z / F.spread(temperature))
        soft = soft.mT.to(logp.dtype)
        divergence = -(torch.special.entr(soft) + soft * logp).sum(-2)
        return F.spread(temperature, 1) ** 2 * divergence

    def set_options(self, **options):
        Head.set_options(self, **options)
