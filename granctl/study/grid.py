"""A table as a value: sortable on a page, and as CSV, Markdown and LaTeX beside it.

grid = Grid(name="costs", caption="...", columns=(Column(title="Source", name="source"), ...),
            rows=((word("leaf"), number(0.9312, "{:.2f}", 100)), ...))
grid_html(grid)
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from granctl.study.latex import latex_table
from granctl.study.table import csv_of
from granctl.study.wording import NONE


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """One column."""

    title: str
    """For people, with its unit."""
    name: str
    """In the CSV and in JSON."""
    text: bool = False
    """Set to the left, and sorted upwards at first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """One cell."""

    text: str
    """For people."""
    value: float | str | None
    """What it sorts by, and what stands in the CSV; None: there is none."""
    shade: float | None = None
    """How strongly it is coloured on the page, 0 to 1."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Grid:
    """A table; its first column heads the rows.

    Raises:
        ValueError: a row is not as long as the columns.
    """

    name: str
    """Of its files, and of its place on the page: letters, digits and hyphens."""
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(
                    f"table {self.name}: {len(row)} cells, {len(self.columns)} columns"
                )

    @property
    def num_left(self) -> int:
        """Columns of text that it begins with."""
        return next((i for i, c in enumerate(self.columns) if not c.text), len(self.columns))


def word(text: str) -> Cell:
    """A cell of text."""
    return Cell(text=text, value=text)


def number(
    value: float | None, form: str = "{:,.0f}", times: float = 1, shade: float | None = None
) -> Cell:
    """A cell of a number, a dash where there is none.

    Args:
        value: what the CSV has.
        form: how people see it.
        times: what it is multiplied by for them: 100 for per cent.
        shade: see `Cell`.
    """
    if value is None:
        return Cell(text=NONE, value=None)
    return Cell(text=form.format(times * value), value=value, shade=shade)


def grid_html(grid: Grid, label: str = "Table.") -> str:
    """The table for a page: sortable, and scrolling in its own place where it is too wide.

    Args:
        grid: the table.
        label: text that stands in bold before the caption.
    """
    name = escape(grid.name)
    heads = "".join(_head(column) for column in grid.columns)
    rows = "\n".join(_row(row, grid.columns) for row in grid.rows)
    caption = f"<b>{escape(label)}</b> {escape(grid.caption)} Click a heading to sort."
    return f"""<p class="caption" id="caption-{name}">{caption}</p>
<div class="scroll" tabindex="0" role="region" aria-labelledby="caption-{name}">
<table class="sortable grid" id="table-{name}" aria-labelledby="caption-{name}">
<thead><tr>{heads}</tr></thead>
<tbody>
{rows}
</tbody></table></div>"""


def _head(column: Column) -> str:
    kind = ' class="text"' if column.text else ""
    # A heading breaks between words, and neither in top-1 nor before its unit.
    title = re.sub(r"\w+(?:-\w+)+", r'<span class="nb">\g<0></span>', escape(column.title))
    title = title.replace(", %", ",&nbsp;%")
    return f'<th scope="col"{kind}><button type="button">{title}</button></th>'


def _row(cells: Sequence[Cell], columns: Sequence[Column]) -> str:
    first = f'<th scope="row">{escape(cells[0].text)}</th>'
    rest = (_cell(cell, column) for cell, column in zip(cells[1:], columns[1:], strict=True))
    return f"<tr>{first}{''.join(rest)}</tr>"


def _cell(cell: Cell, column: Column) -> str:
    kinds = [k for k, on in (("text", column.text), ("shaded", cell.shade is not None)) if on]
    kind = f' class="{" ".join(kinds)}"' if kinds else ""
    shade = "" if cell.shade is None else f' style="--shade:{cell.shade:.2f}"'
    value = "" if column.text else f' data-value="{"" if cell.value is None else cell.value}"'
    return f"<td{kind}{shade}{value}>{escape(cell.text)}</td>"


def grid_records(grid: Grid) -> list[dict[str, Any]]:
    """One object a row, as JSON types; null where there is no number."""
    names = [column.name for column in grid.columns]
    return [dict(zip(names, (cell.value for cell in row), strict=True)) for row in grid.rows]


def grid_files(grid: Grid) -> Mapping[str, str]:
    """File name -> text: CSV (values, empty where there is none), Markdown and LaTeX (as seen)."""
    headings = [column.title for column in grid.columns]
    rows = [[cell.text for cell in row] for row in grid.rows]
    left = grid.num_left
    ruled = [headings, ["---"] * left + ["---:"] * (len(headings) - left), *rows]
    lines = ["| " + " | ".join(c.replace("|", "\\|") for c in row) + " |" for row in ruled]
    return {
        f"{grid.name}.csv": csv_of(grid_records(grid)),
        f"{grid.name}.md": "\n".join([grid.caption, "", *lines, ""]),
        f"{grid.name}.tex": latex_table(grid.caption, headings, rows, left),
    }
