"""
Stopping early
==============

With ``early_stopping`` a tenth of the rows is held out, and training ends when neither
accuracy nor loss on them gets better; the best weights and labels come back.
"""

# %%
# Few noisy rows and two hidden layers: a model that over-fits when it may.
from sklearn.datasets import make_classification
from sklearn.model_selection import train_test_split

from sklearn_lwal import LwALClassifier
from sklearn_lwal.plots import LearningCurvesDisplay

X, y = make_classification(
    3000,
    n_features=40,
    n_informative=10,
    n_classes=4,
    flip_y=0.1,
    random_state=0,
)
X, X_test, y, y_test = train_test_split(X, y, train_size=1000, random_state=0)

options = {
    "hidden_layer_sizes": (128, 128),
    "average": False,
    "max_epochs": 60,
    "random_state": 0,
}
patient = LwALClassifier(**options).fit(X, y, eval_set=(X_test, y_test))
stopped = LwALClassifier(early_stopping=True, n_iter_no_change=8, **options)
stopped.fit(X, y)
for name, clf in {"all epochs": patient, "stopped": stopped}.items():
    print(f"{name}: {clf.n_iter_} epochs, {clf.score(X_test, y_test):.1%} on test rows")

# %%
# The loss over the epochs
# ------------------------
# Of the model that was stopped on its held-out rows, of the other one on the test rows.
display = LearningCurvesDisplay.from_estimator(
    {"all epochs": patient, "stopped early": stopped}, measure="valid_loss"
)
display.ax_.axvline(stopped.n_iter_, color="0.5", ls=":", lw=1)
