"""Classes that training did not know: added from a few samples, and noticed as new.

``python -m benchmarks new_classes --data-root DIR`` holds a fifth of the classes out of
CIFAR-100 and Banking77 (frozen features, standardised), and measures on the test part:

- ``add_classes`` with 1, 5 and 20 samples of each held-out class, beside a
  LogisticRegression that is fitted again on all rows there are then, plain and with
  balanced class weights, and beside LwAL fitted again;
- AUROC of ``novelty_score`` for held-out against known classes, beside one minus the
  largest probability of LwAL, STD and LogisticRegression.

There are three draws of held-out classes and samples. One over the penalty of
LogisticRegression (C) and the rate of STD are those that the benchmarks ``defaults``
and ``fair`` chose on validation data with all classes. The results go to
``results/new_classes.json``; ``python -m benchmarks report new_classes`` writes the
page.
"""

import json
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from benchmarks._shared.command import RESULTS, parser_of
from benchmarks._shared.frozen_features import frozen_features
from benchmarks._shared.measuring import timed
from sklearn_lwal import LwALClassifier, STDClassifier

KEPT = RESULTS / "new_classes.json"
CHOSEN = {
    "cifar100": {"C": 3e-3, "lr": 3e-4},
    "banking77": {"C": 1e-1, "lr": 1e-3},
}
SHOTS = (1, 5, 20)
SEEDS = (0, 1, 2)


def main(arguments=None):
    parser = parser_of("new_classes", __doc__)
    parser.add_argument("--data-root", type=Path, required=True)
    args = parser.parse_args(arguments)
    found = {}
    for name, chosen in CHOSEN.items():
        data = frozen_features(name, args.data_root)
        found[name] = [measure(data, chosen, seed) for seed in SEEDS]
        print(name, json.dumps(found[name], indent=1))
    KEPT.write_text(json.dumps(found, indent=1) + "\n")


def measure(data, chosen, seed):
    """Both comparisons with one draw of held-out classes."""
    X, y, X_test, y_test = data
    rng = np.random.default_rng(seed)
    classes = np.unique(y)
    held_out = rng.choice(classes, len(classes) // 5, replace=False)
    known, new = ~np.isin(y, held_out), np.isin(y_test, held_out)
    lwal = LwALClassifier(random_state=seed)
    seconds = {"LwAL": timed(lambda: lwal.fit(X[known], y[known]))}
    logistic = LogisticRegression(C=chosen["C"], max_iter=1000)
    logistic.fit(X[known], y[known])
    std = STDClassifier(lr=chosen["lr"], random_state=seed).fit(X[known], y[known])
    models = {"LwAL": lwal, "STD": std, "LogisticRegression": logistic}
    novelty = auroc(models, X_test, new)
    order = {c: rng.permutation(np.flatnonzero(y == c)) for c in held_out}
    accuracy = {}
    for shots in SHOTS:
        few = np.concatenate([order[c][:shots] for c in held_out])
        added = LwALClassifier(random_state=seed).fit(X[known], y[known])
        seconds[f"add {shots}"] = timed(
            lambda c=added, i=few: c.add_classes(X[i], y[i])
        )
        rows = np.concatenate([np.flatnonzero(known), few])
        models = fitted_again(chosen["C"], seed)
        for name, clf in models.items():
            seconds[f"{name}, {shots}"] = timed(lambda c=clf, i=rows: c.fit(X[i], y[i]))
        for name, clf in {"add_classes": added, **models}.items():
            right = clf.predict(X_test) == y_test
            accuracy[f"{shots}, {name}"] = {
                "new": right[new].mean(),
                "known": right[~new].mean(),
                "all": right.mean(),
            }
    return {"accuracy": accuracy, "novelty": novelty, "seconds": seconds}


def auroc(models, X, new):
    """AUROC of each score of novelty; ``new`` marks the rows of held-out classes."""
    found = {"novelty_score": roc_auc_score(new, models["LwAL"].novelty_score(X))}
    for name, clf in models.items():
        score = 1 - clf.predict_proba(X).max(axis=1)
        found[f"{name}, 1 - max p"] = roc_auc_score(new, score)
    return found


def fitted_again(C, seed):
    """Classifiers that learn new classes only by a fit on all rows."""
    options = {"C": C, "max_iter": 1000}
    return {
        "LogisticRegression, fitted again": LogisticRegression(**options),
        "LogisticRegression, balanced": LogisticRegression(
            class_weight="balanced", **options
        ),
        "LwAL, fitted again": LwALClassifier(random_state=seed),
    }
