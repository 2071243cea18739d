"""The start of a head by linear discriminant analysis, in closed form.

Source: multi-class discriminant analysis (Rao, "The utilization of multiple
measurements in problems of biological classification", 1948) with the pooled
covariance shrunk towards a multiple of the identity (Friedman, "Regularized
discriminant analysis", 1989). The log-loss on held-out rows chooses the shrinkage, the
temperature, and whether the class prior enters the scores.

Shapes: ``rows`` (m, d) centred features, ``y`` (m,) class indices, ``weight`` (m,)
sample weights, ``sums`` (n_classes, d) and ``mass`` (n_classes,) the weighted class
sums of all training rows and their weights, float64. With S the pooled within-class
covariance, tau its mean diagonal element (where rows are fewer than columns: in the
space that they span), g the shrinkage and B the rows
sqrt(mass_c / mass) (mean_c - mean):

    S_g = (1 - g) S + g tau I
    B S_g^-1 B' = P diag(sigma^2) P'
    W_k = P_k' B S_g^-1 / sigma_k, the k-th row of the head, largest sigma first

so that W S_g W' = I: the latents of a class have unit variance in every direction.
"""

from typing import NamedTuple

import torch

from .functional import log_class_weights, pairwise_distance, safe_divisor

SHRINKAGES = (0.01, 0.05, 0.2, 0.5, 0.9)
N_FOLDS = 5
# These suffice to compare five shrinkages and to fit the temperature.
HELD_OUT_ROWS = 1000
# Number of scores computed by one operation. With few rows the launch of an operation
# takes longer than its arithmetic.
AT_ONCE = 250_000
LOG_TEMPERATURES = torch.linspace(-4.0, 3.0, 15, dtype=torch.float64)
# Training sharpens the scores of a head that starts here. A temperature below the best
# one leaves room for that.
ROOM_TO_SHARPEN = 0.8
# Length of the rows of W beyond those that discriminate, relative to the mean length
# of these.
SPARE_LENGTH = 0.01


class Start(NamedTuple):
    """The start of a head.

    ``weight`` is (output_dim, d); ``uses_prior`` says whether the logarithm of the
    class prior is added to the scores.
    """

    weight: torch.Tensor
    temperature: float
    shrinkage: float
    uses_prior: bool


class Scatter:
    """Second moments and class sums of rows, which can be added and subtracted."""

    def __init__(self, moment, sums, mass, count):
        self.moment, self.sums, self.mass, self.count = moment, sums, mass, count

    @classmethod
    def of(cls, rows, y, weight, n_classes):
        member = torch.nn.functional.one_hot(y, n_classes).T.to(rows.dtype) * weight
        moment = (rows.T @ (rows * weight[:, None])).double()
        sums, mass = (member @ rows).double(), member.sum(1, dtype=torch.float64)
        return cls(moment, sums, mass, torch.tensor(len(rows), device=rows.device))

    def __add__(self, other):
        return self._each(torch.add, other)

    def __sub__(self, other):
        return self._each(torch.sub, other)

    def _each(self, combine, other):
        parts = zip(vars(self).values(), vars(other).values(), strict=True)
        return Scatter(*(combine(mine, theirs) for mine, theirs in parts))

    def within_class(self):
        """The pooled within-class covariance, (d, d)."""
        present = self.mass > 0
        between = self.sums / safe_divisor(self.mass).sqrt()[:, None]
        total = self.moment - between.T @ between
        # Degrees of freedom: each class mean takes one.
        free = (self.count - present.sum()).clamp_min(0).double() / self.count
        # Without any, ``total`` is nothing but rounding error.
        return total * (free > 0) / safe_divisor(self.mass.sum() * free)


def between_classes(sums, mass):
    """The rows of B, (n_classes, d)."""
    share = mass / mass.sum()
    means = sums / safe_divisor(mass)[:, None]
    return share.sqrt()[:, None] * (means - share @ means)


def shrunk(covariance, shrinkage, between):
    """S_g; tau is the variance between classes where that within them vanishes."""
    tau = covariance.diagonal().mean()
    other = between.square().sum() / len(covariance)
    other = torch.where(other > 0, other, torch.ones_like(other))
    tau = torch.where(tau > 1e-6 * other, tau, other)
    result = (1 - shrinkage) * covariance
    result.diagonal().add_(shrinkage * tau)
    return result


