"""Pages and pictures, from made-up results of the runs that they show."""

import re
import shutil
from dataclasses import asdict
from pathlib import Path
from zlib import crc32

import made_up
import matplotlib.pyplot as plt
import numpy as np
import pytest

from benchmarks import (
    __main__,
    fair,
    fair_report,
    figures,
    markdown,
    paper,
    report,
    tables,
)
from benchmarks.datasets import DATASETS
from benchmarks.runs import write

DOCS = Path(__file__).parents[2] / "docs" / "benchmarks"
PAGES = ("paper.md", "fair.md", "core.md")
PICTURES = ("figure2.png", "figure3.png", *fair_report.PICTURES)
PAPER = (
    paper.image_runs,
    paper.text_runs,
    paper.warmup_runs,
    paper.structure_runs,
    paper.hierarchy_runs,
    paper.curve_runs,
)


def curve(rng, n_epochs):
    """One that rises to some height, somewhat unevenly."""
    rise = 1 - np.exp(-np.arange(1, n_epochs + 1) / rng.uniform(0.5, 5))
    return (rng.uniform(0.6, 0.9) * rise + rng.normal(0, 0.005, n_epochs)).tolist()


def of_paper(run):
    rng = np.random.default_rng(crc32(str(run.path).encode()))
    result = {"run": asdict(run)}
    if run.max_epochs:
        result |= made_up.result(curve(rng, run.max_epochs), rng.uniform(0.1, 2))
    n_classes = 8 if run.mapped else DATASETS[run.dataset].n_classes
    if n_classes <= 25:
        result["label_distances"] = made_up.label_distances(n_classes, rng)
    return result


def of_fair(run):
    """Smooth over the rates, as in earnest: wild lines would be large files."""
    rng = np.random.default_rng(crc32(run.method.encode()))
    best, top, speed = rng.uniform(-4, -2), rng.uniform(0.8, 0.9), rng.uniform(0.3, 2)
    away = np.log10(run.setting) - best if run.setting else 0.0
    epochs = np.arange(1, run.max_epochs + 1)
    rise = 1 - np.exp(-epochs * speed * 2.0 ** (away - abs(away)))
    accuracies = (top - 0.02 * max(away, 0) ** 2) * rise - run.seed * 1e-6
    result = {"run": asdict(run), "accuracy": float(accuracies[-1])}
    result["fit_seconds"] = run.max_epochs * rng.uniform(0.1, 1)
    if fair.is_ours(run.method):
        seconds = result["fit_seconds"] / run.max_epochs / 1.1
        result["curves"] = made_up.result(accuracies.tolist(), seconds)["curves"]
    return result


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """A folder with made-up results of all that the pages show."""
    out = tmp_path_factory.mktemp("runs")
    for runs in PAPER:
        for run in runs(paper.Scope()):
            write(out / run.path, of_paper(run))

    def make(runs, execute, out):
        found = {run: of_fair(run) for run in runs}
        for run, result in found.items():
            write(out / run.path, result)
        return found

    fair.measure(paper.Scope(), out, None, get=make)
    return out


def outside(page):
    """The text that is nobody's block."""
    return re.sub(r"(<!-- [^>]* -->\n).*?(<!-- end -->)", r"\1\2", page, flags=re.S)


def block(page, name):
    return re.search(rf"<!-- {name} -->\n(.*?)<!-- end -->", page, flags=re.S)[1]


def trained_again(*args, **options):
    raise AssertionError("a report trains nothing")


@pytest.fixture(scope="module")
def docs(out, tmp_path_factory):
    """A copy of the pages, filled from the results."""
    docs = tmp_path_factory.mktemp("docs")
    for name in PAGES:
        shutil.copy(DOCS / name, docs)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fair, "execute", trained_again)
        before = {path: path.read_bytes() for path in out.rglob("*.json")}
        report.main(out, docs)
        assert {path: path.read_bytes() for path in out.rglob("*.json")} == before
    return docs


def test_the_page_of_the_paper(docs):
    page = (docs / "paper.md").read_text()
    speed = made_up.tables(block(page, "table 1 and 5"))
    # Four data sets at two rates.
    assert len(speed) == 8
    runs = paper.image_runs(paper.Scope(datasets=("mnist",), methods=("LwAL10",)))
    best = [100 * max(of_paper(run)["curves"]["test_accuracy"]) for run in runs[:3]]
    cell = made_up.numbers(speed[0]["LwAL10"][5])
    np.testing.assert_allclose(cell, [np.mean(best), np.std(best)], atol=0.051)
    (texts,) = made_up.tables(block(page, "table 3"))
    assert texts["STD"][6::2] == ["83.9 ± 0.1", "82.9 ± 0.2"]
    assert len(made_up.rows(block(page, "table 4"), 3)) == 1 + 4 * 3
    structure = made_up.rows(block(page, "table 2"))
    assert structure["LwAL"][2::2] == ["0.473 ± 0.028", "0.306 ± 0.056"]


def test_the_page_of_the_fair_comparison(docs):
    page = (docs / "fair.md").read_text()
    for dataset in fair.DATASETS_BY_SCALE["frozen"]:
        (table,) = made_up.tables(block(page, f"seconds {dataset}"))
        assert table.keys() == {"method", *fair.methods()}
        ends = [made_up.numbers(cells[6])[0] for cells in [*table.values()][1:]]
        assert ends == sorted(ends, reverse=True)
        for method in ("LwAL", "STD", "LabelEmbed"):
            rates = {
                rate: of_fair(fair.FairRun(dataset, method, rate, 12, fair.N_EPOCHS))
                for rate in fair.RATES
            }
            best = max((r["accuracy"], rate) for rate, r in rates.items())
            assert float(table[method][1]) == best[1]
    few = made_up.rows(block(page, "few"), 2)
    assert len(few) == 1 + 3 * len(fair.ON_FEW_ROWS)


