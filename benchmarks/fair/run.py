"""Every method at its best beside scikit-learn's classifiers, on frozen features.

The paper gives all methods one learning rate. Here each has its own, and its own number
of epochs, chosen by accuracy on a fifth of the training rows; the test rows are looked
at once, at the end. There are three views: accuracy over seconds, accuracy over epochs
and learning rates, and accuracy over the number of training rows.

Every training is kept in ``--out`` and never repeated, so a command that was stopped
goes on where it was. ``python -m benchmarks report fair`` writes the page.
"""

from benchmarks._shared.command import RESULTS, SCRATCH, parser_of
from benchmarks._shared.scope import add_options, scope_of
from benchmarks.fair.report import PICTURES, blocks
from benchmarks.fair.training import methods
from benchmarks.fair.views import DATASETS_BY_SCALE, measure


def main(arguments=None):
    found = parser()
    args = found.parse_args(arguments)
    out = args.out or (SCRATCH if args.scale == "smoke" else RESULTS) / "fair"
    try:
        compare(args, scope_of(args), out)
    except (ValueError, FileNotFoundError) as error:
        found.exit(2, f"{error}\n")


def parser():
    found = parser_of("fair", __doc__)
    add_options(found, methods(), DATASETS_BY_SCALE, n_backbones=1)
    return found


def compare(args, scope, out):
    """Measure, print the tables, draw the pictures and print where they are."""
    found = measure(scope, out, args.data_root, args.device)
    print("\n\n".join(blocks(found).values()))
    for name, draw in PICTURES.items():
        draw(found, out / name)
        print(out / name)
