"""What would rot in silence: pages nobody reaches, names without a page, dead links."""

import ast
import re
from pathlib import Path

import pytest

import sklearn_lwal
from sklearn_lwal import plots, structure

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
BUILT = ("_build", "gallery", "generated")
PAGES = [
    page
    for page in sorted(DOCS.rglob("*.md"))
    if page.relative_to(DOCS).parts[0] not in BUILT
]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
LINK = re.compile(r"\]\((?!https?://)([^)#\s]+)(?:#[^)]*)?\)")


def name_of(path):
    return path.relative_to(ROOT).as_posix()


def toctree_entries(page):
    """The pages that the toctrees of a page name, as paths without a suffix."""
    trees = re.findall(r"```\{toctree\}\n(.*?)```", page.read_text(), re.DOTALL)
    lines = "\n".join(trees).splitlines()
    return {page.parent / line for line in lines if line and line[0] != ":"}


def test_every_page_is_in_a_toctree():
    reached = set().union(*map(toctree_entries, PAGES))
    lost = {page.with_suffix("") for page in PAGES} - reached
    assert lost == {DOCS / "index"}


def test_every_public_name_is_on_the_api_page():
    shown = set(re.findall(r"^   (\w+)$", (DOCS / "api.rst").read_text(), re.MULTILINE))
    displays = {name for name in vars(plots) if name.endswith("Display")}
    assert shown == {*sklearn_lwal.__all__, *structure.__all__, *displays}


def test_there_are_pages_and_examples():
    assert len(PAGES) >= 20
    assert len(EXAMPLES) >= 8


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_have_a_title_and_draw(path):
    assert path.name.startswith("plot_")
    code = path.read_text()
    title, rule, blank, text, *_ = ast.get_docstring(ast.parse(code)).splitlines()
    assert rule == "=" * len(title)
    assert not blank
    assert text
    assert "Display.from_estimator" in code or "plt.subplots" in code


@pytest.mark.parametrize(
    "page", [*PAGES, ROOT / "README.md", ROOT / "CONTRIBUTING.md"], ids=name_of
)
def test_relative_links_lead_somewhere(page):
    dead = [
        link
        for link in LINK.findall(page.read_text())
        if not (page.parent / link).exists()
    ]
    assert not dead
