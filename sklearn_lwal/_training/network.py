"""The torch module that is trained: backbone, if any, hidden layers and head."""

import copy

import torch
import torch.nn.functional as F
from torch import nn

from ..heads.linear import Dense, StandardizedLinear
from . import distributed


class Dropout(nn.Module):
    """Dropout that draws from its own generator instead of the global one.

    In joint training, (S, K, n, width), each of the S folds has its own generator, and
    its K networks share the dropout mask.
    """

    def __init__(self, p):
        super().__init__()
        self.p = p
        self.generator = None
        self.counts = None

    def forward(self, x):
        if not self.training or self.p == 0:
            return x
        keep = self._drawn(x) if x.ndim == 2 else self._drawn_by_fold(x)
        return x * keep.div_(1 - self.p)

    def _drawn(self, x):
        return torch.empty_like(x).bernoulli_(1 - self.p, generator=self.generator)

    def _drawn_by_fold(self, x):
        keep = x.new_zeros(len(x), 1, *x.shape[-2:])
        for s, generator in enumerate(self.generator):
            n = x.shape[-2] if self.counts is None else int(self.counts[s])
            drawn = x.new_empty(n, x.shape[-1])
            keep[s, 0, :n] = drawn.bernoulli_(1 - self.p, generator=generator)
        return keep

    def extra_repr(self):
        return f"p={self.p}"


class BatchNorm(nn.BatchNorm1d):
    """Batch normalisation that uses the running statistics for a single row.

    In joint training, inputs are (S, K, n, width), and ``is_real`` (S, 1, n) is False
    for padding rows.
    """

    def __init__(self, size):
        super().__init__(size)
        self.is_real = None

    def forward(self, x):
        if x.ndim > 2:
            return self._of_many(x)
        if self.training and len(x) > 1:
            return super().forward(x)
        return F.batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
        )

    def _of_many(self, x):
        mean, variance = self.running_mean, self.running_var
        if self.training and x.shape[-2] > 1:
            mean, variance = self._statistics(x)
        scale = self.weight / (variance + self.eps).sqrt()
        return (x - mean[..., None, :]) * scale[..., None, :] + self.bias[..., None, :]

    def _statistics(self, x):
        count = x.shape[-2]
        if self.is_real is None:
            variance, mean = torch.var_mean(x, -2, correction=0)
        else:
            real = self.is_real[..., None]
            count = self.is_real.sum(-1, keepdim=True)
            mean = (x * real).sum(-2) / count
            variance = ((x - mean[..., None, :]).square() * real).sum(-2) / count
        with torch.no_grad():
            unbiased = variance * (count / (count - 1))
            self.running_mean = self.running_mean.lerp(mean, self.momentum)
            self.running_var = self.running_var.lerp(unbiased, self.momentum)
        return mean, variance


def hidden_layers(in_features, sizes, dropout):
    """Linear-ReLU-BatchNorm-Dropout for each size; empty without sizes."""
    layers = []
    for size in sizes:
        layers += [
            Dense(in_features, size),
            nn.ReLU(),
            BatchNorm(size),
            Dropout(dropout),
        ]
        in_features = size
    return nn.Sequential(*layers)


def _converted(module, dtype, known):
    """A copy of a module with tensors in ``dtype``, or shared ones if it is None."""
    if id(module) in known:
        return known[id(module)]
    found = known[id(module)] = object.__new__(type(module))
    vars(found).update(vars(module), training=False)
    for kind in ("_parameters", "_buffers"):
        tensors = getattr(module, kind).copy()
        tensors.update((name, _as(t, dtype)) for name, t in tensors.items())
        vars(found)[kind] = tensors
    parts = found._modules = module._modules.copy()
    parts.update((n, p and _converted(p, dtype, known)) for n, p in parts.items())
    return found


def _as(tensor, dtype):
    if dtype is None or tensor is None or not tensor.is_floating_point():
        return tensor
    return tensor.detach().to(dtype)


