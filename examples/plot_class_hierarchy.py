"""
Which digits are alike?
=======================

Learned labels are vectors, and the distances between them show which classes the model
finds similar: as a tree, as a heat map, and as a list.
"""

# sphinx_gallery_thumbnail_number = 2

# %%
# The tree
# --------
# Classes whose branches join on the right, near zero, are close together; classes whose
# branches join far to the left have little in common.
from sklearn.datasets import load_digits

from sklearn_lwal import LwALClassifier
from sklearn_lwal.plots import LabelDendrogramDisplay, LabelDistanceDisplay
from sklearn_lwal.structure import (
    class_means,
    label_distances,
    nearest_classes,
    structure_correlation,
)

X, y = load_digits(return_X_y=True)
clf = LwALClassifier(random_state=0).fit(X, y)
LabelDendrogramDisplay.from_estimator(clf)

# %%
# The distances
# -------------
# Rows and columns are in the order of the tree, so groups appear as blocks.
LabelDistanceDisplay.from_estimator(clf)

# %%
# The nearest classes
# -------------------
for digit, others in nearest_classes(clf, k=2).items():
    print(digit, "is nearest to", *others)

# %%
# Training or data?
# -----------------
# Similar classes may already be similar in the features. The rank correlation of the
# distances, class by class, tells how much of the structure was there before training:
before = label_distances(class_means(X, y))
print(f"{structure_correlation(clf, before):.2f}")
