"""Each rival as a person would write it in plain torch, straight from its formula.

No part of the library is used here: the benchmark and the tests compare its classifiers
with these loops.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn


def cross_entropy(model, x, y, **_):
    return F.cross_entropy(model(x), y)


def smoothed(model, x, y, **_):
    return F.cross_entropy(model(x), y, label_smoothing=0.1)


def confidence_penalty(model, x, y, **_):
    logits = model(x)
    entropy = torch.distributions.Categorical(logits=logits).entropy().mean()
    return F.cross_entropy(logits, y) - 0.1 * entropy


def teacher_free(model, x, y, **_):
    logits = model(x)
    n_classes = logits.shape[1]
    teacher = torch.full_like(logits, 0.01 / (n_classes - 1))
    teacher = teacher.scatter(1, y[:, None], 0.99)
    target = F.softmax(teacher / 20, 1)
    cells = target * (target.log() - F.log_softmax(logits, 1))
    return 0.9 * F.cross_entropy(logits, y) + 0.1 * n_classes * cells.mean()


class Cosine(nn.Module):
    """A dense layer, then a learned scale times cosines to class directions."""

    def __init__(self, n_features, n_classes, simplex=False):
        super().__init__()
        self.dense = nn.Linear(n_features, n_classes)
        self.directions = nn.Parameter(torch.randn(n_classes, n_classes))
        if simplex:
            corners = torch.eye(n_classes) - 1 / n_classes
            self.directions = nn.Parameter(corners, requires_grad=False)
        bound = math.log((n_classes - 1) / math.expm1(0.01))
        scale = (n_classes - 1) / n_classes * bound
        self.log_scale = nn.Parameter(torch.tensor(math.log(scale)))

    def forward(self, x):
        z, directions = F.normalize(self.dense(x)), F.normalize(self.directions)
        return self.log_scale.exp() * z @ directions.T

    def groups(self, lr):
        others = [self.dense.weight, self.dense.bias]
        if self.directions.requires_grad:
            others.append(self.directions)
        return [{"params": others}, {"params": [self.log_scale], "lr": 10 * lr}]


class Static(nn.Linear):
    """A dense layer; the class is that of the nearest embedding."""

    def __init__(self, n_features, embeddings):
        super().__init__(n_features, embeddings.shape[1])
        self.embeddings = embeddings
        self.bias.data += embeddings.mean(0)

    def scores(self, x):
        return -torch.cdist(self(x), self.embeddings)


def huber(model, x, y, **_):
    return F.huber_loss(model(x), model.embeddings[y])


def retrospection(model, x, y, rows, epoch, n_epochs, table, k=2, lwal=False, **_):
    logits = model(x)
    loss = F.cross_entropy(logits, y)
    if epoch > k:
        if lwal:
            share, temperature = 0.9 * epoch / n_epochs, 1.0
        else:
            share, temperature = 0.9 * (epoch // k * k) / n_epochs, 5.0
        divergence = F.kl_div(
            F.log_softmax(logits / temperature, 1), table[rows], reduction="batchmean"
        )
        loss = (1 - share) * loss + share * temperature**2 * divergence
    if epoch % k == 0:
        table[rows] = F.softmax(logits.detach() / 5.0, 1)
    return loss


def retrospection_lwal(*args, **known):
    return retrospection(*args, lwal=True, **known)


class LabelEmbed(nn.Module):
    """Two dense layers (one product) and the embeddings."""

    def __init__(self, n_features, n_classes):
        super().__init__()
        self.both = nn.Linear(n_features, 2 * n_classes)
        self.embeddings = nn.Parameter(torch.eye(n_classes))

    def forward(self, x):
        return self.both(x).chunk(2, 1)[0]


def label_embed(model, x, y, **_):
    o1, o2 = model.both(x).chunk(2, 1)
    t = model.embeddings[y]
    right = (o2.argmax(1) == y).float()
    lesson = F.softmax(o2.detach() / 2, 1) * F.log_softmax(t, 1)
    sure = F.softmax(o2, 1).gather(1, y[:, None])
    return (
        0.5 * F.cross_entropy(o1, y)
        + 0.5 * F.cross_entropy(o1, F.softmax(t.detach(), 1))
        + F.cross_entropy(o2, y)
        - (right * lesson.sum(1)).sum() / (right.sum() + 1e-8)
        + F.relu(sure - 0.9).sum()
    )


def linear(n_features, n_classes):
    return nn.Linear(n_features, n_classes)


def simplex(n_features, n_classes):
    return Cosine(n_features, n_classes, simplex=True)


def static(n_features, n_classes):
    return Static(n_features, torch.eye(n_classes))


LOOPS = {
    "STD": (linear, cross_entropy),
    "label smoothing": (linear, smoothed),
    "confidence penalty": (linear, confidence_penalty),
    "teacher-free": (linear, teacher_free),
    "cosine": (Cosine, cross_entropy),
    "simplex ETF": (simplex, cross_entropy),
    "StaticLabel": (static, huber),
    "LWR": (linear, retrospection),
    "LWR, LwAL's variant": (linear, retrospection_lwal),
    "LabelEmbed": (LabelEmbed, label_embed),
}


def train(method, X, y, *, lr, batch_size, n_epochs, seed=0):
    """Train on tensors X (n, n_features) and y (n,); returns ``scores(X)``."""
    make, loss_of = LOOPS[method]
    n_classes = int(y.max()) + 1
    torch.manual_seed(seed)
    model = make(X.shape[1], n_classes)
    groups = model.groups(lr) if hasattr(model, "groups") else model.parameters()
    optimizer = torch.optim.Adam(groups, lr=lr)
    table = torch.zeros(len(X), n_classes)
    for epoch in range(1, n_epochs + 1):
        order = torch.randperm(len(X))
        for rows in order.tensor_split(-(-len(X) // batch_size)):
            known = {"rows": rows, "epoch": epoch, "n_epochs": n_epochs}
            loss = loss_of(model, X[rows], y[rows], table=table, **known)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    @torch.no_grad()
    def scores(X):
        return model.scores(X) if hasattr(model, "scores") else model(X)

    return scores