class Network(nn.Module):
    """A trainable backbone, if any, hidden layers and a head.

    Parameters
    ----------
    hidden : nn.Sequential
    head : Head
    precision : {"float32", "bfloat16"}
        With "bfloat16" the backbone and the dense layers train under autocast. Scores,
        loss and everything in evaluation mode are computed outside of it.
    standardize : bool
        Whether the first dense layer is a
        :class:`~sklearn_lwal.heads.linear.StandardizedLinear`.
    backbone : Backbone, optional
        A trained backbone, which maps images to features.

    Attributes
    ----------
    augment : callable or None
        Applied to each training image, (C, H, W).
    """

    def __init__(
        self,
        hidden,
        head,
        precision="float32",
        standardize=False,
        backbone=None,
    ):
        super().__init__()
        self.backbone = backbone
        self.hidden = hidden
        self.head = head
        self.precision = precision
        self.augment = None
        if standardize and len(hidden):
            hidden[0] = StandardizedLinear(hidden[0])
        elif standardize:
            head.linear = StandardizedLinear(head.linear)

    def after_backbone(self, dtype):
        """A copy in evaluation mode, without the backbone, in another precision.

        The copy leaves this network as it is for other threads.
        """
        left_out = {id(self.backbone): None}
        return copy.deepcopy(self, left_out).to(dtype).eval()

    def evaluating(self, dtype):
        """The network without its backbone, in evaluation mode and another precision.

        Only modules and their tensors are new; sharing everything else is much faster
        than a deep copy. This network stays as it is for other threads.
        """
        return _converted(self, dtype, {id(self.backbone): None})

    def sharing(self):
        """A network with new modules that share this one's tensors and backbone."""
        return _converted(self, None, {id(self.backbone): self.backbone})

    @property
    def first_layer(self):
        """The first dense layer, whose inputs are the features."""
        return self.hidden[0] if len(self.hidden) else self.head.linear

    @property
    def trains_features(self):
        """Whether the head's input changes in training."""
        return self.backbone is not None or len(self.hidden) > 0

    def features(self, X):
        """The head's input for images, or for features that the backbone computed."""
        if self.backbone is not None and (isinstance(X, list) or X.ndim != 2):
            X = self.encoded(X)
        return self.hidden(X)

    def encoded(self, images):
        """The backbone's features; their number must be that of the fit."""
        features, expected = self.backbone(images), self.first_layer.weight.shape[1]
        if features.shape[1] != expected:
            raise ValueError(
                f"The backbone gives {features.shape[1]} features for images of shape "
                f"{tuple(images[0].shape)}, but was fitted to give {expected}. Pass "
                "images of the same size as before, or set image_size."
            )
        return features

    def forward(self, X, output="scores", *batch):
        """Class scores (n, n_classes), latents ("latent") or :meth:`loss` ("loss")."""
        if output == "loss":
            return self.loss(X, *batch)
        with self._precision(X):
            z = self.head(self.features(X))
        return z if output == "latent" else self.head.scores(z)

    def loss(self, X, y, sample_weight=None, rows=None):
        """The loss of a training step and the class scores of the batch.

        In distributed training X is this process's part of the batch; the other
        arguments are for the whole batch.
        """
        if self.augment is not None:
            X = self._augmented(X)
        with self._precision(X):
            features = self.features(X)
            z, aux = self.head.training_latents(features)
        z = distributed.joined(z, len(y))
        if aux is not None and self.trains_features:
            # Then ``aux`` has one entry for each row, like ``z``.
            aux = distributed.joined(aux, len(y))
        return self.head.loss(z, y, sample_weight, aux, rows)

    def _augmented(self, X):
        changed = [self.augment(image) for image in X]
        one_shape = len({(image.shape, image.dtype) for image in changed}) == 1
        return torch.stack(changed) if one_shape else changed

    def _precision(self, X):
        low = self.training and self.precision != "float32"
        return torch.autocast(X[0].device.type, torch.bfloat16, enabled=low)

    def trained_buffers(self):
        """Buffers that training changes, step counters excepted."""
        norms = [m for m in self.hidden if isinstance(m, BatchNorm)]
        statistics = [b for m in norms for b in (m.running_mean, m.running_var)]
        return [*self.head.trained_buffers(), *statistics]

    def use_generator(self, generator):
        """Let the dropout layers draw from ``generator`` (None: the global one).

        A stack of networks takes a list with one generator for each fold.
        """
        for module in self.modules():
            if isinstance(module, Dropout):
                module.generator = generator

    def count_rows(self, is_real, counts):
        """Set which rows of the next batch are real, (S, 1, n), and their numbers.

        ``counts``, (S,), is on the CPU. Both are None if there is no padding.
        """
        for module in self.modules():
            if isinstance(module, BatchNorm):
                module.is_real = is_real
            if isinstance(module, Dropout):
                module.counts = counts
