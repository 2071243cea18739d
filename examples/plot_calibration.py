"""
Calibrated probabilities
========================

Four in five predictions made with a probability of 80 % should be right. Class scores
are negative distances times a temperature. The default learns the temperature on
held-out rows. A fixed one may be far off, and so may one-hot training on few rows.
"""

# %%
# The data are noisy, with three classes, sixty features and only 400 rows, so no model
# can be sure.
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
ax.plot([0, 1], [0, 1], color="0.6", ls="--", lw=1, label="perfect calibration")
for name, clf in classifiers.items():
    probabilities = clf.fit(X, y).predict_proba(X_test)
    sure = probabilities.max(1)
    right = clf.classes_[probabilities.argmax(1)] == y_test
    share, said = calibration_curve(right, sure, n_bins=12, strategy="quantile")
    loss = log_loss(y_test, probabilities)
    ax.plot(said, share, marker=".", label=f"{name} (log-loss {loss:.3f})")
    print(f"{name}: {np.mean(right):.1%} right at {np.mean(sure):.1%} confidence")
ax.set(xlim=(0.3, 1.02), ylim=(0.3, 1.02))
ax.set(xlabel="probability of the prediction", ylabel="share of correct predictions")
ax.legend(fontsize=9)

# %%
# Below the dashed line a model is overconfident. The learned temperature errs a little
# on the modest side here. With a temperature of 10 and with one-hot labels the model
# trusts training labels that it has memorised. A temperature of 1 does as well as the
# learned one. These data were chosen to show the effect: with four times the rows and
# half the features all but the temperature of 10 are alike. The learned temperature is:
print(f"{classifiers['LwAL, learned temperature'].temperature_:.2f}")
