"""Where rows lie: on the device if there is room, else they are streamed."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from torch.utils.data import Dataset

from sklearn_lwal._training.batches import LabelledRows
from sklearn_lwal._training.row_storage import (
    DenseRows,
    SparseRows,
    StreamedRows,
    TensorRows,
    rows_of,
)


class Numbered(Dataset):
    """Rows that tell their place."""

    def __len__(self):
        return 11

    def __getitem__(self, i):
        return torch.tensor([3 * i, 3 * i + 1, 3 * i + 2.0])


X = torch.arange(33.0).reshape(11, 3)
ALL = [
    DenseRows(X, "cpu"),
    SparseRows(sp.csr_matrix(X.numpy()), "cpu"),
    StreamedRows(Numbered(), "cpu"),
    StreamedRows(Numbered(), "cpu", n_workers=1),
    StreamedRows(TensorRows(X), "cpu"),
]


@pytest.mark.parametrize("rows", ALL, ids=lambda rows: type(rows).__name__)
def test_the_same_rows_however_they_lie(rows):
    assert len(rows) == 11
    assert rows.shape == (11, 3)
    index = torch.tensor([5, 0, 7])
    torch.testing.assert_close(rows.take(index), X[index])
    torch.testing.assert_close(torch.cat(list(rows.slices(4))), X)
    parts = list(rows.batches([index[:2], index[2:]]))
    torch.testing.assert_close(torch.cat(parts), X[index])


@pytest.mark.parametrize(("free", "streams"), [(263, True), (264, False)])
def test_half_of_the_free_memory_of_a_gpu(free, streams, monkeypatch):
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda device: (free, 10**9))
    sent = []
    monkeypatch.setattr(
        "sklearn_lwal._training.row_storage.DenseRows", lambda *args: sent.append(args)
    )
    rows = rows_of(X.numpy(), torch.device("cuda"))
    assert isinstance(rows, StreamedRows) is streams
    assert len(sent) == (not streams)


def test_the_global_generator_is_left_alone():
    before = torch.get_rng_state()
    list(StreamedRows(Numbered(), "cpu").slices(2))
    assert torch.equal(torch.get_rng_state(), before)


def test_workers_draw_from_the_seed():
    class Noise(Numbered):
        def __getitem__(self, i):
            return torch.rand(2)

    rows = LabelledRows(Noise(), np.zeros(11, np.int64), n_workers=1)
    one, same, other = (
        torch.cat([x for x, *_ in rows.shuffled(4, torch.Generator().manual_seed(i))])
        for i in (1, 1, 2)
    )
    torch.testing.assert_close(one, same, rtol=0, atol=0)
    assert not torch.equal(one, other)


def test_the_part_of_a_process():
    rows = LabelledRows(X, np.arange(11) % 2)
    for whole, first, second in zip(
        *(
            rows.shuffled(4, torch.Generator().manual_seed(0), place)
            for place in ((0, 1), (0, 2), (1, 2))
        ),
        strict=True,
    ):
        torch.testing.assert_close(first[0], whole[0][::2])
        torch.testing.assert_close(second[0], whole[0][1::2])
        for part in (first, second):
            torch.testing.assert_close(part[1], whole[1])
            torch.testing.assert_close(part[3], whole[3])


def test_images_of_several_sizes_are_listed():
    class Sizes(Numbered):
        def __getitem__(self, i):
            return torch.zeros(1, 4 + i % 2, 4)

    first = next(iter(StreamedRows(Sizes(), "cpu").slices(4)))
    assert [tuple(image.shape) for image in first] == 2 * [(1, 4, 4), (1, 5, 4)]
