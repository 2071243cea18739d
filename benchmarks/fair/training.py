"""One training of the comparison: its settings, its rows and its result."""

import functools
import warnings
from dataclasses import dataclass

import numpy as np
from sklearn.base import clone
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neighbors import NearestCentroid
from sklearn.neural_network import MLPClassifier

from benchmarks._shared.datasets import DATASETS
from benchmarks._shared.frozen_features import (
    default_backbone,
    frozen_features,
    name_vectors,
)
from benchmarks._shared.measuring import curves, provenance, timed_fit
from benchmarks._shared.methods import paper_methods
from sklearn_lwal import (
    LabelEmbedClassifier,
    LwALClassifier,
    LWRClassifier,
    StaticLabelClassifier,
    STDClassifier,
)

UNTOUCHED = "LwAL, untouched"
# Rows of a batch, but the paper's methods take 50 rows a class.
BATCH = 256
OF_PAPER = ("LwAL10", "LwAL10+rpl", "STD, paper's batch")
# The parameter chosen for each scikit-learn classifier, and its values.
GRIDS = {
    "LogisticRegression": ("C", (1e-3, 3e-3, 1e-2, 1e-1, 1.0)),
    "MLPClassifier": ("learning_rate_init", (3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2)),
}


def methods():
    """Estimators by name."""
    paper = paper_methods()
    return {
        UNTOUCHED: LwALClassifier(),
        "LwAL": LwALClassifier(),
        "LwAL10": paper["LwAL10"],
        "LwAL10+rpl": paper["LwAL10+rpl"],
        "STD": STDClassifier(),
        "STD, paper's batch": paper["STD"],
        "label smoothing": STDClassifier(label_smoothing=0.1),
        "confidence penalty": STDClassifier(confidence_penalty=0.1),
        "teacher-free": STDClassifier(teacher_weight=0.1),
        "cosine": STDClassifier(scores="cosine"),
        "simplex ETF": STDClassifier(scores="etf"),
        "StaticLabel": StaticLabelClassifier(),
        "LWR": LWRClassifier(),
        "LabelEmbed": LabelEmbedClassifier(),
        "LogisticRegression": LogisticRegression(),
        # 20 epochs, as for the others; by default it would take hours.
        "MLPClassifier": MLPClassifier(max_iter=20),
        "LDA": LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto"),
        "NearestCentroid": NearestCentroid(),
    }


@dataclass(frozen=True)
class FairRun:
    """One training.

    ``setting`` is the rate (C for logistic regression; 0 where nothing is chosen).
    ``per_class`` is the number of training rows of each class, 0 takes all. ``tested``
    runs train on all training rows and are measured on the test rows, others leave a
    fifth out and are measured on it. ``backbone`` None is the default of the kind of
    data. A ``timed`` run is trained a second time, without measuring in between.
    """

    dataset: str
    method: str
    setting: float
    seed: int
    max_epochs: int
    per_class: int = 0
    tested: bool = False
    backbone: str | None = None
    timed: bool = False

    @property
    def group(self):
        return self.dataset, self.tested, self.backbone or ""

    @property
    def path(self):
        backbone = self.backbone or default_backbone(self.dataset)
        return f"{self.dataset}-{backbone}.jsonl"


def is_ours(method):
    return hasattr(methods()[method], "max_epochs")


def execute(run, data_root, device="auto"):
    """Train and measure; the result is a dict for JSON."""
    X, y, X_eval, y_eval = rows_of(run, data_root)
    clf = estimator(run, data_root, device)
    result = {"n_rows": len(X)}
    try:
        with warnings.catch_warnings():
            # They stop after their epochs, or 100 iterations, as for their users.
            warnings.simplefilter("ignore", ConvergenceWarning)
            # NearestCentroid warns of pixels that are the same in all images.
            warnings.filterwarnings("ignore", "self.within_class_std_dev_")
            if not is_ours(run.method):
                result["fit_seconds"] = timed_fit(clf, X, y)
                result["n_iter"] = int(np.max(getattr(clf, "n_iter_", 0)))
            else:
                # On few rows there are too many epochs to measure each.
                clf.fit(X, y, eval_set=None if run.per_class else (X_eval, y_eval))
                result["curves"] = curves(clf.history_)
                if run.timed:
                    alone = clone(clf)
                    result["fit_seconds"] = timed_fit(alone, X, y)
                    result["curves"]["seconds"] = curves(alone.history_)["seconds"]
    except ValueError as error:
        if "loss became" not in str(error):
            raise
        # At this rate the method does not train.
        return result | {"accuracy": 0.0, "diverged": True} | provenance()
    result["accuracy"] = float(np.mean(clf.predict(X_eval) == y_eval))
    return result | provenance(clf)


def estimator(run, data_root, device):
    """The method with the settings of the run."""
    clf = methods()[run.method]
    if run.method in GRIDS:
        clf.set_params(**{GRIDS[run.method][0]: run.setting})
    if "random_state" in clf.get_params():
        clf.set_params(random_state=run.seed)
    if run.method == "StaticLabel" and DATASETS[run.dataset].kind != "table":
        clf.set_params(label_embeddings=name_vectors(run.dataset, data_root))
    if not is_ours(run.method):
        return clf
    clf.set_params(device=device)
    if run.method == UNTOUCHED:
        return clf
    clf.set_params(lr=run.setting)
    if run.method in OF_PAPER:
        clf.set_params(batch_size=50 * DATASETS[run.dataset].n_classes)
    elif not run.per_class:
        clf.set_params(batch_size=BATCH)
    return clf.set_params(max_epochs=run.max_epochs)


def rows_of(run, data_root):
    """X, y to train on and X, y to measure on."""
    X, y, X_val, y_val, X_test, y_test = parts(run.dataset, run.backbone, data_root)
    if run.per_class:
        # The same rows for all methods, and none of those that choose the settings.
        rows = few(y, run.per_class, run.seed)
        X, y = X[rows], y[rows]
    elif run.tested:
        X, y = np.concatenate([X, X_val]), np.concatenate([y, y_val])
    return (X, y, X_test, y_test) if run.tested else (X, y, X_val, y_val)


@functools.lru_cache(maxsize=1)
def parts(dataset, backbone, data_root):
    """Rows to train on, to choose on and to test on: X, y of each."""
    X, y, X_test, y_test = frozen_features(dataset, data_root, backbone=backbone)
    X, X_val, y, y_val = train_test_split(
        X, y, test_size=0.2, stratify=y, random_state=0
    )
    return X, y, X_val, y_val, X_test, y_test


def few(y, per_class, seed):
    """Indices of ``per_class`` rows of each class, drawn at random."""
    order = np.random.default_rng(seed).permutation(len(y))
    return np.concatenate([order[y[order] == c][:per_class] for c in np.unique(y)])
