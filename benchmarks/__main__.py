"""The paper's tables and figures, and a comparison that is fair to its rivals.

``python -m benchmarks table1 --scale smoke`` takes seconds. Every training is kept as a
JSON file in ``--out`` and never repeated, so a command that was stopped goes on where
it was. ``python -m benchmarks report`` writes what is kept into ``docs/benchmarks``.

Frozen features are computed beforehand: ``python -m benchmarks.frozen_features``.
"""

import argparse
import shlex
from functools import partial
from pathlib import Path

from benchmarks import fair, fair_report, figures, paper, report, tables, training
from benchmarks.datasets import DATASETS
from benchmarks.methods import paper_methods
from benchmarks.runs import run_all

RESULTS = Path(__file__).parent / "results" / "runs"
SCRATCH = Path(__file__).parent / "out"
# For each name the trainings, and the report that is made of them.
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
    found = parser()
    args = found.parse_args(arguments)
    if args.command == "report":
        return report.main(args.out or RESULTS, args.docs)
    out = args.out or (SCRATCH / "smoke" if args.scale == "smoke" else RESULTS)
    scope = paper.Scope(
        args.scale, args.dataset, args.backbone, args.methods, args.seeds, args.epochs
    )
    try:
        if args.command == "fair":
            compare(args, scope, out)
        else:
            reproduce(args, scope, out)
    except (ValueError, FileNotFoundError) as error:
        found.exit(2, f"{error}\n")


def reproduce(args, scope, out):
    """Make what is not kept yet; print the table, or say where the figure is."""
    runs, render = EXPERIMENTS[args.command]
    execute = partial(training.execute, data_root=args.data_root, device=args.device)
    found = run_all(runs(scope), execute, out)
    if args.command.startswith("table"):
        print(render(found))
    else:
        path = out / f"{args.command}.png"
        render(found, path)
        print(path if path.exists() else "There is nothing to draw.")


def compare(args, scope, out):
    """Every method at its best: tables, and where the pictures are."""
    found = fair.measure(scope, out, args.data_root, args.device)
    print("\n\n".join(fair_report.blocks(found).values()))
    for name, draw in fair_report.PICTURES.items():
        draw(found, out / name)
        print(out / name)


def parser():
    found = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = found.add_subparsers(dest="command", required=True)
    methods = [*paper_methods()]
    for name, (runs, _) in EXPERIMENTS.items():
        one = commands.add_parser(name, help=runs.__doc__.splitlines()[0])
        add_options(one, methods, paper.SCALES)
        add_names(one, "--backbone", paper.RATES)
    one = commands.add_parser("fair", help=fair.__doc__.splitlines()[0])
    add_options(one, [*fair.methods()], fair.DATASETS_BY_SCALE)
    add_names(one, "--backbone", paper.RATES, nargs=1)
    one = commands.add_parser("report", help=report.__doc__.splitlines()[0])
    one.add_argument("--out", type=Path, help="where the runs are kept")
    one.add_argument(
        "--docs", type=Path, default=report.DOCS, help="where the pages are"
    )
    return found


def positive(text):
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def add_names(command, option, choices, nargs="+"):
    """An option that takes several of these names."""
    names = " ".join(shlex.quote(name) for name in choices)
    command.add_argument(
        option, nargs=nargs, choices=[*choices], help=f"of {names}", metavar="NAME"
    )


def add_options(command, methods, scales):
    add_names(command, "--dataset", DATASETS)
    add_names(command, "--methods", methods)
    command.add_argument("--seeds", nargs="+", type=int, default=paper.SEEDS)
    command.add_argument("--epochs", type=positive, help="instead of 10 or 20")
    scale = command.add_argument("--scale", choices=[*scales], default="frozen")
    scale.help = "smoke: bundled data; frozen: features (default)"
    if "full" in scales:
        scale.help += "; full: backbones are trained, as in the paper"
    command.add_argument("--data-root", type=Path, default=Path(".data"))
    command.add_argument("--device", default="auto", help="auto, cpu, cuda, ...")
    command.add_argument("--out", type=Path, help="where the runs are kept")


if __name__ == "__main__":
    main()
