"""The scope of ``paper`` and ``fair``: data, methods, seeds, epochs, as options."""

import argparse
import shlex
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks._shared.command import add_data_root
from benchmarks._shared.datasets import DATASETS
from benchmarks._shared.frozen_features import BACKBONES

SEEDS = (12, 123, 1234)
# "pixels" are the features of a table.
NETWORKS = (*BACKBONES["images"], *BACKBONES["texts"], "pixels")


@dataclass(frozen=True)
class Scope:
    """Choices of the user; None leaves the choice to the experiment."""

    scale: str = "frozen"
    datasets: tuple | None = None
    backbones: tuple | None = None
    methods: tuple | None = None
    seeds: tuple = SEEDS
    max_epochs: int | None = None

    def filled(self, datasets, backbones, methods):
        """The scope with choices in the place of None; the first two by scale."""
        return replace(
            self,
            datasets=self.datasets or datasets[self.scale],
            backbones=self.backbones or backbones[self.scale],
            methods=self.methods or methods,
        )


def scope_of(args):
    return Scope(
        args.scale, args.dataset, args.backbone, args.methods, args.seeds, args.epochs
    )


def add_options(parser, methods, scales, n_backbones="+"):
    """The options of a scope, and those of the machine and its folders."""
    add_names(parser, "--dataset", DATASETS)
    add_names(parser, "--backbone", NETWORKS, n_backbones)
    add_names(parser, "--methods", methods)
    parser.add_argument("--seeds", nargs="+", type=int, default=SEEDS)
    parser.add_argument("--epochs", type=positive, help="instead of the usual number")
    scale = parser.add_argument("--scale", choices=[*scales], default="frozen")
    scale.help = "smoke: bundled data; frozen: features (default)"
    if "full" in scales:
        scale.help += "; full: backbones are trained, as in the paper"
    add_data_root(parser)
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, ...")
    parser.add_argument("--out", type=Path, help="folder of the results")


def add_names(parser, option, choices, nargs="+"):
    """An option that takes several of these names."""
    names = " ".join(shlex.quote(name) for name in choices)
    parser.add_argument(
        option, nargs=nargs, choices=[*choices], help=f"of {names}", metavar="NAME"
    )


def positive(text):
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number
