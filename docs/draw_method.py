"""Draw the guide's pictures of the method: ``python docs/draw_method.py``."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import load_digits, make_blobs
from sklearn.model_selection import train_test_split
from torch import nn

from sklearn_lwal import AdaptiveLabels, LwALClassifier
from sklearn_lwal.plots import LabelMapDisplay

FOLDER = Path(__file__).parent / "guide"
COLOURS = np.array(["C0", "C1", "C2"])
# A learning rate so low that no label moves visibly.
NO_RATE = 1e-12


def three_classes(n=150):
    """Features in four dimensions, three classes."""
    X, y = make_blobs(n, 4, centers=3, cluster_std=2.2, random_state=3)
    X = (X - X.mean(0)) / X.std(0)
    return torch.tensor(X, dtype=torch.float32), torch.tensor(y)


def digits():
    """Training and test part of scikit-learn's digits."""
    X, y = load_digits(return_X_y=True)
    return train_test_split(X, y, stratify=y, random_state=0)


def dense(in_features, out_features, hidden=None):
    """One layer, or two, with the same initial weights each time."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        if hidden is None:
            return nn.Linear(in_features, out_features)
        return nn.Sequential(
            nn.Linear(in_features, hidden), nn.ReLU(), nn.Linear(hidden, out_features)
        )


def train(encoder, labels, X, y, steps, lr=0.05):
    """Take ``steps`` training steps with all rows as the batch."""
    optimizer = torch.optim.Adam(encoder.parameters(), lr=lr)
    for _ in range(steps):
        optimizer.zero_grad()
        labels(encoder(X), y).backward()
        optimizer.step()


def draw_latents(ax, encoder, labels, X, y, title):
    """Draw latents, labels, and the region in which each label is the nearest."""
    with torch.no_grad():
        z = encoder(X)
        at = labels.labels
        shown = torch.cat([z, at])
        centre, reach = shown.mean(0), 1.15 * (shown - shown.mean(0)).abs().max()
        sides = [torch.linspace(-reach, reach, 300) + c for c in centre]
        plane = torch.stack(torch.meshgrid(*sides, indexing="xy"), -1)
        nearest = torch.cdist(plane.flatten(0, 1), at).argmin(1).reshape(300, 300)
    ax.contourf(*sides, nearest, levels=[-1, 0, 1, 2], colors=COLOURS, alpha=0.12)
    ax.scatter(*z.T, c=COLOURS[y], s=9)
    ax.scatter(*at.T, c=COLOURS, s=150, marker="*", edgecolors="black", zorder=3)
    ax.set(aspect="equal", xticks=[], yticks=[])
    ax.set_title(title, fontsize=10)


def draw_step():
    """Draw labels before the first step, after their first move, and after training."""
    X, y = three_classes()
    encoder, labels = dense(4, 2), AdaptiveLabels(3, 2)
    figure, axes = plt.subplots(1, 3, figsize=(10.5, 3.6), layout="compressed")
    title = "1  labels on the axes, latents anywhere"
    draw_latents(axes[0], encoder, labels, X, y, title)
    before = labels.labels.clone()
    labels(encoder(X), y)
    title = "2  each label moves to its class's mean"
    draw_latents(axes[1], encoder, labels, X, y, title)
    for start, end in zip(before, labels.labels, strict=True):
        arrow = {"arrowstyle": "->", "lw": 1.5}
        axes[1].annotate("", end.tolist(), start.tolist(), arrowprops=arrow)
    train(encoder, labels, X, y, 100)
    title = "3  and the loss draws each sample to its label"
    draw_latents(axes[2], encoder, labels, X, y, title)
    save(figure, "method_step.png")


def draw_schedule(n_steps=32):
    """Draw the steps in which AdaptiveLabels moves the labels."""
    settings = [(1, 0), (4, 0), (1, 12), (4, 12)]
    figure, ax = plt.subplots(figsize=(8, 2.2), layout="constrained")
    for row, (k, w) in enumerate(settings):
        labels = AdaptiveLabels(2, 2, update_every=k, warmup_steps=w)
        moved = []
        for step in range(n_steps):
            before = labels.labels.clone()
            labels(torch.eye(2) * (step + 2), torch.arange(2))
            moved.append(not torch.equal(before, labels.labels))
        steps = np.arange(n_steps)
        ax.scatter(steps, np.full(n_steps, row), s=12, color="0.8")
        ax.scatter(steps[moved], np.full(sum(moved), row), s=40, color="C3")
    ax.set_yticks(range(len(settings)), [f"k = {k}, w = {w}" for k, w in settings])
    ax.set(xlabel="training step", ylim=(len(settings) - 0.5, -0.5))
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.tick_params(axis="y", length=0)
    save(figure, "method_schedule.png")


def draw_repel():
    """Draw latents after training without and with the repel loss."""
    X, y = three_classes()
    figure, axes = plt.subplots(1, 3, figsize=(10.5, 3.6), layout="compressed")
    for ax, weight in zip(axes, (0, 1, 10), strict=True):
        encoder = dense(4, 2, hidden=32)
        labels = AdaptiveLabels(3, 2, repel_weight=weight)
        train(encoder, labels, X, y, 60, lr=0.01)
        draw_latents(ax, encoder, labels, X, y, rf"$\lambda$ = {weight}")
        for label in labels.labels:
            ax.plot(*zip((0, 0), label, strict=True), color="black", lw=1)
        ax.plot(0, 0, "+", color="black", ms=10)
    save(figure, "method_repel.png")


def draw_start():
    """Draw the digits' test images before training, with either start."""
    X, X_test, y, y_test = digits()
    figure, axes = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
    for ax, init in zip(axes, ("random", "discriminant"), strict=True):
        clf = LwALClassifier(init=init, lr=NO_RATE, max_epochs=1, random_state=0)
        clf.fit(X, y)
        LabelMapDisplay.from_estimator(clf, X_test, y_test, ax=ax, s=9, alpha=0.4)
        ax.set_title(f'init="{init}": {clf.score(X_test, y_test):.0%} correct')
    save(figure, "method_start.png")


def draw_map():
    """Draw the digits on the map of their labels, for the quickstart."""
    X, X_test, y, y_test = digits()
    clf = LwALClassifier(random_state=0).fit(X, y)
    display = LabelMapDisplay.from_estimator(clf, X_test, y_test, s=14, alpha=0.5)
    save(display.figure_, "digits_map.png")


def save(figure, name):
    figure.savefig(FOLDER / name, dpi=110)
    plt.close(figure)


if __name__ == "__main__":
    draw_step()
    draw_schedule()
    draw_repel()
    draw_start()
    draw_map()
