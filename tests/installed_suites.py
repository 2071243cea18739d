"""Tests that scikit-learn has installed, run as they are with names bound to ours."""

import ast
import importlib.util
import re
from pathlib import Path

import pytest


def run_installed(module, namespace, rebound, renamed=None, only=None):
    """Define the tests of an installed module in ``namespace``, that of the caller.

    Parameters
    ----------
    module : str
        Such as ``sklearn.tests.test_calibration``.
    namespace : dict
        Globals of a test module.
    rebound : str
        Statements to run behind the module's imports, which bind its names anew.
    renamed : dict, default=None
        What stands in the source in the place of regular expressions.
    only : collection of str, default=None
        Names of the tests to define. None is all.
    """
    if importlib.util.find_spec("sklearn.callback") is None:
        pytest.skip("scikit-learn's tests as 1.9 has them", allow_module_level=True)
    path = Path(importlib.util.find_spec(module).origin)
    source = path.read_text(encoding="utf-8")
    for pattern, ours in {**UNKNOWN, **(renamed or {})}.items():
        source = re.sub(pattern, ours, source)
    tree = ast.parse(source)
    last = max(i for i, s in enumerate(tree.body) if isinstance(s, IMPORTS))
    tree.body[last + 1 : last + 1] = ast.parse(rebound).body
    exec(compile(tree, path, "exec"), namespace)
    if only is not None:
        found = {name for name in namespace if name.startswith("test_")}
        assert found >= {*only}, f"{module} has no {sorted({*only} - found)}"
        for name in found - {*only}:
            del namespace[name]


IMPORTS = ast.Import, ast.ImportFrom
# What this suite's pytest does not take: marks of other plugins, iterators.
UNKNOWN = {
    r"@pytest\.mark\.thread_unsafe\n": "",
    r"\b(yield_\w+\(\))": r"[*\1]",
}
