"""Tables and pictures of the page ``fair``, from kept results."""

import matplotlib.pyplot as plt
import numpy as np

from benchmarks._shared.datasets import DATASETS
from benchmarks._shared.figures import save
from benchmarks._shared.grouping import grouped, spread
from benchmarks._shared.markdown import fill, table
from benchmarks._shared.scope import Scope
from benchmarks.fair import views
from benchmarks.fair.training import UNTOUCHED, is_ours

EPOCHS_SHOWN = (1, 2, 5)
STYLES = {
    UNTOUCHED: {"color": "C0", "lw": 2.8},
    "LwAL": {"color": "C0", "lw": 1.2, "ls": "--"},
    "LwAL10": {"color": "C3"},
    "LwAL10+rpl": {"color": "C1"},
    "STD": {"color": "black", "lw": 2},
    "STD, paper's batch": {"color": "black", "ls": ":"},
    "LogisticRegression": {"color": "C2", "marker": "s"},
    "MLPClassifier": {"color": "C4", "marker": "D"},
    "LDA": {"color": "C5", "marker": "^"},
    "NearestCentroid": {"color": "C6", "marker": "v"},
}
# The other rivals lie near STD and are all grey; the table tells them apart.
OTHERS = {"color": "0.7", "lw": 1, "zorder": 1}


def main(results, docs):
    """Fill the page and draw the pictures from the results below a folder."""
    found, pages = views.read(Scope(), results / "fair"), docs / "benchmarks"
    fill(pages / "fair.md", blocks(found))
    for name, draw in PICTURES.items():
        draw(found, pages / name)


def blocks(found):
    """The blocks of the page, Markdown by name."""
    made = {}
    groups = grouped(found["tested"], "dataset")
    for (dataset,), pairs in groups.items():
        title = f"**{DATASETS[dataset].title}**, test accuracy in percent"
        made[f"seconds {dataset}"] = f"{title}\n\n{seconds_table(dict(pairs))}"
    made["rates"] = rates_table(found["rates"])
    made["few"] = few_table(found)
    return made


def trained(found):
    """Without those whose loss became infinite."""
    return {run: result for run, result in found.items() if "diverged" not in result}


def curve_of(pairs):
    """Accuracy in percent, (n_seeds, n_epochs); None for a method without epochs."""
    if not is_ours(pairs[0][0].method):
        return None
    return 100 * np.array([r["curves"]["test_accuracy"] for _, r in pairs])


def accuracy_of(pairs):
    return [100 * result["accuracy"] for _, result in pairs]


def fit_seconds(pairs):
    """Median over the timed runs, or None without any."""
    timed = [r["fit_seconds"] for _, r in pairs if "fit_seconds" in r]
    return float(np.median(timed)) if timed else None


def seconds_table(found):
    """A row a method, the most accurate first."""
    groups = grouped(trained(found), "method")
    order = sorted(groups, key=lambda m: -np.mean(accuracy_of(groups[m])))
    rows = []
    for (method,) in order:
        pairs = groups[(method,)]
        curve, run = curve_of(pairs), pairs[0][0]
        after = [""] * len(EPOCHS_SHOWN)
        if curve is not None:
            after = [after_epochs(curve, n) for n in EPOCHS_SHOWN]
        end = accuracy_cell(pairs, grouped(found, "method")[(method,)])
        setting = f"{run.setting:g}" if run.setting else ""
        epochs = "" if curve is None else curve.shape[1]
        seconds = "" if fit_seconds(pairs) is None else f"{fit_seconds(pairs):.3g}"
        rows.append([method, setting, epochs, *after, end, seconds])
    for (method,) in grouped(found, "method"):
        if (method,) not in groups:
            rows.append([method, "", "", *[""] * len(EPOCHS_SHOWN), "diverged", ""])
    header = ["method", "chosen", "epochs", *(epochs_name(n) for n in EPOCHS_SHOWN)]
    return table([*header, "end", "fit, s"], rows)


def accuracy_cell(pairs, all_pairs):
    """Mean and spread, and how many seeds did not diverge if some did."""
    accuracies = accuracy_of(pairs)
    cell = spread(accuracies, 2) if len(pairs) > 1 else f"{accuracies[0]:.2f}"
    some = len(pairs) < len(all_pairs)
    return cell + f" ({len(pairs)} of {len(all_pairs)})" * some


def after_epochs(curve, n):
    return f"{curve[:, n - 1].mean():.1f}" if n <= curve.shape[1] else ""


def epochs_name(n):
    return f"{n} epoch{'s' * (n > 1)}"


def rates_table(found):
    """Validation accuracy after 1, 2 and 5 epochs: a cell a rate."""
    groups = grouped(found, "dataset", "method")
    rates = sorted({run.setting for run in found if is_ours(run.method)} - {0.0})
    rows = []
    for (dataset, method), pairs in groups.items():
        if not is_ours(method) or method == UNTOUCHED:
            continue
        cells = {run.setting: rate_cell(result) for run, result in pairs}
        row = [DATASETS[dataset].title, method]
        rows.append(row + [cells.get(rate, "") for rate in rates])
    return table(["data", "method", *(f"{rate:g}" for rate in rates)], rows)


def rate_cell(result):
    if "curves" not in result:
        return "diverged"
    curve = result["curves"]["test_accuracy"]
    shown = [curve[n - 1] for n in EPOCHS_SHOWN if n <= len(curve)]
    return " ".join(f"{100 * value:.1f}" for value in shown)


