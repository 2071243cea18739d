"""The untouched LwALClassifier beside what people use today, and the reasons.

``python -m benchmarks defaults --data-root DIR`` measures, part by part, and keeps one
JSON file a part and data set in ``--out`` (a part that is there is not repeated):

- ``compare``: accuracy, log-loss, expected calibration error (15 bins) and seconds of
  a fit; rates of STD and C of LogisticRegression are chosen by accuracy on a fifth of
  the training rows (small sets: by nested cross-validation over their training rows);
- ``speed``: fits of the default and of LogisticRegression with that C, interleaved;
- ``epochs``: accuracy of the default after each epoch, at several learning rates;
- ``ablation``: the three changes one by one, over the epochs and over the rates;
- ``hidden``: the same with a hidden layer, on the sentence vectors.

Small sets (5-fold cross-validation, repeated): digits, wine, breast cancer, iris. Large
sets (their own test part): those of ``python -m benchmarks frozen_features``. Features
are standardised beforehand for every method. ``python -m benchmarks report defaults``
writes the page.
"""

import json
import time
import warnings

import numpy as np
import torch
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import (
    GridSearchCV,
    StratifiedKFold,
    StratifiedShuffleSplit,
    train_test_split,
)
from sklearn.neighbors import NearestCentroid
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from benchmarks._shared.command import RESULTS, add_places, parser_of
from benchmarks._shared.frozen_features import frozen_features
from benchmarks._shared.methods import PAPER
from sklearn_lwal import LwALClassifier, STDClassifier

