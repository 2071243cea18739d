"""The pages and pictures of the paper, from made-up results of the runs they show."""

import shutil
from zlib import crc32

import matplotlib.pyplot as plt
import numpy as np
import pytest
from _helpers import made_up_runs as made_up
from _helpers.made_up_runs import block

from benchmarks._shared.command import DOCS
from benchmarks._shared.datasets import DATASETS
from benchmarks._shared.runs import run_all
from benchmarks._shared.scope import Scope
from benchmarks.paper import experiments, figures, report, tables

PAGES = "benchmarks"
FILLED = ("paper.md", "core.md")
PICTURES = ("figure2.png", "figure3.png")
EXPERIMENTS = (
    experiments.image_runs,
    experiments.text_runs,
    experiments.warmup_runs,
    experiments.structure_runs,
    experiments.hierarchy_runs,
    experiments.curve_runs,
)


def curve(rng, n_epochs):
    """A curve that rises to some height, somewhat unevenly."""
    rise = 1 - np.exp(-np.arange(1, n_epochs + 1) / rng.uniform(0.5, 5))
    return (rng.uniform(0.6, 0.9) * rise + rng.normal(0, 0.005, n_epochs)).tolist()


def of_paper(run):
    rng = np.random.default_rng(crc32(repr(run).encode()))
    result = {}
    if run.max_epochs:
        result |= made_up.result(curve(rng, run.max_epochs), rng.uniform(0.1, 2))
    n_classes = 8 if run.mapped else DATASETS[run.dataset].n_classes
    if n_classes <= 25:
        result["label_distances"] = made_up.label_distances(n_classes, rng)
    return result


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """A folder with made-up results of all that the pages show."""
    out = tmp_path_factory.mktemp("results")
    for runs in EXPERIMENTS:
        run_all(runs(Scope()), of_paper, out / "paper")
    return out


@pytest.fixture(scope="module")
def docs(out, tmp_path_factory):
    """A copy of the pages, filled from the results."""
    docs = tmp_path_factory.mktemp("docs")
    (docs / PAGES).mkdir()
    for name in FILLED:
        shutil.copy(DOCS / PAGES / name, docs / PAGES)
    before = {path: path.read_bytes() for path in out.rglob("*.jsonl")}
    report.main(out, docs)
    # A report trains nothing.
    assert {path: path.read_bytes() for path in out.rglob("*.jsonl")} == before
    return docs


def test_the_page_of_the_paper(docs):
    page = (docs / PAGES / "paper.md").read_text()
    speed = made_up.tables(block(page, "table 1 and 5"))
    # Four data sets at two rates.
    assert len(speed) == 8
    runs = experiments.image_runs(Scope(datasets=("mnist",), methods=("LwAL10",)))
    best = [100 * max(of_paper(run)["curves"]["test_accuracy"]) for run in runs[:3]]
    cell = made_up.numbers(speed[0]["LwAL10"][5])
    np.testing.assert_allclose(cell, [np.mean(best), np.std(best)], atol=0.051)
    (texts,) = made_up.tables(block(page, "table 3"))
    assert texts["STD"][6::2] == ["83.9 ± 0.1", "82.9 ± 0.2"]
    assert len(made_up.rows(block(page, "table 4"), 3)) == 1 + 4 * 3
    structure = made_up.rows(block(page, "table 2"))
    assert structure["LwAL"][2::2] == ["0.473 ± 0.028", "0.306 ± 0.056"]


def test_a_report_changes_its_blocks_alone(out, docs):
    made_up.check_blocks(report, out, docs, DOCS, [f"{PAGES}/{n}" for n in FILLED])


@pytest.mark.parametrize("name", PICTURES)
def test_pictures(docs, name):
    made_up.check_picture(docs / PAGES / name)
    assert {path.name for path in (docs / PAGES).glob("*.png")} == {*PICTURES}


@pytest.fixture
def drawn(monkeypatch):
    """The figures that are drawn, instead of their files."""
    made = []
    monkeypatch.setattr(figures, "save", lambda figure, path: made.append(figure))
    yield made
    plt.close("all")


def lines(ax):
    return {line.get_label(): line.get_ydata() for line in ax.get_lines()}


def test_figure_2(drawn):
    rng, found, panels = np.random.default_rng(0), {}, []
    for backbone, lr in (("resnet50", 1e-4), ("efficientnet_b0", 1e-3)):
        panels.append({m: rng.uniform(0, 1, (3, 6)) for m in ("STD", "LwAL")})
        found |= made_up.found(panels[-1], backbone=backbone, lr=lr)
    figures.draw_curves(found, None)
    axes = drawn[0].axes
    assert [ax.get_title().split(",")[0] for ax in axes] == [
        "resnet50",
        "efficientnet_b0",
    ]
    for ax, curves in zip(axes, panels, strict=True):
        for method, own in curves.items():
            np.testing.assert_allclose(lines(ax)[method], 100 * own.mean(0))
        best = 100 * curves["STD"].mean(0).max()
        np.testing.assert_allclose(lines(ax)["best of STD"], best)


def test_figure_3(drawn):
    runs = experiments.hierarchy_runs(Scope())
    found = {run: of_paper(run) for run in runs}
    figures.draw_hierarchies(found, None)
    titles = [ax.get_title() for ax in drawn[0].axes]
    methods = [title.split(" (")[0] for title in titles]
    assert methods[:2] == ["WordNet", experiments.FEATURES]
    # The best k of learning with retrospection, as in the paper.
    mean = {
        k: np.mean(tables.correlations([(r, found[r]) for r in runs if r.method == k]))
        for k in ("LWR2k", "LWR3k", "LWR5k")
    }
    assert [m for m in methods if m.startswith("LWR")] == [max(mean, key=mean.get)]
    others = {run.method for run in runs if not run.method.startswith("LWR")}
    assert {"WordNet", *others} == {m for m in methods if not m.startswith("LWR")}
    (first, *_) = [run for run in runs if run.method == "LwAL"]
    value = tables.correlations([(first, found[first])])[0]
    assert f"LwAL ({value:.2f})" in titles
    names = {text.get_text() for text in drawn[0].axes[0].get_yticklabels()}
    names |= {text.get_text() for text in drawn[0].axes[0].get_xticklabels()}
    assert {"airplane", "frog", "truck"} <= names


def test_without_results_nothing_is_drawn(tmp_path):
    figures.draw_curves({}, tmp_path / "a.png")
    figures.draw_hierarchies({}, tmp_path / "b.png")
    assert not list(tmp_path.iterdir())
