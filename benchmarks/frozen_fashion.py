"""One-hot and LwAL10 on frozen Fashion-MNIST features at two learning rates.

``python -m benchmarks.frozen_fashion --data-root DIR`` trains a dense head on the
60,000 standardised EfficientNet-Lite0 features (``benchmarks.frozen_features``
makes them) with Adam, batch 500, 10 epochs, and writes the test accuracy after each
epoch, mean and standard deviation over the seeds.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from tqdm import tqdm

from benchmarks.methods import lwal, std

from .engine import hardware
from .frozen_features import frozen_features

METHODS = {
    "one-hot": std(),
    "LwAL10, labels of the last batch": lwal(output_dim=10.0, refine_labels=False),
    "LwAL10, labels refined": lwal(output_dim=10.0),
}
RATES = (1e-4, 1e-3)
SEEDS = (12, 123, 1234)


def run(data_root):
    """Accuracy curves, {"lr, method": (seeds, epochs)}."""
    X, y, X_test, y_test = frozen_features("fashion_mnist", data_root)
    curves = {}
    for seed in tqdm(SEEDS, unit="seed"):
        for lr in RATES:
            for name, clf in METHODS.items():
                clf.set_params(lr=lr, max_epochs=10, batch_size=500, random_state=seed)
                clf.fit(X, y, eval_set=(X_test, y_test))
                curve = [row["valid_acc"] for row in clf.history_]
                curves.setdefault(f"{lr:g}, {name}", []).append(curve)
    return curves


def format_table(curves):
    lines = ["| lr | method | epochs 1 .. 10 | largest spread |", "|---|---|---|---|"]
    for key, values in curves.items():
        lr, name = key.split(", ", 1)
        mean, spread = 100 * np.mean(values, 0), 100 * np.std(values, 0).max()
        cells = " ".join(f"{v:.1f}" for v in mean)
        lines.append(f"| {lr} | {name} | {cells} | {spread:.1f} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-root", type=Path, required=True)
    parser.add_argument(
        "--out", type=Path, default=Path("benchmarks/results/frozen_fashion.json")
    )
    args = parser.parse_args()
    curves = run(args.data_root)
    print(format_table(curves))
    rounded = {k: np.round(v, 4).tolist() for k, v in curves.items()}
    report = {"hardware": hardware(), "seeds": SEEDS, "curves": rounded}
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
