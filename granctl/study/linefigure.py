"""A figure of lines with intervals, as a value: the page draws it, and print draws the same one.

    figure = LineFigure(name="u", title="The U", x=Axis(title="classes", log=True), ...)
    figure_html(figure)              # for a section of a page (`webpage.py`)
    draw_lines(figure, svg, png)     # for print (`lineprint.py`)

On the page `assets/lines.js` draws it as wide as its place is, in the colours of the page; dots are
reached by Tab and the arrow keys.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from html import escape
from typing import Any, Literal, TypeVar

from granctl.tree.drawing import script_json

T = TypeVar("T")

NUM_COLOURS = 8
"""Colours go around; the first three are those of taxonomy, clusters and random."""
NUM_SHAPES = 4
"""Dashes and markers go around, too, so that colour never tells alone."""
MOST_DOTS = 120
"""Of a curve over steps: more are not seen, and cost bytes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Dot:
    """One measured point, in the units of the axes."""

    x: float
    y: float
    low: float | None = None
    """Lower end of its interval; None: none is drawn."""
    high: float | None = None
    text: str = ""
    """What is said when it is reached; empty: its line and its numbers."""
    name: str = ""
    """Stands beside it, where there is room."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """Dots that belong together, from left to right."""

    name: str
    dots: tuple[Dot, ...]
    colour: int = 0
    """A number of the palette."""
    shape: int = 0
    """A number of the dashes and markers: solid and round, dashed and square, dotted and
    triangular, dash-dotted and rhombic."""
    marks: Literal["all", "last", "none"] = "all"
    """Which dots have a marker, and can be reached."""
    joined: bool = True
    """False: no line between the dots."""
    thin: bool = False
    """One of several behind a mean: pale, and not in the key."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """A horizontal line to compare with, and its interval as a band."""

    name: str
    y: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Axis:
    """What one axis means."""

    title: str
    """With its unit: `top-1, %`."""
    log: bool = False
    """Values are above zero then."""
    ticks: tuple[float, ...] = ()
    """Where ticks stand, increasing; none: at round numbers."""
    labels: tuple[str, ...] = ()
    """One a tick; none: the numbers."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LineFigure:
    """Lines over two axes.

    Raises:
        ValueError: it has no dot, or one at zero or below on a logarithmic axis.
    """

    name: str
    """Of its files, and of its place on the page: letters, digits and hyphens."""
    title: str
    """For those who do not see it."""
    x: Axis
    y: Axis
    lines: tuple[Line, ...]
    rules: tuple[Rule, ...] = ()

    def __post_init__(self) -> None:
        if not any(line.dots for line in self.lines):
            raise ValueError(f"figure {self.name} has no dot")
        for line in self.lines:
            for dot in line.dots:
                if (self.x.log and dot.x <= 0) or (self.y.log and dot.y <= 0):
                    raise ValueError(f"figure {self.name}: {dot} is not above zero")


def figure_html(figure: LineFigure, caption: str, *, small: bool = False) -> str:
    """The figure for a page: its key, its place, its caption and its data.

    Args:
        figure: what to draw.
        caption: HTML below it.
        small: lower, for one of several side by side (in `<div class="beside">`).
    """
    kind = "lines small" if small else "lines"
    return f"""<figure class="{kind}" id="figure-{escape(figure.name)}">
<ul class="keys"></ul>
<div class="plot"></div>
<p class="readout" aria-live="polite"></p>
<figcaption>{caption}</figcaption>
<script type="application/json">{script_json(_record(figure))}</script>
</figure>"""


def _record(figure: LineFigure) -> dict[str, Any]:
    """What lines.js reads: defaults are left out and numbers shortened, for the sake of size."""
    found = asdict(figure)
    found["lines"] = [
        {**line, "dots": [_short(dot) for dot in line["dots"]]} for line in found["lines"]
    ]
    return found


def _short(dot: dict[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in dot.items() if value not in (None, "")}
    return {k: float(f"{v:.6g}") if isinstance(v, float) else v for k, v in kept.items()}


def thinned(values: Sequence[T], most: int = MOST_DOTS) -> list[T]:
    """At most so many of a curve's values, evenly, the first and the last among them."""
    if len(values) <= most:
        return list(values)
    return [values[round(i * (len(values) - 1) / (most - 1))] for i in range(most)]
