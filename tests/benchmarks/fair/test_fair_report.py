"""The page and the pictures of the fair comparison, from made-up results."""

import shutil
from zlib import crc32

import matplotlib.pyplot as plt
import numpy as np
import pytest
from _helpers import made_up_runs as made_up
from _helpers.made_up_runs import block

from benchmarks.__main__ import main
from benchmarks._shared.command import DOCS
from benchmarks._shared.runs import run_all
from benchmarks._shared.scope import Scope
from benchmarks.fair import report, training, views
from benchmarks.fair.training import FairRun

PAGES = "benchmarks"
FILLED = ("fair.md",)
PICTURES = (*report.PICTURES,)


def of_fair(run):
    """A made-up result, smooth over the rates: wild lines would be large pictures."""
    rng = np.random.default_rng(crc32(run.method.encode()))
    best, top, speed = rng.uniform(-4, -2), rng.uniform(0.8, 0.9), rng.uniform(0.3, 2)
    away = np.log10(run.setting) - best if run.setting else 0.0
    epochs = np.arange(1, run.max_epochs + 1)
    rise = 1 - np.exp(-epochs * speed * 2.0 ** (away - abs(away)))
    accuracies = (top - 0.02 * max(away, 0) ** 2) * rise - run.seed * 1e-6
    result = {"accuracy": float(accuracies[-1])}
    result["fit_seconds"] = run.max_epochs * rng.uniform(0.1, 1)
    if training.is_ours(run.method):
        seconds = result["fit_seconds"] / run.max_epochs / 1.1
        result["curves"] = made_up.result(accuracies.tolist(), seconds)["curves"]
    return result


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """A folder with made-up results of all that the page shows."""
    out = tmp_path_factory.mktemp("results")

    def make(runs, execute, out):
        return run_all(runs, of_fair, out)

    views.measure(Scope(), out / "fair", None, get=make)
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


def test_the_page_of_the_fair_comparison(docs):
    page = (docs / PAGES / "fair.md").read_text()
    for dataset in views.DATASETS_BY_SCALE["frozen"]:
        (table,) = made_up.tables(block(page, f"seconds {dataset}"))
        assert table.keys() == {"method", *training.methods()}
        ends = [made_up.numbers(cells[6])[0] for cells in [*table.values()][1:]]
        assert ends == sorted(ends, reverse=True)
        for method in ("LwAL", "STD", "LabelEmbed"):
            rates = {
                rate: of_fair(FairRun(dataset, method, rate, 12, views.N_EPOCHS))
                for rate in views.RATES
            }
            best = max((r["accuracy"], rate) for rate, r in rates.items())
            assert float(table[method][1]) == best[1]
    few = made_up.rows(block(page, "few"), 2)
    assert len(few) == 1 + 3 * len(views.ON_FEW_ROWS)


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
    monkeypatch.setattr(report, "save", lambda figure, path: made.append(figure))
    yield made
    plt.close("all")


def test_seconds_of_a_curve_end_with_the_fit(drawn, tmp_path):
    runs = [
        FairRun("digits", "STD", 1e-3, 12, 4, tested=True),
        FairRun("digits", "LDA", 0.0, 12, 4, tested=True),
    ]
    results = {run: of_fair(run) for run in runs}
    results[runs[0]]["fit_seconds"] = 10.0
    results[runs[0]]["curves"]["seconds"] = [1.0, 2.0, 3.0, 2.0]
    report.draw_seconds({"tested": results}, tmp_path / "x.png")
    by_name = {line.get_label(): line for line in drawn[0].axes[0].get_lines()}
    # Two seconds before the first epoch.
    assert by_name["STD"].get_xdata().tolist() == [3, 5, 8, 10]
    assert len(by_name["LDA"].get_xdata()) == 1


def test_fair_of_fewer_epochs_than_are_shown(tmp_path):
    run = FairRun("digits", "STD", 1e-3, 12, 2)
    found = {"rates": {run: of_fair(run)}}
    assert "STD" in report.rates_table(found["rates"])
    report.draw_rates(found, tmp_path / "x.png")
    assert (tmp_path / "x.png").exists()


def test_views_without_results_draw_nothing(tmp_path):
    found = {"rates": {}, "tested": {}, "few": {}}
    for name, draw in report.PICTURES.items():
        draw(found, tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_fair_takes_every_method_that_it_offers(capsys):
    with pytest.raises(SystemExit):
        main(["fair", "--help"])
    assert "LogisticRegression" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["fair", "--methods", "LWR2k"])
    for method in training.methods():
        run = FairRun("digits", method, 1e-3, 12, 2)
        training.estimator(run, "nowhere", "cpu")


def test_fair_at_every_scale_that_it_offers(tmp_path):
    for scale in views.DATASETS_BY_SCALE:
        views.measure(Scope(scale), tmp_path, None, get=lambda *_: {})
    with pytest.raises(SystemExit):
        main(["fair", "--scale", "full"])
