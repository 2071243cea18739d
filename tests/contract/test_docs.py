"""Faults of the docs: unreachable pages, names without a page, dead links."""

import ast
import doctest
import re
from pathlib import Path

import pytest

import sklearn_lwal
from sklearn_lwal import plots, structure

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
BUILT = ("_build", "gallery", "generated")
PAGES = [
    page
    for page in sorted(DOCS.rglob("*.md"))
    if page.relative_to(DOCS).parts[0] not in BUILT
]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
TEXTS = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
FENCE = re.compile(r"^( *)```(\S+)(.*?)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
# Such a block is shown, and runs nowhere; the reason stands behind, for readers too.
NOT_RUN = re.compile(r"# Not run in the tests: \w+")
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


def python_blocks(text):
    """The code of all blocks that are shown as Python."""
    fences = FENCE.findall(text)
    return [code for _, *names, code in fences if "py" in "".join(names)]


def runs(code):
    """Whether all of a block is a doctest."""
    parts = doctest.DocTestParser().parse(code)
    examples = [part for part in parts if isinstance(part, doctest.Example)]
    between = "".join(part for part in parts if isinstance(part, str))
    skipped = any(example.options.get(doctest.SKIP) for example in examples)
    return bool(examples) and not between.strip() and not skipped


@pytest.mark.parametrize("page", [*PAGES, *TEXTS], ids=name_of)
def test_python_on_pages_is_run_or_says_why_not(page, pytestconfig):
    blocks = python_blocks(page.read_text())
    idle = [code for code in blocks if not runs(code) and not NOT_RUN.match(code)]
    assert not idle, "make it a doctest, or begin with '# Not run in the tests: ...'"
    collected = {ROOT / path for path in pytestconfig.getini("testpaths")}
    assert not blocks or collected & {page, *page.parents}


@pytest.mark.parametrize(
    "block",
    [
        "clf.fit(X, y)\n",
        ">>> 1 + 1\n2\n\nclf.fit(X, y)\n",
        ">>> clf.fit(X, y)  # doctest: +SKIP\n",
        "# Not run in the tests:\nclf.fit(X, y)\n",
    ],
)
@pytest.mark.parametrize("language", ["python", "pycon", "{code-block} python"])
def test_code_that_nobody_runs_is_seen(block, language):
    (code,) = python_blocks(f"Text\n\n```{language}\n{block}```\n")
    assert code == block
    assert not runs(code)
    assert not NOT_RUN.match(code)


@pytest.mark.parametrize("page", [*PAGES, *TEXTS], ids=name_of)
def test_relative_links_lead_somewhere(page):
    dead = [
        link
        for link in LINK.findall(page.read_text())
        if not (page.parent / link).exists()
    ]
    assert not dead
