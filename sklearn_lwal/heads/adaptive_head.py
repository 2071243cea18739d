"""A dense layer before adaptive labels: the head of LwAL."""

import torch

from . import functional as F
from .adaptive import AdaptiveLabels, ClassMeans
from .base import Head
from .linear import outputs, outputs_of_both, standardize

# Length of the label of a class without features, relative to the longest label.
FAR_AWAY = 10.0


class AdaptiveHead(Head):
    """A dense layer whose latents are compared with :class:`AdaptiveLabels`.

    Parameters
    ----------
    in_features, n_classes, output_dim : int
    l2 : float, default=0.0
        See :class:`Head`.
    label_update : {"batch", "features"}, default="batch"
        "batch": labels follow the class means of the batch's latents. "features":
        labels are the dense layer's outputs for the class means of the features. As
        the layer is linear, these are the mean latents over all samples behind those
        means.
    feature_decay : float, optional
        None: the features are constant, and :meth:`set_class_features` sets their
        class means. Else the features change in training, and their class means are
        running means over the batches, whose past is multiplied by this number in
        each step.
    label_options
        As for :class:`AdaptiveLabels`.
    """

    state_flags = ("uses_prior",)

    def __init__(
        self,
        in_features,
        n_classes,
        output_dim,
        l2=0.0,
        label_update="batch",
        feature_decay=None,
        **label_options,
    ):
        super().__init__(in_features, output_dim, l2)
        self.adaptive = AdaptiveLabels(n_classes, output_dim, **label_options)
        self.uses_prior = False
        self.register_buffer("log_prior", torch.zeros(n_classes))
        self.follows_features = label_update == "features"
        self.feature_decay = feature_decay
        if self.follows_features:
            means, mass = torch.zeros(n_classes, in_features), torch.zeros(n_classes)
            # Running means belong to the state dict; constant ones are set anew.
            kept = feature_decay is not None
            self.register_buffer("class_features", means, persistent=kept)
            self.register_buffer("class_mass", mass, persistent=kept)
        self._train_bias_that_counts()

    def _train_bias_that_counts(self):
        # If all labels move with the latents in every step, the bias cancels in all
        # distances. Adam would turn the rounding errors of its gradient into steps.
        counts = (self.l2 != 0) | self.adaptive.feels_origin
        counts = counts | (not self.follows_features)
        several = isinstance(counts, torch.Tensor)
        self.bias_counts = counts if several else bool(counts)
        # The optimiser of stacked heads keeps its parameters when some heads stop.
        kept = self.linear.bias.ndim > 1 and self.linear.bias.requires_grad
        counts = bool(counts.any() if several else counts)
        self.linear.bias.requires_grad_(counts or kept)

    def scores(self, z):
        return self.adaptive.scores(z)

    def latent_loss(self, z, y, sample_weight=None, class_means=None):
        return self.adaptive._measure(z, y, sample_weight, class_means)

    def training_latents(self, features):
        if not self.follows_features:
            return self(features), None
        if self.feature_decay is not None:
            return self(features), features.detach()
        if features.ndim == 2 or features.shape[:-2] != self.class_features.shape[:-2]:
            return self(features), None
        # The weights of stacked heads exceed the cache: one product reads them once.
        return outputs_of_both(self.linear, features, self.class_features)

    def loss(self, z, y, sample_weight=None, aux=None, rows=None):
        means = None
        if self.follows_features and self.training:
            constant = self.feature_decay is None
            means = (
                self._means_of_all(aux)
                if constant
                else self._running_means(aux, y, sample_weight)
            )
        loss, scores = self.latent_loss(z, y, sample_weight, means)
        return self._with_l2(loss), scores

    def _means_of_all(self, latents):
        """Class means of the latents over the whole training set.

        A linear map takes the mean to the mean, so this is Eq. (1) over all rows, and
        its gradient is that of all rows, for any batch. ``latents`` are those of the
        class means, or None to compute them.
        """
        latents = self._latents_of_means() if latents is None else latents
        return ClassMeans(latents, None, self.class_mass > 0)

    def _running_means(self, features, y, sample_weight):
        """Class means over this batch and earlier ones, which decay."""
        member = F.class_membership(y, self.adaptive.identity, sample_weight)
        earlier = self.feature_decay * self.class_mass
        mass = earlier + member.sum(-1)
        divisor = F.safe_divisor(mass)[..., None]
        kept, share = earlier[..., None] / divisor, member / divisor
        means = kept * self._latents_of_means()
        with torch.no_grad():
            known = standardize(self.linear, features)
            batch = share @ known.to(share.dtype)
            # A new tensor: the gradient still needs the old one.
            self.class_features = torch.addcmul(batch, kept, self.class_features)
            self.class_mass = mass
        return ClassMeans(means, share, mass > 0)

    def _latents_of_means(self):
        return outputs(self.linear, self.class_features)

    @torch.no_grad()
    def set_class_features(self, means, mass):
        """Set the class means of the features, (n_classes, in_features), and weights.

        ``mass`` (n_classes,) holds the summed sample weights of the classes.
        """
        self.class_features.copy_(standardize(self.linear, means))
        self.class_mass.copy_(mass)

    @torch.no_grad()
    def start_labels(self):
        """Start the labels at the latents of the class means of the features.

        A class without features gets a label far from all others, so that no sample
        is assigned to it.
        """
        means, present = self._latents_of_means(), self.class_mass > 0
        size = (means * present[:, None]).norm(dim=1).max().clamp_min(1.0)
        self.adaptive.set_labels(FAR_AWAY * size * _axes(self.labels))
        self._set_present_labels(means, present)

    def set_temperature(self, temperature):
        """Replace a temperature that is not learned."""
        self.adaptive.temperature.fill_(temperature)

    @property
    def labels(self):
        return self.adaptive.labels

    def averaged_buffers(self):
        return [self.labels]

    def trained_buffers(self):
        if not self.follows_features or self.feature_decay is None:
            return [self.labels]
        return [self.labels, self.class_features, self.class_mass]

    def set_class_weights(self, weights, first):
        self.adaptive.set_class_weights(weights)
        self.adaptive.class_offset.add_(self.log_prior)

    @torch.no_grad()
    def set_prior(self, log_prior):
        """Set the class offsets to the logarithms of the classes' weighted shares."""
        # ``log_prior`` includes the class weights.
        weights = self.adaptive.class_offset - self.log_prior
        self.adaptive.class_offset.copy_(log_prior)
        self.log_prior.copy_(self.adaptive.class_offset - weights)
        self.uses_prior = True

    @torch.no_grad()
    def refine(self, feature_means, present):
        # A linear map takes the mean to the mean, so this is Eq. (1) over the whole
        # training set without another pass through it.
        self._set_present_labels(self.latents_of(feature_means), present)

    def set_options(self, temperature=None, l2=None, **label_options):
        super().set_options(l2=l2)
        if temperature is not None:
            like = self.linear.weight
            temperature = torch.as_tensor(temperature, dtype=torch.float32)
            self.adaptive.temperature = temperature.to(like.device)
        for name, value in label_options.items():
            setattr(self.adaptive, name, value)
        self._train_bias_that_counts()

    def latents_of(self, means):
        """The latents of class means of the features, ``means`` (n, in_features)."""
        known = standardize(self.linear, means).to(self.linear.weight.dtype)
        return outputs(self.linear, known)

    @torch.no_grad()
    def add_classes(self, places, added, means):
        """Add classes; the latents of their class means become their labels.

        Parameters
        ----------
        places, added : int64 tensors of shape (n_classes,) and (n_new,)
            Indices of the old and of the new classes after the call.
        means : tensor of shape (n_new, in_features)
            Class means of the features.
        """
        new = {
            "labels": self.latents_of(means),
            # Both are logarithms of weights: a new class gets the mean weight.
            "class_offset": self.adaptive.class_offset.exp().mean().log(),
            "log_prior": self.log_prior.exp().mean().log(),
        }
        if self.follows_features:
            new["class_features"] = standardize(self.linear, means)
            new["class_mass"] = self.class_mass.mean()
        for module in (self, self.adaptive):
            for name, buffer in [*module.named_buffers(recurse=False)]:
                if name in new:
                    shape = len(places) + len(added), *buffer.shape[1:]
                    grown = buffer.new_empty(shape)
                    grown[places] = buffer
                    grown[added] = new[name].to(buffer)
                    setattr(module, name, grown)
        self.adaptive.identity = torch.eye(len(self.labels)).to(self.adaptive.identity)

    def _set_present_labels(self, means, present):
        self.adaptive.set_labels(torch.where(present[..., None], means, self.labels))


def _axes(labels):
    """Unit vectors along the axes in turn, shaped like the labels."""
    n_classes, output_dim = labels.shape
    axes = torch.eye(output_dim, dtype=labels.dtype, device=labels.device)
    return axes[torch.arange(n_classes, device=labels.device) % output_dim]
