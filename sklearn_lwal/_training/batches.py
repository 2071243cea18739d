"""Mini-batches of data in memory, taken by index instead of row by row."""

import copy
import math

import numpy as np
import scipy.sparse as sp
import torch
from sklearn.model_selection import train_test_split
from sklearn.utils.sparsefuncs import mean_variance_axis
from skorch.dataset import Dataset

from .._utils.precision import as_tensor
from ..heads.functional import class_membership, safe_divisor
from .row_storage import rows_of

# Number of values in a batch for a single pass over the rows (32 MB as float64).
READ_ONCE_VALUES = 4_000_000
# Number of images in a batch for a backbone without training.
READ_ONCE_IMAGES = 64


class LabelledRows(Dataset):
    """Features, class indices and sample weights that sit on the device.

    Parameters
    ----------
    X : (n, n_features) float32 array, tensor or CSR matrix, or images
        Images are an (n, C, H, W) tensor or a Dataset of (C, H, W). X is never changed,
        and not copied if it is on the device already.
    y : (n,) int64 array
        Class indices.
    sample_weight : (n,) float32 array, optional
    subset : int64 array, optional
        The rows to use; all by default. Rows are selected batch by batch, so a subset
        needs no copy of X.
    device : torch.device
    n_workers : int, default=0
        Number of processes that prefetch rows that are not on the device.
    """

    def __init__(
        self, X, y, sample_weight=None, subset=None, device="cpu", n_workers=0
    ):
        self.rows = rows_of(X, device, n_workers)
        self._y = as_tensor(y).to(device)
        self.weight = None if sample_weight is None else as_tensor(sample_weight)
        if self.weight is not None:
            self.weight = self.weight.to(device)
        self.subset = None if subset is None else as_tensor(subset).to(device)
        # Cached results for all networks that train on these rows.
        self.known = {}

    def __len__(self):
        return len(self.rows) if self.subset is None else len(self.subset)

    def __getitem__(self, i):
        places = torch.arange(len(self))[i]
        index = places.reshape(-1).to(self._y.device)
        index = index if self.subset is None else self.subset[index]
        X, y = self.rows.take(index), self._y[index]
        return (X, y) if places.ndim else (X[0], y[0])

    def as_given(self):
        """X and the class indices of all rows, as arrays if X is on the host.

        The arrays share memory with the features that were passed.
        """
        X = self.rows.whole
        on_host = isinstance(X, torch.Tensor) and X.device.type == "cpu"
        return X.numpy() if on_host else X, self._y.cpu().numpy()

    @property
    def X(self):
        """All features as one dense tensor, for callbacks."""
        index = torch.arange(len(self)) if self.subset is None else self.subset
        return self.rows.take(index)

    @property
    def device(self):
        """The device of the batches."""
        return self._y.device

    @property
    def all_y(self):
        """The class indices of all rows, including those outside the subset."""
        return self._y

    @property
    def y(self):
        """The class indices of the rows."""
        return self._y if self.subset is None else self._y[self.subset]

    def shuffled(self, batch_size, generator, place=(0, 1)):
        """One epoch of (X, y, sample_weight, rows) batches in random order.

        ``rows`` are indices among the rows of this object. Batch sizes differ by at
        most one and do not exceed ``batch_size``: a small last batch would give poor
        class means. With ``place`` (i, n) X is every n-th row of the batch, the part
        of the i-th of n processes.
        """
        # Drawn on the CPU, so that the order does not depend on the device.
        places = torch.randperm(len(self), generator=generator).to(self._y.device)
        order = places if self.subset is None else self.subset[places]
        y = self._y[order]
        weight = None if self.weight is None else self.weight[order]
        parts = order.tensor_split(n_batches(len(self), batch_size))
        rank, size = place
        if min(len(part) for part in parts) < size:
            raise ValueError(
                f"Each of the {size} processes must have a row of every batch. Raise "
                f"batch_size (it is {batch_size})."
            )
        batches = self.rows.batches([part[rank::size] for part in parts], generator)
        start = 0
        for index, X in zip(parts, batches, strict=True):
            batch = slice(start, start + len(index))
            part = None if weight is None else weight[batch]
            yield X, y[batch], part, places[batch]
            start = batch.stop

    @property
    def weights(self):
        """The sample weights of the rows, or None."""
        if self.weight is None or self.subset is None:
            return self.weight
        return self.weight[self.subset]

    @property
    def is_sparse(self):
        """Whether the rows come from a sparse matrix."""
        return self.rows.is_sparse

    @property
    def is_wide(self):
        """Whether the rows are float64."""
        return self.rows.dtype == torch.float64

    def sparse_rows(self):
        """The rows as a CSR matrix, if :attr:`is_sparse`."""
        rows = self.rows.X
        return rows if self.subset is None else rows[self.subset.cpu().numpy()]

    def part(self, subset):
        """The rows at the indices ``subset``; they share memory with these."""
        found = copy.copy(self)
        found.known = {}
        subset = subset if isinstance(subset, torch.Tensor) else as_tensor(subset)
        found.subset = subset.to(self._y.device)
        return found

    def counted(self):
        """The rows of positive weight; the others are dropped."""
        if self.weight is None or bool((self.weights > 0).all()):
            return self
        index = torch.arange(len(self.rows), device=self._y.device)
        index = index if self.subset is None else self.subset
        return self.part(index[self.weights > 0])

    def sample(self, size, generator):
        """At most ``size`` random rows.

        ``n_available`` of the result is the number of rows before sampling.
        """
        index = self.subset
        if index is None:
            index = torch.arange(len(self), device=self._y.device)
        found = copy.copy(self)
        found.known = {}
        found.n_available = len(index)
        if len(index) > size:
            chosen = torch.randperm(len(index), generator=generator)[:size]
            index = index[chosen.sort().values.to(index.device)]
        # Without a subset, rows are read as slices instead of by index.
        found.subset = None if len(index) == len(self.rows) else index
        return found

    def column_statistics(self):
        """Weighted mean and variance of each column, and its share of zeros.

        Each is (n_features,). The share of zeros does not use the weights.
        """
        if self.is_sparse:
            return self._sparse_statistics()
        wide = wide_dtype(self._y.device)
        origin, total, squares, mass, zeros = None, 0.0, 0.0, 0.0, 0
        for X, _, weight in self.in_order():
            zeros = zeros + (X == 0).sum(0)
            X = X.to(wide)
            # Subtract an approximate mean to avoid cancellation.
            origin = X.mean(0) if origin is None else origin
            moved = X - origin
            weight = torch.ones_like(moved[:, 0]) if weight is None else weight.to(wide)
            total = total + weight @ moved
            squares = squares + weight @ moved.square_()
            mass = mass + weight.sum()
        mean = total / mass
        return origin + mean, squares / mass - mean.square(), zeros / len(self)

    def _sparse_statistics(self):
        rows = self.sparse_rows()
        weights = None if self.weight is None else self.weights.cpu().double().numpy()
        filled = np.bincount(rows.indices[rows.data != 0], minlength=rows.shape[1])
        parts = mean_variance_axis(rows.astype(np.float64), axis=0, weights=weights)
        parts = *parts, 1 - filled / rows.shape[0]
        place = self._y.device, wide_dtype(self._y.device)
        return tuple(torch.from_numpy(part).to(*place) for part in parts)

    def column_ranges(self):
        """Smallest and largest value of each column."""
        if self.is_sparse:
            rows = self.sparse_rows()
            # min and max are (1, n_features) for spmatrix, (n_features,) for sparray.
            ends = (part.toarray().ravel() for part in (rows.min(0), rows.max(0)))
            return tuple(torch.from_numpy(end).to(self._y.device) for end in ends)
        low, high = math.inf, -math.inf
        for X, *_ in self.in_order():
            low, high = X.amin(0).clamp_max(low), X.amax(0).clamp_min(high)
        return low, high

    def class_sums(self, n_classes):
        """Weighted class sums of the rows, and the class weights.

        They are (n_classes, n_features) and (n_classes,), float64 except on MPS.
        """
        if self.is_sparse:
            weight = np.ones(len(self)) if self.weight is None else self.weights.cpu()
            y = self.y.cpu().numpy()
            member = sp.csr_matrix(
                (np.asarray(weight, float), (y, np.arange(len(y)))),
                shape=(n_classes, len(y)),
            )
            sums = (member @ self.sparse_rows()).toarray()
            masses = np.asarray(member.sum(1)).ravel()
            dtype = wide_dtype(self._y.device)
            return tuple(
                torch.from_numpy(part).to(self._y.device, dtype)
                for part in (sums, masses)
            )
        return sums_by_class(self.in_order(), n_classes)

    def in_order(self):
        """One pass in order over (X, y, sample_weight), in batches of bounded size."""
        shape = self.rows.shape
        size = rows_read_at_once(shape[1]) if len(shape) == 2 else READ_ONCE_IMAGES
        if self.subset is None:
            batches, y, weight = self.rows.slices(size), self._y, self.weight
        else:
            batches = self.rows.batches(self.subset.split(size))
            y, weight = self.y, self.weights
        start = 0
        for X in batches:
            part = slice(start, start + len(X))
            yield X, y[part], None if weight is None else weight[part]
            start = part.stop


