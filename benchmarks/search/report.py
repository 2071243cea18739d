"""Tables and the picture of the search, for its page and its guide.

They go into the marked blocks of ``docs/benchmarks/search.md`` and
``docs/guide/search.md``, and into ``docs/guide/search_seconds.png``. Blocks of parts
that are not measured stay as they are.
"""

import json

import matplotlib.pyplot as plt
import numpy as np

from benchmarks._shared.figures import save
from benchmarks._shared.markdown import fill, table
from benchmarks.search.run import ALONE, MEGABYTE, OURS, PARTS, SETTINGS, THEIRS

PICTURE = "search_seconds.png"
TITLES = {
    "digits": "digits",
    "banking77": "Banking77",
    "fashion_mnist": "Fashion-MNIST",
    "20newsgroups": "20 Newsgroups",
}
STYLES = {
    THEIRS: {"color": "black", "lw": 2},
    OURS: {"color": "C0", "lw": 2.8},
    ALONE: {"color": "C0", "lw": 1.6, "ls": "--"},
}


def main(results, docs):
    """Fill the pages and draw the picture from the results below a folder."""
    paths = {part: results / "search" / f"{part}.json" for part in PARTS}
    found = {
        part: json.loads(path.read_text())
        for part, path in paths.items()
        if path.exists()
    }
    made = blocks(found)
    if "candidates" in found:
        draw_candidates(found["candidates"], docs / "guide" / PICTURE)
        alt = "Seconds of a search over the number of candidates"
        fill(docs / "guide" / "search.md", {"picture": f"![{alt}]({PICTURE})"})
    if compared := compared_in(found):
        short = seconds_table(compared, with_ranges=False)
        fill(docs / "guide" / "search.md", {"seconds": short})
    fill(docs / "benchmarks" / "search.md", made)


def compared_in(found):
    """The parts that compare searches on a data set."""
    return {name: found[name] for name in SETTINGS if name in found}


def blocks(found):
    """The blocks of the page, Markdown by name."""
    made = {}
    if compared := compared_in(found):
        made["seconds"] = seconds_table(compared)
        made["agreement"] = agreement_table(compared)
    if "candidates" in found:
        made["candidates"] = candidates_table(found["candidates"])
    if "memory" in found:
        made["memory"] = memory_table(found["memory"])
    if "gpu" in found:
        made["gpu"] = gpu_table(found["gpu"])
    if found:
        made["hardware"] = hardware_line(found)
    return made


def hardware_line(found):
    """The machine of all parts; several lines where they differ in it."""
    lines = {
        f"Hardware: {n['hardware']['cores']} cores of {n['hardware']['processor']}, "
        f"{n['hardware'].get('gpu', 'no GPU')}, {n['n_threads']} threads; "
        f"torch {n['versions']['torch']}, scikit-learn {n['versions']['scikit-learn']}."
        for n in (result["provenance"] for result in found.values())
    }
    return "\n".join(sorted(lines))


def seconds_table(compared, with_ranges=True):
    """All searches, a row a data set; without ranges in fewer columns."""
    rows = []
    for name, found in compared.items():
        size = [f"{found['n_rows']:,}", found["n_folds"]] if with_ranges else []
        known = [TITLES[name], *size, found["n_candidates"]]
        rows.append([*known, *in_seconds(found, with_ranges)])
    size = ["rows", "folds"] if with_ranges else []
    return table(["data", *size, "candidates", *heading(with_ranges)], rows)


def heading(with_ranges=True):
    """The names of the columns of :func:`in_seconds`."""
    columns = [f"{THEIRS}, s", f"{OURS}, s", "times as fast", "in one process, s"]
    return [*columns, "times as fast", "rounds"] if with_ranges else columns


def in_seconds(found, with_ranges=True):
    """Cells of a comparison."""
    shown = with_range if with_ranges else middle
    cells = [shown(found["seconds"][THEIRS])]
    for name in (OURS, ALONE):
        times = found["times_as_fast"][name]
        cells += [shown(found["seconds"][name]), f"{times:.3g}"]
    return [*cells, found["seconds"][OURS]["n"]] if with_ranges else cells[:-1]


def middle(measured):
    return f"{measured['median']:.3g}"