def few_table(found):
    """Test accuracy over the number of rows a class; all rows in the last column."""
    groups = grouped(trained(found["few"]), "dataset", "method", "per_class")
    whole = grouped(trained(found["tested"]), "dataset", "method")
    sizes = sorted({n for _, _, n in groups})
    rows = []
    for dataset, method in dict.fromkeys(key[:2] for key in groups):
        own = [groups.get((dataset, method, n)) for n in sizes]
        own.append(whole.get((dataset, method)))
        cells = [spread(accuracy_of(pairs)) if pairs else "" for pairs in own]
        rows.append([DATASETS[dataset].title, method, *cells])
    return table(["data", "method", *map(str, sizes), "all"], rows)


def draw_seconds(found, path):
    """Test accuracy over seconds of training, log scale: a panel a data set."""
    draw_datasets(found["tested"], path, draw_seconds_panel, 4.6)


def draw_seconds_panel(ax, by_method):
    for method, pairs in by_method.items():
        draw_method(ax, method, pairs)
    best = max(np.mean(accuracy_of(pairs)) for pairs in by_method.values())
    ax.set(xscale="log", xlabel="seconds of training", ylim=(best - 14, best + 1))
    ax.grid(alpha=0.3, which="both")


def draw_datasets(found, path, draw_panel, height):
    """A row of panels, one a data set; nothing where there are no results."""
    by_dataset = grouped(trained(found), "dataset")
    if not by_dataset:
        return
    figure, axes = panels(1, len(by_dataset), height)
    for ax, ((dataset,), pairs) in zip(axes[0], by_dataset.items(), strict=True):
        by_method = grouped(dict(pairs), "method")
        draw_panel(ax, {method: own for (method,), own in by_method.items()})
        ax.set_title(DATASETS[dataset].title)
    axes[0, 0].set_ylabel("test accuracy, %")
    finish(figure, axes[0, 0], path)


def draw_method(ax, method, pairs):
    """A curve over the epochs, or a point."""
    style = STYLES.get(method, OTHERS) | {"label": method}
    if method not in STYLES:
        style["label"] = "_" + method
    curve = curve_of(pairs)
    if fit_seconds(pairs) is None:
        return
    if curve is None:
        ax.plot(fit_seconds(pairs), np.mean(accuracy_of(pairs)), ls="", ms=8, **style)
        return
    timed = [result for _, result in pairs if "fit_seconds" in result]
    seconds = np.median([when_done(result) for result in timed], axis=0)
    ax.plot(seconds, curve.mean(0), marker=".", ms=4, **style)


def when_done(result):
    """Seconds until each epoch's end; the time outside of epochs comes first."""
    epochs = np.cumsum(result["curves"]["seconds"])
    return result["fit_seconds"] - epochs[-1] + epochs


def draw_rates(found, path):
    """Validation accuracy over the rate: a row a data set, a column a number."""
    by_dataset = grouped(trained(found["rates"]), "dataset")
    if not by_dataset:
        return
    figure, axes = panels(len(by_dataset), len(EPOCHS_SHOWN), 3.2)
    for row, ((dataset,), pairs) in zip(axes, by_dataset.items(), strict=True):
        best = max(100 * result["accuracy"] for _, result in pairs)
        for ax, n in zip(row, EPOCHS_SHOWN, strict=True):
            for (method,), own in grouped(dict(pairs), "method").items():
                if is_ours(method) and method != UNTOUCHED:
                    draw_rate_curve(ax, method, own, n)
            ax.set(xscale="log", ylim=(best - 30, best + 2))
            ax.set_title(f"{DATASETS[dataset].title}, {epochs_name(n)}", fontsize=10)
            ax.grid(alpha=0.3)
        row[0].set_ylabel("validation accuracy, %")
    for ax in axes[-1]:
        ax.set_xlabel("learning rate")
    finish(figure, axes[0, 0], path)


def draw_rate_curve(ax, method, pairs, n):
    style = STYLES.get(method, OTHERS)
    label = method if method in STYLES else "_" + method
    there = {
        run.setting: 100 * result["curves"]["test_accuracy"][n - 1]
        for run, result in pairs
        if n <= len(result["curves"]["test_accuracy"])
    }
    if method == "LwAL":
        style = style | {"lw": 2.8, "ls": "-"}
    ax.plot(sorted(there), [there[s] for s in sorted(there)], label=label, **style)


def draw_few(found, path):
    """Test accuracy over the number of rows of each class."""
    draw_datasets(found["few"], path, draw_few_panel, 4.2)


def draw_few_panel(ax, by_method):
    for method, pairs in by_method.items():
        by_size = grouped(dict(pairs), "per_class")
        sizes = sorted(n for (n,) in by_size)
        means = [np.mean(accuracy_of(by_size[(n,)])) for n in sizes]
        ax.plot(sizes, means, label=method, **{"marker": "."} | STYLES[method])
    ax.set(xscale="log", xlabel="training rows of each class")
    ax.set_xticks(sizes, map(str, sizes))
    ax.minorticks_off()
    ax.grid(alpha=0.3)


def panels(n_rows, n_columns, height):
    return plt.subplots(
        n_rows,
        n_columns,
        figsize=(4.2 * n_columns + 0.5, height * n_rows + 0.6),
        squeeze=False,
        layout="constrained",
    )


def finish(figure, ax, path):
    """One legend for all panels, below them."""
    handles, labels = ax.get_legend_handles_labels()
    if any(line.get_label().startswith("_") for line in ax.get_lines()):
        handles.append(plt.Line2D([], [], **OTHERS))
        labels.append("other one-hot variants and rivals")
    n_columns = 2 * len({axes.get_position().x0 for axes in figure.axes})
    place = {"loc": "outside lower center", "ncols": n_columns, "frameon": False}
    figure.legend(handles, labels, **place)
    save(figure, path)


PICTURES = {
    "fair_seconds.png": draw_seconds,
    "fair_rates.png": draw_rates,
    "fair_rows.png": draw_few,
}
