"""Storage of a data set's rows, and transfer of batches to the device."""

import scipy.sparse as sp
import torch
from torch.utils.data import DataLoader, Dataset

from .._utils.precision import as_tensor
from .._utils.rng import draw_seed, own_stream

# Share of a GPU's free memory that the data may take; the model needs the rest.
RESIDENT_SHARE = 0.5


def rows_of(X, device, n_workers=0):
    """The rows of X, on the device if they fit into its memory.

    Parameters
    ----------
    X : (n, ...) array or tensor, CSR matrix or Dataset
        A Dataset must return tensors. A result of this function is returned unchanged.
    device : torch.device
    n_workers : int, default=0
        Number of processes that prefetch rows that are not on the device.
    """
    if isinstance(X, _Rows):
        return X
    if sp.issparse(X):
        return SparseRows(X, device)
    if isinstance(X, Dataset):
        return StreamedRows(X, device, n_workers)
    X = X if isinstance(X, torch.Tensor) else as_tensor(X)
    if X.device.type == torch.device(device).type or _has_room(X, device):
        return DenseRows(X, device)
    return StreamedRows(TensorRows(X), device, n_workers)


def _has_room(X, device):
    if torch.device(device).type != "cuda":
        return True
    free, _ = torch.cuda.mem_get_info(device)
    return X.nbytes <= RESIDENT_SHARE * free


class _Rows:
    """Rows that are taken by index, batch by batch."""

    is_sparse, dtype = False, torch.float32

    @property
    def whole(self):
        """All rows as they are stored: a tensor, a matrix or a Dataset."""
        return self.X

    def take(self, index):
        raise NotImplementedError

    def batches(self, indices, generator=None):
        """Yield the rows for each index; the generator seeds the workers."""
        return map(self.take, indices)

    def slices(self, size):
        """Yield all rows in order, in batches of ``size``."""
        return self.batches(torch.arange(len(self)).split(size))


class DenseRows(_Rows):
    """Rows of a (n, ...) tensor on the device."""

    def __init__(self, X, device):
        self.X = X.to(
            device,
            torch.float32
            if X.dtype == torch.float64 and torch.device(device).type == "mps"
            else None,
        )

    def __len__(self):
        return len(self.X)

    @property
    def dtype(self):
        return self.X.dtype

    @property
    def shape(self):
        return tuple(self.X.shape)

    def take(self, index):
        return self.X.index_select(0, index.to(self.X.device))

    def slices(self, size):
        return self.X.split(size)


class SparseRows(_Rows):
    """Rows of a SciPy CSR matrix, converted to dense batch by batch."""

    is_sparse = True

    def __init__(self, X, device):
        self.X, self.device = X, device

    def __len__(self):
        return self.X.shape[0]

    @property
    def shape(self):
        return self.X.shape

    def _dense(self, rows):
        return as_tensor(rows.toarray()).to(self.device)

    def take(self, index):
        return self._dense(self.X[index.cpu().numpy()])

    def slices(self, size):
        for start in range(0, len(self), size):
            yield self._dense(self.X[start : start + size])


class StreamedRows(_Rows):
    """Rows of a Dataset, read batch by batch and copied to the device.

    Parameters
    ----------
    data : Dataset
        A Dataset of tensors.
    device : torch.device
    n_workers : int, default=0
        Number of processes that prefetch rows.
    """

    def __init__(self, data, device, n_workers=0):
        self.data, self.device, self.n_workers = data, torch.device(device), n_workers

    def __len__(self):
        return len(self.data)

    @property
    def whole(self):
        return self.data.X if self.is_tensor else self.data

    @property
    def is_tensor(self):
        """Whether the rows come from a tensor, and so never change."""
        return isinstance(self.data, TensorRows)

    @property
    def shape(self):
        return len(self.data), *first_of(self.data).shape

    def take(self, index):
        return next(self._read([index], 0))

    def batches(self, indices, generator=None):
        return self._read(indices, self.n_workers, generator)

    def _read(self, indices, n_workers, generator=None):
        on_gpu = self.device.type == "cuda"
        # Without a generator the loader would draw from the global one.
        generator = generator or torch.Generator()
        loader = DataLoader(
            self.data,
            batch_sampler=[index.tolist() for index in indices],
            num_workers=n_workers,
            pin_memory=on_gpu,
            collate_fn=_together,
            generator=generator,
        )
        for batch in in_own_stream(loader, generator):
            if isinstance(batch, list):
                yield [image.to(self.device, non_blocking=on_gpu) for image in batch]
            else:
                yield batch.to(self.device, non_blocking=on_gpu)


def in_own_stream(batches, generator):
    """Yield batches; random draws of the Dataset are seeded by the generator."""
    stream = torch.Generator().manual_seed(draw_seed(generator))
    iterator, end = iter(batches), object()
    while True:
        with own_stream(stream):
            batch = next(iterator, end)
        if batch is end:
            return
        yield batch


def first_of(data):
    """The first row; random draws of the Dataset do not advance any generator."""
    with own_stream(torch.Generator()):
        return data[0]


class TensorRows(Dataset):
    """The rows of a tensor that stays on the host."""

    def __init__(self, X):
        self.X = X

    def __len__(self):
        return len(self.X)

    def __getitem__(self, i):
        return self.X[i]

    def __getitems__(self, index):
        # DataLoader calls this to read all rows of a batch at once.
        return self.X[index]


def _together(rows):
    """Stack the rows if their shapes and dtypes agree, else return a list."""
    if isinstance(rows, torch.Tensor):
        return rows
    if len({(row.shape, row.dtype) for row in rows}) > 1:
        return list(rows)
    return torch.stack(rows)
