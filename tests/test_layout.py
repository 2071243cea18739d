"""The house rules that a reader relies on: who imports what, and files stay short."""

import ast
import sys
from importlib.util import resolve_name
from pathlib import Path

import pytest

import sklearn_lwal

PACKAGE = Path(sklearn_lwal.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
# From the ground up; a module may import from lower floors only, or its own.
FLOORS = (
    {"heads.functional", "heads.linear"},
    {"heads._head", "heads.adaptive", "heads.discriminant"},
    {"heads.adaptive_head", "heads.one_hot", "heads.static", "heads.embedding"},
    {"heads.retrospection"},
    {"_compat", "_files", "_labels", "_processes", "_seeding"},
    {"_ambient"},
    {"_archive"},
    {"_epoch_totals", "_history", "_typing", "_units"},
    {"_precision", "_rows", "_batches", "_budget", "_validation", "_errors", "_random"},
    {
        "_averaging",
        "_callback_face",
        "_recalibration",
        "_network",
        "_parameters",
        "_plain",
    },
    {"_net", "_start", "_images", "_identity", "_feature_store", "_progress"},
    {"_early_stopping", "_resumption", "_attributes", "backbones"},
    {
        "_callback_parameters",
        "_expected",
        "_net_state",
        "_backbone",
        "_inference",
        "_building",
    },
    {"_saving", "_checkpoint", "_export"},
    {"_open_set"},
    {"_base"},
    {"_lwal", "_standard", "_static_label", "_retrospection", "_label_embedding"},
    {"_stack", "_joint_batches", "_replay", "_steps", "_starting", "_program"},
    {"_together", "_needs"},
    {"persistence", "_restored_net"},
    {"_free_memory", "_views", "_fold_steps", "_before"},
    {"_stand_in", "_plan"},
    {"_chunk"},
    {"_cells"},
    {"_searching"},
    {"search"},
)
# What hangs on no classifier: numbers and pictures, and steps of a Pipeline.
APART = {
    "structure": {"_class_distances", "_wordnet"},
    "plots": {
        "structure",
        "_class_distances",
        "_drawing",
        "_labels",
        "_learning_curves",
        "_map_names",
    },
    "_learning_curves": {"_drawing"},
    "features": {
        "_ambient",
        "_encoders",
        "_files",
        "_identity",
        "_images",
        "_typing",
        "_validation",
        "backbones",
    },
    "_class_distances": {"_wordnet"},
    "_wordnet": set(),
    "_drawing": set(),
    "_encoders": set(),
    "_map_names": set(),
}
# All that these rooms may import from elsewhere, at once or when it is needed.
OUTSIDE = {
    "heads": {"torch"},
    "structure": {"numpy", "scipy"},
    "_class_distances": {"numpy", "scipy", "sklearn"},
    "_wordnet": {"numpy", "pandas", "nltk"},
    "_labels": {"numpy"},
    "_encoders": {"numpy", "torch"},
    "plots": {"numpy", "scipy", "sklearn", "matplotlib", "typing_extensions"},
    "_learning_curves": {"numpy", "sklearn", "matplotlib", "typing_extensions"},
    "_drawing": {"numpy", "matplotlib"},
    "_map_names": {"numpy", "matplotlib"},
}
# Versions are told apart in the one and written into files by the other.
KNOW_VERSIONS = {"_compat", "_saving"}


def module(path):
    """Its name within the package, such as ``heads.functional``."""
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


MODULES = {module(path) for path in FILES}


def imported(path):
    """All that a file imports, by full names: ``sklearn_lwal.heads._head.Head``."""
    folder = ".".join([PACKAGE.name, *path.relative_to(PACKAGE).parts[:-1]])
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = resolve_name("." * node.level + (node.module or ""), folder)
            yield from (f"{source}.{alias.name}" for alias in node.names)


def imports(path):
    """Modules of this package that a file imports from; not its version."""
    found = set()
    for name in imported(path):
        package, *parts = name.split(".")
        if package != PACKAGE.name or parts == ["__version__"]:
            continue
        starts = (".".join(parts[:n]) for n in range(len(parts), 0, -1))
        found.add(next((start for start in starts if start in MODULES), "__init__"))
    return found


def floor(name):
    return next((i for i, names in enumerate(FLOORS) if name in names), None)


def each_file(test):
    return pytest.mark.parametrize("path", FILES, ids=module)(test)


@each_file
def test_imports_run_one_way(path):
    name = module(path)
    if name == "__init__":
        return
    if name in APART or name == "heads.__init__":
        assert imports(path) <= APART.get(name, set())
        return
    assert floor(name) is not None, f"{name} has no floor yet"
    for other in imports(path):
        below = floor(other) is not None and floor(other) <= floor(name)
        assert below, f"{name} imports {other}, which is not below"


def test_no_module_imports_itself_through_others():
    graph = {module(path): imports(path) for path in FILES}
    while graph:
        ready = {name for name, others in graph.items() if not others & {*graph}}
        assert ready, f"a circle among {sorted(graph)}"
        for name in ready:
            del graph[name]


@each_file
def test_other_packages_are_known_where_they_should_be(path):
    room = module(path).split(".")[0]
    if room in OUTSIDE:
        packages = {name.split(".")[0] for name in imported(path)}
        others = packages - sys.stdlib_module_names - {PACKAGE.name}
        assert others <= OUTSIDE[room]


@each_file
def test_versions_are_told_apart_in_one_place(path):
    if module(path) in KNOW_VERSIONS:
        return
    nodes = ast.walk(ast.parse(path.read_text()))
    read = [node for node in nodes if getattr(node, "attr", None) == "__version__"]
    assert not read, "compare versions in _compat"
    told_by = ("importlib.metadata", "packaging")
    names = [*imported(path)]
    assert not any(name.startswith(told_by) for name in names)
    assert not any(name.endswith("__version__") for name in names)


@each_file
def test_files_are_short(path):
    assert len(path.read_text().splitlines()) <= 400
