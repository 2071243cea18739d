"""Pure functions behind the label representations: tensors in, tensors out.

Shapes: ``z`` (n, output_dim) latents, ``labels`` (n_classes, output_dim), ``y``
(n,) class indices, ``member`` (n_classes, n) weights of the samples in their
classes. Every function works with masks instead of branches on tensor values and
reads nothing back from the device, so a step can be captured in a graph.

All functions accept stacked heads, that is, many heads trained together, as leading
dimensions. ``z`` is then (..., n, output_dim) and so on; a scalar has the leading
dimensions alone, and a tensor that the heads share may have size 1 there.

The two losses have explicit gradients. Autograd would compute the same gradients with
two to three times the number of kernels, and on small networks the kernel launches
dominate the time of a training step. The ``plain_`` functions are the same formulas for
autograd.

Classes come first in the large intermediate tensors: a softmax over a short last
dimension takes about ten times as long on a CPU. The latents of stacked heads lie in
memory with the latent dimension first, because one product for all heads writes them
so. Results keep that order, and products accumulate in place: these tensors exceed the
cache of a core, so the number of passes over memory determines the speed.
"""

import torch
from torch.autograd.function import once_differentiable

# A vector below this squared norm or squared distance counts as zero: there the
# gradients of the square root and of the normalisation are 0.
TINY_SQUARE = 1e-12
# Its square root, plus a margin for rounding.
TINY = 1.0001e-6


def spread(number, n_dims=2):
    """Append dimensions of size 1 to a tensor; a scalar stays as it is."""
    if not isinstance(number, torch.Tensor) or number.ndim == 0:
        return number
    return number[(..., *(None,) * n_dims)]


def add_product(base, a, b, scale=1):
    """``base + scale * a @ b``; stacked heads overwrite ``base``."""
    if base.ndim == 2:
        return torch.addmm(base, a, b, alpha=scale)
    if base.shape[:-2] != a.shape[:-2] or base.shape[:-2] != b.shape[:-2]:
        return base.add_(a @ b, alpha=scale)
    if not base.is_contiguous() and base.mT.is_contiguous():
        return add_product(base.mT, b.mT, a.mT, scale).mT
    whole = base.view(-1, *base.shape[-2:])
    whole.baddbmm_(a.flatten(0, -3), b.flatten(0, -3), alpha=scale)
    return base


def common_product(a, b):
    """``a @ b`` where heads share one ``b``: (..., K, p, m) and (..., 1, m, n).

    The result has the memory order of the latents.
    """
    if a.ndim == 2:
        return (b.mT @ a.mT).mT
    if b.shape[-3] > 1:
        return a @ b
    return (a.flatten(-3, -2) @ b.squeeze(-3)).unflatten(-2, a.shape[-3:-1])


def inner_product(a, b):
    """The sum over the last two dimensions of ``a * b``."""
    if a.ndim == b.ndim == 2:
        return torch.dot(a.flatten(), b.flatten())
    if a.ndim > 3 and a.shape[-3] == 1:
        # One matrix-vector product for all heads reads b once and writes nothing.
        return (b.flatten(-2) @ a.flatten(-3)[..., None]).squeeze(-1)
    return (a * b).sum((-2, -1))


def class_membership(y, identity, weight=None):
    """One-hot columns of ``y``, (n_classes, n), scaled by the sample weights.

    ``identity`` is ``eye(n_classes)`` in the dtype of the result. The caller makes it
    once, which saves a comparison and a conversion in each step.
    """
    if y.ndim == 1:
        member = identity.index_select(1, y)
    else:
        # Indexing would write with strides and be slower.
        member = identity.new_zeros(*y.shape[:-1], len(identity), y.shape[-1])
        member.scatter_(-2, y[..., None, :], 1.0)
    return member if weight is None else member * weight[..., None, :]


def safe_divisor(mass):
    """``mass`` without zeros. Sums of zero mass are 0, and 0 / tiny is 0."""
    return mass.clamp_min(torch.finfo(mass.dtype).tiny)


def log_class_weights(weights):
    """Logarithms of the weights relative to their mean; 0 counts as 1e-12."""
    return (weights / weights.mean()).clamp_min(1e-12).log()


def number(option):
    """An option as a number that fits a tensor: no bool, no int beyond 64 bits."""
    if isinstance(option, bool):
        return int(option)
    too_long = not isinstance(option, torch.Tensor) and abs(option) >= 2**63
    return float(min(option, 2**1000)) if too_long else option


