"""The paper's tables as Markdown, this library's figures beside the printed ones."""

import numpy as np

from benchmarks._shared.datasets import DATASETS
from benchmarks._shared.grouping import grouped, spread
from benchmarks._shared.markdown import table
from benchmarks._shared.measuring import epochs_to_reach
from benchmarks.paper.experiments import FEATURES, WARMUPS
from benchmarks.paper.label_vectors import square
from benchmarks.paper.printed_values import paper_value
from sklearn_lwal.structure import paper_distances, structure_correlation


def accuracies(pairs):
    """Test accuracy in percent, (n_seeds, n_epochs)."""
    return 100 * np.array([result["curves"]["test_accuracy"] for _, result in pairs])


def epochs_reduced(pairs, reference):
    """100 (1 - e / E) for each seed, None where it misses STD's best with that seed.

    e is the first epoch that reaches it, E the number of all epochs.
    """
    bests = {run.seed: curve.max() for (run, _), curve in with_curves(reference)}
    first = [
        epochs_to_reach(curve, bests[run.seed])
        for (run, _), curve in with_curves(pairs)
        if run.seed in bests
    ]
    n_epochs = accuracies(pairs).shape[1]
    return [100 * (1 - e / n_epochs) if e else None for e in first]


def with_curves(pairs):
    return zip(pairs, accuracies(pairs), strict=True)


def reduced_cell(values):
    """Mean over the seeds that reach it, and how many do if not all."""
    there = [value for value in values if value is not None]
    if not there:
        return "-"
    cell = spread(there, 0)
    return cell + (
        "" if len(there) == len(values) else f" ({len(there)} of {len(values)})"
    )


def speed_tables(found, printed_in=(1, 5)):
    """Tables 1 and 5: one Markdown table a data set, backbone and rate.

    ``printed_in`` are the paper's tables that have the speed, and the area.
    """
    speed, area = printed_in
    parts = []
    for (dataset, network, lr), pairs in grouped(
        found, "dataset", "network", "lr"
    ).items():
        by_method = grouped(dict(pairs), "method")
        reference = by_method.get(("STD",))
        rows = [
            speed_row(method, own, reference, speed, area)
            for (method,), own in by_method.items()
        ]
        run = pairs[0][0]
        title = f"**{DATASETS[dataset].title}**, {network}, rate {lr:g}, "
        title += f"{run.max_epochs} epochs, batches of {run.batch_size}, "
        title += f"{len({run.seed for run, _ in pairs})} seeds"
        parts.append(f"{title}\n\n{table(SPEED_HEADER, rows)}")
    return "\n\n".join(parts)


def text_tables(found):
    """Table 3: the same tables for texts; the paper has it all in one."""
    return speed_tables(found, (3, 3))


SPEED_HEADER = [
    "method",
    "epochs reduced, %",
    "paper",
    "time reduced, %",
    "s / epoch",
    "best accuracy, %",
    "paper",
    "AUAC",
    "paper",
]


def speed_row(method, pairs, reference, speed, area):
    run, curves = pairs[0][0], accuracies(pairs)
    reduced = time = ""
    if reference:
        values = epochs_reduced(pairs, reference)
        reduced, time = reduced_cell(values), time_cell(values, pairs, reference)
        if method == "STD":
            reduced, time = f"({reduced})", f"({time})"
    return [
        method,
        reduced,
        paper_value(speed, run, "epochs_reduced"),
        time,
        f"{epoch_seconds(pairs):.2g}",
        spread(curves.max(1)),
        paper_value(speed, run, "best_accuracy"),
        spread(curves.mean(1)),
        paper_value(area, run, "auac"),
    ]


def time_cell(values, pairs, reference):
    """Seconds saved until STD's best, in percent of a fit of STD; to the nearest ten.

    Seconds before and after the epochs count, too. Below 0 where it takes longer than
    STD.
    """
    there = [1 - value / 100 for value in values if value is not None]
    if not there:
        return "-"
    n_epochs = accuracies(reference).shape[1]
    seconds, of_std = (
        other_seconds(own) + share * n_epochs * epoch_seconds(own)
        for own, share in ((pairs, np.mean(there)), (reference, 1))
    )
    return f"{round(10 - 10 * seconds / of_std) * 10}"


def epoch_seconds(pairs):
    """Seconds of the fastest epoch: other work of the machine only adds to it."""
    return min(min(result["curves"]["seconds"]) for _, result in pairs)


def other_seconds(pairs):
    """Seconds of a fit outside of its epochs, the least of all seeds."""
    return min(r["fit_seconds"] - sum(r["curves"]["seconds"]) for _, r in pairs)


def curves_table(found, methods):
    """Mean test accuracy after each epoch."""
    rows = []
    for (lr, method), pairs in grouped(found, "lr", "method").items():
        if method in methods:
            curves = accuracies(pairs)
            cells = " ".join(f"{value:.1f}" for value in curves.mean(0))
            rows.append([f"{lr:g}", method, cells, f"{curves.std(0).max():.1f}"])
    return table(["rate", "method", "after each epoch", "largest spread"], rows)


def warmup_table(found):
    """Table 4: best test accuracy over w."""
    rows = []
    groups = grouped(found, "dataset", "network", "lr", "method")
    for (dataset, network, lr, method), pairs in groups.items():
        row = [DATASETS[dataset].title, f"{network}, rate {lr:g}", method]
        by_warmup = grouped(dict(pairs), "warmup_steps")
        for w in WARMUPS:
            own = by_warmup.get((w,))
            row += [
                spread(accuracies(own).max(1)) if own else "",
                paper_value(4, pairs[0][0], "best_accuracy", w),
            ]
        rows.append(row)
    header = ["data", "backbone", "method"]
    header += [text for w in WARMUPS for text in (f"w = {w}", "paper")]
    return table(header, rows)


def reference_distances(dataset):
    """The taxonomy of a data set; for digits their differences as numbers."""
    if dataset == "digits":
        numbers = np.arange(10)
        return abs(numbers[:, None] - numbers)
    return paper_distances(dataset)


def correlations(pairs):
    """Structure correlation (Eq. 4) of each run."""
    return [
        structure_correlation(
            square(result["label_distances"]), reference_distances(run.dataset)
        )
        for run, result in pairs
    ]


def structure_table(found):
    """Table 2: rows are methods, mean features first; columns are data sets."""
    groups = grouped(found, "method", "dataset", "network")
    columns = list(dict.fromkeys(key[1:] for key in groups))
    methods = list(dict.fromkeys(key[0] for key in groups))
    methods.sort(key=lambda method: method != FEATURES)
    rows = []
    for method in methods:
        row = [method]
        for column in columns:
            pairs = groups.get((method, *column))
            row += structure_cells(pairs) if pairs else ["", ""]
        rows.append(row)
    header = ["method"]
    for dataset, network in columns:
        header += [f"{DATASETS[dataset].title}, {network}", "paper"]
    return table(header, rows)


def structure_cells(pairs):
    values = correlations(pairs)
    cell = spread(values, 2) if len(values) > 1 else f"{values[0]:.2f}"
    return [cell, paper_value(2, pairs[0][0], "correlation")]
