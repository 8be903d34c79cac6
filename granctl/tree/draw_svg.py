"""A picture of a forest as SVG, light or dark as its viewer likes: icicle or sunburst."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from html import escape

from granctl.tree.draw import Drawing
from granctl.tree.draw_layout import MIXED, Layout, lay_out, tints
from granctl.tree.drawing import ON_PALETTE, PALETTE, colours
from granctl.tree.forest import CutView, Forest

WIDTH = 1200
"""Of the picture, in pixels; SVG scales."""
_MARGIN, _HEAD, _CAPTION = 24, 64, 34
_ROW = 40
_TALLEST = 760
_LETTER = 6.3
"""Pixels that a letter of 12 pixels takes, on the safe side: fonts of viewers differ."""
_SLIVER = 3.0
"""Narrower nodes of one colour, side by side, are drawn as one piece without a gap."""


def draw_svg(drawing: Drawing) -> str:
    """The drawing as one SVG file: a panel a cut, one above the other; without a cut, one panel.

    What is narrower than half a pixel is not drawn. Nodes carry their name, id and count as a
    title, which viewers show under the pointer.
    """
    views: Sequence[CutView | None] = drawing.views or [None]
    parts: list[str] = []
    top = float(_HEAD)
    for view in views:
        forest = drawing.forests[view.forest if view else 0]
        panel = _Panel.of(forest, view)
        caption = view.note() if view else "Colours tell branches apart."
        parts.append(f'<text class="s" x="{_MARGIN}" y="{top + 14:g}">{escape(caption)}</text>')
        paint = _icicle if drawing.shape == "icicle" else _sunburst
        height, pieces = paint(panel, top + _CAPTION - 8)
        parts += pieces
        top += _CAPTION + height + _MARGIN
    return "\n".join([_head(drawing, top), *parts, "</svg>", ""])


def _head(drawing: Drawing, height: float) -> str:
    light, dark = colours("light"), colours("dark")
    fills = "".join(f".c{i}{{fill:{colour}}}" for i, colour in enumerate(PALETTE))
    font = light["sans"].replace('"', "'")

    def themed(c: dict[str, str]) -> str:
        return (
            f".p{{fill:{c['paper']}}}.m{{fill:{c['mixed']}}}.t{{fill:{c['ink']}}}"
            f".s{{fill:{c['soft']}}}.n{{fill:{c['mixed-ink']}}}.e{{stroke:{c['ink']}}}"
        )

    style = (
        f"text{{font:12px {font}}}.t{{font-size:20px}}.s{{font-size:13px}}.o{{fill:{ON_PALETTE}}}"
        f".e{{fill:none;stroke-width:2}}{fills}{themed(light)}"
        f"@media (prefers-color-scheme:dark){{{themed(dark)}}}"
    )
    title = escape(drawing.title)
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" role="img">
<title>{title}</title>
<desc>{escape(drawing.about)}</desc>
<style>{style}</style>
<rect class="p" width="{WIDTH}" height="{height:g}"/>
<text class="t" x="{_MARGIN}" y="32">{title}</text>
<text class="s" x="{_MARGIN}" y="54">{escape(drawing.about)}</text>"""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Panel:
    """A forest, where its nodes go, and their colours under one cut."""

    forest: Forest
    layout: Layout
    tint: list[int]
    edge: list[bool]

    @classmethod
    def of(cls, forest: Forest, view: CutView | None) -> _Panel:
        layout = lay_out(forest)
        tint, edge = tints(forest, view, layout, len(PALETTE))
        return cls(forest=forest, layout=layout, tint=tint, edge=edge)

    @property
    def num_levels(self) -> int:
        return int(self.layout.depth.max()) - int(self.layout.depth[self.layout.home]) + 1

    def boxes(self, scale: Sequence[float]) -> Iterator[_Box]:
        """What to draw of each level, `scale` pixels wide; slivers joined, too thin ones left out.

        Args:
            scale: pixels of the whole width on each level.
        """
        home, first = self.layout.home, int(self.layout.depth[self.layout.home])
        pending: dict[int, _Box] = {}
        drawn_to = [-1] * len(scale)
        places = zip(
            self.layout.depth.tolist(),
            self.layout.left.tolist(),
            self.layout.right.tolist(),
            strict=True,
        )
        for node, (depth, x0, x1) in enumerate(places):
            level = depth - first
            if node < home or level >= len(scale):
                continue
            left, right = x0 * scale[level], x1 * scale[level]
            if right - left < 0.5 and math.floor(right) <= drawn_to[level]:
                continue
            drawn_to[level] = math.floor(right)
            box = _Box(node, level, left, right, self.tint[node], self.edge[node])
            before = pending.pop(level, None)
            if before and right - left < _SLIVER and before.takes(box):
                before.right = right
                before.num += 1
                pending[level] = before
                continue
            if before:
                yield before
            pending[level] = box
        yield from pending.values()

    def title(self, node: int) -> str:
        count, unit = int(self.layout.total[node]), self.forest.unit
        noun = unit.removesuffix("s") if count == 1 else unit
        name_id = " ".join(dict.fromkeys([self.forest.names[node], self.forest.ids[node]]))
        return f"<title>{escape(f'{name_id}: {count:,} {noun}')}</title>"

    def ink(self, node: int) -> str:
        return "n" if self.tint[node] == MIXED else "o"


