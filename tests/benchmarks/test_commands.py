"""``python -m benchmarks`` and what it keeps of its runs."""

import json
import math
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from made_up import rows, tables

from benchmarks import fair, training
from benchmarks.__main__ import main
from benchmarks.frozen_features import frozen_features
from benchmarks.runs import read, run_all, write
from sklearn_lwal import STDClassifier

ROOT = Path(__file__).parents[2]
# The trainings of each command: methods, and those that do not depend on the seed.
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
FAIR = "LwAL", "--seeds", "12", "--epochs", "2"

# Errors; but where there are any, pyparsing also judges how matplotlib uses it.
WARNINGS = ["-W", "error", "-W", "ignore:::pyparsing"]


def command(*args, **options):
    """Start the command in a process of its own, on one thread."""
    return subprocess.Popen(
        [sys.executable, *WARNINGS, "-m", "benchmarks", *map(str, args)],
        cwd=ROOT,
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


def kept(out):
    """The contents of each file that counts as a result."""
    return {
        path.relative_to(out): (path.stat().st_mtime_ns, path.read_bytes())
        for path in out.rglob("*.json")
    }


def table1(tmp_path, *more):
    return ["table1", "--scale", "smoke", "--out", tmp_path / "out", *more]


def without_seconds(table):
    return {method: cells[:3] + cells[5:] for method, cells in rows(table).items()}


@pytest.mark.slow
def test_a_killed_command_goes_on_where_it_was(tmp_path, capsys):
    nothing = tmp_path / "data"
    nothing.mkdir()
    options = ["table1", "--scale", "smoke", "--device", "cpu", "--data-root", nothing]
    options += ["--seeds", "12", "123", "--epochs", "2"]
    main([*map(str, options), "--out", str(tmp_path / "whole")])
    whole = capsys.readouterr().out
    names = set(kept(tmp_path / "whole"))
    assert len(names) == 13 * 2
    out = tmp_path / "killed"
    process = command(*options, "--out", out)
    deadline = time.monotonic() + 60
    while len(kept_names(out)) < 5:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    process.kill()
    process.communicate()
    before = kept(out)
    assert 5 <= len(before) < len(names)
    for _, content in before.values():
        assert json.loads(content)["curves"]
    again = finished(*options, "--out", out)
    after = kept(out)
    assert after.keys() == names
    assert {path: after[path] for path in before} == before
    assert without_seconds(again) == without_seconds(whole)
    # And all of it from the files.
    main([*map(str, options), "--out", str(out)])
    assert rows(capsys.readouterr().out) == rows(again)
    assert kept(out) == after
    assert not list(nothing.iterdir())


def kept_names(out):
    return [*out.rglob("*.json")]


KILLED_WHILE_WRITING = """
import os, signal, sys
from pathlib import Path
from benchmarks.runs import write

def half(path, text):
    with open(path, "w") as f:
        f.write(text[: len(text) // 2])
    os.kill(os.getpid(), signal.SIGKILL)

Path.write_text = half
write(Path(sys.argv[1]), {"accuracy": 0.5, "curves": [1, 2, 3]})
"""


def a_run(**settings):
    settings = {"max_epochs": 2, "lr": 1e-3, "batch_size": 100, **settings}
    return training.Run("digits", "pixels", "STD", 12, **settings)


def test_a_half_written_file_is_no_result(tmp_path):
    run = a_run()
    done = subprocess.run(
        [sys.executable, "-c", KILLED_WHILE_WRITING, tmp_path / run.path], cwd=ROOT
    )
    assert done.returncode == -9
    assert [path for path in tmp_path.rglob("*") if path.is_file()]
    assert read(run, tmp_path) is None
    assert run_all([run], lambda run: {"accuracy": 1.0}, tmp_path) == {
        run: {"accuracy": 1.0}
    }
    assert read(run, tmp_path) == {"accuracy": 1.0}


def test_a_failure_costs_only_its_own_run(tmp_path):
    runs = [a_run(lr=lr) for lr in (1e-3, 1e-2, 1e-1)]
    made = []

    def execute(run):
        if run is runs[1] and len(made) == 1:
            raise RuntimeError("no more power")
        made.append(run)
        return {"lr": run.lr}

    with pytest.raises(RuntimeError, match="power"):
        run_all(runs, execute, tmp_path)
    before = kept(tmp_path)
    assert made == runs[:1]
    made.append(None)
    found = run_all(runs, execute, tmp_path)
    assert made == [runs[0], None, *runs[1:]]
    # In the order that was asked for.
    assert [(run, result["lr"]) for run, result in found.items()] == [
        (run, run.lr) for run in runs
    ]
    assert kept(tmp_path).items() >= before.items()
    assert run_all(runs, None, tmp_path) == found


def test_writing_is_in_one_step(tmp_path):
    path = tmp_path / "a" / "b.json"
    write(path, {"x": 1})
    with open(path) as reading:
        write(path, {"x": 2})
        assert json.load(reading) == {"x": 1}
    assert json.loads(path.read_text()) == {"x": 2}
    assert [p.name for p in path.parent.iterdir()] == ["b.json"]


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command(name, tmp_path, capsys):
    methods, n_methods = COMMANDS[name]
    options = ["--scale", "smoke", "--seeds", "5", "6", "--epochs", "3"]
    options += ["--device", "cpu", "--out", str(tmp_path), "--methods", *methods]
    main([name, *options])
    printed = capsys.readouterr().out
    results = [json.loads(path.read_text()) for path in kept_names(tmp_path)]
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
    main([name, *options])
    assert kept(tmp_path) == before


def test_tables_share_their_runs(tmp_path, capsys):
    options = ["--scale", "smoke", "--seeds", "5", "--epochs", "2"]
    options += ["--out", str(tmp_path), "--methods", "STD", "LwAL"]
    main(["table1", *options])
    before, first = kept(tmp_path), capsys.readouterr().out
    main(["table5", *options])
    main(["figure2", *options])
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
def test_what_is_trained_unless_told_otherwise(names, datasets, monkeypatch):
    asked = []

    def run_all(runs, execute, out):
        asked.append((runs, out))
        raise InterruptedError

    monkeypatch.setattr("benchmarks.__main__.run_all", run_all)
    for name in names:
        with pytest.raises(InterruptedError):
            main([name])
    for runs, out in asked:
        assert {run.dataset for run in runs} == datasets
        assert {run.seed for run in runs if run.max_epochs} == {12, 123, 1234}
        assert not any(run.trained for run in runs)
        assert out == ROOT / "benchmarks" / "results" / "runs"
    if "table5" in names:
        assert asked[0] == asked[1]


def test_what_a_file_says(tmp_path):
    options = ["--seeds", "12", "--methods", "STD", "--out", str(tmp_path)]
    main(["table1", "--scale", "smoke", "--device", "cpu", *options])
    (path,) = kept_names(tmp_path)
    result = json.loads(path.read_text())
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
    options += ["--methods", "STD", "--data-root", str(tmp_path)]
    main(["table1", *options, "--out", str(tmp_path / "out")])
    (result,) = [json.loads(p.read_text()) for p in kept_names(tmp_path / "out")]
    run = result["run"]
    assert (run["dataset"], run["backbone"], run["lr"]) == ("cifar10", "resnet50", 1e-4)
    assert (run["max_epochs"], run["batch_size"]) == (10, 500)
    assert rows(capsys.readouterr().out)["STD"][6] == "73.3 ± 0.5"


@pytest.mark.parametrize("name", [*COMMANDS, "fair"])
def test_options(name, capsys):
    with pytest.raises(SystemExit, match="0"):
        main([name, "--help"])
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
def test_what_there_is_not(options, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(options)
    assert "usage: python -m benchmarks" in capsys.readouterr().err


def test_commands_are_listed(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    text = capsys.readouterr().out
    for name in (*COMMANDS, "fair", "report"):
        assert re.search(rf"^ +{name} ", text, flags=re.M)


@pytest.mark.slow
def test_fair_as_a_command(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(fair, "RATES", (1e-3, 1e-2))
    options = ["fair", "--scale", "smoke", "--out", str(tmp_path), "--methods", *FAIR]
    main([*options, "--device", "cpu", "--data-root", str(tmp_path)])
    printed = capsys.readouterr().out
    seconds, rates, few = tables(printed)
    assert [*seconds] == ["method", "LwAL"]
    assert [*rates] == ["data", "digits"]
    assert len(rates["data"]) == 2 + len(fair.RATES)
    assert few["data"][2:] == ["5", "20", "50", "all"]
    pictures = [*tmp_path.glob("*.png")]
    assert len(pictures) == 3
    for path in pictures:
        assert str(path) in printed
        assert path.read_bytes().startswith(b"\x89PNG\r\n")
        assert path.stat().st_size < 200_000
    names = {path.relative_to(tmp_path).parts[2] for path in kept_names(tmp_path)}
    assert names == {
        *("validation", "validation-5rows", "validation-20rows", "validation-50rows"),
        *("test", "test-5rows", "test-20rows", "test-50rows"),
    }
    before = kept(tmp_path)
    main(options)
    assert tables(capsys.readouterr().out) == [seconds, rates, few]
    assert kept(tmp_path) == before
