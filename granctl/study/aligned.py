"""How well the classes of each pretraining tell those of the target apart, beside its error."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from statistics import fmean

from granctl.errors import GranctlError
from granctl.study.comparison import unbroken
from granctl.study.grid import Cell, Column, Grid, grid_html, number, word
from granctl.study.linefigure import NUM_COLOURS, Axis, Dot, Line, LineFigure, figure_html
from granctl.study.methods import method_words
from granctl.study.pairs import crosstab_of
from granctl.study.results import Result
from granctl.study.summary import Panel, Point
from granctl.study.webpage import Part, folded, section
from granctl.train.lookup import find_map, shards_by_digest
from granctl.train.targets import classes_named
from granctl.tree.align import align
from granctl.tree.compare import compare
from granctl.tree.crosstab import Crosstab
from granctl.tree.labelmap import LabelMap
from granctl.workspace import Workspace

MOST_MAPS = 5
"""Label maps of one source (a random control has one a seed) that the mean is taken over."""
_MOST_OPEN = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Alignment:
    """One source beside one target, the mean over its label maps."""

    maps: int
    purity: float
    """Share of the images that lie in the commonest target class of their pretraining class."""
    open_bits: float
    """H(target | source): what the pretraining class leaves open; 0 where it tells all."""
    nmi: float
    """2 I / (H(source) + H(target)): 1 where the two are the same partition."""
    weighted_by: str
    """`images` or `labels`."""


def alignment_part(workspace: Workspace, panels: Sequence[Panel]) -> Part | None:
    """A table and two figures a target; None where no label map of a source was found."""
    maps = _Maps(workspace)
    by_target: dict[str, list[Panel]] = defaultdict(list)
    for panel in panels:
        by_target[panel.target].append(panel)
    html: list[str] = []
    figures: list[LineFigure] = []
    grids: list[Grid] = []
    for target, ours in by_target.items():
        found = {
            cut: aligned
            for cut, point in _sources(ours).items()
            if (aligned := _mean(maps, point)) is not None
        }
        if not found:
            continue
        index = len(grids) + 1
        grid = _grid(index, target, ours, found)
        pair = _figures(index, target, ours, found)
        drawn = "\n".join(figure_html(f, _caption(f, target), small=True) for f in pair)
        body = f'<div class="beside">\n{drawn}\n</div>\n{grid_html(grid, "Alignment.")}'
        html.append(body if index <= _MOST_OPEN else folded(f"<b>{unbroken(target)}</b>", body))
        grids.append(grid)
        figures += pair
    if not grids:
        return None
    told = (
        "What knowing the pretraining class alone says of the target class: classes that"
        " cut across the target's leave bits open."
    )
    body = section("alignment", "Alignment beside error", "\n".join(html), told)
    return Part(html=body, figures=tuple(figures), grids=tuple(grids))


def _sources(panels: Sequence[Panel]) -> dict[str, Point]:
    """Cut -> its point with the most results."""
    found: dict[str, Point] = {}
    for point in (p for panel in panels for p in panel.points if p.classes_present):
        if point.top1.n > (found[point.cut].top1.n if point.cut in found else 0):
            found[point.cut] = point
    return dict(sorted(found.items(), key=lambda item: (item[1].classes_present or 0, item[0])))


class _Maps:
    """Label maps and shard sets of a workspace, each looked for once."""

    def __init__(self, workspace: Workspace) -> None:
        self.source = cache(lambda digest: (find_map(workspace, digest) or (None, None))[1])
        self.shards = cache(lambda digest: shards_by_digest(workspace, digest))
        self._workspace = workspace
        self._pairs: dict[tuple[str, str], tuple[Crosstab, str] | None] = {}

    def target(self, result: Result) -> LabelMap | None:
        """The target's classes: kept, or as the target's name says."""
        inputs = result.get("inputs") or {}
        digest = str(inputs.get("target_labels"))
        kept = self.source(digest)
        shards = self.shards(str(inputs.get("target_shards")))
        if kept is not None or shards is None:
            return kept
        try:
            named = classes_named(shards, str(result.get("target_cut")))
        except GranctlError:
            return None
        return named if named is not None and named.digest == digest else None

    def pair(self, result: Result) -> tuple[Crosstab, str] | None:
        """The crosstab of source and target, and what weighs; None where one is gone."""
        inputs = result.get("inputs") or {}
        key = str(result["source"].get("labels_digest")), str(inputs.get("target_labels"))
        if key not in self._pairs:
            self._pairs[key] = self._laid(result, key[0], str(inputs.get("target_shards")))
        return self._pairs[key]

    def _laid(self, result: Result, source: str, shards: str) -> tuple[Crosstab, str] | None:
        ours, theirs = self.source(source), self.target(result)
        if ours is None or theirs is None:
            return None
        try:
            return crosstab_of(ours, theirs, self.shards(shards))
        except GranctlError:  # they share nothing: images of the one are not in the other
            return None


def _mean(maps: _Maps, point: Point) -> Alignment | None:
    one_a_map = {r["source"].get("labels_digest"): r for r in reversed(point.results)}
    chosen = sorted(one_a_map.values(), key=lambda r: (r["seed"], r["digest"]))[:MOST_MAPS]
    laid = [pair for r in chosen if (pair := maps.pair(r)) is not None]
    if not laid:
        return None
    found = [align(table) for table, _ in laid]
    return Alignment(
        maps=len(laid),
        purity=fmean(a.purity for a in found),
        open_bits=fmean(a.h_target_given_source_bits for a in found),
        nmi=fmean(compare(table).nmi for table, _ in laid),
        weighted_by=laid[0][1],
    )


def _point_of(panel: Panel, cut: str) -> Point | None:
    return next((p for p in panel.points if p.cut == cut and p.classes_present), None)


def _grid(index: int, target: str, panels: Sequence[Panel], found: dict[str, Alignment]) -> Grid:
    columns = [
        Column(title="Source cut", name="source", text=True),
        Column(title="Family", name="family", text=True),
        Column(title="Classes", name="classes_present"),
        Column(title="Purity, %", name="purity"),
        Column(title="H(target | source), bits", name="h_target_given_source_bits"),
        Column(title="NMI", name="nmi"),
        *(
            Column(title=f"Error, %: {method_words(p, panels)}", name=f"error_{i}_{p.method}")
            for i, p in enumerate(panels, 1)
        ),
    ]
    sources, rows = _sources(panels), []
    for cut, aligned in found.items():
        errors = [_point_of(panel, cut) for panel in panels]
        rows.append(
            (
                word(cut),
                word(sources[cut].family),
                number(sources[cut].classes_present),
                number(aligned.purity, "{:.2f}", 100),
                number(aligned.open_bits, "{:.3f}"),
                number(aligned.nmi, "{:.3f}"),
                *(_error(point) for point in errors),
            )
        )
    by = next(iter(found.values())).weighted_by
    caption = f"{target}: pretraining classes against the target's classes, weighted by {by}."
    if max(a.maps for a in found.values()) > 1:
        caption += f" Sources with a map a seed: the mean over at most {MOST_MAPS} maps."
    if gone := [cut for cut in sources if cut not in found]:
        caption += f" Without a map that was found and shares images: {', '.join(gone)}."
    return Grid(
        name=f"alignment-{index}", caption=caption, columns=tuple(columns), rows=tuple(rows)
    )


def _error(point: Point | None) -> Cell:
    return number(None if point is None else 1 - point.top1.mean, "{:.2f}", 100)


def _figures(
    index: int, target: str, panels: Sequence[Panel], found: dict[str, Alignment]
) -> list[LineFigure]:
    # Over one and the same value an error says nothing: two refinements of the target, say.
    ways = {"h": ("open_bits", "H(target | source), bits"), "nmi": ("nmi", "NMI")}
    return [
        LineFigure(
            name=f"alignment-{index}-{short}",
            title=f"{target}: error over {title.partition(',')[0]}",
            x=Axis(title=title),
            y=Axis(title="error, %"),
            lines=tuple(
                _scatter(i, panel, panels, {c: getattr(a, field) for c, a in found.items()})
                for i, panel in enumerate(panels)
                if any(_point_of(panel, cut) for cut in found)
            ),
        )
        for short, (field, title) in ways.items()
        if len({round(getattr(a, field), 9) for a in found.values()}) > 1
    ]


def _scatter(index: int, panel: Panel, panels: Sequence[Panel], at: dict[str, float]) -> Line:
    dots = []
    for cut, x in at.items():
        point = _point_of(panel, cut)
        if point is None:
            continue
        top1 = point.top1
        dots.append(
            Dot(
                x=x,
                y=100 * (1 - top1.mean),
                low=None if top1.high is None else 100 * (1 - top1.high),
                high=None if top1.low is None else 100 * (1 - top1.low),
                text=f"{cut}, {x:.3f}, error {100 * (1 - top1.mean):.2f} %",
                name=cut if index == 0 else "",
            )
        )
    return Line(
        name=method_words(panel, panels),
        dots=tuple(dots),
        colour=index % NUM_COLOURS,
        shape=index,
        joined=False,
    )


def _caption(figure: LineFigure, target: str) -> str:
    return (
        f"<b>{escape(target)}.</b> Error over {escape(figure.x.title.partition(',')[0])};"
        " bars are 95 % t-intervals over seeds."
    )
