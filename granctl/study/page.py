"""The report's page: one self-contained HTML file, filled from numbers and escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from granctl.provenance import short
from granctl.study.answer import answer
from granctl.study.comparison import panel_section, unbroken
from granctl.study.cutmaps import Cut
from granctl.study.figures import panel_title
from granctl.study.lineage import Step
from granctl.study.origins import lineage_sections, measured_section
from granctl.study.parts import Parts
from granctl.study.summary import Panel, Point
from granctl.study.webpage import asset, folded, look, section, webpage
from granctl.tree import drawing
from granctl.tree.drawing import explorer_data, explorer_place, fill
from granctl.tree.forest import CutView, Forest

EXPLORER = ("layout.js", "lettering.js", "icicle.js", "sunburst.js", "explorer.js")
SCRIPTS = ("curve.js", "report.js")
TALLEST = 560
"""Pixels that the cuts' drawing may be high: one part of the page among others."""
MOST_OPEN = 6
"""Panels that stand open; the others are folded away, and drawn when they are opened."""


def all_assets() -> str:
    """Every text that a page is made of, as one: the identity of how it looks."""
    return "\n".join([look(), _style(), _script(), asset("cuts.html")])


def _style() -> str:
    return f"{drawing.asset('explorer.css')}\n{asset('report.css')}"


def _script() -> str:
    return "\n".join([*map(drawing.asset, EXPLORER), *map(asset, SCRIPTS)])


def page(
    *,
    digest: str,
    panels: Sequence[Panel],
    cuts: Sequence[Cut],
    forests: Sequence[Forest],
    views: Sequence[CutView],
    lineages: Mapping[str, Sequence[Step]],
    present_known: bool,
    parts: Parts,
) -> str:
    """The whole page; the same input gives the same bytes.

    Args:
        digest: the report's identity.
        panels: the comparisons, the main one first.
        cuts: the label maps that were found, in the order of `views`.
        forests: the trees that the views draw.
        views: one a tab.
        lineages: digest of a result -> the steps to it.
        present_known: whether the labels with images were read from the shards.
        parts: what else there is to say.
    """
    measured = "\n".join(measured_section(p) for p in panels)
    return webpage(
        title=f"Granularity: {', '.join(dict.fromkeys(p.target for p in panels))}",
        kicker=f"report {short(digest)}",
        heading="At which label granularity should one pretrain?",
        lede=unbroken(answer(panels[0])),
        caution=_caution(panels),
        sections=[
            *(_panel(i, p) for i, p in enumerate(panels)),
            *(part.html for part in parts.before),
            _cuts(views, present_known),
            *(part.html for part in parts.behind),
            section("measured", "How it was measured", measured),
            lineage_sections(panels, lineages),
        ],
        footer="Beside this page: table.csv, table.md, table.tex, curve.svg, curve.png, every"
        " figure in figures/, every further table in tables/, manifest.json.",
        data=_data(panels, cuts, forests, views),
        style=_style(),
        script=_script(),
    )


def _panel(index: int, panel: Panel) -> str:
    html = panel_section(index, panel)
    if index < MOST_OPEN:
        return html
    return folded(f"<b>{unbroken(panel_title(panel))}</b>", html)


def _caution(panels: Sequence[Panel]) -> str:
    seeds = [point.top1.n for panel in panels for point in panel.points]
    text = (
        "The best of several means is picked from the same runs that measure it, so it flatters a"
        " little; intervals are 95 % t-intervals over seeds, not corrected for the number of"
        " comparisons."
    )
    if min(seeds) == 1:
        text += " Where a source has one seed, its deviation is not available."
    return text


def _cuts(views: Sequence[CutView], present_known: bool) -> str:
    if not views:
        return """<section><h2>The cuts</h2><p class="note">The label maps of these results were
not found in the workspace, so the cuts are not drawn.</p></section>"""
    shown = "Only labels that have images are shown."
    if not present_known:
        shown = "The shards were not found, so labels without images are shown too."
    place = explorer_place(views, TALLEST)
    return fill(asset("cuts.html"), {"explorer": place, "shown": shown})


def _note(cut: Cut, view: CutView) -> str:
    text = view.note()
    if cut.num_maps > 1:
        text += f" {cut.num_maps} maps of this name were used; this is that of seed {cut.seed}."
    return text


def _data(
    panels: Sequence[Panel],
    cuts: Sequence[Cut],
    forests: Sequence[Forest],
    views: Sequence[CutView],
) -> dict[str, Any]:
    notes = [_note(cut, view) for cut, view in zip(cuts, views, strict=True)]
    return {
        "panels": [
            {"title": panel_title(p), "points": [_point(i, j, q) for j, q in enumerate(p.points)]}
            for i, p in enumerate(panels)
        ],
        **explorer_data(forests, views, notes),
        "first_cut": panels[0].coarsest,
    }


def _point(panel: int, index: int, point: Point) -> dict[str, Any]:
    top1 = point.top1
    return {
        "cut": point.cut,
        "family": point.family,
        "x": point.classes_present,
        **{name: getattr(top1, name) for name in ("mean", "sd", "low", "high", "n")},
        "seeds": [{"seed": r["seed"], "top1": r["top1"]} for r in point.results],
        "row": f"row-{panel}-{index}",
    }
