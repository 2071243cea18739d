"""Initialisation before the first step: units, class means and a closed-form start."""

import numpy as np
import scipy.sparse as sp
import torch

from ..heads import discriminant
from ..heads.functional import safe_divisor
from ..heads.linear import StandardizedLinear, set_bias, standardize
from .batch_norm import recalibrate
from .batches import LabelledRows
from .units import ColumnStatistics, change_units, set_units, standardizes

# Rows from which a covariance is estimated. More raise the accuracy of the start a
# little, but not the accuracy after an epoch.
SAMPLE_ROWS = 10_000
# Training soon changes a backbone's features, so held-out rows can not choose here.
# Strong shrinkage avoids directions of little scatter: it is as accurate, and less
# confident where it is wrong.
TRAINED_SHRINKAGES = (0.9,)
# Spare dimensions count fully from the start: trained features may come to differ
# along any direction.
TRAINED_SPARE_LENGTH = 1.0
# Images that give units, class means and the start before a backbone is trained.
SAMPLE_IMAGES = 5_000
# With more columns than WIDE fewer rows are used, in the space that they span.
WIDE, WIDE_ROWS, WIDE_VALUES = 4096, 2000, 100_000_000


def prepare(
    net,
    train,
    *,
    first,
    earlier=None,
    units=None,
    learns_units=True,
    closed_form=False,
    find_temperature=False,
    seed=0,
):
    """Make ``net`` ready to be trained on ``train``.

    Parameters
    ----------
    net : LabelNet
    train : LabelledRows
    first : bool
        Whether the net has not been trained yet.
    earlier : tuple of tensors, optional
        Class sums and weights of rows seen before, as ``net.refine`` returns them.
    units : ColumnStatistics, optional
        Those of rows seen before.
    learns_units : bool, default=True
        Whether a net that has been trained takes its units from these rows, too.
    closed_form : bool, default=False
        Whether the head starts where discriminant analysis would put it.
    find_temperature : bool, default=False
        Whether the head takes the temperature of that start, too.
    seed : int
        Draws the sample for the statistics.

    Returns
    -------
    units : ColumnStatistics or None
        Those of all rows so far, where the net standardises features.
    """
    module, head = net.module_, net.module_.head
    generator = torch.Generator().manual_seed(seed)
    starts, follows = first and closed_form, head.follows_features
    sample = None
    if first:
        if module.backbone is not None:
            if not (follows or starts or len(module.hidden) or standardizes(module)):
                return None
            train = encoded(net, train.sample(SAMPLE_IMAGES, generator))
        sample = _sample(train, generator)
        if standardizes(module):
            units = ColumnStatistics.of(train, sample)
            set_units(module, units)
        if len(module.hidden):
            # The statistics of untrained layers are part of the first features.
            recalibrate(module.hidden, (X for X, _, _ in sample.in_order()))
    elif learns_units and standardizes(module):
        units = _learned_units(net, train, units, generator)
    if not (follows or starts) or (module.trains_features and not first):
        return units
    sums, masses = net.feature_sums(train, earlier)
    if starts:
        # Random hidden layers give each head other features.
        known = {} if len(module.hidden) or module.backbone is not None else train.known
        start_head(module, sample, sums, masses, generator, find_temperature, known)
    if follows:
        _tell_class_features(net, sums, masses, len(train), starts)
    return units


def _sample(train, generator):
    """A sample of rows for the statistics."""
    size = sample_size(train.rows.shape[1], train.is_sparse)
    return train.sample(size, generator)


def _learned_units(net, train, units, generator):
    """Update the net's units with these rows, and return them."""
    if net.module_.backbone is not None:
        if units is None or units.n_rows >= SAMPLE_IMAGES:
            return units
        train = encoded(net, train.sample(SAMPLE_IMAGES, generator), first=False)
    found = ColumnStatistics.of(train, _sample(train, generator))
    found = found if units is None else units.merged(found)
    change_units(net, found)
    return found


def _tell_class_features(net, sums, masses, n_rows, starts):
    """Give the head the class means of the features before its first step."""
    head = net.module_.head
    means = sums / safe_divisor(masses)[:, None]
    if head.feature_decay is not None:
        # The weight that all batches together will have in the running means.
        share = min(1.0, net.batch_size / n_rows)
        masses = masses * (share / (1 - head.feature_decay))
    head.set_class_features(means, masses)
    if starts:
        head.start_labels()
    elif head.uses_prior:
        head.set_prior(discriminant.log_prior(masses))


@torch.no_grad()
def encoded(net, sample, first=True):
    """The features that the backbone gives for a sample of images.

    An untrained backbone takes its batch-norm statistics from them.
    """
    if first:
        net.recalibrate(sample)
    net.module_.eval()
    features = [net.module_.encoded(X).float() for X, _, _ in sample.in_order()]
    if not all(torch.isfinite(part).all() for part in features):
        raise ValueError("The features of the backbone contain NaN or infinity.")
    y = sample.y.cpu().numpy()
    weight = None if sample.weight is None else sample.weights.cpu().numpy()
    return LabelledRows(torch.cat(features), y, weight, device=net.device)