def test_a_report_changes_its_blocks_alone(out, docs):
    filled = {name: (docs / name).read_text() for name in PAGES}
    for name, text in filled.items():
        assert outside(text) == outside((DOCS / name).read_text())
        assert text != outside(text)
    report.main(out, docs)
    assert {name: (docs / name).read_text() for name in PAGES} == filled


@pytest.mark.parametrize("name", PICTURES)
def test_pictures(docs, name):
    content = (docs / name).read_bytes()
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    assert 10_000 < len(content) < 200_000
    assert {path.name for path in docs.glob("*.png")} == {*PICTURES}


@pytest.fixture
def drawn(monkeypatch):
    """The figures that are drawn, instead of their files."""
    made = []
    for module in (figures, fair_report):
        monkeypatch.setattr(module, "save", lambda figure, path: made.append(figure))
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
    runs = paper.hierarchy_runs(paper.Scope())
    found = {run: of_paper(run) for run in runs}
    figures.draw_hierarchies(found, None)
    titles = [ax.get_title() for ax in drawn[0].axes]
    methods = [title.split(" (")[0] for title in titles]
    assert methods[:2] == ["WordNet", paper.FEATURES]
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


def test_seconds_of_a_curve_end_with_the_fit(drawn, tmp_path):
    runs = [
        fair.FairRun("digits", "STD", 1e-3, 12, 4, tested=True),
        fair.FairRun("digits", "LDA", 0.0, 12, 4, tested=True),
    ]
    results = {run: of_fair(run) for run in runs}
    results[runs[0]]["fit_seconds"] = 10.0
    results[runs[0]]["curves"]["seconds"] = [1.0, 2.0, 3.0, 2.0]
    fair_report.draw_seconds({"tested": results}, tmp_path / "x.png")
    by_name = {line.get_label(): line for line in drawn[0].axes[0].get_lines()}
    # Two seconds before the first epoch.
    assert by_name["STD"].get_xdata().tolist() == [3, 5, 8, 10]
    assert len(by_name["LDA"].get_xdata()) == 1


def test_a_block_is_filled_and_nothing_else(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- x -->\nold\n\n<!-- end -->\nb\n<!-- y -->\n<!-- end -->\n")
    new = r"| \1 \g<0> | 50 % |" + "\nsecond line"
    for _ in range(2):
        markdown.fill(page, {"x": new})
        assert page.read_text() == (
            f"a\n<!-- x -->\n{new}\n<!-- end -->\nb\n<!-- y -->\n<!-- end -->\n"
        )
    markdown.fill(page, {"y": "Y", "x": "X"})
    assert page.read_text() == (
        "a\n<!-- x -->\nX\n<!-- end -->\nb\n<!-- y -->\nY\n<!-- end -->\n"
    )


@pytest.mark.parametrize(
    "text",
    ["nothing", "<!-- x -->\n", 2 * "<!-- x -->\n<!-- end -->\n"],
    ids=["none", "open", "two"],
)
def test_a_page_without_the_block_stays_as_it_is(tmp_path, text):
    page = tmp_path / "page.md"
    page.write_text(f"<!-- y -->\n<!-- end -->\n{text}")
    before = page.read_text()
    with pytest.raises(ValueError, match="'x'"):
        markdown.fill(page, {"y": "Y", "x": "X"})
    assert page.read_text() == before


def test_a_table_is_markdown():
    assert markdown.table(["a", "b"], [[1, "x"], ["", 2.5]]) == (
        "| a | b |\n| --- | --- |\n| 1 | x |\n|  | 2.5 |"
    )


def test_fair_of_fewer_epochs_than_are_shown(tmp_path):
    run = fair.FairRun("digits", "STD", 1e-3, 12, 2)
    found = {"rates": {run: of_fair(run)}}
    assert "STD" in fair_report.rates_table(found["rates"])
    fair_report.draw_rates(found, tmp_path / "x.png")
    assert (tmp_path / "x.png").exists()


def test_views_without_results_draw_nothing(tmp_path):
    found = {"rates": {}, "tested": {}, "few": {}}
    for name, draw in fair_report.PICTURES.items():
        draw(found, tmp_path / name)
    figures.draw_curves({}, tmp_path / "a.png")
    figures.draw_hierarchies({}, tmp_path / "b.png")
    assert not list(tmp_path.iterdir())


def test_fair_takes_every_method_that_it_offers(capsys):
    with pytest.raises(SystemExit):
        __main__.main(["fair", "--help"])
    assert "LogisticRegression" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        __main__.main(["fair", "--methods", "LWR2k"])
    for method in fair.methods():
        run = fair.FairRun("digits", method, 1e-3, 12, 2)
        fair.estimator(run, "nowhere", "cpu")


def test_fair_at_every_scale_that_it_offers(tmp_path):
    for scale in fair.DATASETS_BY_SCALE:
        fair.measure(paper.Scope(scale), tmp_path, None, get=lambda *_: {})
    with pytest.raises(SystemExit):
        __main__.main(["fair", "--scale", "full"])
