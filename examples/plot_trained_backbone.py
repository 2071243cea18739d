"""
Images: a backbone, frozen and trained
======================================

A small convolutional network computes features of the digits' images. While it is
frozen only the head learns; with ``trainable=True`` the network learns as well.
"""

# %%
# The backbone is any module that maps float images (n, 3, H, W) to features. This one
# has random weights, so it has much to learn. A pretrained one by name, such as
# ``"resnet50"``, is used in the same way.
import matplotlib.pyplot as plt
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn

from sklearn_lwal import Backbone, LwALClassifier, STDClassifier
from sklearn_lwal.plots import LearningCurvesDisplay

images, y = load_digits(return_X_y=True)
images = images.reshape(-1, 8, 8) / 16
images, test_images, y, y_test = train_test_split(images, y, stratify=y, random_state=0)


def small_network():
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
    )


with torch.random.fork_rng():
    torch.manual_seed(0)
    backbone = small_network()

options = {"max_epochs": 8, "lr": 1e-3, "random_state": 0}
classifiers = {
    "LwAL, frozen": LwALClassifier(backbone, **options),
    "LwAL, trained": LwALClassifier(Backbone(backbone, trainable=True), **options),
    "one-hot, trained": STDClassifier(Backbone(backbone, trainable=True), **options),
}
for name, clf in classifiers.items():
    clf.fit(images, y, eval_set=(test_images, y_test))
    print(f"{name}: {clf.score(test_images, y_test):.1%}")

# %%
# Test accuracy after every epoch
# -------------------------------
# Both LwAL classifiers begin with a head in closed form. The head soon learns all that
# the random features hold; after that only the trained backbone improves. One-hot
# training begins far lower, and catches up. The network is narrow on purpose: with
# twice the channels and no second pooling its frozen random features are as good as
# trained ones.
display = LearningCurvesDisplay.from_estimator(classifiers)

# %%
# Uncertain predictions
# ---------------------
# The trained model is least sure of these images. The titles give its prediction and
# the true digit.
clf = classifiers["LwAL, trained"]
probabilities = clf.predict_proba(test_images)
figure, panels = plt.subplots(2, 6, figsize=(9, 3.6), layout="constrained")
for ax, row in zip(panels.flat, probabilities.max(1).argsort(), strict=False):
    ax.imshow(test_images[row], cmap="gray_r")
    best = probabilities[row].argmax()
    ax.set_title(
        f"{best}? {probabilities[row, best]:.0%} (a {y_test[row]})", fontsize=9
    )
    ax.set_axis_off()
