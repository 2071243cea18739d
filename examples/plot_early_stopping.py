"""
Stopping early
==============

``early_stopping`` holds out a tenth of the rows and ends training when neither accuracy
nor loss on them improves. It restores the best weights and labels.
"""

# %%
# Three in ten of the training digits get a random label; the test rows keep the right
# ones. With a hidden layer the model learns the digits in a few epochs, and memorises
# the wrong labels in the many epochs that follow.
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from sklearn_lwal import LwALClassifier
from sklearn_lwal.plots import LearningCurvesDisplay

X, y = load_digits(return_X_y=True)
X, X_test, y, y_test = train_test_split(X, y, train_size=1000, random_state=0)
rng = np.random.default_rng(0)
y = np.where(rng.random(len(y)) < 0.3, rng.integers(10, size=len(y)), y)

options = {
    "hidden_layer_sizes": (128,),
    "average": False,
    "max_epochs": 60,
    "random_state": 0,
}
patient = LwALClassifier(**options).fit(X, y, eval_set=(X_test, y_test))
stopped = LwALClassifier(early_stopping=True, n_iter_no_change=8, **options)
stopped.fit(X, y)
for name, clf in {"to the end": patient, "stopped early": stopped}.items():
    known, right = clf.score(X, y), clf.score(X_test, y_test)
    epochs = f"{name}, {clf.n_iter_} epochs"
    print(f"{epochs}: {known:.1%} of the training labels, {right:.1%} of the others")

# %%
# The held-out rows have wrong labels as well, and still show when to stop.
#
# Accuracy on the test rows
# -------------------------
# Training to the end lowers the accuracy from the third epoch on. The dotted line shows
# where the other model stopped, after eight epochs without improvement, and went back
# to its best epoch.
display = LearningCurvesDisplay.from_estimator(
    {"to the end": patient}, measure="valid_acc"
)
display.ax_.axhline(stopped.score(X_test, y_test), color="C1", label="stopped early")
display.ax_.axvline(stopped.n_iter_, color="0.5", ls=":", lw=1)
display.ax_.legend()
