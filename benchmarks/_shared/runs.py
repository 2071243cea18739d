"""Runs: one training each, kept as one line of a JSON-lines file.

A run is a frozen dataclass with all that its result depends on, and with

- ``path``: the file of its result, one for each data set and backbone;
- ``group``: equal for runs on the same data, which are made one after the other;
- ``max_epochs``: how long it takes, for the bar.

A kept run is not repeated, so a benchmark that was stopped goes on where it was. A line
is there whole or does not count: several processes may add to one file, and if one of
them is killed while it writes, the next to write removes the torn line.
"""

import fcntl
import json
from dataclasses import asdict
from pathlib import Path

from tqdm import tqdm


def run_all(runs, execute, out):
    """The result of each run; runs that are not kept yet are made, with a bar.

    Parameters
    ----------
    runs : list of runs
    execute : callable
        Makes the result, a dict for JSON, of a run.
    out : Path
        Folder of the results.

    Returns
    -------
    found : dict from run to result
    """
    found = dict.fromkeys(runs) | kept(runs, out)
    # The sort is stable: within a group the order stays.
    missing = sorted((r for r in found if found[r] is None), key=lambda r: r.group)
    n_epochs = sum(run.max_epochs for run in missing)
    with tqdm(total=n_epochs, unit="epoch", disable=not missing) as bar:
        for run in missing:
            bar.set_postfix_str(Path(run.path).stem)
            found[run] = execute(run)
            keep(run, found[run], out)
            bar.update(run.max_epochs)
    return found


def kept(runs, out):
    """The results of those runs that are kept."""
    known = {}
    for kind, path in {(type(run), Path(out) / run.path) for run in runs}:
        for run, result in read(kind, path):
            # Two processes may have made the same run; the first result counts.
            known.setdefault(run, result)
    return {run: known[run] for run in runs if run in known}


def read(kind, path):
    """The (run, result) pairs of a file; runs are of the dataclass ``kind``."""
    if not path.exists():
        return
    # Bytes behind the last line end are a torn line.
    whole, _, _ = path.read_bytes().rpartition(b"\n")
    for n, line in enumerate(whole.splitlines(), 1):
        try:
            result = json.loads(line)
        except ValueError as error:
            raise ValueError(f"{path}, line {n}: {error}") from error
        # JSON has lists in the place of tuples.
        fields = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in result.pop("run").items()
        }
        yield kind(**fields), result


def keep(run, result, out):
    """Add a line to the file of the run."""
    path = Path(out) / run.path
    path.parent.mkdir(parents=True, exist_ok=True)
    line = json.dumps({"run": asdict(run), **result}, separators=(",", ":")) + "\n"
    with open(path, "a+b") as file:
        # Other processes wait until the file is closed, with the whole line in it.
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        file.truncate(file.read().rfind(b"\n") + 1)
        file.write(line.encode())
