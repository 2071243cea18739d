"""Each rival of LwAL as a classifier and as a plain torch loop, on the same data.

``python -m benchmarks rivals --data-root DIR`` trains both on digits and on frozen
features of Fashion-MNIST (standardised, Adam, learning rate 1e-3, 10 epochs, batches of
50 and 500 rows) with three seeds each, prints a table of their test accuracies and
writes JSON.
"""

import json

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from benchmarks._shared.command import RESULTS, add_places, parser_of
from benchmarks._shared.frozen_features import frozen_features
from benchmarks._shared.markdown import table
from benchmarks._shared.methods import rivals
from benchmarks.rivals.plain_loops import train

SEEDS = (0, 1, 2)
OPTIONS = {"lr": 1e-3}
N_EPOCHS = 10


def digits(data_root):
    X, y = load_digits(return_X_y=True)
    parts = train_test_split(X, y, test_size=0.25, stratify=y, random_state=0)
    scaler = StandardScaler().fit(parts[0])
    X, X_test = (scaler.transform(part).astype(np.float32) for part in parts[:2])
    return X, parts[2], X_test, parts[3]


def fashion(data_root):
    return frozen_features("fashion_mnist", data_root)


DATA = {"digits": (digits, 50), "Fashion-MNIST": (fashion, 500)}


def measure(data, batch_size):
    """By method: accuracies of classifier and loop, and how often they agree."""
    X, y, X_test, y_test = (torch.from_numpy(np.asarray(part)) for part in data)
    y_test, result = y_test.numpy(), {}
    for seed in SEEDS:
        options = {"batch_size": batch_size, **OPTIONS}
        classifiers = rivals(max_epochs=N_EPOCHS, random_state=seed, **options)
        for method, clf in classifiers.items():
            scores = train(method, X, y, n_epochs=N_EPOCHS, seed=seed, **options)
            plain = scores(X_test).argmax(1).numpy()
            ours = clf.fit(X, y).predict(X_test)
            row = result.setdefault(method, {"ours": [], "plain": [], "agree": []})
            row["ours"].append(float(np.mean(ours == y_test)))
            row["plain"].append(float(np.mean(plain == y_test)))
            row["agree"].append(float(np.mean(ours == plain)))
    return result


def main(arguments=None):
    parser = parser_of("rivals", __doc__)
    add_places(parser, RESULTS / "rivals.json")
    args = parser.parse_args(arguments)
    result = {
        name: measure(load(args.data_root), batch_size)
        for name, (load, batch_size) in DATA.items()
    }
    args.out.write_text(json.dumps(result, indent=1) + "\n")
    rows = [
        [method]
        + [
            f"{100 * np.mean(found[method][key]):.2f}"
            for found in result.values()
            for key in ("ours", "plain", "agree")
        ]
        for method in result["digits"]
    ]
    header = ["method"]
    header += [f"{name}, {what}" for name in result for what in ("ours", "plain", "=")]
    print(table(header, rows))
