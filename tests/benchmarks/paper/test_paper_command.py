"""``python -m benchmarks paper``, and the runs that it keeps."""

import json
import math
import os
import re
import subprocess
import sys
import time

import numpy as np
import pytest
from _helpers.made_up_runs import kept, rows, tables

from benchmarks.__main__ import main
from benchmarks._shared.command import BENCHMARKS, RESULTS
from benchmarks._shared.frozen_features import frozen_features
from sklearn_lwal import STDClassifier

# The methods of each command, and its number of trainings for each seed.
COMMANDS = {
    "table1": (("STD", "LwAL"), 2),
    "table2": (("LwAL", "LabelEmbed"), 2),
    "table3": (("STD", "LwAL10"), 2),
    "table4": (("LwAL",), 3),
    "table5": (("STD", "library default"), 2),
    "figure2": (("STD", "LWR2k"), 2),
    "figure3": (("LwAL", "LWR3k"), 2),
}
IMAGES = "mnist", "fashion_mnist", "cifar10"
# Warnings are errors, but then pyparsing also warns of how matplotlib uses it.
WARNINGS = ["-W", "error", "-W", "ignore:::pyparsing"]


def command(*args, **options):
    """Start the command in a process of its own, on one thread."""
    return subprocess.Popen(
        [sys.executable, *WARNINGS, "-m", "benchmarks", "paper", *map(str, args)],
        cwd=BENCHMARKS.parent,
        env=os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def finished(*args):
    """The output of the command."""
    process = command(*args)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out


def paper(*args):
    """The command, in this process."""
    main(["paper", *map(str, args)])


def without_seconds(table):
    return {method: cells[:3] + cells[5:] for method, cells in rows(table).items()}


@pytest.mark.slow
def test_a_killed_command_goes_on_where_it_was(tmp_path, capsys):
    nothing = tmp_path / "data"
    nothing.mkdir()
    options = ["table1", "--scale", "smoke", "--device", "cpu", "--data-root", nothing]
    options += ["--seeds", "12", "123", "--epochs", "2"]
    paper(*options, "--out", tmp_path / "whole")
    whole = capsys.readouterr().out
    assert len(kept(tmp_path / "whole")) == 13 * 2
    out = tmp_path / "killed"
    process = command(*options, "--out", out)
    deadline = time.monotonic() + 60
    while len(kept(out)) < 5:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    process.kill()
    process.communicate()
    before = [line for line in kept(out) if line.endswith("\n")]
    assert 5 <= len(before) < 13 * 2
    assert all(json.loads(line)["curves"] for line in before)
    again = finished(*options, "--out", out)
    after = kept(out)
    assert after[: len(before)] == before
    assert settings(out) == settings(tmp_path / "whole")
    assert without_seconds(again) == without_seconds(whole)
    # The third time all of it comes from the file.
    paper(*options, "--out", out)
    assert rows(capsys.readouterr().out) == rows(again)
    assert kept(out) == after
    assert not list(nothing.iterdir())


def settings(out):
    """The settings of each kept run, in the order of the file."""
    return [json.loads(line)["run"] for line in kept(out)]


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command(name, tmp_path, capsys):
    methods, n_methods = COMMANDS[name]
    options = ["--scale", "smoke", "--seeds", "5", "6", "--epochs", "3"]
    options += ["--device", "cpu", "--out", tmp_path, "--methods", *methods]
    paper(name, *options)
    printed = capsys.readouterr().out
    results = [json.loads(line) for line in kept(tmp_path)]
    assert len(results) == 2 * n_methods
    assert {r["run"]["seed"] for r in results} == {5, 6}
    assert {r["run"]["method"] for r in results} == set(methods)
    assert {len(r["curves"]["test_accuracy"]) for r in results} == {3}
    if name.startswith("figure"):
        assert (tmp_path / f"{name}.png").stat().st_size > 3_000
        assert str(tmp_path / f"{name}.png") in printed
    else:
        (table,) = tables(printed)
        where = 2 if name == "table4" else 0
        assert {cells[where] for cells in table.values()} == {"method", *methods}
    before = kept(tmp_path)
    paper(name, *options)
    assert kept(tmp_path) == before


def test_tables_share_their_runs(tmp_path, capsys):
    options = ["--scale", "smoke", "--seeds", "5", "--epochs", "2"]
    options += ["--out", tmp_path, "--methods", "STD", "LwAL"]
    paper("table1", *options)
    before, first = kept(tmp_path), capsys.readouterr().out
    paper("table5", *options)
    paper("figure2", *options)
    assert kept(tmp_path) == before
    assert first in capsys.readouterr().out


@pytest.mark.parametrize(
    ("names", "datasets"),
    [
        (("table1", "table5", "table4"), {*IMAGES, "cifar100"}),
        (("table2",), {"cifar10", "fashion_mnist"}),
        (("table3",), {"imdb"}),
        (("figure2",), {"cifar100"}),
        (("figure3",), {"cifar10"}),
    ],
    ids=["images", "structure", "texts", "curves", "hierarchies"],
)
def test_data_seeds_and_folder_unless_told_otherwise(names, datasets, monkeypatch):
    asked = []

    def run_all(runs, execute, out):
        asked.append((runs, out))
        raise InterruptedError

    monkeypatch.setattr("benchmarks.paper.run.run_all", run_all)
    for name in names:
        with pytest.raises(InterruptedError):
            paper(name)
    for runs, out in asked:
        assert {run.dataset for run in runs} == datasets
        assert {run.seed for run in runs if run.max_epochs} == {12, 123, 1234}
        assert not any(run.trained for run in runs)
        assert out == RESULTS / "paper"
    if "table5" in names:
        assert asked[0] == asked[1]


def test_a_line_has_the_settings_the_curves_and_the_machine(tmp_path):
    options = ["--seeds", "12", "--methods", "STD", "--out", tmp_path]
    paper("table1", "--scale", "smoke", "--device", "cpu", *options)
    (line,) = kept(tmp_path)
    result = json.loads(line)
    assert result["run"] == {
        "dataset": "digits",
        "backbone": "pixels",
        "method": "STD",
        "seed": 12,
        "max_epochs": 5,
        "lr": 1e-3,
        "batch_size": 500,
        "warmup_steps": 0,
        "hidden_layer_sizes": [],
        "trained": False,
        "mapped": False,
    }
    for name in ("test_accuracy", "test_loss", "train_loss", "seconds"):
        assert len(result["curves"][name]) == 5
        assert all(map(math.isfinite, result["curves"][name]))
    assert result["fit_seconds"] > 0
    assert result["device"] == "cpu"
    assert result["n_threads"] >= 1
    versions = result["versions"]
    assert {"sklearn_lwal", "scikit-learn", "torch", "numpy"} <= versions.keys()
    assert all(re.match(r"\d+\.\d+", version) for version in versions.values())
    assert result["hardware"]["cores"] == os.cpu_count()
    assert result["hardware"]["processor"]
    # The curve is that of the classifier itself.
    X, y, X_test, y_test = frozen_features("digits", tmp_path)
    clf = STDClassifier(standardize=False, average=False, lr=1e-3, batch_size=500)
    clf.set_params(max_epochs=5, random_state=12, device="cpu")
    clf.fit(X, y, eval_set=(X_test, y_test))
    curve = [row["valid_acc"] for row in clf.history_]
    np.testing.assert_allclose(result["curves"]["test_accuracy"], curve, atol=1e-5)
    for name, own in (("test_loss", "valid_loss"), ("train_loss", "train_loss")):
        values = [row[own] for row in clf.history_]
        np.testing.assert_allclose(result["curves"][name], values, rtol=1e-4)
    np.testing.assert_allclose(curve[-1], np.mean(clf.predict(X_test) == y_test))


def test_features_of_a_backbone_below_the_data_root(tmp_path, capsys):
    rng, y = np.random.default_rng(0), np.arange(200) % 10
    X = rng.normal(size=(200, 5)).astype(np.float32) + y[:, None]
    (tmp_path / "features").mkdir()
    np.savez(
        tmp_path / "features" / "cifar10_resnet50.npz",
        **{"X_train": X, "y_train": y, "X_test": X[:50], "y_test": y[:50]},
    )
    options = ["--dataset", "cifar10", "--backbone", "resnet50", "--seeds", "12"]
    options += ["--methods", "STD", "--data-root", tmp_path]
    paper("table1", *options, "--out", tmp_path / "out")
    (run,) = settings(tmp_path / "out")
    assert (run["dataset"], run["backbone"], run["lr"]) == ("cifar10", "resnet50", 1e-4)
    assert (run["max_epochs"], run["batch_size"]) == (10, 500)
    assert rows(capsys.readouterr().out)["STD"][6] == "73.3 ± 0.5"


@pytest.mark.parametrize("names", [*(["paper", name] for name in COMMANDS), ["fair"]])
def test_options(names, capsys):
    with pytest.raises(SystemExit, match="0"):
        main([*names, "--help"])
    text = capsys.readouterr().out
    for option in ("dataset", "backbone", "methods", "seeds", "epochs", "scale"):
        assert f"--{option} " in text
    for option in ("data-root", "device", "out"):
        assert f"--{option} " in text


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["table6"],
        ["table1", "--scale", "huge"],
        ["table1", "--methods", "SVM"],
        ["figure2", "--dataset", "imagenet"],
        ["table1", "--backbone", "vgg"],
        ["table1", "--seeds", "one"],
    ],
    ids=["none", "command", "scale", "method", "dataset", "backbone", "seed"],
)
def test_options_that_there_are_not(options, capsys):
    with pytest.raises(SystemExit, match="2"):
        paper(*options)
    assert "usage: python -m benchmarks paper" in capsys.readouterr().err
