"""The paper's tables 1 to 5 and its figures 2 and 3, rerun.

``python -m benchmarks paper table1 --scale smoke`` takes seconds. Every training is
kept in ``--out`` and never repeated, so a command that was stopped goes on where it
was. ``python -m benchmarks report paper`` writes the kept results into the pages.

Frozen features are computed beforehand: ``python -m benchmarks frozen_features``.
"""

from functools import partial

from benchmarks._shared.command import RESULTS, SCRATCH, parser_of
from benchmarks._shared.methods import paper_methods
from benchmarks._shared.runs import run_all
from benchmarks._shared.scope import add_options, scope_of
from benchmarks.paper import experiments, figures, tables, training

# For each name the trainings, and the table or figure that is made of them.
EXPERIMENTS = {
    "table1": (experiments.image_runs, tables.speed_tables),
    "table2": (experiments.structure_runs, tables.structure_table),
    "table3": (experiments.text_runs, tables.text_tables),
    "table4": (experiments.warmup_runs, tables.warmup_table),
    "table5": (experiments.image_runs, tables.speed_tables),
    "figure2": (experiments.curve_runs, figures.draw_curves),
    "figure3": (experiments.hierarchy_runs, figures.draw_hierarchies),
}


def main(arguments=None):
    found = parser()
    args = found.parse_args(arguments)
    out = args.out or (SCRATCH if args.scale == "smoke" else RESULTS) / "paper"
    try:
        reproduce(args, scope_of(args), out)
    except (ValueError, FileNotFoundError) as error:
        found.exit(2, f"{error}\n")


def parser():
    found = parser_of("paper", __doc__)
    commands = found.add_subparsers(dest="experiment", required=True)
    for name, (runs, _) in EXPERIMENTS.items():
        one = commands.add_parser(name, help=runs.__doc__.splitlines()[0])
        add_options(one, paper_methods(), experiments.SCALES)
    return found


def reproduce(args, scope, out):
    """Make the results that are not kept yet; print the table, or draw the figure."""
    runs, render = EXPERIMENTS[args.experiment]
    execute = partial(training.execute, data_root=args.data_root, device=args.device)
    found = run_all(runs(scope), execute, out)
    if args.experiment.startswith("table"):
        print(render(found))
    else:
        path = out / f"{args.experiment}.png"
        render(found, path)
        print(path if path.exists() else "There is nothing to draw.")
