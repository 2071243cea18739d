"""Run a benchmark, or write kept results into the pages of docs/benchmarks.

``python -m benchmarks NAME`` runs ``benchmarks/NAME/run.py``, which measures and keeps
its results; ``python -m benchmarks NAME --help`` lists the options. ``report`` runs the
``report.py`` of each benchmark that has one.
"""

import argparse
import ast
import sys
from importlib import import_module
from pathlib import Path

from benchmarks._shared.command import DOCS, RESULTS, parser_of

HERE = Path(__file__).parent
REPORT = "Write kept results into the tables and pictures of the pages."


def having(file):
    """Names of the benchmarks that have this file."""
    return sorted(path.parent.name for path in HERE.glob(f"*/{file}"))


def main(arguments=None):
    first, *rest = (sys.argv[1:] if arguments is None else arguments) or [""]
    name = parser().parse_args([first]).name
    if name == "report":
        report(rest)
    else:
        import_module(f"benchmarks.{name}.run").main(rest)


def parser():
    """The parser of a benchmark's name; its help has a line for each."""
    lines = {name: first_line(HERE / name / "run.py") for name in having("run.py")}
    lines["report"] = REPORT
    width = max(map(len, lines))
    found = argparse.ArgumentParser(
        prog="python -m benchmarks",
        usage="%(prog)s NAME [options]",
        description=__doc__,
        epilog="\n".join(f"  {name:{width}}  {line}" for name, line in lines.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    found.add_argument("name", choices=lines, metavar="NAME", help="one of those below")
    return found


def first_line(path):
    """First line of a module's docstring; the module is not imported."""
    return ast.get_docstring(ast.parse(path.read_text())).splitlines()[0]


def report(arguments):
    found = parser_of("report", REPORT)
    pages = having("report.py")
    names = " ".join(pages)
    found.add_argument("pages", nargs="*", metavar="PAGE", help=f"all, or of {names}")
    found.add_argument("--out", type=Path, default=RESULTS, help="folder of results")
    found.add_argument("--docs", type=Path, default=DOCS, help="folder of the docs")
    args = found.parse_args(arguments)
    if unknown := {*args.pages} - {*pages}:
        found.error(f"there is no report of {', '.join(sorted(unknown))}")
    for name in args.pages or pages:
        import_module(f"benchmarks.{name}.report").main(args.out, args.docs)


if __name__ == "__main__":
    main()
