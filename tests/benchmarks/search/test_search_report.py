"""Searches beside each other: their measurements, and the pages made of them."""

import itertools
import json
import os
import pickle
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pytest
from _helpers import made_up_runs as made_up
from _helpers.made_up_runs import block
from sklearn.datasets import load_iris

from benchmarks._shared.command import DOCS
from benchmarks.search import report
from benchmarks.search import run as search
from benchmarks.search.run import ALONE, OURS, THEIRS

PAGES = ("benchmarks/search.md", "guide/search.md")
# A grid of two candidates.
TINY = {"digits": search.Setting({"lr": [1e-3, 3e-3]}, 2)}


class Logged:
    """A search that notes that it was fitted."""

    def __init__(self, name, log):
        self.name, self.log = name, log

    def fit(self, X, y):
        self.log.append(self.name)


def test_searches_take_turns():
    log = []
    found = {name: Logged(name, log) for name in "ab"}
    seconds = search.taking_turns(found, None, None, 3)
    assert log == [*"abbaab"]
    assert [len(of) for of in seconds.values()] == [3, 3]


def searched(scores, best):
    """cv_results_ with these test scores, (n_folds, n_candidates)."""
    scores = np.array(scores)
    results = {f"split{i}_test_score": row for i, row in enumerate(scores)}
    results["mean_test_score"] = scores.mean(0)
    return SimpleNamespace(
        n_splits_=len(scores),
        cv_results_=results,
        best_index_=best,
        best_params_={"lr": best},
        best_score_=results["mean_test_score"][best],
    )


def test_agreement():
    theirs = searched([[0.5, 0.75], [0.5, 0.5]], 1)
    ours = searched([[0.5, 0.75], [0.75, 0.375]], 0)
    found = search.agreement(theirs, ours)
    assert (found["cells"], found["cells_that_differ"]) == (4, 2)
    assert found["largest_difference"] == 0.25
    assert not found["same_best"]
    assert found["lost_by_our_choice"] == 0.125
    assert search.agreement(theirs, theirs)["same_best"]


def test_more_candidates_hold_the_fewer():
    sizes = {n: search.first(n) for n in search.COUNTS}
    assert all(len(grid) == n for n, grid in sizes.items())
    assert sizes[64][:16] == sizes[16]
    assert len({json.dumps(one, sort_keys=True) for one in sizes[64]}) == 64


def test_growth_is_that_of_the_peak_of_the_act():
    # A small process: the kernel may take back many pages of a large one meanwhile.
    code = "input(); len(b'x' * (100 << 20)); print(flush=True); input()"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-S", "-c", code], **pipes) as process:

        def fill():
            process.stdin.write(b"\n")
            process.stdin.flush()
            return process.stdout.readline()

        result, grown = search.grown_while(fill, [process.pid])
        assert result == b"\n"
        assert 0.9 < grown / (100 << 20) < 1.5
        _, again = search.grown_while(lambda: None, [process.pid])
        assert 0 <= again < grown / 10
        process.stdin.write(b"\n")


def test_a_process_that_only_shrinks_has_grown_by_nothing(monkeypatch):
    # The kernel's counts are not exact: a peak may come out below where it began.
    monkeypatch.setattr(search, "resident", lambda which, _: {"VmHWM": 5}.get(which, 9))
    assert search.grown_while(lambda: None, [os.getpid()]) == (None, 0)


class InThisProcess(ThreadPoolExecutor):
    """Threads in the place of processes, which would not see what is patched."""

    def __init__(self, n_workers, mp_context):
        super().__init__(n_workers)

    def submit(self, function, *args, **kwargs):
        # Another process must be able to read what it is given.
        pickle.dumps((function, args, kwargs))
        return super().submit(function, *args, **kwargs)


@pytest.mark.slow
def test_what_is_measured_can_be_reported(tmp_path, monkeypatch):
    two = [{"lr": [1e-3]}, {"lr": [3e-3]}]
    monkeypatch.setattr(search, "ProcessPoolExecutor", InThisProcess)
    monkeypatch.setattr(search, "first", lambda n: two[:n])
    monkeypatch.setattr(search, "load_digits", load_iris)
    monkeypatch.setattr(search.CLF, "max_epochs", 2)
    monkeypatch.setattr(search, "SETTINGS", TINY)
    monkeypatch.setattr(search, "COUNTS", (1, 2))
    monkeypatch.setattr(search, "MANY", {"lr": [1e-3]})
    monkeypatch.setattr(search, "BUDGETS", (None,))
    monkeypatch.setattr(search, "ON_GPU", TINY["digits"])
    monkeypatch.setattr(search, "data_of", lambda *_: load_iris(return_X_y=True))
    parts = ["digits", "candidates", "memory", "gpu"]
    command = ["--parts", *parts, "--repeats", "1", "--n-jobs", "1"]
    command += ["--out", str(tmp_path)]
    search.main(command)
    found = {
        part: json.loads((tmp_path / f"{part}.json").read_text()) for part in parts
    }
    for agreement in found["digits"]["agreement"].values():
        assert agreement["cells"] == 4
        assert agreement["largest_difference"] < 0.01
    assert [*found["candidates"]["counts"]] == ["1", "2"]
    assert 0 <= found["memory"]["rows"][0]["grown"]["median"] < 1e9
    assert found["gpu"]["fits"] > 0
    made = report.blocks(found)
    tables = {"seconds", "agreement", "candidates", "memory", "gpu"}
    assert made.keys() == {"hardware", *tables}

    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    search.main(command)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before


