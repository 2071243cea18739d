"""Tables and the picture of ``benchmarks.defaults``.

``python -m benchmarks.defaults_report`` reads the JSON files of that benchmark, fills
the marked blocks of ``docs/benchmarks/defaults.md`` and draws
``docs/guide/three_changes.png``.
"""

from pathlib import Path

import matplotlib.pyplot as plt

from benchmarks.defaults import ABLATION, LARGE, SMALL, TEXTS, path_of, read
from benchmarks.figures import save
from benchmarks.markdown import fill, table

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results" / "defaults"
PAGE = ROOT / "docs" / "benchmarks" / "defaults.md"
PICTURE = ROOT / "docs" / "guide" / "three_changes.png"
TITLES = {
    "fashion_mnist": "Fashion-MNIST",
    "cifar100": "CIFAR-100",
    "banking77": "Banking77",
    "trec": "TREC",
}
PICTURED = ("cifar100", "banking77")
RIVALS = ("STD, tuned", "LogisticRegression, tuned")
EPOCHS = (0, 1, 2, 5, 10)


def percent(value, digits=1):
    return f"{100 * value:.{digits}f}"


def measured(part, names):
    """Those of the data sets that this part has been measured on."""
    return [name for name in names if path_of(RESULTS, part, name).exists()]


def compare_tables(names):
    """Accuracy, log-loss, calibration error and seconds: one table a data set."""
    return "\n\n".join(
        f"**{TITLES.get(name, name)}**\n\n{compare_table(name)}"
        for name in measured("compare", names)
    )


def compare_table(name):
    rows = []
    for method, row in read(RESULTS, "compare", name)["rows"].items():
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


def bars_table():
    """The default beside the better of the tuned rivals, in points."""
    rows = []
    for name in measured("compare", (*LARGE, *SMALL)):
        found = read(RESULTS, "compare", name)["rows"]
        own = found["LwAL, default"]["accuracy"]
        cells = [TITLES.get(name, name), percent(own, 2)]
        for rival in RIVALS:
            other = found[rival]["accuracy"]
            cells += [percent(other, 2), f"{100 * (own - other):+.2f}"]
        rows.append(cells)
    header = ["data", "LwAL, default", "STD, tuned", "lead", "LR, tuned", "lead"]
    return table(header, rows)


def speed_table():
    rows = []
    for name in LARGE:
        for threads, found in read(RESULTS, "speed", name).items():
            took, ratios = found["seconds"], found["ratios"]
            cells = [TITLES[name], threads.removeprefix("threads=")]
            cells += [f"{took[key]:.2f}" for key in ("LwAL", "LogisticRegression")]
            rows.append([*cells, *(f"{value:.2f}" for value in ratios.values())])
    header = ["data", "threads", "LwAL, s", "LR, s"]
    header += ["LR / LwAL", "epoch of LwAL / of STD", "start / epoch"]
    return table(header, rows)


def epochs_table():
    """Accuracy after so many epochs, and after the first and last at each rate."""
    rows = []
    for name in LARGE:
        found = read(RESULTS, "epochs", name)
        five, default = found["curves"]["five epochs"], found["curves"]["default"]
        cells = [
            TITLES[name],
            *(percent(v) for v in (found["start"], five[0], five[1])),
        ]
        cells += [percent(five[4]), f"{percent(default[-1])} ({len(default)})"]
        for key, curve in found["curves"].items():
            if key.startswith("lr="):
                cells.append(f"{percent(curve[0])}, {percent(curve[-1])}")
        rows.append(cells)
    rates = [key for key in found["curves"] if key.startswith("lr=")]
    header = ["data", "start", "1 epoch", "2", "5", "default (epochs)", *rates]
    return table(header, rows)


def ablation_table():
    """Test accuracy over the epochs at each variant's best rate."""
    rows = []
    for variant in ABLATION:
        cells = [variant]
        for name in measured("ablation", LARGE):
            found = read(RESULTS, "ablation", name)[variant]
            curve = " ".join(percent(found["epochs"][e]) for e in EPOCHS)
            cells.append(f"{curve} ({found['best_rate']:g})")
        rows.append(cells)
    titles = [TITLES[name] for name in measured("ablation", LARGE)]
    return table(["variant", *titles], rows)


def rates_table():
    """Validation accuracy over the learning rates."""
    rows = []
    for name in measured("ablation", LARGE):
        found = read(RESULTS, "ablation", name)
        for variant in ABLATION:
            by_rate = found[variant]["by_rate"]
            rows.append([TITLES[name], variant, *map(percent, by_rate.values())])
    return table(["data", "variant", *by_rate], rows)


def hidden_table():
    rows = []
    names = measured("hidden", TEXTS)
    found = {name: read(RESULTS, "hidden", name) for name in names}
    for variant in found[names[0]] if names else ():
        cells = [" ".join(map(percent, found[name][variant])) for name in names]
        rows.append([variant, *cells])
    return table(["variant", *(TITLES[name] for name in names)], rows)


def draw():
    """Accuracy against epochs and against the learning rate for each variant."""
    figure, axes = plt.subplots(2, len(PICTURED), figsize=(10, 8))
    colours = ["0.55", "C2", "C1", "C0", "C3", "C4"]
    for (above, below), name in zip(axes.T, PICTURED, strict=True):
        found = read(RESULTS, "ablation", name)
        for colour, variant in zip(colours, ABLATION, strict=True):
            one = found[variant]
            style = {"color": colour, "label": variant, "marker": "o", "ms": 4}
            style["lw"] = 3 if variant.startswith("all") else 1.5
            style["ls"] = "--" if variant.startswith("without") else "-"
            curve = [100 * value for value in one["epochs"]]
            above.plot(range(len(curve)), curve, **style)
            rates = [float(rate) for rate in one["by_rate"]]
            below.plot(rates, [100 * v for v in one["by_rate"].values()], **style)
        best = max(max(found[v]["epochs"]) for v in ABLATION)
        for axis in (above, below):
            axis.set_ylim(100 * best - 15, 100 * best + 1)
            axis.grid(alpha=0.3)
        above.set_title(f"{TITLES[name]}: best rate of each")
        above.set_xlabel("epochs")
        above.set_ylabel("test accuracy, %")
        below.set_xscale("log")
        below.set_title(f"{TITLES[name]}: five epochs")
        below.set_xlabel("learning rate")
        below.set_ylabel("validation accuracy, %")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=3, frameon=False)
    figure.tight_layout(rect=(0, 0.07, 1, 1))
    save(figure, PICTURE)


BLOCKS = {
    "large": lambda: compare_tables(LARGE),
    "small": lambda: compare_tables(tuple(SMALL)),
    "bars": bars_table,
    "speed": speed_table,
    "epochs": epochs_table,
    "ablation": ablation_table,
    "rates": rates_table,
    "hidden": hidden_table,
}


def main():
    fill(PAGE, {name: make() for name, make in BLOCKS.items()})
    if all(path_of(RESULTS, "ablation", name).exists() for name in PICTURED):
        draw()


if __name__ == "__main__":
    main()
