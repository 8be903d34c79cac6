"""Scores at every coarser level of the target: is a source better in the fine or in the coarse?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from granctl.study.comparison import unbroken
from granctl.study.figures import panel_title
from granctl.study.grid import Cell, Column, Grid, grid_html, number, word
from granctl.study.results import Result
from granctl.study.summary import Panel, Point
from granctl.study.webpage import Part, folded, section

_MOST_OPEN = 2


def levels_part(panels: Sequence[Panel]) -> Part | None:
    """A shaded table a panel; None where no result was scored at a coarser level."""
    grids: list[Grid] = []
    html: list[str] = []
    for panel in panels:
        grid = _grid(len(grids) + 1, panel)
        if grid is None:
            continue
        grids.append(grid)
        body = grid_html(grid, "Levels.")
        title = f"<b>{unbroken(panel_title(panel))}</b>"
        html.append(folded(title, body, opened=len(grids) <= _MOST_OPEN))
    if not grids:
        return None
    told = (
        "The same answers, scored at every coarser level of the target's tree. A column is shaded"
        " from its lowest to its highest score."
    )
    return Part(html=section("levels", "Every level", "\n".join(html), told), grids=tuple(grids))


def _grid(index: int, panel: Panel) -> Grid | None:
    classes: dict[str, int] = {}
    for result in (r for point in panel.points for r in point.results):
        classes |= {level["cut"]: level["classes"] for level in _scored(result)}
    if not classes:
        return None
    names = sorted(classes, key=lambda cut: (classes[cut], cut))
    own = str(panel.points[0].results[0].get("target_cut") or "target")
    num = panel.points[0].results[0]["num_classes"]
    scores = {point.cut: _scores(point, names) for point in panel.points}
    shades = [_shades([scores[p.cut][i] for p in panel.points]) for i in range(len(names) + 1)]
    columns = [
        Column(title="Source cut", name="source", text=True),
        *(Column(title=f"{n} ({classes[n]:,})", name=f"top1_{n}") for n in names),
        Column(title=f"{own} ({num:,}), the target", name="top1"),
    ]
    rows = [
        (word(point.cut), *(_cell(v, s[r]) for v, s in zip(scores[point.cut], shades, strict=True)))
        for r, point in enumerate(panel.points)
    ]
    caption = f"{panel_title(panel)}: mean top-1 over seeds, %; in brackets the classes of a level."
    return Grid(name=f"levels-{index}", caption=caption, columns=tuple(columns), rows=tuple(rows))


def _scored(result: Result) -> list[Mapping[str, Any]]:
    return [level for level in result.get("levels") or [] if level.get("top1") is not None]


def _scores(point: Point, names: Sequence[str]) -> list[float | None]:
    """Mean top-1 at each level, the target's own last; None where a seed was not scored."""
    of_results = [{lv["cut"]: lv["top1"] for lv in _scored(r)} for r in point.results]
    found: list[float | None] = []
    for name in names:
        values = [levels[name] for levels in of_results if name in levels]
        found.append(fmean(values) if len(values) == len(of_results) else None)
    return [*found, point.top1.mean]


def _shades(values: Sequence[float | None]) -> list[float | None]:
    known = [v for v in values if v is not None]
    low, high = min(known, default=0.0), max(known, default=0.0)
    width = high - low
    return [None if v is None or not width else (v - low) / width for v in values]


def _cell(value: float | None, shade: float | None) -> Cell:
    return number(value, "{:.2f}", 100, shade)
