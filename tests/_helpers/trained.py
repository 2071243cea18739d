"""Images, backbones and options with which the tests train them."""

import functools
import shutil

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn

from sklearn_lwal import Backbone

QUICK = {
    "random_state": 0,
    "max_epochs": 3,
    "batch_size": 50,
    "device": "cpu",
}
BARE = {"standardize": False, "average": False}
trained = functools.partial(Backbone, trainable=True)
needs_compiler = pytest.mark.skipif(
    not any(map(shutil.which, ("c++", "g++", "clang++"))),
    reason="torch.compile needs a C++ compiler",
)


def digit_images(*rows, n_class=10):
    """Some of the digits, (n, 8, 8) float32 in [0, 1], and their classes."""
    X, y = load_digits(n_class=n_class, return_X_y=True)
    images = (X.reshape(-1, 8, 8) / 16).astype(np.float32)
    return images[slice(*rows)], y[slice(*rows)]


def small_net(dropout=0.1):
    return nn.Sequential(
        # Without a bias, whose gradient would be rounding alone before a BatchNorm.
        nn.Conv2d(3, 8, 3, stride=2, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Flatten(),
    )


class Seen(nn.Module):
    """A small net that keeps what it was given and how."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.seen = []

    def forward(self, x):
        out = self.conv(x)
        channels_last = x.is_contiguous(memory_format=torch.channels_last)
        self.seen.append((self.training, len(x), x.dtype, out.dtype, channels_last))
        return out.relu().flatten(1)


def as_batch(images):
    return torch.from_numpy(images)[:, None].expand(-1, 3, -1, -1)


def weights(clf):
    return clf.net_.module_.state_dict()


def assert_same(first, second, atol=0.0):
    torch.testing.assert_close(weights(first), weights(second), rtol=0, atol=atol)
