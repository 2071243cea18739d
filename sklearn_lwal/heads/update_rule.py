"""The paper's update rule of the labels, as an affine map of the batch's latents.

Source: Eq. (1) of Yu and Verma, "Improving Model Training via Self-learned Label
Representations", 2022: every k steps, after w steps of warmup, the label of a class
becomes the weighted mean of the latents of its samples. See ``functional`` for the
shapes and for stacked heads.
"""

import torch

from .functional import is_zero, safe_divisor, spread


def is_update_step(step, update_every, warmup_steps):
    """Whether the labels are updated at ``step``, counted from 0."""
    since = step - warmup_steps
    return (since >= 0) & (since % update_every == 0)


def label_update(labels, member, momentum=0.0, update=True):
    """An update of the labels (Eq. (1)) as an affine map of the batch's latents.

    Parameters
    ----------
    labels : tensor of shape (n_classes, output_dim)
    momentum : float or tensor
        Share of the old label that is kept.
    update : bool or bool tensor
        False keeps all labels.

    Returns
    -------
    base : tensor of shape (n_classes, output_dim)
    share : tensor of shape (n_classes, n)
        The new labels are ``base + share @ z``: the weighted class means, or the old
        label of a class without weight in the batch.
    """
    # A product with ``share`` is deterministic on a GPU; a scatter is not.
    mass = member.sum(-1)
    share = member / safe_divisor(mass)[..., None]
    kept = _kept_share(mass > 0, momentum, update, labels.dtype)
    if update is True and is_zero(momentum):
        return kept * labels, share
    return kept * labels, (1 - kept) * share


def label_move(labels, means, share, present, momentum=0.0, update=True):
    """:func:`label_update` towards given means, ``means + share @ z``.

    Parameters
    ----------
    means : tensor of shape (n_classes, output_dim)
        The gradient flows through them.
    share : tensor of shape (n_classes, n) or None
    present : bool tensor of shape (n_classes,)
        A class that is not present keeps its label.
    """
    kept = _kept_share(present, momentum, update, labels.dtype)
    base = torch.lerp(means, labels, kept)
    return base, None if share is None else (1 - kept) * share


def _kept_share(present, momentum, update, dtype):
    """Share of the old labels that the update keeps, (n_classes, 1)."""
    stays = ~present[..., None]
    if isinstance(update, torch.Tensor):
        stays = stays | ~spread(update)
    elif not update:
        stays = torch.ones_like(stays)
    stays = stays.to(dtype)
    if is_zero(momentum):
        return stays
    momentum = spread(momentum)
    return momentum + (1 - momentum) * stays
