"""Tables and the picture of the defaults.

They go into the marked blocks of ``docs/benchmarks/defaults.md`` and into
``docs/guide/three_changes.png``.
"""

import matplotlib.pyplot as plt

from benchmarks._shared.figures import save
from benchmarks._shared.markdown import fill, table
from benchmarks.defaults.run import ABLATION, LARGE, PARTS, SMALL, path_of, read

TITLES = {
    "fashion_mnist": "Fashion-MNIST",
    "cifar100": "CIFAR-100",
    "banking77": "Banking77",
    "trec": "TREC",
}
PICTURED = ("cifar100", "banking77")
RIVALS = ("STD, tuned", "LogisticRegression, tuned")
EPOCHS = (0, 1, 2, 5, 10)
COLOURS = ("0.55", "C2", "C1", "C0", "C3", "C4")


def percent(value, digits=1):
    return f"{100 * value:.{digits}f}"


def main(results, docs):
    """Fill the page and draw the picture from the results below a folder."""
    found = results_of(results / "defaults")
    blocks = {name: make(found) for name, make in BLOCKS.items()}
    fill(docs / "benchmarks" / "defaults.md", blocks)
    if all(name in found["ablation"] for name in PICTURED):
        draw(found["ablation"], docs / "guide" / "three_changes.png")


def results_of(out):
    """All that is measured: {part: {data set: result}}."""
    names = (*LARGE, *SMALL)
    return {
        part: {n: read(out, part, n) for n in names if path_of(out, part, n).exists()}
        for part in PARTS
    }


def compare_tables(found, names):
    """Accuracy, log-loss, calibration error and seconds: one table a data set."""
    return "\n\n".join(
        f"**{TITLES.get(name, name)}**\n\n{compare_table(result['rows'])}"
        for name, result in found["compare"].items()
        if name in names
    )


def compare_table(by_method):
    rows = []
    for method, row in by_method.items():
        spread = f" ± {percent(row['accuracy_spread'])}" if row["n"] == 5 else ""
        quality = ["-", "-"]
        if "log_loss" in row:
            quality = [f"{row['log_loss']:.3f}", percent(row["calibration_error"])]
        accuracy = percent(row["accuracy"]) + spread
        rows.append([method, accuracy, *quality, seconds(row)])
    return table(["method", "accuracy", "log-loss", "ECE", "s"], rows)


def seconds(row):
    digits = 3 if row["seconds"] < 0.1 else 2 if row["seconds"] < 10 else 0
    return f"{row['seconds']:.{digits}f}"


def bars_table(found):
    """The default beside each tuned rival, in points."""
    rows = []
    for name, result in found["compare"].items():
        own = result["rows"]["LwAL, default"]["accuracy"]
        cells = [TITLES.get(name, name), percent(own, 2)]
        for rival in RIVALS:
            other = result["rows"][rival]["accuracy"]
            cells += [percent(other, 2), f"{100 * (own - other):+.2f}"]
        rows.append(cells)
    header = ["data", "LwAL, default", "STD, tuned", "lead", "LR, tuned", "lead"]
    return table(header, rows)


def speed_table(found):
    rows = []
    for name, by_threads in found["speed"].items():
        for threads, result in by_threads.items():
            took, ratios = result["seconds"], result["ratios"]
            cells = [TITLES[name], threads.removeprefix("threads=")]
            cells += [f"{took[key]:.2f}" for key in ("LwAL", "LogisticRegression")]
            rows.append([*cells, *(f"{value:.2f}" for value in ratios.values())])
    header = ["data", "threads", "LwAL, s", "LR, s"]
    header += ["LR / LwAL", "epoch of LwAL / of STD", "start / epoch"]
    return table(header, rows)


