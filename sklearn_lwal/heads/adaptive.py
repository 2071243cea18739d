"""Learning with adaptive labels (LwAL): each class is the mean of its latents.

Source: Yu & Verma, "Improving Model Training via Self-learned Label
Representations", Eqs. (1) to (3) and Algorithm 1. Where the text is silent the
arithmetic is that of the authors' code: labels start as rows of the identity,
steps are counted from 0 over the whole run, and the repel loss joins in at
update steps only.
"""

from __future__ import annotations

import contextlib
from typing import NamedTuple

import torch
from torch import Tensor, nn

from . import functional as F
from .update_rule import is_update_step, label_move, label_update


class AdaptiveLabels(nn.Module):
    """Class labels that follow the class means of the latents, as a torch loss.

    Use it as the loss of any training loop. In training mode a call counts one
    step and, at an update step, first moves each class's label to the mean of
    its samples in the batch (the gradient flows through those means); in
    evaluation mode a call only measures the loss.

    Parameters
    ----------
    n_classes : int
        Number of classes.
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
    temperature : float or "learned", default=1.0
        Scores are ``-temperature * distance``. "learned" starts at 1.0 and makes its
        logarithm a parameter, ``log_temperature``.

    Attributes
    ----------
    labels : tensor of shape (n_classes, output_dim)
        Buffer with the current labels; starts as ``eye(n_classes, output_dim)``.
    temperature : scalar tensor
        Buffer with the temperature, or None where it is learned.
    step : int64 tensor
        Buffer with the number of training steps counted so far.
    class_offset : tensor of shape (n_classes,)
        Buffer added to the scores; see :meth:`set_class_weights`.

    Raises
    ------
    ValueError
        If an option is out of its range.

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

    # Type checkers do not see the buffers that register_buffer makes.
    labels: Tensor
    temperature: Tensor
    step: Tensor
    class_offset: Tensor
    log_temperature: nn.Parameter | None

    def __init__(
        self,
        n_classes: int,
        output_dim: int,
        update_every: int = 1,
        warmup_steps: int = 0,
        repel_weight: float = 0.0,
        label_momentum: float = 0.0,
        temperature: float | str = 1.0,
    ):
        super().__init__()
        _check(n_classes >= 1, "n_classes", "at least 1", n_classes)
        _check(output_dim >= 1, "output_dim", "at least 1", output_dim)
        for name, k, least in (
            ("update_every", update_every, 1),
            ("warmup_steps", warmup_steps, 0),
        ):
            _check(int(k) == k >= least, name, f"an int of at least {least}", k)
        _check(repel_weight >= 0, "repel_weight", "at least 0", repel_weight)
        _check(0 <= label_momentum < 1, "label_momentum", "in [0, 1)", label_momentum)
        learned = temperature == "learned"
        valid = learned or (not isinstance(temperature, str) and temperature > 0)
        _check(valid, "temperature", "positive or 'learned'", temperature)
        self.update_every = F.number(update_every)
        self.warmup_steps = F.number(warmup_steps)
        self.repel_weight = repel_weight
        self.label_momentum = label_momentum
        # Half precision is too coarse for a mean.
        dtype = torch.promote_types(torch.get_default_dtype(), torch.float32)
        constant = None if learned else torch.tensor(float(temperature), dtype=dtype)
        log_temperature = (
            nn.Parameter(torch.zeros((), dtype=dtype)) if learned else None
        )
        self.register_buffer("temperature", constant)
        self.register_parameter("log_temperature", log_temperature)
        self.register_buffer("labels", torch.eye(n_classes, output_dim, dtype=dtype))
        self.register_buffer("class_offset", torch.zeros(n_classes, dtype=dtype))
        self.register_buffer("step", torch.zeros((), dtype=torch.int64))
        identity = torch.eye(n_classes, dtype=dtype)
        self.register_buffer("identity", identity, persistent=False)

    def forward(
        self,
        z: Tensor,
        y: Tensor,
        sample_weight: Tensor | None = None,
        class_means: ClassMeans | None = None,
    ) -> Tensor:
        """The training loss of a batch, a scalar tensor.

        Parameters
        ----------
        z : tensor of shape (n, output_dim)
            Latents.
        y : tensor of integers of shape (n,)
            Class indices.
        sample_weight : tensor of shape (n,), optional
            Weighs the loss and the class means.
        class_means : ClassMeans, optional
            The means that the labels move to instead of those of the batch.

        Raises
        ------
        ValueError
            If a shape or type does not fit, or if y is on the CPU and has an index
            that no class has. On a GPU that is torch's own assertion.
        """
        return self.loss_and_scores(z, y, sample_weight, class_means)[0]

    def loss_and_scores(
        self,
        z: Tensor,
        y: Tensor,
        sample_weight: Tensor | None = None,
        class_means: ClassMeans | None = None,
    ) -> tuple[Tensor, Tensor]:
        """The loss and the class scores it was taken from, (n, n_classes)."""
        self._check_batch(z, y, sample_weight)
        n_classes = len(self.labels)
        try:
            return self._measure(z, y.long(), sample_weight, class_means)
        except (IndexError, RuntimeError) as error:
            # Values of y are checked only after a failure: reading them back from a
            # GPU would make every step wait.
            if y.device.type != "cpu" or (y >= 0).logical_and(y < n_classes).all():
                raise
            raise ValueError(
                f"y must hold class indices from 0 to {n_classes - 1}. Got some from "
                f"{int(y.min())} to {int(y.max())}: leave such rows out."
            ) from error

    def _check_batch(self, z, y, sample_weight):
        """Check shapes and types only; they need no transfer from the device."""
        n, width = len(y), self.labels.shape[1]
        _check(y.ndim == 1 and n > 0, "y", "of shape (n,), n at least 1", (*y.shape,))
        whole = not (y.is_floating_point() or y.is_complex() or y.dtype == torch.bool)
        _check(whole, "y", "a tensor of integers", y.dtype)
        _check(z.shape == (n, width), "z", f"of shape ({n}, {width})", (*z.shape,))
        _check(z.is_floating_point(), "z", "a tensor of floats", z.dtype)
        if sample_weight is not None:
            shape = (*sample_weight.shape,)
            _check(shape == (n,), "sample_weight", f"of shape ({n},)", shape)

    def _measure(self, z, y, sample_weight, class_means):
        """:meth:`loss_and_scores` without checks; stacked heads, too."""
        with torch.autocast(z.device.type, enabled=False):
            z = _at_least_float32(z)
            return self._loss_and_scores(z, y, sample_weight, class_means)

    def _loss_and_scores(self, z, y, sample_weight, means):
        base, share = self.labels.to(z.dtype), None
        weight = None if sample_weight is None else sample_weight.to(z.dtype)
        member = F.class_membership(y, self.identity.to(z.dtype), weight)
        if self.training:
            rule = self.label_momentum, self._is_update_step()
            if means is None:
                base, share = label_update(base, member, *rule)
            else:
                base, share = label_move(base, *means, *rule)
            update = rule[1]
        loss, scores, labels = F.distance_cross_entropy(
            z,
            base,
            member,
            share,
            weight,
            self.current_temperature(),
            self.class_offset.to(z.dtype),
        )
        if self.training:
            if not F.is_zero(self.repel_weight):
                repel = F.repel_loss(z, member, weight, self.repel_weight)
                loss = loss + (repel if update is True else update * repel)
            self.labels.copy_(labels.detach())
            self.step.add_(1)
        return loss, scores

    def scores(self, z: Tensor) -> Tensor:
        """``-temperature * distance`` to each label, (n, n_classes)."""
        z = _at_least_float32(z)
        offset = self.class_offset.to(z.dtype)
        with without_autocast(z.device.type):
            distance = F.pairwise_distance(z, self.labels.to(z.dtype))
        return F.distance_scores(distance.mT, self.current_temperature(), offset).mT

    def current_temperature(self) -> Tensor:
        """The temperature of the scores, a scalar tensor."""
        if self.log_temperature is None:
            return self.temperature
        return self.log_temperature.exp()

    @torch.no_grad()
    def set_labels(self, labels: Tensor) -> None:
        """Replace the labels; ``labels`` is (n_classes, output_dim)."""
        self.labels.copy_(labels)

    @torch.no_grad()
    def set_class_weights(self, weights: Tensor) -> None:
        """Add the logarithm of each class's relative weight to its score.

        Class weights in the loss alone cannot shift the decision, because distances
        have no bias term for each class. The bias that class weights call for has a
        closed form, so it is set and not trained. Equal weights change nothing.
        """
        self.class_offset.copy_(F.log_class_weights(weights))

    @property
    def feels_origin(self) -> bool | Tensor:
        """Whether a shift of all latents changes the loss; a tensor if stacked."""
        lags = (self.update_every != 1) | (self.warmup_steps != 0)
        return lags | (self.label_momentum != 0) | (self.repel_weight != 0)

    def _is_update_step(self):
        if F.is_zero(self.update_every - 1) and F.is_zero(self.warmup_steps):
            return True
        return is_update_step(self.step, self.update_every, self.warmup_steps)

    def extra_repr(self) -> str:
        n_classes, output_dim = self.labels.shape
        return f"n_classes={n_classes}, output_dim={output_dim}"


class ClassMeans(NamedTuple):
    """Class means of the latents, ``means + share @ z``, with z the batch's latents.

    ``means`` is (n_classes, output_dim), ``share`` (n_classes, n) or None; ``present``
    (n_classes,) is False for a class that has no mean.
    """

    means: torch.Tensor
    share: torch.Tensor | None
    present: torch.Tensor


def _check(valid, name, takes, got):
    if not valid:
        raise ValueError(f"{name} must be {takes}. Got {got!r} instead.")


def without_autocast(device_type):
    """Disable autocast if it is on; exporters fail on a context that does nothing."""
    if torch.is_autocast_enabled(device_type):
        return torch.autocast(device_type, enabled=False)
    return contextlib.nullcontext()


def _at_least_float32(z):
    return z.float() if z.dtype in (torch.float16, torch.bfloat16) else z
