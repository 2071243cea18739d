"""Pure functions behind the label representations: tensors in, tensors out.

Shapes: ``z`` (n, output_dim) latents, ``labels`` (n_classes, output_dim),
``y`` (n,) class indices, ``sample_weight`` (n,) or None. Every function works
with masks instead of branches on tensor values and reads nothing back from the
device, so a step can be batched with ``torch.func`` or captured in a graph.
"""

import torch
import torch.nn.functional as F

# Below this squared norm or squared distance a vector counts as zero: the
# gradients of the square root and of the normalisation are 0 there.
TINY_SQUARE = 1e-12


def class_membership(y, n_classes, dtype, sample_weight=None):
    """One-hot rows of ``y``, (n, n_classes), scaled by the sample weights."""
    classes = torch.arange(n_classes, device=y.device)
    member = (y[:, None] == classes).to(dtype)
    if sample_weight is not None:
        member = member * sample_weight.to(dtype)[:, None]
    return member


def class_means(z, member):
    """Weighted mean of ``z`` in each class and the weight of each class.

    Parameters
    ----------
    z : tensor of shape (n, output_dim)
    member : tensor of shape (n, n_classes)
        From :func:`class_membership`.

    Returns
    -------
    means : tensor of shape (n_classes, output_dim)
        Zero where a class has no weight.
    weights : tensor of shape (n_classes,)
    """
    weights = member.sum(0)
    divisor = torch.where(weights > 0, weights, 1.0)
    # A product instead of a scatter: the same sums in the same order every time,
    # also on a GPU.
    return (member.T @ z) / divisor[:, None], weights


def pairwise_distance(z, labels):
    """Euclidean distances ``sqrt(max(||z_i - l_c||^2, 1e-12))``, (n, n_classes).

    Both are centred on the mean label before the square is expanded: distances
    do not change, and far from the origin far fewer digits cancel.
    """
    centre = labels.detach().mean(0)
    z, labels = z - centre, labels - centre
    squares = (z * z).sum(1, keepdim=True) + (labels * labels).sum(1)
    squares = torch.addmm(squares, z, labels.T, alpha=-2)
    return squares.clamp_min(TINY_SQUARE).sqrt()


def unit_rows(z):
    """Rows of ``z`` scaled to length 1; a zero row stays zero, with gradient 0."""
    squares = (z * z).sum(1, keepdim=True)
    tiny = squares <= TINY_SQUARE
    return z * torch.where(tiny, 0.0, torch.where(tiny, 1.0, squares).rsqrt())


def repel_loss(z, member):
    """Mean over all ordered pairs of [different class] * cosine similarity.

    The paper's Eq. (3), averaged over the n^2 pairs (weighted: over the products
    of the weights). With u the unit rows it equals
    ``(||sum_i u_i||^2 - sum_c ||sum_{i in c} u_i||^2) / n^2``, which needs no
    (n, n) matrix.
    """
    sums = member.T @ unit_rows(z)
    total, mass = sums.sum(0), member.sum()
    different = (total * total).sum() - (sums * sums).sum()
    return different / torch.where(mass > 0, mass * mass, 1.0)


def is_update_step(step, update_every, warmup_steps):
    """Whether the labels are updated at ``step``, counted from 0."""
    since = step - warmup_steps
    return (since >= 0) & (since % update_every == 0)


def updated_labels(labels, z, member, momentum=0.0):
    """Labels moved to the class means of the batch (Eq. (1)), with gradient.

    A class without weight in the batch keeps its label.
    """
    means, weights = class_means(z, member)
    if momentum:
        means = momentum * labels + (1 - momentum) * means
    return torch.where((weights > 0)[:, None], means, labels)


def weighted_cross_entropy(scores, y, sample_weight=None, label_smoothing=0.0):
    """Mean cross-entropy of ``softmax(scores)``, weighted by the sample weights."""
    if sample_weight is None:
        return F.cross_entropy(scores, y, label_smoothing=label_smoothing)
    losses = F.cross_entropy(
        scores, y, reduction="none", label_smoothing=label_smoothing
    )
    weight = sample_weight.to(losses.dtype)
    mass = weight.sum()
    return (weight * losses).sum() / torch.where(mass > 0, mass, 1.0)
