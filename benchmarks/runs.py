"""Runs of the benchmarks: one training each, kept as one JSON file each.

A run is a frozen dataclass that says all that matters to its result, with

- ``path``: where that lies below the folder of results;
- ``group``: equal for runs on the same data, which are made one after the other;
- ``max_epochs``: how long it takes, for the time that is left.

A run that is kept is not repeated, so that a benchmark that was killed goes on where it
stopped: a file is there whole or not at all.
"""

import importlib.metadata
import json
import os
import time
from dataclasses import asdict
from pathlib import Path

import torch
from tqdm import tqdm

from benchmarks.engine import hardware

PACKAGES = ("sklearn_lwal", "scikit-learn", "skorch", "torch", "torchvision", "numpy")
CURVES = {
    "test_accuracy": "valid_acc",
    "test_loss": "valid_loss",
    "train_loss": "train_loss",
    "seconds": "dur",
}


def run_all(runs, execute, out):
    """The result of each run; those that are not kept yet are made, with a bar.

    Parameters
    ----------
    runs : list of runs
    execute : callable
        Makes the result, a dict for JSON, of a run.
    out : Path
        Where the results are kept.

    Returns
    -------
    found : dict from run to result
    """
    found = {run: read(run, out) for run in runs}
    # Stable: within a group in the order that was asked for.
    missing = sorted((r for r in found if found[r] is None), key=lambda r: r.group)
    n_epochs = sum(run.max_epochs for run in missing)
    with tqdm(total=n_epochs, unit="epoch", disable=not missing) as bar:
        for run in missing:
            bar.set_postfix_str(run.path.stem)
            found[run] = execute(run)
            write(Path(out) / run.path, found[run])
            bar.update(run.max_epochs)
    return found


def kept(runs, out):
    """The results of those runs that are kept."""
    found = {run: read(run, out) for run in runs}
    return {run: result for run, result in found.items() if result is not None}


def read(run, out):
    """The kept result of a run, or None.

    Raises
    ------
    ValueError
        If the file is of another run.
    """
    path = Path(out) / run.path
    if not path.exists():
        return None
    result = json.loads(path.read_text())
    wanted = json.loads(json.dumps(asdict(run)))
    stored = result.get("run", {})
    if any(stored.get(name, value) != value for name, value in wanted.items()):
        raise ValueError(f"{path} is of another run, {stored}; remove it.")
    return result


def write(path, result):
    """Write JSON so that the file is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.write_text(json.dumps(result, separators=(",", ":")) + "\n")
    unfinished.replace(path)


def slug(name):
    """A name that can be part of a file's."""
    return name.replace(",", "").replace("'", "").replace(" ", "_")


def timed_fit(clf, X, y, **options):
    """Fit; seconds that it took."""
    start = time.perf_counter()
    clf.fit(X, y, **options)
    return round(time.perf_counter() - start, 4)


def curves(history):
    """One list a measure, an entry an epoch; seconds are those of the epoch."""
    return {
        name: [float(f"{row[key]:.5g}") for row in history]
        for name, key in CURVES.items()
        if key in history[0]
    }


def provenance(clf=None):
    """What a result was measured with."""
    return {
        "device": str(clf.net_.device) if hasattr(clf, "net_") else "cpu",
        "n_threads": torch.get_num_threads(),
        "hardware": hardware(),
        "versions": {name: importlib.metadata.version(name) for name in PACKAGES},
    }
