"""
Probabilities that hold
=======================

Of the predictions made with a probability of 80 %, four in five should be right. Class
scores are distances times a temperature. The default learns it on held-out rows; one
that is given may be far off, and so may one-hot training where rows are few.
"""

# %%
# Noisy data with three classes, sixty features and only 400 rows, so that no model can
# be sure.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.calibration import calibration_curve
from sklearn.datasets import make_classification
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split

from sklearn_lwal import LwALClassifier, STDClassifier

X, y = make_classification(
    6000,
    n_features=60,
    n_informative=10,
    n_classes=3,
    n_clusters_per_class=1,
    flip_y=0.1,
    class_sep=0.8,
    random_state=0,
)
X, X_test, y, y_test = train_test_split(X, y, train_size=400, random_state=0)

classifiers = {
    "LwAL, learned temperature": LwALClassifier(random_state=0),
    "LwAL, temperature 1": LwALClassifier(temperature=1.0, random_state=0),
    "LwAL, temperature 10": LwALClassifier(temperature=10.0, random_state=0),
    "one-hot": STDClassifier(random_state=0),
}
figure, ax = plt.subplots(figsize=(6.4, 5.2), layout="constrained")
ax.plot([0, 1], [0, 1], color="0.6", ls="--", lw=1, label="as it should be")
for name, clf in classifiers.items():
    probabilities = clf.fit(X, y).predict_proba(X_test)
    sure = probabilities.max(1)
    right = clf.classes_[probabilities.argmax(1)] == y_test
    share, said = calibration_curve(right, sure, n_bins=12, strategy="quantile")
    loss = log_loss(y_test, probabilities)
    ax.plot(said, share, marker=".", label=f"{name} (log-loss {loss:.3f})")
    print(f"{name}: {np.mean(right):.1%} right, {np.mean(sure):.1%} said")
ax.set(xlim=(0.3, 1.02), ylim=(0.3, 1.02))
ax.set(xlabel="probability of the prediction", ylabel="share that was right")
ax.legend(fontsize=9)

# %%
# Below the dashed line a model is more certain than it is right. The learned
# temperature errs a little on the modest side here; with 10 and with one-hot labels the
# model believes what it has merely learned by heart. A temperature of 1 does as well as
# the learned one. The data were made so that this shows: with four times the rows and
# half the features all but the temperature of 10 are alike. The temperature learned:
print(f"{classifiers['LwAL, learned temperature'].temperature_:.2f}")
