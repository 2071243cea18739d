"""Small stand-ins for models and processes, and what any fitted model must be."""

import types

import numpy as np
from skorch.callbacks import Callback
from torch import nn


class Killed(BaseException):
    """Stands for the end of the process."""


class KillBefore(Callback):
    """Breaks off when so many epochs of this call are done."""

    def __init__(self, n_epochs):
        self.left = n_epochs

    def on_epoch_begin(self, net, **kwargs):
        if self.left == 0:
            raise Killed
        self.left -= 1

    def state_dict(self):
        return {}

    def load_state_dict(self, state):
        pass


class Graph:
    data = b"a graph" * 1000
    metadata_props = types.SimpleNamespace(add=lambda **_: None)

    def SerializeToString(self):
        return self.data


class Pixels(nn.Module):
    def forward(self, x):
        return x[:, 0].flatten(1)


def assert_sensible(clf, X):
    proba = clf.predict_proba(X)
    assert np.isfinite(proba).all()
    np.testing.assert_allclose(proba.sum(1), 1, rtol=1e-5)
    assert np.isfinite(clf.labels_).all()
    assert np.isfinite(clf.transform(X)).all()
    assert 0 < clf.temperature_ < np.inf
    assert all(np.isfinite(row["train_loss"]) for row in clf.history_)
