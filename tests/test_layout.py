"""The house rules that a reader relies on: imports run one way, files stay short."""

import ast
from pathlib import Path

import pytest

import sklearn_lwal

PACKAGE = Path(sklearn_lwal.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
# From the ground up; a module may import from lower floors only, or its own.
FLOORS = (
    {"_compat", "_seeding", "_processes", "_archive", "_typing"},
    {"heads", "_rows", "_batches", "_budget", "_validation", "_errors", "_random"},
    {"_averaging", "_recalibration", "_network", "_parameters", "_inference", "_plain"},
    {"_net", "_start", "_images", "_identity", "_feature_store", "_progress"},
    {"_early_stopping", "_resumption", "backbones", "_backbone"},
    {"_expected", "_net_state", "_building", "_saving", "_checkpoint", "_export"},
    {"_open_set"},
    {"_base"},
    {"_lwal", "_standard", "_static_label", "_retrospection", "_label_embedding"},
    {"persistence", "_restored_net"},
)
# What hangs on no classifier: numbers and pictures, and steps of a Pipeline.
APART = {
    "structure": {"_class_distances", "_wordnet"},
    "plots": {"structure", "_drawing", "_learning_curves", "_map_names"},
    "_learning_curves": {"_drawing"},
    "features": {"_identity", "_images", "_typing", "_validation", "backbones"},
    "_class_distances": {"_wordnet"},
    "_wordnet": set(),
    "_drawing": set(),
    "_map_names": set(),
}


def imports(path):
    """First parts of the names that a module imports from this package."""
    found = set()
    depth = len(path.relative_to(PACKAGE).parts)
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level == depth:
            names = [node.module] if node.module else [a.name for a in node.names]
            found |= {name.split(".")[0] for name in names}
    return found & {room(path) for path in FILES}


def room(path):
    """The module, or the folder that it is in."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def floor(name):
    return next((i for i, names in enumerate(FLOORS) if name in names), None)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_imports_run_one_way(path):
    name = room(path)
    if name == "__init__":
        return
    if name in APART:
        assert imports(path) <= APART[name]
        return
    assert floor(name) is not None, f"{name} has no floor yet"
    for other in imports(path) - {name}:
        assert floor(other) <= floor(name), f"{name} imports {other}, which is above"


def test_no_module_imports_itself_through_others():
    graph = {path.stem: imports(path) for path in FILES if path.parent == PACKAGE}
    graph["heads"] = set()
    graph.pop("__init__")
    while graph:
        ready = {name for name, others in graph.items() if not others & {*graph}}
        assert ready, f"a circle among {sorted(graph)}"
        for name in ready:
            del graph[name]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_files_are_short(path):
    assert len(path.read_text().splitlines()) <= 400
