"""NumPy float64 twins of the rivals' losses, written from the formulas.

One sample at a time, in plain loops. ``weight`` are sample weights or None.
"""

import numpy as np


def softmax(scores):
    powers = np.exp(scores - scores.max())
    return powers / powers.sum()


def cross_entropy(q, p):
    """H(q, p) = -sum q log p."""
    return -sum(q[c] * np.log(p[c]) for c in range(len(q)))


def divergence(q, p):
    """KL(q || p)."""
    return sum(q[c] * (np.log(q[c]) - np.log(p[c])) for c in range(len(q)))


def one_hot(c, n_classes):
    return np.array([float(k == c) for k in range(n_classes)])


def mean(losses, weight):
    weight = np.ones(len(losses)) if weight is None else weight
    total = sum(w * loss for w, loss in zip(weight, losses, strict=True))
    return total / sum(weight)


def squared_norm(weight, bias):
    return sum(row @ row for row in weight) + bias @ bias


def huber(r):
    return r**2 / 2 if abs(r) <= 1 else abs(r) - 1 / 2


def static_loss(z, y, embeddings, weight=None):
    losses = []
    for i in range(len(y)):
        residual = z[i] - embeddings[y[i]]
        losses.append(sum(huber(r) for r in residual) / len(residual))
    return mean(losses, weight)


def static_scores(z, embeddings):
    return np.array([[-np.sqrt(((a - e) ** 2).sum()) for e in embeddings] for a in z])


def cosine_scores(z, labels, log_scale, offset):
    scores = np.zeros((len(z), len(labels)))
    for i, a in enumerate(z):
        for c, b in enumerate(labels):
            cosine = a @ b / (np.sqrt(a @ a) * np.sqrt(b @ b))
            scores[i, c] = np.exp(log_scale) * cosine + offset[c]
    return scores


def one_hot_loss(
    scores,
    y,
    weight=None,
    label_smoothing=0.0,
    confidence_penalty=0.0,
    teacher_weight=0.0,
    teacher_temperature=1.0,
    teacher_multiplier=1.0,
):
    n_classes = scores.shape[1]
    losses = []
    for i in range(len(y)):
        p = softmax(scores[i])
        target = (1 - label_smoothing) * one_hot(y[i], n_classes)
        target = target + label_smoothing / n_classes
        u = np.array([0.01 / (n_classes - 1)] * n_classes)
        u[y[i]] = 0.99
        teacher = divergence(softmax(u / teacher_temperature), p) / n_classes
        losses.append(
            (1 - teacher_weight) * cross_entropy(target, p)
            + teacher_weight * teacher_multiplier * teacher
            - confidence_penalty * cross_entropy(p, p)
        )
    return mean(losses, weight)


class Retrospection:
    """The table of earlier outputs, and the loss that looks at it."""

    def __init__(self, variant, k, n_samples, n_classes, n_epochs, t=5.0, b=0.9):
        self.variant, self.k, self.n_epochs, self.t, self.b = variant, k, n_epochs, t, b
        self.table = np.zeros((n_samples, n_classes))
        self.epoch = 0

    def loss(self, z, y, rows, weight=None):
        e, k, t = self.epoch, self.k, self.t
        losses = []
        for i, row in enumerate(rows):
            ce = cross_entropy(one_hot(y[i], z.shape[1]), softmax(z[i]))
            if e <= k:
                losses.append(ce)
            elif self.variant == "paper":
                share = self.b * (e // k * k) / self.n_epochs
                kl = divergence(self.table[row], softmax(z[i] / t))
                losses.append((1 - share) * ce + share * t**2 * kl)
            else:
                share = self.b * e / self.n_epochs
                kl = divergence(self.table[row], softmax(z[i]))
                losses.append((1 - share) * ce + share * kl)
            # Read first, then overwritten.
            if e % k == 0:
                self.table[row] = softmax(z[i] / t)
        return mean(losses, weight)


def label_embed_loss(
    values,
    y,
    weight=None,
    frozen=None,
    hard_weight=0.5,
    temperature=2.0,
    confidence_cap=0.9,
):
    """The loss at (h, a, b, e): features, both layers' parameters, embeddings.

    ``frozen`` is the same as it is behind the stop-gradients; finite differences
    move ``values`` alone.
    """
    h, a, b, e = values
    h_, a_, b_, e_ = values if frozen is None else frozen
    n, n_classes = len(y), len(e)
    relative = np.ones(n) if weight is None else weight * n / sum(weight)
    classifier, auxiliary, excess, lesson, taught = 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(n):
        truth = one_hot(y[i], n_classes)
        p1 = softmax(a[:n_classes] @ h[i] + b[:n_classes])
        p2 = softmax(a[n_classes:] @ h_[i] + b[n_classes:])
        hard, soft = cross_entropy(truth, p1), cross_entropy(softmax(e_[y[i]]), p1)
        mixed = hard_weight * hard + (1 - hard_weight) * soft
        classifier += relative[i] * mixed / n
        auxiliary += relative[i] * cross_entropy(truth, p2) / n
        excess += relative[i] * max(0.0, p2[y[i]] - confidence_cap)
        teacher = a_[n_classes:] @ h_[i] + b_[n_classes:]
        if np.argmax(teacher) == y[i]:
            taught += relative[i]
            q = softmax(teacher / temperature)
            lesson += relative[i] * cross_entropy(q, softmax(e[y[i]]))
    return classifier + auxiliary + lesson / (taught + 1e-8) + excess


def label_embed_gradients(values, y, weight=None, step=1e-6):
    """Central differences of the loss, one array for each of the values."""
    gradients = [np.zeros_like(value) for value in values]
    for place, gradient in enumerate(gradients):
        for index in np.ndindex(*gradient.shape):
            for sign in (1, -1):
                moved = [value.copy() for value in values]
                moved[place][index] += sign * step
                loss = label_embed_loss(moved, y, weight, frozen=values)
                gradient[index] += sign * loss / (2 * step)
    return gradients
