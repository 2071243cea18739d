"""
AdaptiveLabels in your own torch loop
=====================================

Without scikit-learn's interface the method is a loss: a module that takes the latents
and classes of a batch, moves the labels, and returns the loss to differentiate.
"""

# %%
# The loop
# --------
# The loop trains a small network on two moons. Its latent space has two dimensions, so
# it can be plotted.
import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import make_moons
from torch import nn

from sklearn_lwal import AdaptiveLabels

X, y = make_moons(1000, noise=0.15, random_state=0)
X, y = torch.tensor(X, dtype=torch.float32), torch.tensor(y)

generator = torch.Generator().manual_seed(0)
with torch.random.fork_rng():
    torch.manual_seed(0)
    encoder = nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 2))
labels = AdaptiveLabels(n_classes=2, output_dim=2)
optimizer = torch.optim.Adam(encoder.parameters(), lr=1e-2)

path = [labels.labels.clone()]
for _ in range(30):
    for rows in torch.randperm(len(X), generator=generator).split(100):
        optimizer.zero_grad()
        loss = labels(encoder(X[rows]), y[rows])
        loss.backward()
        optimizer.step()
        path.append(labels.labels.clone())

# %%
# The path of the labels
# ----------------------
# The left picture shows the latents and the paths of both labels, from the ends of the
# axes, where they start, to their last positions. The right picture shows the resulting
# probabilities in the plane of the data.
labels.eval()
with torch.no_grad():
    z = encoder(X)
    grid = np.stack(np.meshgrid(*2 * [np.linspace(-1.8, 2.8, 200)]), -1)
    scores = labels.scores(
        encoder(torch.tensor(grid, dtype=torch.float32).flatten(0, 1))
    )
    share = scores.softmax(1)[:, 1].reshape(200, 200)
    right = (labels.scores(z).argmax(1) == y).float().mean()

colours = np.array(["C0", "C1"])
figure, (left_ax, right_ax) = plt.subplots(
    1, 2, figsize=(10, 4.5), layout="constrained"
)
left_ax.scatter(*z.T, c=colours[y], s=5, alpha=0.4)
for steps, colour in zip(torch.stack(path).unbind(1), colours, strict=True):
    left_ax.plot(*steps.T, color="black", lw=1)
    left_ax.scatter(*steps[-1], color=colour, s=70, edgecolors="black", zorder=2)
left_ax.set_title("the latent space and the labels' paths")
right_ax.contourf(
    grid[..., 0], grid[..., 1], share, levels=11, cmap="RdBu_r", alpha=0.6
)
right_ax.scatter(*X.T, c=colours[y], s=5)
right_ax.set(ylim=(-1.2, 1.7), title=f"the data, {right:.1%} right")
