"""
Learning curves against one-hot training
========================================

How many epochs do learned labels save? Three classifiers train a dense layer on the
standardised pixels of the digits, at the same low learning rate, and are measured on
test images after every epoch.
"""

# %%
# Train
# -----
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from sklearn_lwal import LwALClassifier, STDClassifier
from sklearn_lwal.plots import LearningCurvesDisplay

X, y = load_digits(return_X_y=True)
X, X_test, y, y_test = train_test_split(X, y, stratify=y, random_state=0)
scaler = StandardScaler().fit(X)
X, X_test = scaler.transform(X), scaler.transform(X_test)

options = {"max_epochs": 20, "lr": 1e-3, "batch_size": 500, "random_state": 0}
paper = {
    "init": "random",
    "label_update": "batch",
    "temperature": 1.0,
    "standardize": False,
    "average": False,
    "refine_labels": False,
}
classifiers = {
    "one-hot": STDClassifier(**options),
    "LwAL10 of the paper": LwALClassifier(output_dim=10.0, **paper, **options),
    "LwAL, the default": LwALClassifier(**options),
}
for clf in classifiers.values():
    clf.fit(X, y, eval_set=(X_test, y_test))

# %%
# Compare
# -------
# The dashed line is the best accuracy of one-hot training. A method that crosses it has
# caught up with all epochs of one-hot training.
display = LearningCurvesDisplay.from_estimator(classifiers, reference="one-hot")
display.ax_.set_title("digits, learning rate 0.001")

# %%
# The learning rate is low and the batches are large on purpose, as in the paper. With
# the library's smaller batches one-hot training takes more steps and ends near LwAL10;
# with its own best rate it catches up on most data.