def times(median):
    return {"median": median, "min": 0.9 * median, "max": 1.2 * median, "n": 5}


def both(theirs, ours):
    seconds = {THEIRS: times(theirs), OURS: times(ours), ALONE: times(2 * ours)}
    ratios = {OURS: theirs / ours, ALONE: theirs / ours / 2}
    return {"seconds": seconds, "times_as_fast": ratios}


@pytest.fixture
def results():
    """Made-up results of all parts."""
    versions = {"torch": "2", "scikit-learn": "1"}
    hardware = {"processor": "abacus", "cores": 2}
    provenance = {"hardware": hardware, "n_threads": 2, "versions": versions}
    common = {"provenance": provenance, "n_folds": 3, "n_jobs": 2, "n_rows": 1797}
    agreement = search.agreement(*[searched([[0.5, 0.75]], 1)] * 2)
    agreement = dict.fromkeys((OURS, ALONE), agreement)
    made = {
        name: {**common, "n_candidates": 8, **both(40, 2), "agreement": agreement}
        for name in search.SETTINGS
    }
    counts = {n: both(0.5 * n, 0.5 + 0.01 * n) for n in search.COUNTS}
    rows = [
        {"budget": budget, "n_jobs": 2, "grown": times(5e7), "seconds": times(7)}
        for budget in search.BUDGETS
    ]
    return made | {
        "candidates": {**common, "counts": counts},
        "memory": {**common, "rows": rows},
        "gpu": {
            **common,
            "n_candidates": 96,
            "seconds": {OURS: times(12), "one fit": times(5)},
            "fits": 2.4,
        },
    }


@pytest.fixture
def docs(results, tmp_path):
    """A copy of the pages, filled from the made-up results."""
    out = tmp_path / "search"
    out.mkdir()
    for part, result in results.items():
        (out / f"{part}.json").write_text(json.dumps(result))
    for page in PAGES:
        (tmp_path / page).parent.mkdir()
        shutil.copy(DOCS / page, tmp_path / page)
    report.main(tmp_path, tmp_path)
    return tmp_path


def test_the_pages_are_filled(docs):
    page, guide = ((docs / page).read_text() for page in PAGES)
    assert "abacus" in block(page, "hardware")
    seconds = made_up.rows(block(page, "seconds"))
    assert seconds["Banking77"][-6:] == [
        "40 (36 to 48)",
        "2 (1.8 to 2.4)",
        "20",
        "4 (3.6 to 4.8)",
        "10",
        "5",
    ]
    short = made_up.rows(block(guide, "seconds"))
    assert short["Banking77"][-4:] == ["40", "2", "20", "4"]
    agreement = made_up.rows(block(page, "agreement"), 2)
    assert agreement["digits", OURS][-1] == "the same"
    counts = made_up.rows(block(page, "candidates"))
    assert [*counts] == ["candidates", *map(str, search.COUNTS)]
    allowed = made_up.rows(block(page, "memory"))
    assert allowed["256"][2] == allowed["None"][2] == "50 (45 to 60)"
    assert made_up.rows(block(page, "gpu"))["96"][-2:] == ["2.4", "5"]
    assert f"({report.PICTURE})" in block(guide, "picture")
    assert not re.search("not measured", page, re.IGNORECASE)


def test_the_picture(docs):
    content = (docs / "guide" / report.PICTURE).read_bytes()
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    assert 5_000 < len(content) < 100_000


def test_no_label_lies_upon_another():
    figure, ax = plt.subplots()
    ax.set(ylim=(0, 100), xlim=(0, 5))
    report.label_ends(ax, [(50, 4, "C0"), (50.1, 4, "C1"), (90, 4, "C2")])
    figure.canvas.draw()
    boxes = sorted((text.get_window_extent() for text in ax.texts), key=lambda b: b.y0)
    plt.close(figure)
    for lower, upper in itertools.pairwise(boxes):
        assert lower.y1 <= upper.y0


def test_what_is_not_measured_stays(results, docs):
    for page in PAGES:
        shutil.copy(DOCS / page, docs / page)
    out = docs / "search"
    for part in (*search.SETTINGS, "candidates"):
        (out / f"{part}.json").unlink()
    report.main(docs, docs)
    page, guide = ((docs / page).read_text() for page in PAGES)
    before = (DOCS / PAGES[0]).read_text()
    assert block(page, "seconds") == block(before, "seconds")
    assert block(page, "memory") != block(before, "memory")
    assert guide == (DOCS / PAGES[1]).read_text()
