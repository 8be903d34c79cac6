"""The report's page: one self-contained HTML file, filled from numbers and escaped."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from html import escape
from importlib.resources import files
from typing import Any

from granctl import __version__
from granctl.provenance import short
from granctl.study.answer import answer, count
from granctl.study.comparison import panel_section, unbroken
from granctl.study.figures import panel_title
from granctl.study.icicle import Cut, CutView, Forest
from granctl.study.lineage import Step
from granctl.study.origins import lineage_section, measured_section
from granctl.study.summary import Panel, Point

SCRIPTS = ("page.js", "curve.js", "table.js", "icicle.js")
ASSETS = ("page.html", "page.css", "cuts.html", *SCRIPTS)


def asset(name: str) -> str:
    """One of the texts the page is made of."""
    return (files("granctl.study") / "assets" / name).read_text(encoding="utf-8")


def page(
    *,
    digest: str,
    panels: Sequence[Panel],
    cuts: Sequence[Cut],
    forests: Sequence[Forest],
    views: Sequence[CutView],
    lineages: Mapping[str, Sequence[Step]],
    present_known: bool,
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
    """
    return _fill(
        asset("page.html"),
        {
            "title": escape(f"Granularity: {', '.join(dict.fromkeys(p.target for p in panels))}"),
            "style": asset("page.css"),
            "digest": short(digest),
            "answer": unbroken(answer(panels[0])),
            "caution": escape(_caution(panels)),
            "panels": "\n".join(panel_section(i, p) for i, p in enumerate(panels)),
            "cuts": _cuts(views, present_known),
            "measured": "\n".join(measured_section(p) for p in panels),
            "lineage": "\n".join(lineage_section(i, p, lineages) for i, p in enumerate(panels)),
            "version": escape(__version__),
            "data": _data(panels, cuts, forests, views),
            "script": "\n".join(asset(name) for name in SCRIPTS),
        },
    )


def _fill(template: str, values: Mapping[str, str]) -> str:
    return re.sub(r"\{\{(\w+)\}\}", lambda match: values[match[1]], template)


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
    tabs = "".join(
        f'<label class="tab"><input type="radio" name="cut" value="{escape(v.name)}">'
        f"<span>{escape(v.name)}</span></label>"
        for v in views
    )
    shown = "Only labels that have images are shown."
    if not present_known:
        shown = "The shards were not found, so labels without images are shown too."
    return _fill(asset("cuts.html"), {"tabs": tabs, "shown": shown})


def _note(cut: Cut, view: CutView) -> str:
    text = (
        f"{cut.name}: {count(len(view.class_names), 'class')} shown of {cut.labels.num_classes:,}."
    )
    if cut.num_maps > 1:
        text += f" {cut.num_maps} maps of this name were used; this is that of seed {cut.seed}."
    if view.several:
        text += f" {count(view.several, 'label')} with several classes: coloured by the first."
    return text


def _data(
    panels: Sequence[Panel],
    cuts: Sequence[Cut],
    forests: Sequence[Forest],
    views: Sequence[CutView],
) -> str:
    shown = [
        {
            "name": view.name,
            "forest": view.forest,
            "classes": view.class_of_node,
            "class_names": view.class_names,
            "note": _note(cut, view),
        }
        for cut, view in zip(cuts, views, strict=True)
    ]
    value = {
        "panels": [
            {"title": panel_title(p), "points": [_point(i, j, q) for j, q in enumerate(p.points)]}
            for i, p in enumerate(panels)
        ],
        "forests": [asdict(forest) for forest in forests],
        "cuts": shown,
        "first_cut": panels[0].coarsest,
    }
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.replace("<", "\\u003c")  # no text may end the script element


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
