"""Options that the benchmarks share, and the folders that they read and write."""

import argparse
from pathlib import Path

BENCHMARKS = Path(__file__).parents[1]
RESULTS = BENCHMARKS / "results"
# Git ignores this folder: it is for trials.
SCRATCH = BENCHMARKS / "out"
DOCS = BENCHMARKS.parent / "docs"


def parser_of(name, description):
    """A parser for ``python -m benchmarks NAME``."""
    return argparse.ArgumentParser(
        prog=f"python -m benchmarks {name}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def add_data_root(parser):
    parser.add_argument("--data-root", type=Path, default=Path(".data"))


def add_places(parser, out):
    """The folder of the data, and the place of the results."""
    add_data_root(parser)
    parser.add_argument("--out", type=Path, default=out, help="place of the results")