def is_zero(option):
    """Whether an option is off; an option of stacked heads, a tensor, is on."""
    return not isinstance(option, torch.Tensor) and option == 0


def pairwise_distance(z, labels):
    """Euclidean distances ``sqrt(max(||z_i - l_c||^2, 1e-12))``, (n, n_classes)."""
    return _centred_distance(z, labels)[0].mT


def _centred_distance(z, labels):
    """Distances (n_classes, n), and both arguments shifted by the mean label.

    The shift leaves distances as they are. Far from the origin it avoids most of the
    cancellation in the expanded square.
    """
    centre = labels.mean(-2, keepdim=True)
    z, labels = z - centre, labels - centre
    squares = (labels * labels).sum(-1)[..., None] + (z * z).sum(-1)[..., None, :]
    squares = add_product(squares, labels, z.mT, -2)
    return squares.clamp_min(TINY_SQUARE).sqrt_(), z, labels


def distance_scores(distance, temperature=1.0, offset=None):
    """Scores ``-temperature * distance + offset``, classes first."""
    temperature = spread(temperature)
    if offset is None:
        return -temperature * distance
    # as_tensor would move a tensor to the default device.
    if not isinstance(temperature, torch.Tensor):
        temperature = distance.new_tensor(temperature)
    temperature = temperature.to(distance)
    return torch.addcmul(offset[..., None], temperature, distance, value=-1)


def plain_distance_cross_entropy(
    z, base, member, share=None, weight=None, temperature=1.0, offset=None
):
    """:func:`distance_cross_entropy`; also returns the tensors of its gradient."""
    labels = base if share is None else base + share @ z
    distance, z, centred = _centred_distance(z, labels)
    scores = distance_scores(distance, temperature, offset)
    logp = torch.log_softmax(scores, -2)
    mass = z.shape[-2] if weight is None else safe_divisor(weight.sum(-1))
    loss = inner_product(member, logp) / -mass
    return loss, scores.mT, labels, (mass, distance, logp, z, centred)


class _DistanceCrossEntropy(torch.autograd.Function):
    """Cross-entropy of the softmax of the distance scores, and its gradient.

    With l_c = b_c + sum_j h_cj z_j the labels, d_ci the distance of sample i to
    label c, s_ci = -t d_ci + o_c, p the softmax of s over c, w_ci the weights of
    the samples in their classes and m their sum:

        loss = -sum_ci w_ci log p_ci / m
        a_ci := -t (p_ci sum_k w_ki - w_ci) / (m d_ci), 0 where z_i is l_c
        dloss/dl_c = sum_i a_ci (l_c - z_i) = dloss/db_c
        dloss/dz_i = sum_c a_ci (z_i - l_c) + sum_c h_ci dloss/dl_c
        dloss/dt = -sum_ci (p_ci sum_k w_ki - w_ci) d_ci / m
    """

    @staticmethod
    def forward(ctx, z, base, member, share, weight, temperature, offset):
        loss, scores, labels, saved = plain_distance_cross_entropy(
            z, base, member, share, weight, temperature, offset
        )
        ctx.mass, *saved = saved
        ctx.temperature = temperature
        ctx.save_for_backward(member, share, weight, *saved)
        ctx.mark_non_differentiable(scores, labels)
        return loss, scores, labels

    @staticmethod
    @once_differentiable
    def backward(ctx, grad, *_):
        member, share, weight, distance, logp, z, labels = ctx.saved_tensors
        a = logp.exp()
        if weight is not None:
            a.mul_(weight[..., None, :])
        a.sub_(member)
        grad = grad / -ctx.mass
        dtemperature = None
        if ctx.needs_input_grad[5]:
            dtemperature = grad * inner_product(a, distance)
        # The gradient of the distance is 0 where a sample coincides with a label.
        a.div_(distance).mul_(distance > TINY).mul_(spread(grad * ctx.temperature))
        dlabels = add_product(a.sum(-1, keepdim=True) * labels, a, z, -1)
        dz = add_product(a.sum(-2)[..., None] * z, a.mT, labels, -1)
        if share is not None:
            dz = add_product(dz, share.mT, dlabels)
        return dz, dlabels, None, None, None, dtemperature, None


