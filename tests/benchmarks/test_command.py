"""``python -m benchmarks``: its names, its help and the reports."""

import json
import re
import shutil

import matplotlib.pyplot as plt
import pytest

from benchmarks.__main__ import having, main
from benchmarks._shared.command import DOCS, RESULTS

NAMES = having("run.py")
# Pages that are made of kept results, by the benchmark that fills them.
FILLED = {
    "defaults": ("benchmarks/defaults.md",),
    "fair": ("benchmarks/fair.md",),
    "new_classes": ("benchmarks/new_classes.md",),
    "paper": ("benchmarks/paper.md", "benchmarks/core.md"),
    "search": ("benchmarks/search.md", "guide/search.md"),
}
DRAWN = ("defaults", "fair", "search")


def test_names_are_listed_with_a_line_each(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    text = capsys.readouterr().out
    for name in (*NAMES, "report"):
        assert re.search(rf"^  {name} +[A-Z].*[a-zA-Z.]$", text, flags=re.M)


@pytest.mark.parametrize("name", [*NAMES, "report"])
def test_each_name_has_its_own_help(name, capsys):
    with pytest.raises(SystemExit, match="0"):
        main([name, "--help"])
    assert f"usage: python -m benchmarks {name} " in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["_shared"], ["table6"], ["--scale"]])
def test_names_that_there_are_not(arguments, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert "usage: python -m benchmarks NAME" in capsys.readouterr().err


@pytest.fixture
def docs(tmp_path, monkeypatch):
    """A copy of the pages, into which no picture is drawn."""
    for module in ("paper.figures", *(f"{name}.report" for name in DRAWN)):
        save = f"benchmarks.{module}.save"
        monkeypatch.setattr(save, lambda figure, path: plt.close(figure))
    for page in sum(FILLED.values(), ()):
        (tmp_path / page).parent.mkdir(exist_ok=True)
        shutil.copy(DOCS / page, tmp_path / page)
    return tmp_path


def test_each_report_has_its_pages():
    assert having("report.py") == sorted(FILLED)


@pytest.mark.parametrize("name", FILLED)
def test_pages_show_what_is_kept(name, docs):
    before = {page: (docs / page).stat().st_mtime_ns for page in FILLED[name]}
    main(["report", name, "--docs", str(docs)])
    for page in sum(FILLED.values(), ()):
        assert (docs / page).read_text() == (DOCS / page).read_text()
    for page, time in before.items():
        assert (docs / page).stat().st_mtime_ns > time


def test_a_report_of_results_in_another_folder(docs, tmp_path):
    found = json.loads((RESULTS / "new_classes.json").read_text())
    found["cifar100"][0]["novelty"]["novelty_score"] = 0.0
    (tmp_path / "new_classes.json").write_text(json.dumps(found))
    page = docs / "benchmarks" / "new_classes.md"
    main(["report", "new_classes", "--out", str(tmp_path), "--docs", str(docs)])
    before, after = (DOCS / "benchmarks" / page.name).read_text(), page.read_text()
    (changed,) = {*after.splitlines()} - {*before.splitlines()}
    assert changed.startswith("| CIFAR-100 | novelty_score |")


def test_a_report_that_there_is_not(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["report", "engine"])
    assert "no report of engine" in capsys.readouterr().err
