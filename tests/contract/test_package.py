"""Modules that importing the package loads, and the demo."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np

import sklearn_lwal
from benchmarks import quickstart

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


def test_quickstart_counts_epochs():
    assert quickstart.epochs_to_reach(np.array([0.1, 0.5, 0.4, 0.6]), 0.5) == 2
    assert quickstart.epochs_to_reach(np.array([0.1, 0.2]), 0.5) is None
    curves = {
        "STD": np.array([[0.1, 0.3, 0.5, 0.4]]),
        "LwAL": np.array([[0.5, 0.6, 0.7, 0.6]]),
    }
    std, lwal = quickstart.summarise(curves, {"STD": [1.0], "LwAL": [2.0]})
    assert (std["best"], std["final"], std["epochs_to_std_best"]) == (0.5, 0.4, 3)
    assert std["auac"] == np.mean([0.1, 0.3, 0.5, 0.4])
    assert (lwal["epochs_to_std_best"], lwal["epochs_reduced"]) == (1, 1 - 1 / 3)


def test_quickstart_writes_table_and_picture(monkeypatch, tmp_path, capsys):
    arguments = ["quickstart", "--epochs", "2", "--seeds", "0", "--out", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", arguments)
    quickstart.main()
    printed = capsys.readouterr().out
    assert all(f"| {name} |" in printed for name in quickstart.METHODS)
    report = json.loads((tmp_path / "quickstart_digits.json").read_text())
    assert np.shape(report["curves"]["LwAL10"]) == (1, 2)
    png = (tmp_path / "quickstart_digits.png").read_bytes()
    assert png.startswith(b"\x89PNG")
    assert len(png) > 10_000