def distance_cross_entropy(
    z, base, member, share=None, weight=None, temperature=1.0, offset=None
):
    """Eq. (2) and the mean cross-entropy, weighted by ``weight`` (as is ``member``).

    Parameters
    ----------
    z : tensor of shape (n, output_dim)
    base, share : tensors
        The labels are ``base + share @ z``, see :func:`label_update`; without
        ``share`` they are ``base``. The gradient flows through both.
    weight : tensor of shape (n,), optional
        The sample weights in ``member``.
    temperature : float or scalar tensor
        The gradient flows through a tensor.
    offset : tensor of shape (n_classes,), optional
        Added to the scores.

    Returns
    -------
    loss : scalar tensor
    scores : tensor of shape (n, n_classes)
        Without gradient.
    labels : tensor of shape (n_classes, output_dim)
        Without gradient.
    """
    return _DistanceCrossEntropy.apply(
        z, base, member, share, weight, temperature, offset
    )


def row_lengths(z):
    """Lengths of the rows, (n, 1), infinite for a zero row."""
    # torch's vector_norm is slow on latents with the latent dimension first.
    norms = (z * z).sum(-1, keepdim=True).clamp_min(TINY_SQUARE).sqrt()
    return norms.masked_fill(norms < TINY, torch.inf)


def plain_repel_loss(z, member, weight=None, scale=1.0):
    """:func:`repel_loss`; also returns the tensors of its gradient."""
    lengths = row_lengths(z)
    u = z / lengths
    sums = common_product(u.mT, member.mT).mT
    others = sums.sum(-2, keepdim=True).sub(sums)
    factor = scale / z.shape[-2] ** 2
    if weight is not None:
        pairs = weight.sum(-1).square()
        factor = scale * (pairs > 0) / safe_divisor(pairs)
    loss = inner_product(sums, others) * factor
    return loss, (factor, member, lengths, u, others)


class _RepelLoss(torch.autograd.Function):
    """The repel loss and its gradient.

    With u the unit rows, S_c the weighted sum of the u_i in class c, T the sum of
    all and m the total weight, the loss is sum_c S_c (T - S_c) / m^2. Its
    derivative with respect to u_i is 2 w_i (T - S_c(i)) / m^2. The derivative with
    respect to z_i is the component of it orthogonal to u_i, divided by ||z_i||.
    """

    @staticmethod
    def forward(ctx, z, member, weight, scale):
        loss, (factor, *saved) = plain_repel_loss(z, member, weight, scale)
        ctx.factor = 2 * factor
        ctx.save_for_backward(*saved)
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        member, lengths, u, others = ctx.saved_tensors
        du = common_product(others.mT, member).mT
        along = (u * du).sum(-1, keepdim=True)
        du.addcmul_(u, along, value=-1).mul_(spread(grad * ctx.factor) / lengths)
        return du, None, None, None


def repel_loss(z, member, weight=None, scale=1.0):
    """``scale`` * mean over all ordered pairs of [different class] * cosine.

    This is Eq. (3) of the paper, averaged over the n^2 pairs (or weighted by the
    products of the sample weights), without an (n, n) matrix. ``weight`` are the
    sample weights in ``member``.
    """
    return _RepelLoss.apply(z, member, weight, scale)


def log_probabilities(scores):
    """Logarithms of ``softmax(scores)``, classes first: (n_classes, n)."""
    return torch.log_softmax(scores.mT.contiguous(), -2)


def weighted_mean(losses, sample_weight=None):
    """Weighted mean over the samples, (n,)."""
    if sample_weight is None:
        return losses.mean(-1)
    weight = sample_weight.to(losses.dtype)
    return (weight * losses).sum(-1) / safe_divisor(weight.sum(-1))


def cross_entropy(scores, y, sample_weight=None):
    """Mean cross-entropy of ``softmax(scores)``, weighted by the sample weights.

    ``scores`` is (n, n_classes).
    """
    return weighted_mean(-gather_class(log_probabilities(scores), y), sample_weight)


def gather_class(values, y):
    """The entry of ``values`` (n_classes, n) for each sample's class, (n,)."""
    index = y[..., None, :].expand(*values.shape[:-2], 1, -1)
    return values.gather(-2, index).squeeze(-2)


def rows(values, y):
    """The row of ``values`` (n_classes, p) for each sample's class, (n, p)."""
    if values.ndim == 2:
        return values[y]
    return torch.take_along_dim(values, y[..., None], -2)


def columns(values, y):
    """The column of ``values`` (p, n_classes) for each sample's class, (p, n)."""
    if y.ndim == 1:
        return values.index_select(1, y)
    index = y[..., None, :].expand(*values.shape[:-1], -1)
    return values.gather(-1, index)
