"""Write kept runs into the page of the paper, and into the first table of ``core``."""

from benchmarks._shared.markdown import fill
from benchmarks._shared.runs import kept
from benchmarks._shared.scope import Scope
from benchmarks.paper import experiments, figures, tables

# Backbones that are trained are shown as soon as they are measured.
SCOPES = (Scope("frozen"), Scope("full"))
ON_CORE = ("STD", "LwAL10", "LwAL10, refined")


def main(results, docs):
    """Fill the pages and draw the pictures from the results below a folder."""
    out, pages = results / "paper", docs / "benchmarks"
    found = {
        name: kept([run for scope in SCOPES for run in runs(scope)], out)
        for name, runs in {
            "images": experiments.image_runs,
            "texts": experiments.text_runs,
            "warmup": experiments.warmup_runs,
            "structure": experiments.structure_runs,
            "curves": experiments.curve_runs,
        }.items()
    }
    blocks = {
        "table 1 and 5": tables.speed_tables(found["images"]),
        "table 2": tables.structure_table(found["structure"]),
        "table 3": tables.text_tables(found["texts"]),
        "table 4": tables.warmup_table(found["warmup"]),
    }
    fill(pages / "paper.md", blocks)
    fashion = kept(experiments.image_runs(Scope(datasets=("fashion_mnist",))), out)
    fill(pages / "core.md", {"fashion": tables.curves_table(fashion, ON_CORE)})
    figures.draw_curves(found["curves"], pages / "figure2.png")
    # The picture has room for the eight trees of one network.
    hierarchies = kept(experiments.hierarchy_runs(Scope()), out)
    figures.draw_hierarchies(hierarchies, pages / "figure3.png")
