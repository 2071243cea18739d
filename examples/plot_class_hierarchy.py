"""
Which digits are alike?
=======================

Labels that are learned are vectors with distances, and distances tell which classes
the model takes for similar: as a tree, as a heat map, and as a list.
"""

# sphinx_gallery_thumbnail_number = 2

# %%
# The tree
# --------
# Branches that join on the right near zero are classes close together; those that join
# far to the left have little in common.
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
# Rows and columns come in the order of the tree, so that groups are blocks.
LabelDistanceDisplay.from_estimator(clf)

# %%
# The nearest
# -----------
for digit, others in nearest_classes(clf, k=2).items():
    print(digit, "is nearest to", *others)

# %%
# Training or data?
# -----------------
# Similar classes may have been similar in the features already. The rank correlation
# of the distances, class by class, tells how much of the structure was there before:
before = label_distances(class_means(X, y))
print(f"{structure_correlation(clf, before):.2f}")
