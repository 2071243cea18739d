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

    # Whether the bias of the dense layer is trained; a tensor for stacked heads.
    bias_counts = True

    # Whether a training step changes tensors only, and in place, so that a CUDA graph
    # can capture it.
    steps_in_place = True

    # Whether the head needs the class means of the features before training begins.
    follows_features = False

    # Share of the running class means of the features that each step keeps; None where
    # the means are constant.
    feature_decay: float | None = None

    # Attributes that belong to the state of a saved head besides its tensors; bools.
    state_flags: tuple[str, ...] = ()

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
        """Training loss of a batch of latents, and the class scores behind it."""
        raise NotImplementedError

    def training_latents(self, features):
        """The latents of a training step, and the ``aux`` of :meth:`loss`."""
        return self(features), None

    @property
    def labels(self):
        """The label representations, (n_classes, output_dim)."""
        raise NotImplementedError

    def start_training(self, n_samples, n_epochs):
        """Called before the first epoch."""

    def start_epoch(self):
        """Called before each epoch."""

    def select_members(self, kept):
        """Called on (S, K) stacked heads when only the ``kept`` of the K train on."""

    def end_training(self):
        """Called after the last epoch, or when training breaks off."""

    def training_state(self):
        """State of the training besides the module's own tensors, as a dict."""
        return {}

    def load_training_state(self, state):
        """Restore :meth:`training_state`; :meth:`start_training` comes first."""

    def refine(self, feature_means, present):
        """Set the labels from the class means over the whole training set.

        Parameters
        ----------
        feature_means : tensor of shape (n_classes, in_features)
        present : bool tensor of shape (n_classes,)
            False for a class without samples, whose mean is meaningless.
        """

    def averaged_buffers(self):
        """Buffers that a weight average includes besides the parameters."""
        return []

    def trained_buffers(self):
        """Buffers that training changes, step counters excepted."""
        return self.averaged_buffers()

    def set_class_weights(self, weights, first):
        """Let class weights shift the decision, not the loss alone.

        Parameters
        ----------
        weights : tensor of shape (n_classes,)
        first : bool
            Whether this is the call before the first training step.
        """

    def loss(self, z, y, sample_weight=None, aux=None, rows=None):
        """The loss of one training step and the class scores of the batch.

        ``z`` and ``aux`` come from :meth:`training_latents`. ``rows``, (n,) int64, are
        the samples' indices in the training data, for heads that store something for
        each sample.
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
        """Replace numerical options of the head; None leaves one as it is.

        Stacked heads take tensors with one number for each head.
        """
        for name, value in options.items():
            if value is not None:
                setattr(self, name, value)