def with_range(measured, scale=1):
    """Median, with the least and the most."""
    shown = [f"{measured[key] / scale:.3g}" for key in ("median", "min", "max")]
    return "{} ({} to {})".format(*shown)


def agreement_table(compared):
    """How far the cells of both searches are apart, and their choices."""
    rows = []
    known = [
        (TITLES[name], search, agreement)
        for name, result in compared.items()
        for search, agreement in result["agreement"].items()
    ]
    for title, search, found in known:
        choice = "the same"
        if not found["same_best"]:
            choice = f"others, {100 * found['lost_by_our_choice']:.3f} points worse"
        cells = [title, search, found["cells"], found["cells_that_differ"]]
        difference = f"{100 * found['largest_difference']:.3f}"
        score = f"{100 * found['best_score']:.2f}"
        rows.append([*cells, difference, score, choice])
    header = ["data", f"beside {THEIRS}", "cells", "that differ", "at most, points"]
    return table([*header, "best score, %", "chosen parameters"], rows)


def candidates_table(found):
    """Seconds by the number of candidates."""
    rows = [[n, *in_seconds(row)] for n, row in found["counts"].items()]
    return table(["candidates", *heading()], rows)


def memory_table(found):
    """Growth of the memory over the memory that was allowed."""
    rows = []
    for row in found["rows"]:
        allowed = "None" if row["budget"] is None else f"{row['budget'] / MEGABYTE:.0f}"
        grown = with_range(row["grown"], MEGABYTE)
        seconds, n = with_range(row["seconds"]), row["grown"]["n"]
        rows.append([allowed, row["n_jobs"], grown, seconds, n])
    head = ["`max_memory`, MB", "processes", "memory grew by, MB", "s", "rounds"]
    return table(head, rows)


def gpu_table(found):
    """Seconds of a search beside those of one fit."""
    search, fit = (with_range(found["seconds"][name]) for name in (OURS, "one fit"))
    n = found["seconds"][OURS]["n"]
    row = [found["n_candidates"], found["n_folds"], search, fit, found["fits"], n]
    head = ["candidates", "folds", f"{OURS}, s", "one fit, s", "in fits", "rounds"]
    return table(head, [row])


def draw_candidates(found, path):
    """Seconds over the number of candidates, both axes logarithmic."""
    counts = [int(n) for n in found["counts"]]
    figure, ax = plt.subplots(figsize=(7, 4.4), layout="constrained")
    labels = {
        THEIRS: f"{THEIRS}, {found['n_jobs']} processes",
        OURS: f"{OURS}, {found['n_jobs']} processes",
        ALONE: ALONE,
    }
    ends = []
    for search, label in labels.items():
        seconds = [row["seconds"][search] for row in found["counts"].values()]
        style = STYLES[search]
        median, least, most = (
            [of[key] for of in seconds] for key in ("median", "min", "max")
        )
        ax.plot(counts, median, marker="o", ms=4, label=label, **style)
        ax.fill_between(counts, least, most, color=style["color"], alpha=0.15, lw=0)
        ends.append((median[-1], counts[-1], style["color"]))
    ax.set(xscale="log", yscale="log", xlabel="candidates", ylabel="seconds")
    ax.set_title(f"Grid search on digits, {found['n_folds']} folds and the final fit")
    ax.set_xticks(counts, counts)
    ax.minorticks_off()
    ax.set_xlim(counts[0] / 1.15, counts[-1] * 1.6)
    ax.yaxis.set_major_formatter("{x:g}")
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(alpha=0.3)
    ax.legend(frameon=False, loc="upper left")
    label_ends(ax, ends)
    save(figure, path)


def label_ends(ax, ends, gap=12.0):
    """Seconds beside lines that end at (seconds, count, color), apart by ``gap``."""
    ax.figure.draw_without_rendering()
    lowest = -np.inf
    for seconds, count, color in sorted(ends):
        height = ax.transData.transform((count, seconds))[1] * 72 / ax.figure.dpi
        lowest = max(height, lowest + gap)
        ax.annotate(
            f"{seconds:.3g} s",
            (count, seconds),
            (7, lowest - height),
            textcoords="offset points",
            va="center",
            color=color,
        )
