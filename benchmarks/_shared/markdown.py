"""Markdown tables, and pages with marked blocks that a program fills."""

import re


def table(header, rows):
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def fill(page, blocks):
    """Put text between ``<!-- name -->`` and ``<!-- end -->`` of a page.

    Parameters
    ----------
    page : Path
    blocks : dict of str
        Text by name of the block.

    Raises
    ------
    ValueError
        If a block is not there exactly once.
    """
    text = page.read_text()
    for name, block in blocks.items():
        marked = rf"(<!-- {name} -->\n).*?(<!-- end -->)"
        text, n = re.subn(
            marked, lambda m, block=block: f"{m[1]}{block}\n{m[2]}", text, flags=re.S
        )
        if n != 1:
            raise ValueError(f"{page} has {n} blocks called {name!r}, not one.")
    page.write_text(text)
