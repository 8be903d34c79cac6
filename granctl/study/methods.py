"""Every method of a target in one figure: which transfer profits from which granularity."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from html import escape

from granctl.study.comparison import unbroken
from granctl.study.figures import panel_title
from granctl.study.linefigure import (
    NUM_COLOURS,
    Axis,
    Dot,
    Line,
    LineFigure,
    Rule,
    figure_html,
)
from granctl.study.summary import FAMILIES, TARGET_ALONE, Panel, Point
from granctl.study.webpage import Part, folded, section

_MOST_OPEN = 3
"""Figures that stand open; the others are folded away."""


def methods_part(panels: Sequence[Panel]) -> Part | None:
    """A figure for each target that was measured in several ways; None where there is none."""
    by_target: dict[str, list[Panel]] = defaultdict(list)
    for panel in panels:
        if any(p.classes_present for p in panel.points):
            by_target[panel.target].append(panel)
    several = {target: found for target, found in by_target.items() if len(found) > 1}
    if not several:
        return None
    figures = [_figure(i, target, found) for i, (target, found) in enumerate(several.items(), 1)]
    parts = []
    for i, (target, figure) in enumerate(zip(several, figures, strict=True)):
        html = figure_html(figure, _caption(target))
        parts.append(html if i < _MOST_OPEN else folded(f"<b>{unbroken(target)}</b>", html))
    told = "Each line is one way to use the pretrained network; a colour is a way, a dash a family."
    body = section("methods", "Every method", "\n".join(parts), told)
    return Part(html=body, figures=tuple(figures))


def _caption(target: str) -> str:
    return (
        f"<b>{escape(target)}.</b> Mean top-1 over the number of pretraining classes that have"
        " images; bars are 95 % t-intervals over seeds, absent where there is one seed."
    )


def _figure(index: int, target: str, panels: Sequence[Panel]) -> LineFigure:
    lines = [line for colour, panel in enumerate(panels) for line in _lines(colour, panel, panels)]
    counts = sorted({dot.x for line in lines for dot in line.dots})
    return LineFigure(
        name=f"methods-{index}",
        title=f"{target}: every method",
        x=Axis(title="pretraining classes that have images", log=True, ticks=tuple(counts)),
        y=Axis(title="top-1, %"),
        lines=tuple(lines),
        rules=tuple(_alone(panels)),
    )


def _lines(colour: int, panel: Panel, panels: Sequence[Panel]) -> list[Line]:
    found: dict[str, list[Point]] = defaultdict(list)
    for point in panel.points:
        if point.classes_present:
            found[point.family].append(point)
    name = method_words(panel, panels)
    return [
        Line(
            name=name if family == FAMILIES[0] else f"{name}: {family}",
            dots=tuple(_dot(p) for p in points),
            colour=colour % NUM_COLOURS,
            shape=(FAMILIES.index(family) if family in FAMILIES[:3] else 3) + colour // NUM_COLOURS,
        )
        for family, points in found.items()
    ]


def _dot(point: Point) -> Dot:
    top1 = point.top1
    ends = [None if v is None else 100 * v for v in (top1.low, top1.high)]
    interval = "" if top1.low is None else f", 95 % interval {ends[0]:.1f} to {ends[1]:.1f}"
    seeds = "1 seed" if top1.n == 1 else f"{top1.n} seeds"
    return Dot(
        x=point.classes_present or 0,
        y=100 * top1.mean,
        low=ends[0],
        high=ends[1],
        text=f"{point.cut}, {point.classes_present or 0:,.0f} classes,"
        f" top-1 {100 * top1.mean:.2f} %{interval}, {seeds}",
    )


def method_words(panel: Panel, panels: Sequence[Panel]) -> str:
    """What tells a panel from the others of its target, in words."""
    words = _words(panel)
    alike = [p for p in panels if p.method == panel.method]
    shared = set(words[1:]).intersection(*map(_words, alike))
    own = [word for word in words if word not in shared]
    for key, value in panel.setting.items():
        if value is not None and len({p.setting[key] for p in alike}) > 1:
            told = f"{value:,}" if isinstance(value, int) else str(value)
            own.append(f"{key.replace('_', ' ')} {told}")
    return ", ".join(own)


def _words(panel: Panel) -> list[str]:
    """The method, and what else it is told by."""
    return panel_title(panel).removeprefix(f"{panel.target}, ").split(", ")


def _alone(panels: Sequence[Panel]) -> list[Rule]:
    """Training on the target alone, once for each budget."""
    found: dict[int | None, Point] = {}
    for panel in panels:
        for point in panel.points:
            if point.family == TARGET_ALONE:
                found.setdefault(panel.per_class, point)
    return [
        Rule(
            name=TARGET_ALONE if len(found) == 1 else f"{TARGET_ALONE}, {budget or 'all'} a class",
            y=100 * point.top1.mean,
            low=None if point.top1.low is None else 100 * point.top1.low,
            high=None if point.top1.high is None else 100 * point.top1.high,
        )
        for budget, point in found.items()
    ]
