"""The public API: every public name with its parameters, hints and docstrings.

``public_api.txt`` lists it, so that a change shows as a diff. After one that is meant:
``python tests/contract/test_public_api.py``.
"""

import importlib
import inspect
import re
from pathlib import Path
from typing import get_type_hints

import pytest
from _helpers.rivals import CLASSIFIERS

MODULES = ("sklearn_lwal", "sklearn_lwal.plots", "sklearn_lwal.structure")
LISTED = Path(__file__).parents[1] / "data" / "public_api.txt"


def public_names():
    """Pairs of a name with its module and what it stands for."""
    for module in map(importlib.import_module, MODULES):
        for name in module.__all__:
            yield f"{module.__name__}.{name}", getattr(module, name)


def public_members(Class):
    """Functions and properties by name, without those that scikit-learn brings."""
    for name in dir(Class):
        member = inspect.getattr_static(Class, name)
        function = getattr(member, "fget", getattr(member, "__func__", member))
        if name.startswith("_") or not inspect.isfunction(function):
            continue
        if function.__module__.startswith("sklearn_lwal"):
            yield name, member, function


def signature(function, bound=False):
    """Parameters and defaults, without hints."""
    parameters = [*inspect.signature(function).parameters.values()][bound:]
    plain = [p.replace(annotation=p.empty) for p in parameters]
    return str(inspect.Signature(plain))


def listing():
    lines = []
    for name, item in public_names():
        if not inspect.isclass(item):
            lines.append(name + signature(item))
            continue
        # A line a parameter: they are many.
        parameters = signature(item)[1:-1].split(", ")
        lines += [name, *(f"    {parameter}" for parameter in parameters)]
        for member_name, member, function in public_members(item):
            shown = member_name
            if not isinstance(member, property):
                shown += signature(function, bound=True)
            lines.append(f"    .{shown}")
    return "\n".join(lines) + "\n"


def functions():
    for name, item in public_names():
        if not inspect.isclass(item):
            yield name, item
            continue
        yield f"{name}.__init__", item.__init__
        for member_name, _, function in public_members(item):
            yield f"{name}.{member_name}", function


def documented():
    """Public names and their methods with what the docstring is of."""
    for name, item in public_names():
        yield name, item
        if inspect.isclass(item):
            for member_name, member, function in public_members(item):
                if not isinstance(member, property):
                    yield f"{name}.{member_name}", function


def listed(item, title):
    """Names in a section of the docstring, or None where there is no such section."""
    pattern = rf"{title}\n-+\n(.*?)(\n\n\S|\Z)"
    section = re.search(pattern, inspect.getdoc(item) or "", re.S)
    if section is None:
        return None
    lines = re.findall(r"^\S.*", section[1], re.M)
    names = ", ".join(line.split(" : ")[0] for line in lines)
    return [name.lstrip("*") for name in names.split(", ")]


def test_the_public_names_are_those_listed():
    assert listing() == LISTED.read_text(), "see the top of this file"


@pytest.mark.parametrize(("name", "function"), [*functions()])
def test_everything_public_has_hints(name, function):
    found = inspect.signature(function)
    bare = [p.name for p in found.parameters.values() if p.annotation is p.empty]
    assert {*bare} <= {"self", "cls"}
    assert function.__name__ == "__init__" or found.return_annotation is not found.empty


def _has_type(item):
    return isinstance(item, property) and "return" in get_type_hints(item.fget)


@pytest.mark.parametrize("Classifier", CLASSIFIERS)
def test_type_checkers_know_what_fitting_sets(Classifier):
    attributes = {*listed(Classifier, "Attributes")}
    assert {"labels_", "classes_", "history_", "n_iter_"} <= attributes
    read = {name for name, item in inspect.getmembers(Classifier, _has_type)}
    assert attributes <= get_type_hints(Classifier).keys() | read


@pytest.mark.parametrize(("name", "item"), [*documented()])
def test_docstrings_list_each_parameter(name, item):
    names = listed(item, "Parameters")
    given = inspect.signature(item).parameters.keys() - {"self", "cls"}
    # The summary of a method such as predict may say it all.
    if names is None and (not given or "." in item.__qualname__):
        return
    assert sorted(names) == sorted(given)


@pytest.mark.parametrize(("name", "item"), [*documented()])
def test_summaries_stand_alone(name, item):
    """Where the API lists them they end at the first full stop, without footnotes."""
    summary = (inspect.getdoc(item) or "").split("\n\n")[0]
    assert not re.search(r"\. |\]_", summary.replace("\n", " "))


if __name__ == "__main__":
    LISTED.write_text(listing())