def directions(covariance, between, output_dim):
    """The rows W_k, at most ``min(output_dim, n_classes - 1)`` of them."""
    try:
        solved = torch.cholesky_solve(between.T, _cholesky(covariance))
        squares, vectors = torch.linalg.eigh(between @ solved)
    except torch.linalg.LinAlgError as error:
        raise ValueError(
            "The discriminant start has no finite solution: features or sample weights "
            "are too large or too far apart in size. Scale them."
        ) from error
    squares, vectors = squares.flip(0), vectors.flip(1)
    n_real = int((squares > 1e-10 * squares[0].clamp_min(1e-12)).sum())
    k = min(output_dim, len(between) - 1, n_real)
    return (solved @ (vectors[:, :k] / squares[:k].sqrt())).T


def _cholesky(matrix):
    """The Cholesky factor of a matrix that is positive definite up to rounding."""
    factor, failed = torch.linalg.cholesky_ex(matrix)
    if failed:
        matrix = matrix.clone()
        matrix.diagonal().add_(matrix.diagonal().abs().mean())
        factor, failed = torch.linalg.cholesky_ex(matrix)
    if failed:
        # Rounding dominates the matrix. No eigenvalue exceeds the largest absolute row
        # sum, so twice that sum makes it positive definite.
        matrix.diagonal().add_(2 * matrix.abs().sum(1).max())
        factor = torch.linalg.cholesky(matrix)
    return factor


def log_prior(mass):
    """Logarithms of the class shares; a class without rows counts as the rarest."""
    rarest = torch.where(mass > 0, mass, torch.inf).min()
    return log_class_weights(torch.where(mass > 0, mass, rarest))


