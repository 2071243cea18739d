"""Modules that importing the package loads, and the files beside it."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import sklearn_lwal

PACKAGE = Path(sklearn_lwal.__file__).parent


def test_public_names():
    assert sklearn_lwal.__all__ == sorted(sklearn_lwal.__all__)
    assert all(hasattr(sklearn_lwal, name) for name in sklearn_lwal.__all__)
    assert (PACKAGE / "py.typed").exists()


def test_import_leaves_heavy_packages_alone():
    code = "import sys, sklearn_lwal; print([*sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    loaded = ast.literal_eval(done.stdout)
    assert "torch" in loaded
    assert not {"torchvision", "matplotlib", "transformers", "nltk"} & set(loaded)


def test_hooks_lint_with_the_versions_of_the_dev_extra():
    config, project = (
        (PACKAGE.parent / name).read_text()
        for name in (".pre-commit-config.yaml", "pyproject.toml")
    )
    pinned = re.findall(r'additional_dependencies: \["(.+)"\]', config)
    assert pinned
    assert all(f'"{version}"' in project for version in pinned)
