"""Mutation testing by mutmut, in groups of files with the tests that say most of them.

``python .ci/mutants.py [group ...]`` breaks the code of the groups, by default of all,
and counts by file the breaks that no test sees. Those that were tried before are not
tried again, so an interrupted run goes on. Everything stays in the folder mutants.
"""

import argparse
import contextlib
import gc
import importlib
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "mutants"
PACKAGE = "sklearn_lwal"
# A file's mutants run the tests of its own group alone: all that come by it would take
# days.
GROUPS = {
    "functional": (
        ["heads/functional", "heads/update_rule"],
        [
            "heads/test_functional",
            "heads/test_update_rule",
            "heads/test_adaptive",
            "heads/test_many_heads",
        ],
    ),
    "adaptive": (
        ["heads/adaptive", "heads/adaptive_head", "heads/base"],
        [
            "heads/test_fixed_values",
            "heads/test_adaptive",
            "heads/test_following_features",
            "heads/test_many_heads",
        ],
    ),
    "linear": (
        ["heads/linear"],
        ["heads/test_linear", "heads/test_units_of_layers", "heads/test_many_heads"],
    ),
    "rivals": (
        ["heads/one_hot", "heads/retrospection", "heads/embedding", "heads/static"],
        [
            "heads/test_training_state",
            "heads/test_fixed_values",
            "heads/test_rivals",
            "heads/test_many_heads",
        ],
    ),
    "discriminant": (
        ["heads/discriminant"],
        ["heads/test_discriminant", "heads/test_discriminant_parts"],
    ),
    "values": (
        ["_utils/class_labels", "_utils/precision"],
        ["utils/test_labels", "utils/test_precision"],
    ),
    "validation": (
        ["_utils/validation"],
        ["utils/test_validation", "utils/test_validated_targets"],
    ),
    "plain": (["_serialization/codec"], ["serialization/test_codec"]),
    "files": (
        ["_serialization/file", "_serialization/checks", "_utils/files"],
        [
            "serialization/test_file",
            "serialization/test_messages",
            "serialization/test_checks",
            "utils/test_files",
        ],
    ),
    "search": (
        ["search/_joint_fit", "search/_scoring_proxies"],
        ["search/test_joint_fit", "search/test_scoring_proxies"],
    ),
}
COLUMNS = ["mutants", "killed", "timeout", "survived", "no tests", "not checked"]
# Modules that torch loads when they are first needed, which takes seconds.
LATE = ("torch._dynamo", "torch.distributed.tensor", "torch._inductor.utils")
UNSEEN = ("survived", "no tests")


def prepare(name):
    """A folder where mutmut finds the library and the settings of one group."""
    folder = FOLDER / name
    folder.mkdir(parents=True, exist_ok=True)
    for path in ROOT.iterdir():
        link = folder / path.name
        if path.name[0] != "." and path.name not in ("mutants", "pyproject.toml"):
            link.unlink(missing_ok=True)
            link.symlink_to(path)
    files, tests = GROUPS[name]
    only = json.dumps([f"{PACKAGE}/{file}.py" for file in files])
    selection = [f"tests/{test}.py" for test in tests]
    settings = (ROOT / "pyproject.toml").read_text()
    # [tool.mutmut] is the last table there.
    settings += f"only_mutate = {only}\n"
    settings += f"pytest_add_cli_args_test_selection = {json.dumps(selection)}\n"
    (folder / "pyproject.toml").write_text(settings)
    return folder


def outcomes(folder):
    """File, name and outcome of each mutant of a group."""
    from mutmut.stats import status_by_exit_code

    for path in sorted(folder.glob(f"mutants/{PACKAGE}/**/*.meta")):
        file = path.relative_to(folder / "mutants" / PACKAGE).with_suffix("")
        for mutant, code in json.loads(path.read_text())["exit_code_by_key"].items():
            yield str(file), mutant, status_by_exit_code[code]


def report(names):
    """Print the survivors and the table of counts."""
    counts = {}
    for name in names:
        for file, mutant, outcome in outcomes(FOLDER / name):
            count = counts.setdefault(file, Counter())
            count.update(["mutants", outcome])
            if outcome not in ("killed", "not checked"):
                print(f"{outcome}: {mutant}")
    counts["all"] = sum(counts.values(), Counter())
    rows = [["file", *COLUMNS], ["---"] * (1 + len(COLUMNS))]
    rows += [[file, *map(count.get, COLUMNS)] for file, count in counts.items()]
    for row in rows:
        print("|", " | ".join(str(cell or 0) for cell in row), "|")


def pytest_collection_modifyitems(items):
    """Run the quickest tests first, and none that is slow.

    This module is a plugin of the runs, too.
    """
    seconds = {}
    if Path("mutmut-stats.json").exists():
        seconds = json.loads(Path("mutmut-stats.json").read_text())["duration_by_test"]
    quick = (item for item in items if not item.get_closest_marker("slow"))
    items[:] = sorted(quick, key=lambda item: seconds.get(item.nodeid, 0))


def pytest_unconfigure():
    """Load what the processes of the mutants would load, each anew."""
    for name in LATE:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    gc.freeze()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("groups", nargs="*", help=f"of {', '.join(GROUPS)}")
    parser.add_argument("--processes", default="2")
    parser.add_argument("--report", action="store_true", help="only count")
    parser.add_argument(
        "--digits", default="", help="try those alone whose numbers end in one of these"
    )
    parser.add_argument(
        "--survivors", action="store_true", help="try those again that no test saw"
    )
    options = parser.parse_args()
    names = options.groups or [*GROUPS]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT / ".ci")}
    mutmut = Path(sys.executable).with_name("mutmut")
    for name in () if options.report else names:
        command = [mutmut, "run", "--max-children", options.processes]
        folder = prepare(name)
        if options.survivors:
            found = [m for _, m, outcome in outcomes(folder) if outcome in UNSEEN]
            if not found:
                continue
            command += found
            # Tests that are new since then run as well.
            (folder / "mutants" / "mutmut-stats.json").unlink(missing_ok=True)
        command += [f"*__mutmut_*{digit}" for digit in options.digits]
        subprocess.run(command, cwd=folder, env=env, check=True)
    report(names)


if __name__ == "__main__":
    main()