def held_out_losses(rows, y, weight, head, sums, mass, offsets):
    """Summed log-loss of the rows, (n_offsets, n_temperatures).

    ``sums`` and ``mass`` determine the labels and must not include these rows. A row
    whose class has no mass is left out. ``offsets`` (n_offsets, n_classes) are added
    to the scores. Also returns the summed weight of the rows that counted.
    """
    labels = (sums / safe_divisor(mass)[:, None]) @ head.T
    distance = pairwise_distance(rows @ head.T.float(), labels.float()).T.contiguous()
    distance[mass <= 0] = torch.inf
    known = weight * (mass > 0)[y]
    own = distance.gather(0, y[None])[0]
    own = torch.where(known > 0, own, torch.zeros_like(own))
    temperatures = LOG_TEMPERATURES.exp().to(distance)
    losses = []
    for offset in offsets.to(distance.dtype):
        for t in temperatures.split(max(1, AT_ONCE // max(1, distance.numel()))):
            scores = offset[:, None] - t[:, None, None] * distance
            rest = t[:, None] * own - offset[y]
            losses.append((known * (rest + torch.logsumexp(scores, 1))).sum(1))
    return torch.cat(losses).view(len(offsets), -1), known.sum()


def choose(rows, y, weight, sums, mass, output_dim, offset=None, shrinkages=SHRINKAGES):
    """Shrinkage, prior and temperature with the least log-loss on held-out rows.

    Returns
    -------
    shrinkage, temperature : float
    uses_prior : bool
    scatter : Scatter
        The scatter of all ``rows``.
    """
    n_classes = len(mass)
    # Scatter does not depend on the class means, but is more accurate around zero.
    centres = _class_means(rows, y, weight, n_classes)
    residuals = rows - centres[y]
    fold, n_tested = _folds(y)
    parts = []
    for k in range(n_tested):
        held = fold == k
        found = Scatter.of(residuals[held], y[held], weight[held], n_classes)
        parts.append(((rows[held], y[held], weight[held]), found))
    rest = fold >= n_tested
    scatter = Scatter.of(residuals[rest], y[rest], weight[rest], n_classes)
    for _, found in parts:
        scatter = scatter + found
    offset = torch.zeros_like(mass) if offset is None else offset.to(mass)
    offsets = torch.stack([offset, log_prior(mass)])
    # On few rows an extreme temperature may win by chance: penalise it like one row.
    doubt = weight.mean().item() * LOG_TEMPERATURES.square()
    losses = doubt.repeat(len(shrinkages), len(offsets), 1)
    total = 0.0
    for part, held in parts:
        covariance = (scatter - held).within_class()
        held_sums = held.sums + held.mass[:, None] * centres
        left = _left(sums - held_sums, mass - held.mass, mass)
        if (left[1] > 0).sum() < 2:
            continue
        between = between_classes(*left)
        for i, shrinkage in enumerate(shrinkages):
            covered = shrunk(covariance, shrinkage, between)
            head = directions(covered, between, output_dim)
            loss, known = held_out_losses(*part, head, *left, offsets)
            losses[i] += loss.cpu()
        total += float(known)
    if total == 0:
        # No row could be held out, for example with a single row in each class.
        return shrinkages[-1], 1.0, False, scatter
    best = torch.unravel_index(losses.argmin(), losses.shape)
    i, prior, j = (int(k) for k in best)
    temperature = _vertex(LOG_TEMPERATURES, losses[i, prior], j).exp().item()
    return shrinkages[i], temperature, bool(prior), scatter


def _folds(y):
    """The fold of each row, (n,), and the number of folds that are held out in turn.

    The rows of each class are spread evenly over the folds.
    """
    fold = torch.empty_like(y)
    fold[torch.argsort(y, stable=True)] = torch.arange(len(y), device=y.device)
    n_folds = max(N_FOLDS, len(y) // HELD_OUT_ROWS)
    n_tested = min(n_folds, -(-HELD_OUT_ROWS * n_folds // max(len(y), 1)))
    return fold % n_folds, n_tested


def _class_means(rows, y, weight, n_classes):
    member = torch.nn.functional.one_hot(y, n_classes).T.to(rows.dtype) * weight
    return (member @ rows) / safe_divisor(member.sum(1))[:, None]


def _left(sums, mass, before):
    """Sums and weights without the held-out rows; rounding errors become 0."""
    mass = torch.where(mass > 1e-6 * before, mass, torch.zeros_like(mass))
    return sums * (mass > 0)[:, None], mass


def _vertex(x, y, j):
    """Abscissa of the minimum of the parabola through ``y[j]`` and its neighbours."""
    if j in (0, len(y) - 1):
        return x[j]
    below, at, above = y[j - 1 : j + 2]
    curvature = below - 2 * at + above
    step = (below - above) / (2 * curvature) if curvature > 0 else 0.0
    return x[j] + step * (x[1] - x[0])


def discriminant_start(
    rows, y, weight, sums, mass, output_dim, offset=None, shrinkages=SHRINKAGES
):
    """The start of a head, without spare dimensions; see the top of this module.

    Parameters
    ----------
    rows : float32 tensor of shape (m, d)
        A sample of the features, approximately centred.
    y, weight : tensors of shape (m,)
    sums, mass : float64 tensors of shape (n_classes, d) and (n_classes,)
        Class sums of all features, shifted like ``rows``, and the class weights.
    output_dim : int
    offset : tensor of shape (n_classes,), optional
        Added to the scores where the prior is not used.
    shrinkages : tuple of floats
        Values to choose from, in (0, 1), ascending.

    Returns
    -------
    start : Start
        Its weight is float64 and has at most ``output_dim`` rows.
    """
    shrinkage, temperature, uses_prior, scatter = choose(
        rows, y, weight, sums, mass, output_dim, offset, shrinkages
    )
    between = between_classes(sums, mass)
    covariance = shrunk(scatter.within_class(), shrinkage, between)
    weight = directions(covariance, between, output_dim)
    return Start(weight, ROOM_TO_SHARPEN * temperature, shrinkage, uses_prior)


def with_spare_rows(weight, output_dim, generator, length=SPARE_LENGTH):
    """``weight`` filled up to ``output_dim`` rows with random ones.

    ``length`` is their length relative to the mean length of the rows of ``weight``.
    """
    n_spare = output_dim - len(weight)
    width = weight.shape[1]
    spare = torch.randn(n_spare, width, generator=generator, dtype=torch.float64)
    unit = float(weight.norm(dim=1).mean()) if len(weight) else 1.0
    spare = spare.to(weight.device) * (length * unit / width**0.5)
    return torch.cat([weight, spare.to(weight.dtype)])


def row_coordinates(gram):
    """Coordinates in the space that the rows span, for fewer rows than columns.

    ``gram`` (m, m) float64 holds the inner products of the rows of A. Returns L (m, m),
    whose rows have the same inner products. A head W_L for the rows of L becomes the
    head ``W_L @ L^-1 @ A`` for the rows of A.
    """
    # Repeated rows make ``gram`` singular.
    jitter = 1e-9 * gram.diagonal().max().clamp_min(1e-12)
    return torch.linalg.cholesky(gram + jitter * torch.eye(len(gram)).to(gram))