SMALL = {
    "digits": load_digits,
    "wine": load_wine,
    "breast cancer": load_breast_cancer,
    "iris": load_iris,
}
LARGE = ("fashion_mnist", "cifar100", "banking77", "trec")
TEXTS = ("banking77", "trec")
SEEDS = (0, 1, 2, 3, 4)
RATES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2)
INVERSE_PENALTIES = (1e-3, 1e-2, 1e-1, 1.0)
ALL_RATES = (1e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
# Options that take parts of the default away; the first variant lacks all three.
CHANGES = {"label_update": "batch", "init": "random", "temperature": 1.0}
ABLATION = {
    "none of the three (LwAL)": CHANGES,
    "+ labels from features": {"init": "random", "temperature": 1.0},
    "+ discriminant start": {"temperature": 1.0},
    "all three (default)": {},
    "without labels from features": {"label_update": "batch"},
    "without discriminant start": {"init": "random"},
}
# All variants take the same number of steps.
SAME_STEPS = {"batch_size": 256, "max_epochs": 5}
NO_STEP = {"lr": 1e-30, "batch_size": 1_000_000, "max_epochs": 1}


OWN = {
    "LwAL, default": (LwALClassifier(), True),
    "LwAL, before any step": (LwALClassifier(**NO_STEP), True),
    "STD, default": (STDClassifier(), True),
}


def tuned(estimator, grid, X, y, small):
    """The estimator with the values of ``grid`` that are best on validation rows."""
    if small:
        splits = StratifiedKFold(5, shuffle=True, random_state=0)
    else:
        splits = StratifiedShuffleSplit(1, test_size=0.2, random_state=0)
    search = GridSearchCV(estimator, grid, cv=splits, refit=False).fit(X, y)
    return clone(estimator).set_params(**search.best_params_), search.best_params_


def calibration_error(y, P, n_bins=15):
    """Expected calibration error of probabilities (n, n_classes)."""
    confidence, hit = P.max(1), P.argmax(1) == y
    bins = np.minimum((confidence * n_bins).astype(int), n_bins - 1)
    gaps = [abs(np.sum((hit - confidence)[bins == b])) for b in range(n_bins)]
    return sum(gaps) / len(y)


def measured(estimator, data):
    """Fit and score: accuracy, log-loss, calibration error, seconds."""
    X, y, X_test, y_test = data
    start = time.perf_counter()
    estimator.fit(X, y)
    row = {"seconds": time.perf_counter() - start}
    row["accuracy"] = float(np.mean(estimator.predict(X_test) == y_test))
    if not isinstance(estimator, NearestCentroid):
        P = estimator.predict_proba(X_test)
        row["log_loss"] = log_loss(y_test, P, labels=estimator.classes_)
        row["calibration_error"] = calibration_error(y_test, P)
    return row


def candidates(X, y, small):
    """Estimators by name, with whether a seed matters to them, and the choices."""
    rate = {"lr": list(RATES)}
    std, chosen = tuned(STDClassifier(random_state=0), rate, X, y, small)
    grid = {"C": list(INVERSE_PENALTIES)}
    logistic, penalty = tuned(LogisticRegression(), grid, X, y, small)
    found = {
        **OWN,
        "STD, tuned": (std, True),
        "LogisticRegression, tuned": (logistic, False),
        # With all its defaults it would take hours on the image features.
        "MLPClassifier": (MLPClassifier(early_stopping=not small), small),
        "LDA": (LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto"), False),
        "NearestCentroid": (NearestCentroid(), False),
    }
    return found, {**chosen, **penalty}


def folds(name, seed, scaled=True):
    """The five folds (X, y, X_test, y_test) of a small set."""
    X, y = SMALL[name](return_X_y=True)
    splitter = StratifiedKFold(5, shuffle=True, random_state=seed)
    for train, test in splitter.split(X, y):
        scaler = StandardScaler().fit(X[train]) if scaled else None
        X_train, X_test = (
            (X[rows] if scaler is None else scaler.transform(X[rows])).astype(
                np.float32
            )
            for rows in (train, test)
        )
        yield X_train, y[train], X_test, y[test]


def averaged(rows):
    keys = rows[0].keys()
    return {key: float(np.mean([row[key] for row in rows])) for key in keys} | {
        "accuracy_spread": float(np.std([row["accuracy"] for row in rows])),
        "n": len(rows),
    }


def compare(name, data_root, known=None):
    """Every method; means over the seeds (small sets: over seeds and folds).

    ``known`` is an earlier result. Its choices stay, and its rows of other methods.
    """
    if name in SMALL:
        return compare_small(name)
    data = frozen_features(name, data_root)
    if known is None:
        found, chosen = candidates(*data[:2], small=False)
        rows = {}
    else:
        chosen, rows = known["chosen"], known["rows"]
        found = OWN | {"STD, tuned": (STDClassifier(lr=chosen["lr"]), True)}
    for method, (clf, random) in found.items():
        seeds = SEEDS if random else SEEDS[:1]
        each = [measured(seeded(clf, seed), data) for seed in seeds]
        rows = rows | {method: averaged(each)}
    return {"chosen": chosen, "rows": rows}


def compare_small(name):
    rows = {}
    for seed in SEEDS[:3]:
        for data in folds(name, seed):
            for method, (clf, _) in candidates(*data[:2], small=True)[0].items():
                rows.setdefault(method, []).append(measured(seeded(clf, seed), data))
        for data in folds(name, seed, scaled=False):
            row = measured(LwALClassifier(random_state=seed), data)
            rows.setdefault("LwAL, default, raw features", []).append(row)
    return {"rows": {method: averaged(found) for method, found in rows.items()}}


def seeded(estimator, seed):
    estimator = clone(estimator)
    if "random_state" in estimator.get_params():
        estimator.set_params(random_state=seed)
    return estimator


def speed(name, data_root, out):
    """Interleaved fits; each ratio is the median of those within a round."""
    data = frozen_features(name, data_root)
    penalty = read(out, "compare", name)["chosen"]["C"]
    # LogisticRegression takes half a minute on the image features.
    small = len(data[0]) < 20_000
    n_threads = (1, 2) if small else (2,)
    result = {}
    for n in n_threads:
        before = torch.get_num_threads()
        torch.set_num_threads(n)
        with threadpool_limits(n):
            result[f"threads={n}"] = interleaved(data, penalty, 5 if small else 3)
        torch.set_num_threads(before)
    return result


def interleaved(data, penalty, rounds):
    X, y = data[:2]
    times = {"LwAL": [], "LogisticRegression": [], "start": [], "epoch": [], "STD": []}
    same = {"batch_size": 256, "max_epochs": 2}
    epochs = {"epoch": LwALClassifier(**same), "STD": STDClassifier(**same)}
    for _ in range(rounds):
        times["LwAL"].append(measured(LwALClassifier(), data)["seconds"])
        logistic = LogisticRegression(C=penalty)
        times["LogisticRegression"].append(measured(logistic, data)["seconds"])
        start = time.perf_counter()
        clf = LwALClassifier(**NO_STEP).fit(X, y)
        # Its one epoch moves nothing and does not count.
        seconds = time.perf_counter() - start - clf.history_[0]["dur"]
        times["start"].append(seconds)
        for key, clf in epochs.items():
            times[key].append(clf.fit(X, y).history_[-1]["dur"])
    ratios = {
        f"{above} / {below}": float(np.median(np.divide(times[above], times[below])))
        for above, below in (
            ("LogisticRegression", "LwAL"),
            ("epoch", "STD"),
            ("start", "epoch"),
        )
    }
    medians = {key: float(np.median(values)) for key, values in times.items()}
    return {"seconds": medians, "ratios": ratios, "rounds": rounds}


def epochs(name, data_root):
    """Test accuracy of the default before and after each epoch, at each rate."""
    X, y, X_test, y_test = frozen_features(name, data_root)
    start = [
        LwALClassifier(**NO_STEP, random_state=seed).fit(X, y).score(X_test, y_test)
        for seed in SEEDS
    ]
    curves = {"default": mean_curve(LwALClassifier(), X, y, X_test, y_test, SEEDS)}
    curves["five epochs"] = mean_curve(
        LwALClassifier(max_epochs=5), X, y, X_test, y_test, SEEDS
    )
    for lr in (3e-4, 1e-3, 3e-3, 1e-2):
        clf = LwALClassifier(lr=lr)
        curves[f"lr={lr:g}"] = mean_curve(clf, X, y, X_test, y_test, SEEDS[:3])
    return {"start": float(np.mean(start)), "curves": curves}


def mean_curve(clf, X, y, X_val, y_val, seeds):
    """Accuracy on the validation rows after each epoch, mean over the seeds."""
    curves = []
    for seed in seeds:
        clf = clone(clf).set_params(random_state=seed)
        clf.fit(X, y, eval_set=(X_val, y_val))
        curves.append([row["valid_acc"] for row in clf.history_])
    return np.mean(curves, axis=0).tolist()


def ablation(name, data_root, n_epochs=10):
    """Each variant: accuracy over the rates, and over the epochs at the best rate."""
    X, y, X_test, y_test = frozen_features(name, data_root)
    parts = train_test_split(X, y, test_size=0.2, stratify=y, random_state=0)
    X_fit, X_val, y_fit, y_val = parts
    result = {}
    for variant, options in ABLATION.items():
        by_rate = {}
        for lr in ALL_RATES:
            clf = LwALClassifier(lr=lr, random_state=0, **SAME_STEPS | options)
            try:
                by_rate[lr] = clf.fit(X_fit, y_fit).score(X_val, y_val)
            except ValueError:
                # The loss became infinite.
                by_rate[lr] = 0.0
        best = max(by_rate, key=by_rate.get)
        options = options | SAME_STEPS
        clf = LwALClassifier(lr=best, **options | {"max_epochs": n_epochs})
        start = LwALClassifier(**options | NO_STEP, random_state=0).fit(X, y)
        curve = mean_curve(clf, X, y, X_test, y_test, SEEDS[:3])
        result[variant] = {
            "by_rate": by_rate,
            "best_rate": best,
            "epochs": [start.score(X_test, y_test), *curve],
        }
    return result


def hidden(name, data_root, n_epochs=5):
    """With one hidden layer of 256: accuracy after each epoch."""
    data = frozen_features(name, data_root)
    options = {"hidden_layer_sizes": (256,), "max_epochs": n_epochs}
    variants = {
        "LwAL as in the paper": LwALClassifier(**PAPER, **options),
        **{
            f"{variant}": LwALClassifier(**changes, **options)
            for variant, changes in ABLATION.items()
            if not variant.startswith("none")
        },
        "STD": STDClassifier(**options),
    }
    return {
        variant: mean_curve(clf, *data, SEEDS[:3]) for variant, clf in variants.items()
    }


def measures(part, name):
    """Whether the part is measured on this data set."""
    if part == "hidden":
        return name in TEXTS
    return part == "compare" or name in LARGE


def path_of(out, part, name):
    return out / f"{part}_{name.replace(' ', '_')}.json"


def read(out, part, name):
    return json.loads(path_of(out, part, name).read_text())


PARTS = {
    "compare": compare,
    "speed": speed,
    "epochs": epochs,
    "ablation": ablation,
    "hidden": hidden,
}


def main(arguments=None):
    args = parser().parse_args(arguments)
    args.out.mkdir(parents=True, exist_ok=True)
    # LogisticRegression stops after 100 iterations, as it does for its users.
    warnings.simplefilter("ignore", ConvergenceWarning)
    for part in args.parts:
        for name in args.datasets:
            path = path_of(args.out, part, name)
            if (path.exists() and not args.refresh) or not measures(part, name):
                continue
            extra = [args.out] if part == "speed" else []
            if part == "compare" and args.refresh:
                extra = [json.loads(path.read_text())]
            result = PARTS[part](name, args.data_root, *extra)
            path.write_text(json.dumps(result, indent=1) + "\n")
            print(f"{part}, {name}: done", flush=True)


def parser():
    found = parser_of("defaults", __doc__)
    found.add_argument("--parts", nargs="+", choices=PARTS, default=[*PARTS])
    refresh = "measure LwAL and STD anew in a comparison that is there"
    found.add_argument("--refresh", action="store_true", help=refresh)
    found.add_argument("--datasets", nargs="+", default=[*SMALL, *LARGE])
    add_places(found, RESULTS / "defaults")
    return found
