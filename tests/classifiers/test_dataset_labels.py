"""Labels of Datasets are those of their items, however they are found."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import ConcatDataset, Dataset, Subset, TensorDataset
from torchvision.datasets import CIFAR10, MNIST, USPS, ImageFolder

from sklearn_lwal.features._images import dataset_labels

PIXELS = np.zeros((6, 8, 8, 3), np.uint8)
TARGETS = [0, 1, 2, 0, 1, 2]


def in_memory(Kind, transform=None):
    """A data set of torchvision without its files."""
    data = Kind.__new__(Kind)
    data.transform, data.target_transform = None, transform
    data.targets = list(TARGETS)
    grey = PIXELS[..., 0] if Kind is USPS else torch.from_numpy(PIXELS[..., 0])
    data.data = PIXELS if issubclass(Kind, CIFAR10) else grey
    return data


def of_items(data):
    return [data[i][1] for i in range(len(data))]


def own_reader(Kind):
    class Relabelled(Kind):
        def __getitem__(self, i):
            image, label = super().__getitem__(i)
            return image, int(label == 2)

    return Relabelled


@pytest.mark.parametrize("change", [None, "abc".__getitem__])
@pytest.mark.parametrize("Kind", [CIFAR10, MNIST, USPS])
def test_torchvision_in_memory(Kind, change):
    data = in_memory(Kind, change)
    first = of_items(data)
    assert dataset_labels(data).tolist() == first == [*map(change or int, TARGETS)]
    data.data = None  # labels are found without a look at the images
    assert dataset_labels(Subset(data, [5, 0])).tolist() == [first[5], first[0]]


def test_torchvision_in_folders(tmp_path):
    for i, name in enumerate(["cat", "cat", "dog"]):
        (tmp_path / name).mkdir(exist_ok=True)
        Image.fromarray(PIXELS[0]).save(tmp_path / name / f"{i}.png")
    data = ImageFolder(tmp_path)
    # The items are read from samples alone.
    data.samples = [(path, 1 - label) for path, label in data.samples]
    assert dataset_labels(data).tolist() == of_items(data) == [1, 1, 0]
    data.loader = None
    assert dataset_labels(data).tolist() == [1, 1, 0]


@pytest.mark.parametrize("Kind", [CIFAR10, MNIST])
def test_another_reader_of_the_items(Kind):
    data = in_memory(own_reader(Kind))
    whole = [0, 0, 1, 0, 0, 1]
    assert dataset_labels(data).tolist() == whole
    assert dataset_labels(Subset(data, [2, 3])).tolist() == [1, 0]
    assert dataset_labels(data + in_memory(CIFAR10)).tolist() == [*whole, *TARGETS]


def test_another_reader_of_torch_s_own():
    plain = TensorDataset(torch.zeros(6, 8, 8), torch.tensor(TARGETS))
    assert dataset_labels(plain).tolist() == TARGETS
    expected = [0, 0, 1, 0, 0, 1]
    tensors = own_reader(TensorDataset)(*plain.tensors)
    for data in (
        tensors,
        own_reader(ConcatDataset)([plain]),
        Subset(tensors, range(6)),
    ):
        assert dataset_labels(data).tolist() == expected


@pytest.mark.parametrize("targets", [None, [7] * 6])
def test_an_attribute_is_not_the_items(targets):
    class Own(Dataset):
        def __len__(self):
            return 6

        def __getitem__(self, i):
            return PIXELS[i], "abc"[i % 3]

    data = Own()
    data.targets = targets
    assert dataset_labels(data).tolist() == [*"abcabc"]
    assert dataset_labels(Subset(data, [4])).tolist() == ["b"]