@dataclass(slots=True)
class _Box:
    """A node's place on its level in pixels, or that of several slivers."""

    node: int
    level: int
    left: float
    right: float
    tint: int
    edge: bool
    num: int = field(default=1)

    def takes(self, other: _Box) -> bool:
        """Whether a sliver to the right can be drawn as one with this one."""
        thin = self.num > 1 or self.right - self.left < _SLIVER
        near = other.left - self.right < 1
        return thin and near and (self.tint, self.edge) == (other.tint, other.edge)

    @property
    def fill(self) -> str:
        return "m" if self.tint == MIXED else f"c{self.tint}"

    @property
    def gap(self) -> float:
        return 1.0 if self.num == 1 and self.right - self.left > _SLIVER else 0.0


def _icicle(panel: _Panel, top: float) -> tuple[float, list[str]]:
    """Height and pieces of the tree downwards."""
    inner = WIDTH - 2 * _MARGIN
    row = min(_ROW, _TALLEST / panel.num_levels)
    pieces, cuts, names = [], [], []
    for box in panel.boxes([inner] * panel.num_levels):
        x, y = _MARGIN + box.left, top + box.level * row
        width = max(box.right - box.left - box.gap, 0.6)
        title = panel.title(box.node) if box.num == 1 else ""
        shape = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{row - 1:.1f}"'
        pieces.append(_with("rect", f'class="{box.fill}" {shape}', title))
        if box.edge:
            cuts.append(f"M{x:.1f} {y:.1f}h{width:.1f}")
        text = clipped(panel.forest.names[box.node], width - 8)
        if box.num == 1 and row > 13 and text:
            place = f'class="{panel.ink(box.node)}" x="{x + 4:.1f}" y="{y + row / 2 + 4:.1f}"'
            names.append(_with("text", place, escape(text)))
    return row * panel.num_levels, [*pieces, *_line(cuts), *names]


def _sunburst(panel: _Panel, top: float) -> tuple[float, list[str]]:
    """Height and pieces of the tree as rings around its root."""
    radius = (WIDTH - 2 * _MARGIN) / 2
    rings = [radius * (i / panel.num_levels) ** 0.82 for i in range(panel.num_levels + 1)]
    pieces, cuts, names = [], [], []
    for box in panel.boxes([math.tau * r for r in rings[1:]]):
        inner, outer = rings[box.level], rings[box.level + 1]
        is_ring = box.right - box.left > math.tau * outer - 0.01
        start, end = box.left / outer, (box.right - (0 if is_ring else box.gap)) / outer
        title = panel.title(box.node) if box.num == 1 else ""
        path = _sector(start, max(end, start + 0.6 / outer), inner, outer - 1)
        pieces.append(_with("path", f'class="{box.fill}" d="{path}"', title))
        if box.edge and inner:
            x, y = _at(start, inner)
            cuts.append(f"M{x:.1f} {y:.1f}{_arc(start, end, inner)}")
        if box.num == 1:
            names += _name_on_ring(panel, box.node, start, end, inner, outer)
    middle = f'<g transform="translate({WIDTH / 2:g} {top + radius:.1f})">'
    return 2 * radius, [middle, *pieces, *_line(cuts), *names, "</g>"]