def wide_dtype(device):
    """The dtype of long sums on this device."""
    return torch.float32 if "mps" in str(device) else torch.float64


def sums_by_class(batches, n_classes):
    """:meth:`LabelledRows.class_sums` over batches (features, y, weight).

    Features of a stack of networks, (S, K, n, d), give sums (S, K, n_classes, d).
    """
    sums, masses, origin = 0.0, 0.0, None
    for features, y, weight in batches:
        if origin is None:
            origin = _far_origin(features)
        if origin is not False:
            features = features - origin[..., None, :]
        identity = torch.eye(n_classes, dtype=features.dtype, device=features.device)
        member = class_membership(y, identity, weight)
        wide = wide_dtype(features.device)
        sums = sums + (member @ features).to(wide)
        masses = masses + member.sum(-1, dtype=wide)
    if origin is not False:
        sums = sums + masses[..., None] * origin.to(sums)[..., None, :]
    return sums, masses


def refine_head(head, sums, masses):
    """Set the labels from class sums, (..., n_classes, d), and class weights."""
    means = sums / safe_divisor(masses)[..., None]
    head.refine(means, masses > 0)


def _far_origin(features):
    """The mean of rows so far from zero that sums would lose digits, else False."""
    # Some of the rows suffice to decide.
    wide = features[..., :256, :].to(wide_dtype(features.device))
    variance, mean = torch.var_mean(wide, -2, correction=0)
    far = (mean.abs() > 30 * variance.sqrt()).any()
    return mean.to(features.dtype) if far else False