def sample_size(n_features, is_sparse=False):
    """Number of rows in the sample for the statistics."""
    if n_features <= WIDE:
        return SAMPLE_ROWS
    return WIDE_ROWS if is_sparse else min(WIDE_ROWS, 1 + WIDE_VALUES // n_features)


@torch.no_grad()
def start_head(module, sample, sums, masses, generator, find_temperature, known):
    """Put the head where discriminant analysis of its input would put it.

    ``known`` caches starts for other heads on the same features.
    """
    head = module.head
    layer = head.linear
    n_classes, output_dim = head.labels.shape
    # MPS has no double precision.
    place = "cpu" if layer.weight.device.type == "mps" else layer.weight.device
    sums, masses = (part.to(place, torch.float64) for part in (sums, masses))
    means = sums / safe_divisor(masses)[:, None]
    means = standardize(layer, means.to(layer.weight.device)).to(place, torch.float64)
    centre = masses @ means / masses.sum()
    sums = masses[:, None] * (means - centre)
    kind = isinstance(layer, StandardizedLinear), min(output_dim, n_classes - 1)
    drawn = generator.initial_seed() if len(sample) < sample.n_available else None
    offset = head.adaptive.class_offset
    key = "discriminant", *kind, drawn, tuple(offset.tolist())
    if key not in known:
        known[key] = _discriminant(module, sample, centre, means, sums, masses)
    start, found = known[key]
    if find_temperature:
        head.set_temperature(start.temperature)
    if start.uses_prior:
        head.set_prior(discriminant.log_prior(masses))
    if len(found) == 0:
        # No direction separates the classes: the random start is better.
        return
    # In partial_fit, classes without rows have no direction yet.
    length = discriminant.SPARE_LENGTH if bool((masses > 0).all()) else 1.0
    length = length if module.backbone is None else TRAINED_SPARE_LENGTH
    found = discriminant.with_spare_rows(found, output_dim, generator, length)
    layer.weight.copy_(found)
    set_bias(layer, -(found.double() @ centre))


def _discriminant(module, sample, centre, means, sums, masses):
    """The discriminant start, and its rows as the layer's weight takes them.

    ``means`` are class means; ``sums`` are measured from ``centre``.
    """
    head, place = module.head, centre.device
    n_classes, output_dim = head.labels.shape
    y = sample.y.to(place)
    weight = sample.weights
    weight = torch.ones(len(y)) if weight is None else weight
    weight = weight.to(place, torch.float32)
    width, offset = sums.shape[1], head.adaptive.class_offset
    complete = len(sample) == sample.n_available
    n_spanning = len(y) + (0 if complete else n_classes)
    trained = module.backbone is not None
    options = offset, TRAINED_SHRINKAGES if trained else discriminant.SHRINKAGES
    if n_spanning >= width:
        rows = _features(module, sample, centre.float()).to(place)
        start = discriminant.discriminant_start(
            rows, y, weight, sums, masses, output_dim, *options
        )
        return start, start.weight
    rows = _SparseSpan if sample.is_sparse and not len(module.hidden) else _Span
    span = rows(module, sample, centre, None if complete else means)
    labelled = y, weight, masses, complete
    return _discriminant_in_span(span, labelled, output_dim, options, place)


def _discriminant_in_span(span, labelled, output_dim, options, place):
    """As :func:`_discriminant`, where the rows span less than the features."""
    y, weight, masses, complete = labelled
    coordinates = discriminant.row_coordinates(span.gram().to(place))
    if complete:
        member = torch.nn.functional.one_hot(y, len(masses)).T.double() * weight
        inner = member @ coordinates
    else:
        inner = masses[:, None] * coordinates[len(y) :]
    rows = coordinates[: len(y)].float()
    start = discriminant.discriminant_start(
        rows, y, weight, inner, masses, output_dim, *options
    )
    shares = torch.linalg.solve_triangular(coordinates.T, start.weight.T, upper=True)
    return start, span.combine(shares.T).to(place)


def _features(module, sample, centre):
    """The head's input for the sample, as its weight takes it, centred."""
    module.eval()
    layer = module.head.linear
    parts = [
        standardize(layer, module.hidden(X)).float() - centre.to(X.device)
        for X, _, _ in sample.in_order()
    ]
    return torch.cat(parts)


class _Span:
    """The rows of a sample, and the class means unless they lie in its span."""

    def __init__(self, module, sample, centre, means):
        self.rows = _features(module, sample, centre.float())
        if means is not None:
            extra = (means - centre).to(self.rows)
            self.rows = torch.cat([self.rows, extra])

    def gram(self):
        # A block of columns at a time, to convert it to double precision.
        blocks = (block.double() for block in self.rows.split(WIDE, dim=1))
        return sum(block @ block.T for block in blocks)

    def combine(self, shares):
        return shares.to(self.rows) @ self.rows


class _SparseSpan:
    """The same without making the rows dense."""

    def __init__(self, module, sample, centre, means):
        layer = module.head.linear
        rows, self.centre = sample.sparse_rows().astype(np.float64), _array(centre)
        if isinstance(layer, StandardizedLinear):
            shift, scale = _array(layer.shift), _array(layer.scale)
            rows = (rows @ sp.diags_array(scale)).tocsr()
            self.centre = self.centre + scale * shift
        self.rows = rows
        self.extra = np.zeros((0, len(self.centre)))
        if means is not None:
            # The means are standardised; the sparse rows are scaled but not shifted.
            self.extra = _array(means) - _array(centre) + self.centre

    def gram(self):
        rows, extra, centre = self.rows, self.extra, self.centre
        across = rows @ extra.T
        inner = np.block(
            [[(rows @ rows.T).toarray(), across], [across.T, extra @ extra.T]]
        )
        along = np.concatenate([rows @ centre, extra @ centre])
        return torch.from_numpy(inner - along[:, None] - along + centre @ centre)

    def combine(self, shares):
        shares = _array(shares)
        n = self.rows.shape[0]
        mixed = (self.rows.T @ shares[:, :n].T).T + shares[:, n:] @ self.extra
        return torch.from_numpy(mixed - shares.sum(1)[:, None] * self.centre)


def _array(tensor):
    return tensor.detach().cpu().double().numpy()
