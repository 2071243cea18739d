"""
Training on a stream, and saving in between
===========================================

``partial_fit`` trains on one part of the data after the other. A saved model continues
training from where it stopped.
"""

# %%
# Parts of a stream
# -----------------
# Each part has fifty rows. The labels are the class means of all rows so far, although
# none of the rows is kept.
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import sklearn_lwal
from sklearn_lwal import LwALClassifier, STDClassifier

X, y = load_digits(return_X_y=True)
X, X_test, y, y_test = train_test_split(X, y, stratify=y, random_state=0)

classifiers = {
    "LwAL": LwALClassifier(random_state=0),
    "one-hot": STDClassifier(random_state=0),
}
seen = np.arange(50, len(X) + 1, 50)
curves = {name: [] for name in classifiers}
for end in seen:
    part = slice(end - 50, end)
    for name, clf in classifiers.items():
        clf.partial_fit(X[part], y[part], classes=range(10))
        curves[name].append(clf.score(X_test, y_test))

figure, ax = plt.subplots(layout="constrained")
for name, curve in curves.items():
    ax.plot(seen, curve, marker=".", label=name)
ax.set(xlabel="rows seen, each once", ylabel="test accuracy")
ax.grid(alpha=0.3)
ax.legend()

# %%
# A file in between
# -----------------
# On a CPU the loaded model and the one in memory continue bit for bit alike.
clf = classifiers["LwAL"]
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "digits.safetensors"
    clf.save(path)
    again = sklearn_lwal.load(path)
    print(f"{path.stat().st_size / 1024:.0f} kB")
clf.partial_fit(X[:50], y[:50])
again.partial_fit(X[:50], y[:50])
print(bool((again.predict_proba(X_test) == clf.predict_proba(X_test)).all()))
