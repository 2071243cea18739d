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
    for pattern, ours in (renamed or {}).items():
        source = re.sub(pattern, ours, source)
    tree = Adapted().visit(ast.parse(source))
    last = max(i for i, s in enumerate(tree.body) if isinstance(s, IMPORTS))
    tree.body[last + 1 : last + 1] = ast.parse(rebound).body
    exec(compile(ast.fix_missing_locations(tree), path, "exec"), namespace)
    if only is not None:
        found = {name for name in namespace if name.startswith("test_")}
        assert found >= {*only}, f"{module} has no {sorted({*only} - found)}"
        for name in found - {*only}:
            del namespace[name]


IMPORTS = ast.Import, ast.ImportFrom


class Adapted(ast.NodeTransformer):
    """Lets this suite's pytest take the parameters of scikit-learn's tests."""

    def visit_Call(self, node):
        # It warns of iterators, and warnings are errors here.
        if ast.unparse(node.func) == "pytest.mark.parametrize":
            node.args[1] = ast.List([ast.Starred(node.args[1], ast.Load())], ast.Load())
        return self.generic_visit(node)
