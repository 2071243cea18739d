"""Classes that training did not know: added from a few samples, and noticed as new.

``python -m benchmarks.new_classes --data-root DIR`` holds a fifth of the classes out of
CIFAR-100 and Banking77 (frozen features, standardised), and measures on the test part:

- ``add_classes`` with 1, 5 and 20 samples of each held-out class, beside a
  LogisticRegression that is fitted again on all rows there are then, plain and with
  balanced class weights, and beside LwAL fitted again;
- AUROC of ``novelty_score`` for held-out against known classes, beside one minus the
  largest probability of LwAL, STD and LogisticRegression.

Three draws of held-out classes and samples. One over the penalty of LogisticRegression
(C) and the rate of STD are those that ``benchmarks.defaults`` and ``benchmarks.fair``
chose on validation data with all classes. Results go to ``results/new_classes.json``
and into docs/benchmarks/new_classes.md.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from benchmarks.frozen_features import frozen_features
from benchmarks.markdown import fill, table
from sklearn_lwal import LwALClassifier, STDClassifier

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results" / "new_classes.json"
PAGE = ROOT / "docs" / "benchmarks" / "new_classes.md"
TITLES = {"cifar100": "CIFAR-100", "banking77": "Banking77"}
CHOSEN = {
    "cifar100": {"C": 3e-3, "lr": 3e-4},
    "banking77": {"C": 1e-1, "lr": 1e-3},
}
SHOTS = (1, 5, 20)
SEEDS = (0, 1, 2)


def main():
    """Measure, keep and show."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-root", required=True)
    found = {}
    for name in TITLES:
        data = frozen_features(name, parser.parse_args().data_root)
        found[name] = [measure(data, CHOSEN[name], seed) for seed in SEEDS]
        print(name, json.dumps(found[name], indent=1))
    RESULTS.write_text(json.dumps(found, indent=1) + "\n")
    report(found)


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
    unsure = {"LwAL": lwal, "STD": std, "LogisticRegression": logistic}
    novelty = {"novelty_score": roc_auc_score(new, lwal.novelty_score(X_test))}
    for name, clf in unsure.items():
        score = 1 - clf.predict_proba(X_test).max(axis=1)
        novelty[f"{name}, 1 - max p"] = roc_auc_score(new, score)
    order = {c: rng.permutation(np.flatnonzero(y == c)) for c in held_out}
    accuracy = {}
    for shots in SHOTS:
        few = np.concatenate([order[c][:shots] for c in held_out])
        rows = np.concatenate([np.flatnonzero(known), few])
        added = LwALClassifier(random_state=seed).fit(X[known], y[known])
        seconds[f"add {shots}"] = timed(
            lambda c=added, i=few: c.add_classes(X[i], y[i])
        )
        models = {"add_classes": added}
        again = {
            "LogisticRegression, fitted again": logistic,
            "LogisticRegression, balanced": LogisticRegression(
                C=chosen["C"], max_iter=1000, class_weight="balanced"
            ),
            "LwAL, fitted again": LwALClassifier(random_state=seed),
        }
        for name, clf in again.items():
            seconds[f"{name}, {shots}"] = timed(lambda c=clf, i=rows: c.fit(X[i], y[i]))
            models[name] = clf
        for name, clf in models.items():
            right = clf.predict(X_test) == y_test
            accuracy[f"{shots}, {name}"] = {
                "new": right[new].mean(),
                "known": right[~new].mean(),
                "all": right.mean(),
            }
    return {"accuracy": accuracy, "novelty": novelty, "seconds": seconds}


def timed(run):
    """Seconds of a call."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def report(found):
    """Fill the page."""
    shown, novel = [], []
    for name, runs in found.items():
        for key in runs[0]["accuracy"]:
            shots, method = key.split(", ", 1)
            cells = [TITLES[name], shots, method]
            for part in ("new", "known", "all"):
                cells.append(spread([run["accuracy"][key][part] for run in runs]))
            took = "add " + shots if method == "add_classes" else f"{method}, {shots}"
            cells.append(f"{np.median([r['seconds'][took] for r in runs]):.2g}")
            shown.append(cells)
        for key in runs[0]["novelty"]:
            values = [run["novelty"][key] for run in runs]
            novel.append([TITLES[name], key, spread(values)])
    header = ["data", "samples", "method", "new classes", "known", "all", "s"]
    blocks = {
        "accuracy": table(header, shown),
        "novelty": table(["data", "score", "AUROC, %"], novel),
    }
    fill(PAGE, blocks)


def spread(values):
    """Mean and standard deviation in percent."""
    return f"{100 * np.mean(values):.1f} ± {100 * np.std(values):.1f}"


if __name__ == "__main__":
    main()
