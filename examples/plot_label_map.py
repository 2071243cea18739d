"""
Labels move to where their classes are
======================================

The maps show the labels of the digits after one, three and twenty epochs, from a random
start as in the paper. Each large dot is a class's label, the mean of its images in the
latent space. The small dots are test images, coloured by their true class.
"""

# %%
# A warm start continues from the fitted model, so three fits of one classifier show
# three moments of one training.
import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from sklearn_lwal import LwALClassifier
from sklearn_lwal.plots import LabelMapDisplay

X, y = load_digits(return_X_y=True)
X, X_test, y, y_test = train_test_split(X, y, stratify=y, random_state=0)

clf = LwALClassifier(
    init="random",
    label_update="batch",
    average=False,
    output_dim=10.0,
    lr=1e-3,
    warm_start=True,
    random_state=0,
)
figure, panels = plt.subplots(1, 3, figsize=(12, 4.2), layout="constrained")
done = 0
for epochs, ax in zip((1, 3, 20), panels, strict=True):
    clf.set_params(max_epochs=epochs - done).fit(X, y)
    done = epochs
    LabelMapDisplay.from_estimator(clf, X_test, y_test, ax=ax, s=14, alpha=0.5)
    accuracy = clf.score(X_test, y_test)
    ax.set_title(f"{epochs} epoch{'s'[: epochs > 1]}, {accuracy:.1%} correct")

# %%
# The default start
# -----------------
# The default starts the head where discriminant analysis would put it. One epoch takes
# it as far as many epochs take the random start:
clf = LwALClassifier(max_epochs=1, random_state=0).fit(X, y)
print(f"{clf.score(X_test, y_test):.1%} correct after one epoch")
LabelMapDisplay.from_estimator(clf, X_test, y_test, s=14, alpha=0.5)
