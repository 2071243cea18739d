"""
Rare classes: class weights and sample weights
==============================================

The rare class has one row in twenty and overlaps the frequent one. Weights set the cost
of a mistake, in the loss, in the labels and in the decision.
"""

# %%
# Class weights
# -------------
import matplotlib.pyplot as plt
import numpy as np
from sklearn.metrics import balanced_accuracy_score, recall_score
from sklearn.model_selection import train_test_split

from sklearn_lwal import LwALClassifier

random = np.random.default_rng(0)
y = (np.arange(4000) % 20 == 0).astype(int)
X = random.normal(size=(4000, 2)) * [1.0, 0.7] + np.outer(y, [1.5, 1.2])
X, X_test, y, y_test = train_test_split(X, y, stratify=y, random_state=0)

weightings = {"as they come": None, "1 : 5": {0: 1, 1: 5}, "balanced": "balanced"}
figure, panels = plt.subplots(
    1, 3, figsize=(12, 4.2), sharex=True, sharey=True, layout="constrained"
)
low, high = X.min(0) - 0.3, X.max(0) + 0.3
plane = np.stack(np.meshgrid(*np.linspace(low, high, 150).T), -1)
for (name, weight), ax in zip(weightings.items(), panels, strict=True):
    clf = LwALClassifier(class_weight=weight, random_state=0).fit(X, y)
    share = clf.predict_proba(plane.reshape(-1, 2))[:, 1].reshape(150, 150)
    ax.contourf(*plane.T.swapaxes(1, 2), share, levels=[0, 0.5, 1], alpha=0.25)
    ax.scatter(*X_test.T, c=np.array(["C0", "C3"])[y_test], s=5)
    answer = clf.predict(X_test)
    recall = recall_score(y_test, answer)
    balanced = balanced_accuracy_score(y_test, answer)
    ax.set_title(f"{name}: {recall:.0%} of the rare found,\n{balanced:.1%} balanced")

# %%
# Sample weights
# --------------
# A row of weight 5 counts as five copies. This weight on each rare row has the same
# effect as the class weights 1 : 5.
weight = np.where(y == 1, 5.0, 1.0)
clf = LwALClassifier(random_state=0).fit(X, y, sample_weight=weight)
print(f"{recall_score(y_test, clf.predict(X_test)):.0%} of the rare found")
