"""Published numbers beside ours: which results are of the same experiment, and how far off."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from granctl import spec
from granctl.study.figures import panel_title
from granctl.study.grid import Cell, Column, Grid, grid_html, number, word
from granctl.study.summary import TARGET_ALONE, Panel, Point
from granctl.study.table import interval_text
from granctl.study.webpage import Part, section
from granctl.study.wording import NONE
from granctl.workspace import embedded

FACTS_NAME = "published.toml"
_COLUMNS = (
    Column(title="Pretraining", name="pretraining", text=True),
    Column(title="Theirs, known", name="known", text=True),
    Column(title="Classes, theirs", name="classes_published"),
    Column(title="Classes, ours", name="classes"),
    Column(title="Top-1, theirs, %", name="top1_published"),
    Column(title="Top-1, ours, %", name="top1"),
    Column(title="95 % interval, ours", name="interval"),
    Column(title="Seeds, ours", name="seeds"),
    Column(title="Ours less theirs, points", name="difference"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class PublishedRow:
    """One published number."""

    name: str
    classes: int
    top1: float
    """A fraction."""
    known: Literal["stated", "memory"]
    level: int | None = None
    """Steps up all hypernyms; None: no pretraining."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PublishedTable:
    """One published experiment; it had every labelled image of the target."""

    name: str
    title: str
    origin: str
    note: str
    target: str
    """The data set's name."""
    target_classes: int
    method: str
    lists: tuple[str, ...]
    """Label lists that the source's cuts may be over."""
    row: tuple[PublishedRow, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Facts:
    table: tuple[PublishedTable, ...]


def published_tables() -> tuple[PublishedTable, ...]:
    """Every published table that is known.

    Raises:
        SpecError: the facts have faults.
    """
    path = embedded(FACTS_NAME)
    return spec.parse(_Facts, tomllib.loads(path.read_text(encoding="utf-8")), str(path)).table


def published_part(panels: Sequence[Panel]) -> Part | None:
    """A table for each panel of a published experiment; None where no cut of it occurs."""
    grids: list[Grid] = []
    html: list[str] = []
    for table in published_tables():
        for panel in panels:
            if not any(_ours(table, row, panel) for row in table.row if row.level is not None):
                continue
            grid = _grid(len(grids) + 1, table, panel)
            grids.append(grid)
            html.append(grid_html(grid, "Published."))
    if not grids:
        return None
    body = section("published", "Beside the paper's table", "\n".join(html))
    return Part(html=body, grids=tuple(grids))


def _ours(table: PublishedTable, row: PublishedRow, panel: Panel) -> Point | None:
    """Our point of a published row; None where the panel is of another experiment."""
    name = panel.target.partition("@")[0]
    first = panel.points[0].results[0]
    if (
        re.fullmatch(rf"{re.escape(table.target)}(-[0-9a-f]{{12}})?", name) is None
        or panel.method != table.method
        or panel.per_class is not None
        or first["num_classes"] != table.target_classes
    ):
        return None
    for point in panel.points:
        if row.level is None and point.family == TARGET_ALONE:
            return point
        if row.level is not None and point.classes_present and _is_level(table, row.level, point):
            return point
    return None


def _is_level(table: PublishedTable, level: int, point: Point) -> bool:
    source = point.results[0]["source"]
    params = source.get("params") or {}
    if params.get("list") not in table.lists:
        return False
    if source["method"] == "leaf":
        return level == 0
    return source["method"] == "level" and params.get("level") == level


def _grid(index: int, table: PublishedTable, panel: Panel) -> Grid:
    rows = tuple(_cells(row, _ours(table, row, panel)) for row in table.row)
    caption = f"{panel_title(panel)}, beside {table.origin}: {table.title}; {table.note}."
    if any(row.known == "memory" for row in table.row):
        caption += " Numbers known from memory were not found in public text."
    return Grid(name=f"published-{index}", caption=caption, columns=_COLUMNS, rows=rows)


def _cells(row: PublishedRow, ours: Point | None) -> tuple[Cell, ...]:
    top1 = None if ours is None else ours.top1
    interval = NONE if top1 is None else interval_text(top1)
    return (
        word(row.name),
        word(row.known),
        number(row.classes),
        number(None if ours is None else ours.classes_total or row.classes),
        number(row.top1, "{:.2f}", 100),
        number(None if top1 is None else top1.mean, "{:.2f}", 100),
        Cell(text=interval, value=None if interval == NONE else interval),
        number(None if top1 is None else top1.n),
        number(None if top1 is None else top1.mean - row.top1, "{:+.2f}", 100),
    )
