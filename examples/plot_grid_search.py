"""
A grid search over k, w, lambda and the latent's dimension
==========================================================

The paper has four hyperparameters: labels are updated every k steps, after w steps of
warmup, with a repel loss of weight lambda, in a latent of p dimensions. All are
parameters of the classifier, so scikit-learn can search over them in a Pipeline.
"""

# %%
# This is the paper's configuration; with the default start a search has less to find.
# Only the batches are smaller, because one of the paper's would hold all training rows
# here. Two folds and a part of the digits keep this short.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_lwal import LwALClassifier

X, y = load_digits(return_X_y=True)
X, y = X[:900], y[:900]
pipeline = make_pipeline(
    StandardScaler(),
    LwALClassifier(
        init="random",
        label_update="batch",
        temperature=1.0,
        standardize=False,
        average=False,
        refine_labels=False,
        batch_size=32,
        max_epochs=5,
        lr=1e-3,
        random_state=0,
    ),
)
grid = {
    "lwalclassifier__update_every": [1, 4],
    "lwalclassifier__warmup_steps": [0, 20],
    "lwalclassifier__repel_weight": [0, 1, 10],
    "lwalclassifier__output_dim": [1.0, 3.0, 10.0],
}
folds = StratifiedKFold(2, shuffle=True, random_state=0)
search = GridSearchCV(pipeline, grid, cv=folds).fit(X, y)
for name, value in search.best_params_.items():
    print(name.removeprefix("lwalclassifier__"), "=", value)

# %%
# All candidates
# --------------
# There is one panel for each k and w. In a panel lambda grows downwards, the dimension
# to the right.
results = search.cv_results_
scores = results["mean_test_score"]


def of(name):
    return np.asarray(results[f"param_lwalclassifier__{name}"], float)


k, w = of("update_every"), of("warmup_steps")
figure, panels = plt.subplots(2, 2, figsize=(7.5, 6.5), layout="constrained")
for row, every in enumerate((1, 4)):
    for column, warmup in enumerate((0, 20)):
        ax = panels[row, column]
        here = (k == every) & (w == warmup)
        order = np.lexsort([of("output_dim")[here], of("repel_weight")[here]])
        table = scores[here][order].reshape(3, 3)
        image = ax.imshow(table, vmin=scores.min(), vmax=scores.max())
        for (i, j), score in np.ndenumerate(table):
            dark = score < scores.mean()
            ax.text(
                j,
                i,
                f"{score:.2f}",
                ha="center",
                va="center",
                color="w" if dark else "k",
            )
        ax.set_title(f"k = {every}, w = {warmup}", fontsize=10)
        ax.set_xticks(range(3), ["1", "3", "10"])
        ax.set_yticks(range(3), ["0", "1", "10"])
figure.supxlabel("dimensions of the latent, times the classes")
figure.supylabel("weight of the repel loss, lambda")
figure.colorbar(image, ax=panels, label="accuracy, two folds", shrink=0.7)
