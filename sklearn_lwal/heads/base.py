"""The seam between the training engine and a label representation."""

import torch
from torch import nn

from . import functional as F
from .linear import Dense


class Head(nn.Module):
    """Features to latent to class scores, and the loss that trains them.

    A label learning method is a subclass that defines :meth:`scores`,
    :meth:`latent_loss` and :attr:`labels`; nothing else in the library knows
    which method it trains.

    Parameters
    ----------
    in_features, output_dim : int
        Dimensions of the features and of the latent.
    l2 : float, default=0.0
        Adds ``l2 * (||W||^2 + ||b||^2)`` of the dense layer to the loss.
    """

    # Whether the bias of the dense layer is trained; of many heads at once, a tensor.
    bias_counts = True

    # Whether all that a training step changes are tensors, in place, so that the step
    # can be captured in a graph.
    steps_in_place = True

    # Whether the class means of the features are told before training begins.
    follows_features = False

    # Share that running class means of features keep in a step; None: constant ones.
    feature_decay: float | None = None

    def __init__(self, in_features, output_dim, l2=0.0):
        super().__init__()
        self.linear = Dense(in_features, output_dim)
        self.l2 = F.number(l2)

    def forward(self, features):
        """The latent z, (n, output_dim), at least float32."""
        z = self.linear(features)
        return z if z.dtype in (torch.float32, torch.float64) else z.float()

    def scores(self, z):
        """Class scores, (n, n_classes); their softmax is the probabilities."""
        raise NotImplementedError

    def latent_loss(self, z, y, sample_weight=None):
        """Training loss at the latents and the class scores it was taken from."""
        raise NotImplementedError

    def training_latents(self, features):
        """The latents of a training step, and what else :meth:`loss` takes, or None."""
        return self(features), None

    @property
    def labels(self):
        """The label representations, (n_classes, output_dim)."""
        raise NotImplementedError

    def start_training(self, n_samples, n_epochs):
        """Told before training passes over so many samples so many times."""

    def start_epoch(self):
        """Told before each of these epochs."""

    def select_members(self, kept):
        """Told that of many heads at once, (S, K), only these of the K go on."""

    def end_training(self):
        """Told after the last one, or when training breaks off."""

    def training_state(self):
        """What the next epoch goes on from besides tensors of the module, a dict."""
        return {}

    def load_training_state(self, state):
        """Go on from :meth:`training_state`, after :meth:`start_training`."""

    def refine(self, feature_means, present):
        """Take the class means of the features of the whole training set.

        Parameters
        ----------
        feature_means : tensor of shape (n_classes, in_features)
        present : bool tensor of shape (n_classes,)
            False for a class without samples, whose mean is meaningless.
        """

    def averaged_buffers(self):
        """Buffers that belong to the weights and are averaged with them."""
        return []

    def trained_buffers(self):
        """Buffers that training changes, otherwise than counting its steps."""
        return self.averaged_buffers()

    def set_class_weights(self, weights, first):
        """Let class weights count in the decision, where they are given.

        Parameters
        ----------
        weights : tensor of shape (n_classes,)
        first : bool
            Whether training has not begun yet.
        """

    def loss(self, z, y, sample_weight=None, aux=None, rows=None):
        """One training step's loss and the class scores of the batch.

        ``z`` and ``aux`` are the :meth:`training_latents`. ``rows``, (n,) int64, are
        the places of the samples in the training data, for heads that keep account.
        """
        loss, scores = self.latent_loss(z, y, sample_weight)
        return self._with_l2(loss), scores

    def _with_l2(self, loss):
        return loss if F.is_zero(self.l2) else loss + self.l2 * self.squared_norm()

    def squared_norm(self):
        """``||W||^2 + ||b||^2`` of the dense layer."""
        weight, bias = self.linear.weight, self.linear.bias
        return weight.square().sum((-2, -1)) + bias.square().sum(-1)

    def set_options(self, **options):
        """Replace numbers that the head was made with, by their names.

        Where several heads are trained together, by tensors of one number a head.
        """
        for name, value in options.items():
            if value is not None:
                setattr(self, name, value)
