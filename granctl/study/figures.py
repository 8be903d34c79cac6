"""The curve for print: accuracy over the number of pretraining classes, as SVG and PNG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from granctl.files import replacing
from granctl.study.points import PUBLIC
from granctl.study.summary import TARGET_ALONE, Panel, Point

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STYLE_OF_FAMILY: dict[str, tuple[str, str, str]] = {
    "taxonomy": ("#0072B2", "o", "-"),
    "clusters": ("#D55E00", "s", "--"),
    "random": ("#009E73", "^", ":"),
}
"""Colour (Okabe and Ito's set for the colour-blind), marker and line: each alone tells it."""
_OTHER_STYLE = ("#56504A", "D", "-.")
_BAND = "#7A746C"
_WIDTH_IN, _HEIGHT_IN = 6.3, 3.3
"""The text width of an A4 page; the height of one panel."""


def draw_curves(panels: Sequence[Panel], svg: Path, png: Path) -> None:
    """Draws one axes a panel, one below the other, and writes both files.

    x is the number of pretraining classes with images (log), y the mean top-1 in per cent with
    bars of one standard deviation over seeds, and pale ones for the 95 % t-interval (from three
    seeds on: with two it is wider than all else); the right axis is the error. The same panels
    give the same bytes.

    Raises:
        OutputNotWritableError: a file cannot be written.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(cast(Any, figure_style())):
        figure = Figure(figsize=(_WIDTH_IN, _HEIGHT_IN * len(panels)), layout="constrained")
        for axes, panel in zip(
            figure.subplots(len(panels), 1, squeeze=False)[:, 0], panels, strict=True
        ):
            _draw(axes, panel)
        save_figure(figure, svg, png)


def save_figure(figure: Figure, svg: Path, png: Path) -> None:
    """Writes a figure as SVG and PNG; the same figure gives the same bytes.

    Raises:
        OutputNotWritableError: a file cannot be written.
    """
    with replacing(svg) as temporary:
        figure.savefig(temporary, format="svg", metadata={"Date": None})
    with replacing(png) as temporary:
        figure.savefig(temporary, format="png", dpi=200, metadata={"Software": None})


def figure_style() -> dict[str, Any]:
    """What all figures share: matplotlib's settings."""
    return {
        "font.family": ["DejaVu Serif"],
        "font.size": 9,
        "axes.spines.top": False,
        "axes.linewidth": 0.6,
        "svg.hashsalt": "granctl",
        "svg.fonttype": "path",
    }


def panel_title(panel: Panel) -> str:
    """What a panel compares, for people: target, method, labelled images a class."""
    how = {"finetune": "fine-tuned", "linear": "linear probe", "scratch": "trained alone"}
    how |= {"fewshot": "few-shot regression", "knn": "nearest neighbours"}
    how |= {"grouped": "the run's own head"}
    budget = "all labelled images"
    if panel.method == "grouped":
        budget = "no labelled image"
    elif panel.per_class is not None:
        budget = f"{panel.per_class} labelled images a class"
    told = "".join(f", {key} {value}" for key, value in panel.options.items())
    return f"{panel.target}, {how.get(panel.method, panel.method)}, {budget}{told}"


def _draw(axes: Axes, panel: Panel) -> None:
    for family in dict.fromkeys(c.family for c in panel.points):
        points = [c for c in panel.points if c.family == family]
        if family in (TARGET_ALONE, PUBLIC):
            for point in points:
                _draw_band(axes, point)
        else:
            _draw_line(axes, family, points)
    counts = sorted({c.classes_present for c in panel.points if c.classes_present is not None})
    if counts:
        axes.set_xscale("log")
        axes.set_xticks(counts, spaced_labels(counts))
        axes.set_xticks([], minor=True)
        axes.set_xlim(counts[0] / 1.25, counts[-1] * 1.25)
    else:
        axes.set_xticks([])
    axes.set_xlabel("pretraining classes with images (log scale)")
    axes.set_ylabel("top-1, %")
    axes.set_title(panel_title(panel), loc="left", fontsize=9.5)
    axes.grid(axis="y", linewidth=0.4, color="#DDD8D0")
    axes.set_axisbelow(True)
    error = axes.secondary_yaxis("right", functions=(_complement, _complement))
    error.set_ylabel("error, %")
    axes.legend(frameon=False, fontsize=8, loc="best")


def spaced_labels(counts: Sequence[float]) -> list[str]:
    """A label for each sorted count; empty where it would touch the one before (log scale)."""
    room = 0.035 * math.log(counts[-1] / counts[0])
    labels, last = [], -math.inf
    for value in counts:
        free = math.log(value) - last >= room
        labels.append(f"{value:,.0f}" if free else "")
        last = math.log(value) if free else last
    return labels


def _complement(per_cent: Any) -> Any:
    return 100 - per_cent


def _draw_line(axes: Axes, family: str, points: Sequence[Point]) -> None:
    colour, marker, line = STYLE_OF_FAMILY.get(family, _OTHER_STYLE)
    axes.errorbar(
        [c.classes_present or 0 for c in points],
        [100 * c.top1.mean for c in points],
        yerr=[100 * (c.top1.sd or 0) for c in points],
        color=colour,
        marker=marker,
        linestyle=line,
        linewidth=1.3,
        markersize=4.5,
        capsize=2.5,
        label=family,
    )
    for point in points:
        low, high = point.top1.low, point.top1.high
        if point.top1.n > 2 and low is not None and high is not None:
            x = point.classes_present or 0
            ends = [100 * low, 100 * high]
            axes.plot(
                [x, x],
                ends,
                color=colour,
                linewidth=6,
                alpha=0.25,
                scalex=False,
                solid_capstyle="butt",
            )


def _draw_band(axes: Axes, point: Point) -> None:
    mean, sd = 100 * point.top1.mean, 100 * (point.top1.sd or 0)
    axes.axhspan(mean - sd, mean + sd, color=_BAND, alpha=0.18, linewidth=0)
    axes.axhline(mean, color=_BAND, linewidth=1, linestyle=(0, (1, 1.5)), label=point.cut)
