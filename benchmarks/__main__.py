"""The paper's tables and figures, and a comparison that is fair to its rivals.

``python -m benchmarks table1 --scale smoke`` takes seconds. Every training is kept as a
JSON file in ``--out`` and never repeated, so a command that was stopped goes on where
it was. ``python -m benchmarks report`` writes what is kept into ``docs/benchmarks``.

Frozen features are computed beforehand: ``python -m benchmarks.frozen_features``.
"""

import argparse
from functools import partial
from pathlib import Path

from benchmarks import fair, figures, paper, report, tables, training
from benchmarks.datasets import DATASETS
from benchmarks.methods import paper_methods
from benchmarks.runs import run_all

RESULTS = Path(__file__).parent / "results" / "runs"
SCRATCH = Path(__file__).parent / "out"
# What is trained for each, and what is made of it.
EXPERIMENTS = {
    "table1": (paper.image_runs, tables.speed_tables),
    "table2": (paper.structure_runs, tables.structure_table),
    "table3": (paper.text_runs, lambda found: tables.speed_tables(found, (3, 3))),
    "table4": (paper.warmup_runs, tables.warmup_table),
    "table5": (paper.image_runs, tables.speed_tables),
    "figure2": (paper.curve_runs, figures.draw_curves),
    "figure3": (paper.hierarchy_runs, figures.draw_hierarchies),
}


def main(arguments=None):
    args = parser().parse_args(arguments)
    if args.command == "report":
        return report.main(args.out or RESULTS)
    scale = args.scale
    out = args.out or (SCRATCH / scale if scale == "smoke" else RESULTS)
    if args.command == "fair":
        return fair.main(args, out)
    scope = paper.Scope(
        scale, args.dataset, args.backbone, args.methods, args.seeds, args.epochs
    )
    runs, render = EXPERIMENTS[args.command]
    execute = partial(training.execute, data_root=args.data_root, device=args.device)
    found = run_all(runs(scope), execute, out)
    if args.command.startswith("table"):
        print(render(found))
    else:
        path = out / f"{args.command}.png"
        render(found, path)
        print(path)


def parser():
    found = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = found.add_subparsers(dest="command", required=True)
    for name, (runs, _) in EXPERIMENTS.items():
        add_options(commands.add_parser(name, help=runs.__doc__.splitlines()[0]))
    add_options(commands.add_parser("fair", help=fair.__doc__.splitlines()[0]))
    one = commands.add_parser("report", help=report.__doc__.splitlines()[0])
    one.add_argument("--out", type=Path, help="where the runs are kept")
    return found


def add_options(command):
    def several(name, choices, help, **options):
        command.add_argument(
            name, nargs="+", choices=choices, help=help, metavar="NAME", **options
        )

    several("--dataset", [*DATASETS], f"of {', '.join(DATASETS)}")
    several("--backbone", [*paper.RATES], f"of {', '.join(paper.RATES)}")
    several("--methods", [*paper_methods()], f"of {', '.join(paper_methods())}")
    command.add_argument("--seeds", nargs="+", type=int, default=paper.SEEDS)
    command.add_argument("--epochs", type=int, help="instead of the paper's 10 or 20")
    command.add_argument(
        "--scale",
        choices=paper.SCALES,
        default="frozen",
        help="smoke: bundled data; frozen: features (default); full: trained backbones",
    )
    command.add_argument("--data-root", type=Path, default=Path(".data"))
    command.add_argument("--device", default="auto", help="auto, cpu, cuda, ...")
    command.add_argument("--out", type=Path, help="where the runs are kept")


if __name__ == "__main__":
    main()