def _name_on_ring(
    panel: _Panel, node: int, start: float, end: float, inner: float, outer: float
) -> list[str]:
    """The name along the ring or across it, whichever leaves more room."""
    middle, span, text = (inner + outer) / 2, end - start, panel.forest.names[node]
    if not inner:
        line = clipped(text, 1.6 * outer)
        return [
            _with("text", f'class="{panel.ink(node)}" text-anchor="middle" y="4"', escape(line))
        ]
    across = outer - inner - 8 if span * middle >= 13 else 0.0
    bow = 2 * math.sqrt(max(0.0, outer**2 - (middle + 7) ** 2))
    wedge = 2 * (middle - 6) * math.tan(span / 2) if span < math.pi else bow
    along = min(bow, wedge) - 8 if outer - inner >= 15 else 0.0
    is_along = along >= min(across, len(text) * _LETTER)
    line = clipped(text, along if is_along else across)
    if not line:
        return []
    angle = (start + end) / 2 - math.pi / 2
    flip = math.sin(angle) > 0.01 if is_along else math.cos(angle) < 0
    turn = math.degrees(angle) + 90 * is_along + 180 * flip
    x, y = middle * math.cos(angle), middle * math.sin(angle)
    place = f'transform="translate({x:.1f} {y:.1f})rotate({turn:.1f})" y="4"'
    attributes = f'class="{panel.ink(node)}" text-anchor="middle" {place}'
    return [_with("text", attributes, escape(line))]


def _sector(start: float, end: float, inner: float, outer: float) -> str:
    """The path of a piece of a ring; the whole ring has a hole and no seam."""
    (a, b), (c, d), (g, h) = _at(start, inner), _at(start, outer), _at(end, inner)
    is_ring = end - start > math.tau - 1e-6
    back = _arc(end, start, inner) if inner > 0 else ""
    joint, seam = ("M", "z") if is_ring else ("L", "")
    first = f"M{c:.1f} {d:.1f}" if is_ring else f"M{a:.1f} {b:.1f}L{c:.1f} {d:.1f}"
    rest = f"{seam}{joint}{g:.1f} {h:.1f}{back}z" if back or not is_ring else seam
    return f"{first}{_arc(start, end, outer)}{rest}"


def _arc(start: float, end: float, radius: float) -> str:
    """From one turn to another, either way round, in two pieces where it is long."""
    sweep = int(end > start)
    middle = [(start + end) / 2] if abs(end - start) > math.pi / 2 else []
    ends = (_at(turn, radius) for turn in (*middle, end))
    return "".join(f"A{radius:.1f} {radius:.1f} 0 0 {sweep} {x:.1f} {y:.1f}" for x, y in ends)


def _at(turn: float, radius: float) -> tuple[float, float]:
    return radius * math.sin(turn), -radius * math.cos(turn)


def _line(moves: Sequence[str]) -> list[str]:
    return [f'<path class="e" d="{"".join(moves)}"/>'] if moves else []


def _with(tag: str, attributes: str, content: str) -> str:
    return f"<{tag} {attributes}>{content}</{tag}>" if content else f"<{tag} {attributes}/>"


def clipped(text: str, room: float) -> str:
    """A name that fits into so many pixels, by an estimate; empty where not three letters do."""
    most = int(room / _LETTER)
    if len(text) <= most:
        return text
    return f"{text[: most - 1].rstrip()}…" if most > 3 else ""
