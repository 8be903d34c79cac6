"""Figures of lines for print: what the page draws, as SVG and PNG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from granctl.study.figures import figure_style, save_figure, spaced_labels
from granctl.study.linefigure import NUM_COLOURS, NUM_SHAPES, Axis, Line, LineFigure, Rule

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PALETTE = (
    *("#0072B2", "#D55E00", "#009E73", "#A33F7D"),
    *("#8A6A00", "#5B4FB0", "#756D64", "#1C1A17"),
)
_MARKERS, _DASHES = "os^D", ("-", "--", ":", "-.")
_BAND = "#7A746C"
_WIDTH_IN, _HEIGHT_IN = 6.3, 3.3
_KEY_COLUMNS, _KEY_ROW_IN = 3, 0.17
_NAME_WIDE, _NAME_HIGH = 0.14, 0.05
"""What a name takes of the axes, about."""


def draw_lines(figure: LineFigure, svg: Path, png: Path) -> None:
    """Draws one figure and writes both files; the same figure gives the same bytes.

    Raises:
        OutputNotWritableError: a file cannot be written.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(cast(Any, figure_style())):
        named = len([line for line in figure.lines if not line.thin]) + len(figure.rules)
        rows = math.ceil(named / _KEY_COLUMNS) if named > 1 else 0
        size = (_WIDTH_IN, _HEIGHT_IN + _KEY_ROW_IN * rows)
        drawn = Figure(figsize=size, layout="constrained")
        axes = drawn.subplots()
        for rule in figure.rules:
            _draw_rule(axes, rule)
        for line in figure.lines:
            _draw_line(axes, line)
        _set_axis(axes, "x", figure.x)
        _set_axis(axes, "y", figure.y)
        _name_dots(axes, figure)
        axes.set_title(figure.title, loc="left", fontsize=8.5, wrap=True)
        axes.grid(axis="y", linewidth=0.4, color="#DDD8D0")
        axes.set_axisbelow(True)
        axes.spines["right"].set_visible(False)
        if named > 1:
            look: dict[str, Any] = {"frameon": False, "fontsize": 7, "ncols": _KEY_COLUMNS}
            drawn.legend(loc="outside lower center", **look)
        save_figure(drawn, svg, png)


def _set_axis(axes: Axes, which: str, axis: Axis) -> None:
    if axis.log:
        getattr(axes, f"set_{which}scale")("log")
    if axis.ticks:
        labels = axis.labels or (
            spaced_labels(axis.ticks) if axis.log else [f"{t:,.6g}" for t in axis.ticks]
        )
        getattr(axes, f"set_{which}ticks")(list(axis.ticks), list(labels))
        getattr(axes, f"set_{which}ticks")([], minor=True)
    getattr(axes, f"set_{which}label")(axis.title + (" (log scale)" if axis.log else ""))


def _draw_rule(axes: Axes, rule: Rule) -> None:
    if rule.low is not None and rule.high is not None:
        axes.axhspan(rule.low, rule.high, color=_BAND, alpha=0.18, linewidth=0)
    axes.axhline(rule.y, color=_BAND, linewidth=1, linestyle=(0, (1, 1.5)), label=rule.name)


def _draw_line(axes: Axes, line: Line) -> None:
    dots = line.dots
    x, y = [d.x for d in dots], [d.y for d in dots]
    bars = None
    if any(d.low is not None and d.high is not None for d in dots):
        bars = [
            [d.y - (d.y if d.low is None else d.low) for d in dots],
            [(d.y if d.high is None else d.high) - d.y for d in dots],
        ]
    axes.errorbar(
        x,
        y,
        yerr=bars,
        color=PALETTE[line.colour % NUM_COLOURS],
        marker="" if line.marks == "none" else _MARKERS[line.shape % NUM_SHAPES],
        markevery=_marked(line, len(dots)),
        linestyle=_DASHES[line.shape % NUM_SHAPES] if line.joined and not line.thin else "-",
        linewidth=(0.6 if line.thin else 1.3) if line.joined else 0,
        elinewidth=1,
        markersize=4.5,
        capsize=2.5,
        alpha=0.35 if line.thin else 1,
        label=None if line.thin else line.name,
    )


def _name_dots(axes: Axes, figure: LineFigure) -> None:
    """Names beside their dots, but for those that would lie on one that stands already."""
    named = [dot for line in figure.lines for dot in line.dots if dot.name]
    axes.autoscale_view()  # else the places are those of the limits before
    size = axes.get_window_extent()
    taken: list[tuple[float, float]] = []
    for dot in named:
        x, y = axes.transData.transform((dot.x, dot.y))
        place = (x / size.width, y / size.height)
        if any(abs(place[0] - a) < _NAME_WIDE and abs(place[1] - b) < _NAME_HIGH for a, b in taken):
            continue
        taken.append(place)
        where: dict[str, Any] = {"xytext": (5, 3), "textcoords": "offset points", "fontsize": 7}
        axes.annotate(dot.name, (dot.x, dot.y), **where)


def _marked(line: Line, num: int) -> Sequence[int] | None:
    return [num - 1] if line.marks == "last" and num else None
