"""Every method at its best beside scikit-learn's classifiers, on frozen features.

The paper gives all methods one learning rate. Here each has its own, and its own number
of epochs, chosen by accuracy on a fifth of the training rows; the test rows are looked
at once, at the end. Three views: accuracy over seconds, accuracy over epochs and
learning rates, and accuracy over the number of training rows.
"""

import functools
import warnings
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from sklearn.base import clone
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neighbors import NearestCentroid
from sklearn.neural_network import MLPClassifier

from benchmarks.datasets import DATASETS
from benchmarks.frozen_features import frozen_features, name_vectors
from benchmarks.methods import paper_methods
from benchmarks.paper import SEEDS
from benchmarks.runs import curves, kept, provenance, run_all, slug, timed_fit
from sklearn_lwal import (
    LabelEmbedClassifier,
    LwALClassifier,
    LWRClassifier,
    StaticLabelClassifier,
    STDClassifier,
)

DATASETS_BY_SCALE = {
    "smoke": ("digits",),
    "frozen": ("fashion_mnist", "cifar100", "banking77"),
}
RATES = (1e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
N_EPOCHS = 20
# On few rows an epoch is a few steps, or one.
N_EPOCHS_FEW = 100
# Rows of each class that a classifier is given, where there are more.
PER_CLASS = {
    "fashion_mnist": (5, 20, 50, 500),
    "cifar100": (5, 20, 50),
    "banking77": (5, 20, 50),
    "digits": (5, 20, 50),
}
UNTOUCHED = "LwAL, untouched"
# Rows of a batch for all but the paper's methods, which take 50 rows a class.
BATCH = 256
OF_PAPER = ("LwAL10", "LwAL10+rpl", "STD, paper's batch")
# The parameter chosen for each scikit-learn classifier, and its values.
GRIDS = {
    "LogisticRegression": ("C", (1e-3, 3e-3, 1e-2, 1e-1, 1.0)),
    "MLPClassifier": ("learning_rate_init", (3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2)),
}
DETERMINISTIC = ("LogisticRegression", "LDA", "NearestCentroid")
# Those that are tried on few rows: LwAL in three ways, and what people use.
ON_FEW_ROWS = (UNTOUCHED, "LwAL", "LwAL10", "STD", "LDA", "NearestCentroid")
ON_FEW_ROWS += ("LogisticRegression",)


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
        # Epochs as for the others; by default it would take hours.
        "MLPClassifier": MLPClassifier(max_iter=N_EPOCHS),
        "LDA": LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto"),
        "NearestCentroid": NearestCentroid(),
    }