def epochs_table(found):
    """Accuracy after so many epochs, and after the first and last at each rate."""
    rows, rates = [], []
    for name, result in found["epochs"].items():
        curves = result["curves"]
        five, default = curves["five epochs"], curves["default"]
        rates = [key for key in curves if key.startswith("lr=")]
        cells = [
            TITLES[name],
            *(percent(v) for v in (result["start"], five[0], five[1])),
        ]
        cells += [percent(five[4]), f"{percent(default[-1])} ({len(default)})"]
        for curve in map(curves.get, rates):
            cells.append(f"{percent(curve[0])}, {percent(curve[-1])}")
        rows.append(cells)
    header = ["data", "start", "1 epoch", "2", "5", "default (epochs)", *rates]
    return table(header, rows)


def ablation_table(found):
    """Test accuracy over the epochs at each variant's best rate."""
    rows = []
    for variant in ABLATION:
        cells = [variant]
        for by_variant in found["ablation"].values():
            result = by_variant[variant]
            curve = " ".join(percent(result["epochs"][e]) for e in EPOCHS)
            cells.append(f"{curve} ({result['best_rate']:g})")
        rows.append(cells)
    return table(["variant", *(TITLES[name] for name in found["ablation"])], rows)


def rates_table(found):
    """Validation accuracy over the learning rates."""
    rows, rates = [], []
    for name, by_variant in found["ablation"].items():
        for variant in ABLATION:
            rates = by_variant[variant]["by_rate"]
            rows.append([TITLES[name], variant, *map(percent, rates.values())])
    return table(["data", "variant", *rates], rows)


def hidden_table(found):
    """Test accuracy after each epoch with a hidden layer."""
    texts = [*found["hidden"].values()]
    rows = [
        [variant, *(" ".join(map(percent, curves[variant])) for curves in texts)]
        for variant in (texts[0] if texts else ())
    ]
    return table(["variant", *(TITLES[name] for name in found["hidden"])], rows)


def draw(found, path):
    """Accuracy against epochs and against the learning rate for each variant."""
    figure, axes = plt.subplots(2, len(PICTURED), figsize=(10, 8))
    for (above, below), name in zip(axes.T, PICTURED, strict=True):
        draw_epochs(above, found[name])
        above.set_title(f"{TITLES[name]}: best rate of each")
        draw_rates(below, found[name])
        below.set_title(f"{TITLES[name]}: five epochs")
        best = max(max(found[name][variant]["epochs"]) for variant in ABLATION)
        for axis in (above, below):
            axis.set_ylim(100 * best - 15, 100 * best + 1)
            axis.grid(alpha=0.3)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=3, frameon=False)
    figure.tight_layout(rect=(0, 0.07, 1, 1))
    save(figure, path)


def draw_epochs(axis, by_variant):
    for variant, style in styles().items():
        curve = [100 * value for value in by_variant[variant]["epochs"]]
        axis.plot(range(len(curve)), curve, **style)
    axis.set_xlabel("epochs")
    axis.set_ylabel("test accuracy, %")


def draw_rates(axis, by_variant):
    for variant, style in styles().items():
        by_rate = by_variant[variant]["by_rate"]
        values = [100 * value for value in by_rate.values()]
        axis.plot([float(rate) for rate in by_rate], values, **style)
    axis.set_xscale("log")
    axis.set_xlabel("learning rate")
    axis.set_ylabel("validation accuracy, %")


def styles():
    """How the line of each variant looks."""
    return {
        variant: {
            "color": colour,
            "label": variant,
            "marker": "o",
            "ms": 4,
            "lw": 3 if variant.startswith("all") else 1.5,
            "ls": "--" if variant.startswith("without") else "-",
        }
        for variant, colour in zip(ABLATION, COLOURS, strict=True)
    }


BLOCKS = {
    "large": lambda found: compare_tables(found, LARGE),
    "small": lambda found: compare_tables(found, SMALL),
    "bars": bars_table,
    "speed": speed_table,
    "epochs": epochs_table,
    "ablation": ablation_table,
    "rates": rates_table,
    "hidden": hidden_table,
}
