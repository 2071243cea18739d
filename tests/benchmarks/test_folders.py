"""The benchmarks' folders: who imports what, and files stay short."""

import ast
from pathlib import Path

import pytest

import benchmarks

BENCHMARKS = Path(benchmarks.__file__).parent
FILES = sorted(path for path in BENCHMARKS.rglob("*.py") if path.parent != BENCHMARKS)
FOLDERS = sorted({path.parent.name for path in FILES} - {"_shared"})
MOST_LINES, MOST_LINES_OF_A_FUNCTION = 400, 40


def imported(path):
    """Folders of the benchmarks that a file imports from."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name.split(".")[1] for name in names if name.startswith("benchmarks.")}


@pytest.mark.parametrize("path", FILES, ids=lambda path: "/".join(path.parts[-2:]))
def test_benchmarks_import_their_own_folder_and_what_is_shared(path):
    assert imported(path) <= {path.parent.name, "_shared"}


@pytest.mark.parametrize("name", FOLDERS)
def test_each_folder_has_a_command(name):
    assert (BENCHMARKS / name / "run.py").exists()


@pytest.mark.parametrize("path", FILES, ids=lambda path: "/".join(path.parts[-2:]))
def test_files_and_functions_are_short(path):
    text = path.read_text()
    assert len(text.splitlines()) <= MOST_LINES
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            body = node.body[ast.get_docstring(node) is not None :]
            n_lines = node.end_lineno - body[0].lineno + 1 if body else 0
            assert n_lines <= MOST_LINES_OF_A_FUNCTION, node.name