def n_counted(y, weight):
    """The number of rows with non-zero weight."""
    return len(y) if weight is None else int(np.count_nonzero(weight))


def held_out(rows, share, rng):
    """Split off a stratified share of the rows; returns the rest and the share."""
    places = np.arange(len(rows)) if rows.subset is None else rows.subset.cpu().numpy()
    both = stratified_split(rows.y.cpu().numpy(), share, rng)
    return tuple(rows.part(places[part]) for part in both)


def n_batches(n_samples, batch_size):
    """The number of batches in an epoch, none larger than ``batch_size``."""
    return -(-n_samples // batch_size)


def rows_read_at_once(n_features):
    """Batch size for a single pass, which bounds the memory for any width."""
    return int(np.clip(READ_ONCE_VALUES // max(1, n_features), 1, 16_384))


def inference_batches(X, device, dtype, n_readers=1):
    """Yield X in order as dense tensors of ``dtype``, in batches of bounded size.

    ``X`` may be an array of any real dtype, a CSR matrix or a tensor; it is converted
    batch by batch. Batches are smaller if ``n_readers`` models use them at once.
    """
    size = max(1, rows_read_at_once(X.shape[1]) // n_readers)
    for start in range(0, X.shape[0], size):
        rows = X[start : start + size]
        if isinstance(rows, torch.Tensor):
            yield rows.to(device=device, dtype=dtype)
            continue
        rows = rows.toarray() if sp.issparse(rows) else rows
        rows = np.ascontiguousarray(rows, dtype=np.float64)
        yield as_tensor(rows).to(device=device, dtype=dtype)


def stratified_split(y, fraction, rng):
    """Row indices for training and validation; every class stays in training."""
    counts = np.bincount(y)
    divisible = np.flatnonzero(counts[y] > 1)
    if len(divisible) == 0:
        raise ValueError(
            "early_stopping=True needs a class with at least 2 samples to hold one "
            "out. Pass eval_set or set early_stopping=False."
        )
    n_valid = int(np.ceil(fraction * len(divisible)))
    labels = y[divisible]
    n_classes = len(np.unique(labels))
    if n_valid >= n_classes and len(divisible) - n_valid >= n_classes:
        _, valid = train_test_split(
            divisible, test_size=n_valid, stratify=labels, random_state=rng
        )
    else:
        # Too few rows for a stratified split: take at most one row of each class.
        shuffled = rng.permutation(divisible)
        _, first = np.unique(y[shuffled], return_index=True)
        valid = shuffled[np.sort(first)[:n_valid]]
    return np.setdiff1d(np.arange(len(y)), valid), valid.astype(np.int64)
