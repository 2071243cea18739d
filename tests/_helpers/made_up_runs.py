"""Made-up results of benchmark runs, and readers of files and pages made of them."""

import re
from itertools import combinations

import numpy as np

from benchmarks.paper.training import Run

SEEDS = (12, 123, 1234)


def run(method="STD", seed=12, **settings):
    settings = {
        "dataset": "cifar100",
        "backbone": "efficientnet_b0",
        "max_epochs": 20,
        "lr": 1e-3,
        "batch_size": 5000,
        **settings,
    }
    return Run(method=method, seed=seed, **settings)


def result(accuracy, seconds=0.5):
    """The record of a run with these test accuracies, in [0, 1]."""
    n = len(accuracy)
    losses = np.linspace(2, 1, n).tolist()
    return {
        "fit_seconds": n * seconds,
        "curves": {
            "test_accuracy": list(accuracy),
            "test_loss": losses,
            "train_loss": losses,
            "seconds": [seconds] * n,
        },
    }


def found(curves, **settings):
    """{run: result} from {method: one curve for each seed}."""
    return {
        run(method, seed, max_epochs=len(curve), **settings): result(curve)
        for method, own in curves.items()
        for seed, curve in zip(SEEDS, own, strict=False)
    }


def label_distances(n_classes, rng):
    return rng.uniform(1, 2, len([*combinations(range(n_classes), 2)])).tolist()


def tables(markdown):
    """The :func:`rows` of each table."""
    return [rows(part) for part in re.findall(r"(?:^\|.*\|$\n?)+", markdown, re.M)]


def rows(markdown, n=1):
    """The cells of each row, also of the header, by its first cell (or first n)."""
    lines = [line for line in markdown.splitlines() if line.startswith("|")]
    split = [[c.strip() for c in line.strip("|").split("|")] for line in lines]
    assert len({len(cells) for cells in split}) == 1
    body = [cells for cells in split if set(cells[0]) != {"-"}]
    keys = [cells[0] if n == 1 else tuple(cells[:n]) for cells in body]
    assert len(set(keys)) == len(keys)
    return dict(zip(keys, body, strict=True))


def numbers(cell):
    """The numbers in a cell."""
    return [float(n) for n in re.findall(r"-?\d+\.?\d*(?:e-?\d+)?", cell)]


def kept(out):
    """The lines of all results in a folder."""
    paths = sorted(out.glob("*.jsonl"))
    return [line for p in paths for line in p.read_text().splitlines(keepends=True)]


def block(page, name):
    """The text of a block of a page."""
    return re.search(rf"<!-- {name} -->\n(.*?)<!-- end -->", page, flags=re.S)[1]


def outside(page):
    """The text of a page outside of all blocks."""
    return re.sub(r"(<!-- [^>]* -->\n).*?(<!-- end -->)", r"\1\2", page, flags=re.S)


def check_blocks(report, out, docs, originals, names):
    """The pages, filled once by the report, differ in blocks alone, and stay so."""
    filled = {name: (docs / name).read_text() for name in names}
    for name, text in filled.items():
        assert outside(text) == outside((originals / name).read_text())
        assert text != outside(text)
    report.main(out, docs)
    assert {name: (docs / name).read_text() for name in names} == filled


def check_picture(path):
    content = path.read_bytes()
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    assert 10_000 < len(content) < 200_000
