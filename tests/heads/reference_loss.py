"""A NumPy float64 twin of the LwAL loss and label update, written from the formulas."""

import numpy as np


def log_softmax(scores):
    shifted = scores - scores.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def repel(z, y, w):
    """Eq. (3) over the (n, n) matrix of cosine similarities, pairs weighted."""
    norms = np.linalg.norm(z, axis=1, keepdims=True)
    u = np.divide(z, norms, out=np.zeros_like(z), where=norms > 0)
    different = y[:, None] != y[None, :]
    pair_weight = w[:, None] * w[None, :]
    return (pair_weight * different * (u @ u.T)).sum() / pair_weight.sum()


class Twin:
    """State and step of the method; every class and sample in a plain loop."""

    def __init__(
        self, n_classes, dim, k=1, w=0, repel_weight=0.0, momentum=0.0, temperature=1.0
    ):
        self.labels = np.eye(n_classes, dim)
        self.step = 0
        self.k, self.w = k, w
        self.repel_weight, self.momentum = repel_weight, momentum
        self.temperature = temperature

    def loss(self, z, y, weight=None):
        weight = np.ones(len(y)) if weight is None else weight
        update = self.step >= self.w and (self.step - self.w) % self.k == 0
        if update:
            for c in range(len(self.labels)):
                mine = (y == c) & (weight > 0)
                if mine.any():
                    mean = np.average(z[mine], axis=0, weights=weight[mine])
                    old = self.labels[c]
                    self.labels[c] = self.momentum * old + (1 - self.momentum) * mean
        distance = np.linalg.norm(z[:, None] - self.labels[None], axis=2)
        logp = log_softmax(-self.temperature * np.maximum(distance, 1e-6))
        loss = -np.average(logp[np.arange(len(y)), y], weights=weight)
        if update:
            loss += self.repel_weight * repel(z, y, weight)
        self.step += 1
        return loss
