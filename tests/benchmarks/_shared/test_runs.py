"""Kept runs: resumption, torn lines, and several processes that write at once."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from benchmarks._shared.runs import keep, kept, run_all

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True)
class Run:
    """A run as the benchmarks have them, with the fields that matter here."""

    dataset: str = "digits"
    lr: float = 1e-3
    sizes: tuple = ()
    max_epochs: int = 2

    @property
    def group(self):
        return self.dataset

    @property
    def path(self):
        return f"{self.dataset}-pixels.jsonl"


def lines(out, name="digits-pixels.jsonl"):
    return (out / name).read_text().splitlines()


def test_a_file_has_a_line_for_each_run(tmp_path):
    found = {Run(lr=lr, sizes=(3, 4)): {"accuracy": lr} for lr in (0.5, 0.25)}
    assert run_all([*found], found.get, tmp_path) == found
    # The settings come first, in the order of the dataclass.
    assert lines(tmp_path)[1] == (
        '{"run":{"dataset":"digits","lr":0.25,"sizes":[3,4],"max_epochs":2},'
        '"accuracy":0.25}'
    )
    assert [path.name for path in tmp_path.iterdir()] == ["digits-pixels.jsonl"]
    assert kept([*found], tmp_path) == found
    assert run_all([*found], None, tmp_path) == found


def test_settings_that_a_line_lacks_are_the_defaults(tmp_path):
    line = {"run": {"dataset": "digits", "lr": 0.5}, "accuracy": 1.0}
    (tmp_path / "digits-pixels.jsonl").write_text(json.dumps(line) + "\n")
    runs = [Run(lr=0.5), Run(lr=0.5, max_epochs=3)]
    assert kept(runs, tmp_path) == {runs[0]: {"accuracy": 1.0}}


def test_data_sets_have_their_own_files(tmp_path):
    runs = [Run("wine"), Run("digits"), Run("wine", lr=0.5)]
    made = []
    found = run_all(runs, lambda run: {"n": made.append(run) or len(made)}, tmp_path)
    assert len(lines(tmp_path)) == 1
    assert len(lines(tmp_path, "wine-pixels.jsonl")) == 2
    # Each data set is read once; the results are in the order that was asked for.
    assert made == [runs[1], runs[0], runs[2]]
    assert [*found] == runs


def test_a_failure_costs_only_its_own_run(tmp_path):
    runs = [Run(lr=lr) for lr in (1e-3, 1e-2, 1e-1)]
    made = []

    def execute(run):
        if run is runs[1] and len(made) == 1:
            raise RuntimeError("no more power")
        made.append(run)
        return {"rate": run.lr}

    with pytest.raises(RuntimeError, match="power"):
        run_all(runs, execute, tmp_path)
    before = lines(tmp_path)
    assert made == runs[:1]
    made.append(None)
    found = run_all(runs, execute, tmp_path)
    assert made == [runs[0], None, *runs[1:]]
    assert [(run, result["rate"]) for run, result in found.items()] == [
        (run, run.lr) for run in runs
    ]
    assert lines(tmp_path)[:1] == before
    assert run_all(runs, None, tmp_path) == found


@pytest.mark.parametrize("whole", [[], [Run(lr=0.5)]], ids=["alone", "behind a line"])
def test_a_torn_line_is_no_result_and_goes_away(tmp_path, whole):
    for run in whole:
        keep(run, {"accuracy": 0.5}, tmp_path)
    path = tmp_path / "digits-pixels.jsonl"
    before = path.read_bytes() if whole else b""
    keep(Run(), {"accuracy": 0.25}, tmp_path)
    line = path.read_bytes()[len(before) :]
    # The longest torn line lacks only the line end.
    for n in range(1, len(line)):
        path.write_bytes(before + line[:n])
        assert Run() not in kept([Run()], tmp_path)
        found = run_all([*whole, Run()], lambda run: {"accuracy": 1.0}, tmp_path)
        assert [r["accuracy"] for r in found.values()] == [0.5] * len(whole) + [1.0]
        assert path.read_bytes() == before + line.replace(b"0.25", b"1.0")


KILLED_WHILE_WRITING = """
import os, signal, sys
from test_runs import Run
from benchmarks._shared import runs

lock = runs.fcntl.flock

def half(file, how):
    lock(file, how)
    file.write(b'{"run":{"dataset":"dig')
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)

runs.fcntl.flock = half
runs.keep(Run(), {"accuracy": 0.5}, sys.argv[1])
"""


def start(code, *args):
    """Run code in a process that can import this module."""
    here = str(Path(__file__).parent)
    code = f"import sys; sys.path.insert(0, {here!r})\n{code}"
    return subprocess.Popen([sys.executable, "-c", code, *map(str, args)], cwd=ROOT)


def test_a_process_that_is_killed_while_it_writes_holds_nobody_up(tmp_path):
    assert start(KILLED_WHILE_WRITING, tmp_path).wait(60) == -9
    assert lines(tmp_path) == ['{"run":{"dataset":"dig']
    assert kept([Run()], tmp_path) == {}
    assert run_all([Run()], lambda run: {"accuracy": 1.0}, tmp_path) == {
        Run(): {"accuracy": 1.0}
    }
    assert kept([Run()], tmp_path) == {Run(): {"accuracy": 1.0}}


# The results are larger than what a file buffers.
WRITER = """
from test_runs import Run
from benchmarks._shared.runs import keep

folder, first, n = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
for i in range(first, first + n):
    keep(Run(lr=float(i)), {"curve": [i] * 4000}, folder)
"""


def test_processes_that_write_at_once_lose_nothing(tmp_path):
    n = 100
    writers = [start(WRITER, tmp_path, i * n, n) for i in range(3)]
    assert [writer.wait(120) for writer in writers] == [0, 0, 0]
    assert len(lines(tmp_path)) == 3 * n
    runs = [Run(lr=float(i)) for i in range(3 * n)]
    found = kept(runs, tmp_path)
    assert found == {run: {"curve": [int(run.lr)] * 4000} for run in runs}


def test_of_two_results_the_first_counts(tmp_path):
    for accuracy in (0.5, 1.0):
        keep(Run(), {"accuracy": accuracy}, tmp_path)
    assert len(lines(tmp_path)) == 2
    assert kept([Run()], tmp_path) == {Run(): {"accuracy": 0.5}}


def test_a_damaged_line_is_an_error(tmp_path):
    keep(Run(), {"accuracy": 0.5}, tmp_path)
    path = tmp_path / "digits-pixels.jsonl"
    path.write_text("{damaged\n" + path.read_text())
    with pytest.raises(ValueError, match=r"digits-pixels\.jsonl, line 1: "):
        kept([Run()], tmp_path)
