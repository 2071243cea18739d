"""The house rules that a reader relies on: who imports what, and files stay short.

``python tests/contract/test_layout.py`` prints the packages by floor, and the packages
that each imports from.
"""

import ast
import sys
from importlib.util import resolve_name
from pathlib import Path

import pytest

import sklearn_lwal

PACKAGE = Path(sklearn_lwal.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
# Each room of the package, and the rooms that its files may import from.
MAY_IMPORT = {
    "_version": set(),
    "_utils": set(),
    "heads": set(),
    "structure": set(),
    "_serialization": {"_utils"},
    "plots": {"structure", "_utils"},
    "_training": {"heads", "_utils"},
    "_joint": {"_training", "heads"},
    "features": {"_training", "_utils"},
    "backbones": {"features"},
    "classifiers": {
        "features",
        "_training",
        "heads",
        "_serialization",
        "_utils",
        "_version",
    },
    "persistence": {"classifiers", "features", "_serialization", "_utils"},
    "search": {"classifiers", "features", "_joint", "_training", "heads", "_utils"},
    "__init__": {
        "_version",
        "classifiers",
        "features",
        "heads",
        "persistence",
        "search",
    },
}
# All that the files of these rooms may import from other packages.
OUTSIDE = {
    "heads": {"torch"},
    "structure": {"numpy", "scipy", "sklearn", "pandas", "nltk"},
    "plots": {"numpy", "scipy", "sklearn", "matplotlib", "typing_extensions"},
}
# Versions are compared in the one and written into files by the other.
KNOW_VERSIONS = {"_utils.compat", "classifiers._save"}
MOST_LINES, MOST_LINES_OF_A_FUNCTION = 400, 40


def module(path):
    """Its name within the package, such as ``heads.functional``."""
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


def room(path):
    return module(path).split(".")[0]


MODULES = {module(path) for path in FILES}


def imported(path):
    """All that a file imports, by full names: ``sklearn_lwal.heads.base.Head``."""
    folder = ".".join([PACKAGE.name, *path.relative_to(PACKAGE).parts[:-1]])
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = resolve_name("." * node.level + (node.module or ""), folder)
            yield from (f"{source}.{alias.name}" for alias in node.names)


def imports(path):
    """Modules of this package that a file imports from."""
    found = set()
    for name in imported(path):
        package, *parts = name.split(".")
        if package != PACKAGE.name:
            continue
        starts = [".".join(parts[:n]) for n in range(len(parts), 0, -1)]
        starts += [f"{start}.__init__" for start in starts] + ["__init__"]
        found.add(next(start for start in starts if start in MODULES))
    return found


def each_file(test):
    return pytest.mark.parametrize("path", FILES, ids=module)(test)


@each_file
def test_imports_run_one_way(path):
    rooms = {name.split(".")[0] for name in imports(path)} - {room(path)}
    assert rooms <= MAY_IMPORT[room(path)]


def test_no_room_may_import_itself_through_others():
    graph = dict(MAY_IMPORT)
    while graph:
        ready = {name for name, others in graph.items() if not others & {*graph}}
        assert ready, f"a circle among {sorted(graph)}"
        for name in ready:
            del graph[name]


def test_no_module_imports_itself_through_others():
    graph = {module(path): imports(path) for path in FILES}
    while graph:
        ready = {name for name, others in graph.items() if not others & {*graph}}
        assert ready, f"a circle among {sorted(graph)}"
        for name in ready:
            del graph[name]


@each_file
def test_other_packages_are_known_where_they_should_be(path):
    if room(path) in OUTSIDE:
        packages = {name.split(".")[0] for name in imported(path)}
        others = packages - sys.stdlib_module_names - {PACKAGE.name}
        assert others <= OUTSIDE[room(path)]


@each_file
def test_versions_are_told_apart_in_one_place(path):
    if module(path) in KNOW_VERSIONS:
        return
    nodes = ast.walk(ast.parse(path.read_text()))
    read = [node for node in nodes if getattr(node, "attr", None) == "__version__"]
    assert not read, "compare versions in _utils.compat"
    names = [*imported(path)]
    assert not any(
        name.startswith(("importlib.metadata", "packaging")) for name in names
    )
    known = f"{PACKAGE.name}._version.__version__"
    assert not any(name.endswith("__version__") and name != known for name in names)


@each_file
def test_files_and_functions_are_short(path):
    text = path.read_text()
    assert len(text.splitlines()) <= MOST_LINES
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            assert lines_of_code(node) <= MOST_LINES_OF_A_FUNCTION, node.name


def lines_of_code(function):
    """The lines of a function below its docstring, nested functions included."""
    first = function.body[0]
    has_docstring = ast.get_docstring(function) is not None
    start = first.end_lineno + 1 if has_docstring else first.lineno
    return function.end_lineno - start + 1


def arrows():
    """The rooms that each room imports from, as the code is."""
    found = {room(path): set() for path in FILES}
    for path in FILES:
        rooms = {name.split(".")[0] for name in imports(path)}
        found[room(path)] |= rooms - {room(path)}
    return found


def print_floors():
    """Each room stands one floor above the highest room that it imports from."""
    left, floor = arrows(), 0
    while left:
        ready = sorted(name for name, below in left.items() if not below & {*left})
        for name in ready:
            print(floor, name, "imports", ", ".join(sorted(left[name])) or "nothing")
        left = {name: below for name, below in left.items() if name not in ready}
        floor += 1


if __name__ == "__main__":
    print_floors()
