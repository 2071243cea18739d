"""Learning curves of one-hot training, of the paper's LwAL and of the default.

``python -m benchmarks quickstart`` runs in under a minute on scikit-learn's digits;
``--dataset fashion_mnist --data-root DIR`` takes Fashion-MNIST through torchvision
(downloaded into DIR unless its files are there). A dense head on standardised
pixels, the same learning rate, batches, epochs and seeds for every method; nothing
is chosen by looking at the test part.
"""

import json
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from tqdm import tqdm

from benchmarks._shared.command import SCRATCH, parser_of
from benchmarks._shared.markdown import table
from benchmarks._shared.measuring import epochs_to_reach
from benchmarks._shared.methods import lwal, std
from sklearn_lwal import LwALClassifier

METHODS = {
    "STD": std(),
    "LwAL": lwal(output_dim=1.0),
    "LwAL10": lwal(output_dim=10.0),
    "LwAL10+rpl": lwal(output_dim=10.0, repel_weight=10.0),
    "library default": LwALClassifier(),
}
SEEDS = (12, 123, 1234)
# Fashion-MNIST has the paper's settings (for ResNet50 and DenseNet121); the digits have
# too few rows for these.
SETTINGS = {
    "digits": {"epochs": 20, "lr": 1e-3},
    "fashion_mnist": {"epochs": 10, "lr": 1e-4},
}


def load_data(dataset, data_root):
    """Standardised float32 pixels and labels of the training and the test part."""
    if dataset == "digits":
        X, y = load_digits(return_X_y=True)
        parts = train_test_split(X, y, test_size=0.25, stratify=y, random_state=0)
        X_train, X_test, y_train, y_test = parts
    else:
        from torchvision.datasets import FashionMNIST

        train, test = (
            FashionMNIST(data_root, train=part, download=True) for part in (True, False)
        )
        X_train, X_test = (p.data.numpy().reshape(len(p), -1) for p in (train, test))
        y_train, y_test = train.targets.numpy(), test.targets.numpy()
    scaler = StandardScaler().fit(X_train)
    X_train, X_test = (
        scaler.transform(X).astype(np.float32) for X in (X_train, X_test)
    )
    return X_train, y_train, X_test, y_test


def run(data, epochs, lr, seeds):
    """Test accuracy (seeds, epochs) and seconds an epoch of each method."""
    X_train, y_train, X_test, y_test = data
    curves = {name: [] for name in METHODS}
    seconds = {name: [] for name in METHODS}
    # Seed by seed, so that a slow minute of the machine hits all methods.
    rounds = [(seed, name) for seed in seeds for name in METHODS]
    for seed, name in tqdm(rounds, unit="fit"):
        clf = METHODS[name].set_params(max_epochs=epochs, lr=lr, random_state=seed)
        clf.fit(X_train, y_train, eval_set=(X_test, y_test))
        curves[name].append([row["valid_acc"] for row in clf.history_])
        seconds[name] += [row["dur"] for row in clf.history_]
    return {name: np.array(c) for name, c in curves.items()}, seconds


def summarise(curves, seconds):
    """One row a method; the epochs are those of the curve averaged over the seeds."""
    reference = curves["STD"].mean(0)
    first = epochs_to_reach(reference, reference.max())
    rows = []
    for name, curve in curves.items():
        best = curve.max(1)
        epochs = epochs_to_reach(curve.mean(0), reference.max())
        rows.append(
            {
                "method": name,
                "best": best.mean(),
                "best_spread": best.std(),
                "final": curve[:, -1].mean(),
                "auac": curve.mean(),
                "epochs_to_std_best": epochs,
                "epochs_reduced": None if epochs is None else 1 - epochs / first,
                "seconds_per_epoch": float(np.median(seconds[name])),
            }
        )
    return rows


def format_table(rows):
    """The rows as a Markdown table, percent and milliseconds."""
    lines = []
    for r in rows:
        epochs, saved = r["epochs_to_std_best"], r["epochs_reduced"]
        cells = [
            r["method"],
            f"{100 * r['best']:.1f} ± {100 * r['best_spread']:.1f}",
            f"{100 * r['final']:.1f}",
            f"{100 * r['auac']:.1f}",
            "not reached" if epochs is None else str(epochs),
            "-" if r["method"] == "STD" or saved is None else f"{100 * saved:.0f} %",
            f"{1000 * r['seconds_per_epoch']:.1f}",
        ]
        lines.append(cells)
    header = ["method", "best test acc.", "final test acc.", "area under curve"]
    return table([*header, "epochs to STD's best", "epochs saved", "ms / epoch"], lines)


def plot(curves, title, path):
    """Mean test accuracy over the epochs, with the range over the seeds."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, ax = plt.subplots(figsize=(7, 4.2), layout="constrained")
    for name, color in zip(curves, ("0.35", "C0", "C1", "C2", "C3"), strict=True):
        curve = 100 * curves[name]
        epochs = np.arange(1, curve.shape[1] + 1)
        ax.plot(epochs, curve.mean(0), color=color, label=name, lw=1.8)
        ax.fill_between(
            epochs, curve.min(0), curve.max(0), color=color, alpha=0.15, lw=0
        )
    best = 100 * curves["STD"].mean(0).max()
    ax.axhline(best, color="0.35", ls=":", lw=1)
    ax.annotate(
        "best of STD",
        (epochs[-1], best),
        (0, 3),
        textcoords="offset points",
        ha="right",
        va="bottom",
        fontsize=9,
        color="0.35",
    )
    # The axis leaves out a first epoch that is far below the rest.
    low = np.quantile([100 * c.mean(0) for c in curves.values()], 0.04)
    top = 100 * max(c.max() for c in curves.values())
    ax.set(xlabel="epoch", ylabel="test accuracy (%)", title=title)
    ax.set(xlim=(1, epochs[-1]), ylim=(low - 1, top + 0.15 * (top - low)))
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(alpha=0.25)
    ax.legend(frameon=False, loc="lower right")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def main(arguments=None):
    """Run, print the table and write the picture and the figures behind it."""
    found = parser()
    args = found.parse_args(arguments)
    if args.dataset != "digits" and args.data_root is None:
        found.error(f"--dataset {args.dataset} needs --data-root DIR")
    epochs = args.epochs or SETTINGS[args.dataset]["epochs"]
    lr = args.lr or SETTINGS[args.dataset]["lr"]

    data = load_data(args.dataset, args.data_root)
    curves, seconds = run(data, epochs, lr, args.seeds)
    rows = summarise(curves, seconds)
    print(f"\n{args.dataset}: {len(data[0])} training rows, {len(data[2])} test rows,")
    print(f"{epochs} epochs, lr {lr:g}, seeds {[*args.seeds]}\n")
    print(format_table(rows))

    path = args.out / f"quickstart_{args.dataset}.png"
    plot(curves, f"{args.dataset}: a dense head on pixels, lr {lr:g}", path)
    report = {
        "settings": {"epochs": epochs, "lr": lr, "seeds": [*args.seeds]},
        "rows": rows,
        "curves": {k: c.round(4).tolist() for k, c in curves.items()},
    }
    path.with_suffix(".json").write_text(json.dumps(report, indent=1))
    print(f"\nLearning curves: {path}")


def parser():
    found = parser_of("quickstart", __doc__)
    found.add_argument("--dataset", choices=[*SETTINGS], default="digits")
    found.add_argument("--data-root", type=Path, help="folder of torchvision's data")
    found.add_argument("--epochs", type=int)
    found.add_argument("--lr", type=float)
    found.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    found.add_argument("--out", type=Path, default=SCRATCH)
    return found
