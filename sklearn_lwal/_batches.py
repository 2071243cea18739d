"""Mini-batches of data in memory: index slices of tensors, never one row at a time."""

import warnings

import numpy as np
import scipy.sparse as sp
import torch
from skorch.dataset import Dataset

# Values in one batch of rows that are only read once (32 MB as float64).
READ_ONCE_VALUES = 4_000_000


def as_tensor(array):
    """A NumPy array as a tensor that shares its memory, also when read-only."""
    if array.flags.writeable:
        return torch.from_numpy(array)
    with warnings.catch_warnings():
        # Memory-mapped inputs are read-only, and nothing here writes to X.
        warnings.filterwarnings("ignore", message="The given NumPy array is not wri")
        return torch.from_numpy(array)


class DenseRows:
    """Rows of a (n, n_features) float32 tensor."""

    def __init__(self, X, device):
        self.X = (X if isinstance(X, torch.Tensor) else as_tensor(X)).to(device)

    def __len__(self):
        return len(self.X)

    def take(self, index):
        return self.X.index_select(0, index)

    def slice(self, start, stop):
        return self.X[start:stop]


class SparseRows:
    """Rows of a SciPy CSR matrix, made dense one batch at a time."""

    def __init__(self, X, device):
        self.X, self.device = X, device

    def __len__(self):
        return self.X.shape[0]

    def _dense(self, rows):
        return as_tensor(rows.toarray()).to(self.device)

    def take(self, index):
        return self._dense(self.X[index.cpu().numpy()])

    def slice(self, start, stop):
        return self._dense(self.X[start:stop])


class LabelledRows(Dataset):
    """Features, class indices and sample weights that sit on the device.

    Parameters
    ----------
    X : (n, n_features) float32 array, tensor or CSR matrix
        Neither copied nor changed when it is on the device already.
    y : (n,) int64 array
        Class indices.
    sample_weight : (n,) float32 array, optional
    subset : int64 array, optional
        The rows to use; all by default. Rows are picked a batch at a time, so a
        subset costs no copy of X.
    device : torch.device
    """

    def __init__(self, X, y, sample_weight=None, subset=None, device="cpu"):
        self.rows = (SparseRows if sp.issparse(X) else DenseRows)(X, device)
        self._y = as_tensor(y).to(device)
        self.weight = None if sample_weight is None else as_tensor(sample_weight)
        if self.weight is not None:
            self.weight = self.weight.to(device)
        self.subset = None if subset is None else as_tensor(subset).to(device)

    def __len__(self):
        return len(self.rows) if self.subset is None else len(self.subset)

    def __getitem__(self, i):
        index = torch.arange(len(self))[i].reshape(-1).to(self._y.device)
        X, y, _ = self._take(index if self.subset is None else self.subset[index])
        return X[0], y[0]

    @property
    def X(self):
        """All features as one dense tensor, for callbacks that want them."""
        if self.subset is None:
            return self.rows.slice(0, len(self))
        return self.rows.take(self.subset)

    @property
    def y(self):
        """The class indices of the rows."""
        return self._y if self.subset is None else self._y[self.subset]

    def shuffled(self, batch_size, generator):
        """One epoch of (X, y, sample_weight) batches in random order.

        The batches are as even as they can be and none is larger than
        ``batch_size``: a remainder of a few rows would make poor class means.
        """
        # Drawn on the CPU, so that the order does not depend on the device.
        order = torch.randperm(len(self), generator=generator).to(self._y.device)
        if self.subset is not None:
            order = self.subset[order]
        y = self._y[order]
        weight = None if self.weight is None else self.weight[order]
        start = 0
        for index in order.tensor_split(n_batches(len(self), batch_size)):
            stop = start + len(index)
            part = None if weight is None else weight[start:stop]
            yield self.rows.take(index), y[start:stop], part
            start = stop

    def in_order(self):
        """All (X, y, sample_weight) once, in order, in batches of bounded size."""
        size = rows_read_at_once(self.rows.X.shape[1])
        for start in range(0, len(self), size):
            stop = min(start + size, len(self))
            if self.subset is not None:
                yield self._take(self.subset[start:stop])
                continue
            part = None if self.weight is None else self.weight[start:stop]
            yield self.rows.slice(start, stop), self._y[start:stop], part

    def _take(self, index):
        part = None if self.weight is None else self.weight[index]
        return self.rows.take(index), self._y[index], part


def n_batches(n_samples, batch_size):
    """Batches an epoch, none larger than ``batch_size``."""
    return -(-n_samples // batch_size)


def rows_read_at_once(n_features):
    """Rows of a batch that is read once: bounded memory, whatever the width."""
    return int(np.clip(READ_ONCE_VALUES // max(1, n_features), 1, 16_384))


def inference_batches(X, device, dtype):
    """X in order as dense tensors of ``dtype``, a bounded number of rows each.

    ``X`` may be an array of any real dtype, a CSR matrix or a tensor; only a
    batch at a time is converted.
    """
    size = rows_read_at_once(X.shape[1])
    for start in range(0, X.shape[0], size):
        rows = X[start : start + size]
        if isinstance(rows, torch.Tensor):
            yield rows.to(device=device, dtype=dtype)
            continue
        rows = rows.toarray() if sp.issparse(rows) else rows
        rows = np.ascontiguousarray(rows, dtype=np.float64)
        yield as_tensor(rows).to(device=device, dtype=dtype)
