"""Tables in Markdown, and pages with blocks that a program fills."""

import pytest

from benchmarks._shared import markdown


def test_a_block_is_filled_and_nothing_else(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- x -->\nold\n\n<!-- end -->\nb\n<!-- y -->\n<!-- end -->\n")
    new = r"| \1 \g<0> | 50 % |" + "\nsecond line"
    for _ in range(2):
        markdown.fill(page, {"x": new})
        assert page.read_text() == (
            f"a\n<!-- x -->\n{new}\n<!-- end -->\nb\n<!-- y -->\n<!-- end -->\n"
        )
    markdown.fill(page, {"y": "Y", "x": "X"})
    assert page.read_text() == (
        "a\n<!-- x -->\nX\n<!-- end -->\nb\n<!-- y -->\nY\n<!-- end -->\n"
    )


@pytest.mark.parametrize(
    "text",
    ["nothing", "<!-- x -->\n", 2 * "<!-- x -->\n<!-- end -->\n"],
    ids=["none", "open", "two"],
)
def test_a_page_without_the_block_stays_as_it_is(tmp_path, text):
    page = tmp_path / "page.md"
    page.write_text(f"<!-- y -->\n<!-- end -->\n{text}")
    before = page.read_text()
    with pytest.raises(ValueError, match="'x'"):
        markdown.fill(page, {"y": "Y", "x": "X"})
    assert page.read_text() == before


def test_a_table_is_markdown():
    assert markdown.table(["a", "b"], [[1, "x"], ["", 2.5]]) == (
        "| a | b |\n| --- | --- |\n| 1 | x |\n|  | 2.5 |"
    )
