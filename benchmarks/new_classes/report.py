"""Tables of the page ``new_classes``, from kept results."""

import json

import numpy as np

from benchmarks._shared.grouping import spread
from benchmarks._shared.markdown import fill, table

TITLES = {"cifar100": "CIFAR-100", "banking77": "Banking77"}


def main(results, docs):
    """Fill the page from the results below a folder."""
    found = json.loads((results / "new_classes.json").read_text())
    blocks = {"accuracy": accuracy_table(found), "novelty": novelty_table(found)}
    fill(docs / "benchmarks" / "new_classes.md", blocks)


def accuracy_table(found):
    rows = []
    for name, draws in found.items():
        for key in draws[0]["accuracy"]:
            shots, method = key.split(", ", 1)
            cells = [TITLES[name], shots, method]
            for part in ("new", "known", "all"):
                cells.append(percent([draw["accuracy"][key][part] for draw in draws]))
            took = "add " + shots if method == "add_classes" else f"{method}, {shots}"
            seconds = np.median([draw["seconds"][took] for draw in draws])
            rows.append([*cells, f"{seconds:.2g}"])
    header = ["data", "samples", "method", "new classes", "known", "all", "s"]
    return table(header, rows)


def novelty_table(found):
    rows = [
        [TITLES[name], key, percent([draw["novelty"][key] for draw in draws])]
        for name, draws in found.items()
        for key in draws[0]["novelty"]
    ]
    return table(["data", "score", "AUROC, %"], rows)


def percent(values):
    """Mean and standard deviation in percent."""
    return spread(100 * np.array(values))
