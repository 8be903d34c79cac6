"""Tables as values: what people see, what a program reads, and nothing that runs."""

from __future__ import annotations

import csv
import io

import pytest

from granctl.study.grid import Column, Grid, grid_files, grid_html, grid_records, number, word

COLUMNS = (
    Column(title="Source", name="source", text=True),
    Column(title="Top-1, %", name="top1"),
)
GRID = Grid(
    name="made-up",
    caption="A | B & <c>",
    columns=COLUMNS,
    rows=((word("a|b_<i>"), number(0.12345, "{:.2f}", 100, 0.5)), (word("[c]"), number(None))),
)


def test_people_see_per_cent_and_programs_read_fractions() -> None:
    """The CSV has the value, empty where there is none; Markdown and LaTeX what is seen."""
    files = grid_files(GRID)
    rows = list(csv.DictReader(io.StringIO(files["made-up.csv"])))
    assert rows == [{"source": "a|b_<i>", "top1": "0.12345"}, {"source": "[c]", "top1": ""}]
    assert grid_records(GRID)[1] == {"source": "[c]", "top1": None}
    assert "| a\\|b_<i> | 12.35 |" in files["made-up.md"]
    assert "| [c] | – |" in files["made-up.md"]
    tex = files["made-up.tex"]
    assert r"a\textbar{}b\_\textless{}i\textgreater{} & 12.35 \\" in tex
    assert r"{}[c] & -- \\" in tex
    assert r"\begin{tabular}{lr}" in tex
    assert r"Source & Top-1, \% \\" in tex


def test_html_is_escaped_sorts_by_value_and_is_shaded() -> None:
    """No markup of a cell becomes markup of the page."""
    html = grid_html(GRID, "Made-up.")
    assert "a|b_&lt;i&gt;" in html
    assert "<i>" not in html
    assert '<td class="shaded" style="--shade:0.50" data-value="0.12345">12.35</td>' in html
    assert '<td data-value="">–</td>' in html
    assert html.count("<button") == 2


def test_a_row_that_is_too_short_is_refused() -> None:
    """A table is as wide as its columns."""
    with pytest.raises(ValueError, match="1 cells, 2 columns"):
        Grid(name="n", caption="c", columns=COLUMNS, rows=((word("a"),),))
