"""Write what is kept of the runs into the pages of docs/benchmarks."""

from pathlib import Path

from benchmarks import fair, fair_report, figures, paper, tables
from benchmarks.markdown import fill
from benchmarks.runs import kept

DOCS = Path(__file__).parents[1] / "docs" / "benchmarks"
# The pages show these once they are measured.
SCOPES = (paper.Scope("frozen"), paper.Scope("full"))


def main(out, docs=DOCS):
    """Fill the pages and draw the pictures from the results below ``out``."""
    found = {
        name: kept([run for scope in SCOPES for run in runs(scope)], out)
        for name, runs in {
            "images": paper.image_runs,
            "texts": paper.text_runs,
            "warmup": paper.warmup_runs,
            "structure": paper.structure_runs,
            "curves": paper.curve_runs,
        }.items()
    }
    # One network's: eight trees fill the picture.
    found["hierarchy"] = kept(paper.hierarchy_runs(paper.Scope()), out)
    blocks = {
        "table 1 and 5": tables.speed_tables(found["images"]),
        "table 2": tables.structure_table(found["structure"]),
        "table 3": tables.speed_tables(found["texts"], (3, 3)),
        "table 4": tables.warmup_table(found["warmup"]),
    }
    fill(docs / "paper.md", blocks)
    scope = paper.Scope(datasets=("fashion_mnist",))
    fashion = kept(paper.image_runs(scope), out)
    methods = ("STD", "LwAL10", "LwAL10, refined")
    fill(docs / "core.md", {"fashion": tables.curves_table(fashion, methods)})
    figures.draw_curves(found["curves"], docs / "figure2.png")
    figures.draw_hierarchies(found["hierarchy"], docs / "figure3.png")
    compared = fair.read(paper.Scope(), out)
    fill(docs / "fair.md", fair_report.blocks(compared))
    for name, draw in fair_report.PICTURES.items():
        draw(compared, docs / name)