@dataclass(frozen=True)
class FairRun:
    """One training.

    ``setting`` is the rate (C for logistic regression; 0 where nothing is chosen).
    ``per_class`` rows of each class are trained on, 0 is all. ``tested`` runs train on
    all training rows and are measured on the test rows, others leave a fifth out and
    are measured on that. ``backbone`` None is the default of the kind of data. A
    ``timed`` run is trained a second time, without measuring in between.
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
        part = "test" if self.tested else "validation"
        part += f"-{self.per_class}rows" * (self.per_class > 0)
        name = f"{slug(self.method)}-{self.setting:g}"
        name += f"-epochs{self.max_epochs}-seed{self.seed}"
        name += "-timed" * self.timed + ".json"
        features = "-".join(filter(None, (self.dataset, self.backbone)))
        return Path("fair", features, part, name)


def settings(method):
    """The values among which one is chosen."""
    if method in (UNTOUCHED, "LDA", "NearestCentroid"):
        return (0.0,)
    return GRIDS[method][1] if method in GRIDS else RATES


def is_ours(method):
    return hasattr(methods()[method], "max_epochs")


def sweep(datasets, names, n_epochs, **options):
    """Every setting of every method, to be measured on validation rows."""
    return [
        FairRun(dataset, name, value, SEEDS[0], n_epochs, **options)
        for dataset in datasets
        for value in sorted({*RATES, *(v for n in names for v in settings(n))})
        for name in names
        if value in settings(name)
    ]


def chosen(found):
    """The best run of each data set, method and number of rows: {...: FairRun}.

    With as many epochs as it is best after, the first ones if several are.
    """
    best = {}
    for run, result in found.items():
        key = run.dataset, run.method, run.per_class
        accuracy, n_epochs = best_epoch(run, result)
        if key not in best or accuracy > best[key][0]:
            best[key] = accuracy, replace(run, max_epochs=n_epochs)
    return {key: run for key, (_, run) in best.items()}


def times(run, seed, seeds):
    """Whether the run is the one whose seconds are shown."""
    return run.per_class == 0 and seed == seeds[0]


def best_epoch(run, result):
    """The accuracy on validation rows, and after how many epochs."""
    curve = result.get("curves", {}).get("test_accuracy")
    if curve is None or run.method == UNTOUCHED:
        return result["accuracy"], run.max_epochs
    return max(curve), curve.index(max(curve)) + 1


def tests(found, seeds):
    """The chosen runs, to be measured on the test rows with each seed."""
    return [
        replace(run, seed=seed, tested=True, timed=times(run, seed, seeds))
        for seed in seeds
        for run in chosen(found).values()
        if seed == seeds[0] or run.per_class or run.method not in DETERMINISTIC
    ]


def execute(run, data_root, device="auto"):
    """Train and measure; what is kept of it, a dict for JSON."""
    X, y, X_eval, y_eval = rows_of(run, data_root)
    clf = estimator(run, data_root, device)
    result = {"run": asdict(run), "n_rows": len(X)}
    try:
        with warnings.catch_warnings():
            # After its epochs, or 100 iterations, as for those who use it.
            warnings.simplefilter("ignore", ConvergenceWarning)
            # NearestCentroid, of pixels that are the same in all images.
            warnings.filterwarnings("ignore", "self.within_class_std_dev_")
            if not is_ours(run.method):
                result["fit_seconds"] = timed_fit(clf, X, y)
                result["n_iter"] = int(np.max(getattr(clf, "n_iter_", 0)))
            else:
                # On few rows there are too many epochs to look at each.
                clf.fit(X, y, eval_set=None if run.per_class else (X_eval, y_eval))
                result["curves"] = curves(clf.history_)
                if run.timed:
                    alone = clone(clf)
                    result["fit_seconds"] = timed_fit(alone, X, y)
                    result["curves"]["seconds"] = curves(alone.history_)["seconds"]
    except ValueError as error:
        if "loss became" not in str(error):
            raise
        # At this rate it does not train.
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
        # The same rows for all methods; none that the choice was made on.
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
    """Indices of so many rows of each class, drawn at random."""
    order = np.random.default_rng(seed).permutation(len(y))
    return np.concatenate([order[y[order] == c][:per_class] for c in np.unique(y)])


def measure(scope, out, data_root, device="auto", get=run_all):
    """All that the page shows, made or read: {view: {run: result}}."""
    datasets = scope.datasets or DATASETS_BY_SCALE[scope.scale]
    names = scope.methods or (*methods(),)
    n_epochs = scope.max_epochs or (5 if scope.scale == "smoke" else N_EPOCHS)
    n_epochs_few = scope.max_epochs or N_EPOCHS_FEW
    seeds = scope.seeds
    make = functools.partial(execute, data_root=data_root, device=device)
    backbone = scope.backbones[0] if scope.backbones else None
    rates = get(sweep(datasets, names, n_epochs, backbone=backbone), make, out)
    few_names = [name for name in ON_FEW_ROWS if name in names]
    tries = [
        run
        for dataset in datasets
        for n in PER_CLASS.get(dataset, ())
        for run in sweep(
            [dataset], few_names, n_epochs_few, per_class=n, backbone=backbone
        )
    ]
    tried = get(tries, make, out)
    few_tested = get(tests(tried, seeds), make, out)
    # Last, so that those alone can be repeated on a machine that does nothing else.
    tested = get(tests(rates, seeds), make, out)
    return {"rates": rates, "tested": tested, "few": few_tested}


def read(scope, out):
    """What is kept of it."""
    return measure(scope, out, None, get=lambda runs, _, out: kept(runs, out))
