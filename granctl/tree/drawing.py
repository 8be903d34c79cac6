"""What pages with a tree to explore share: style, scripts, the explorer's place, its data."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from html import escape
from importlib.resources import files
from typing import Any

from granctl.tree.forest import CutView, Forest

STYLES = ("tokens.css", "page.css", "explorer.css")
SCRIPTS = ("page.js", "layout.js", "lettering.js", "icicle.js", "sunburst.js", "explorer.js")
PALETTE = (
    *("#77aadd", "#eedd88", "#44bb99", "#ee8866"),
    *("#99ddff", "#bbcc33", "#ffaabb", "#cfc24a"),
)
"""Colours of classes, after Paul Tol's "light" set: told apart by the colour-blind, and dark text
is readable on each."""
ON_PALETTE = "#1c1a17"
"""The colour of text on them."""
SHAPES = ("icicle", "sunburst")


@cache
def asset(name: str) -> str:
    """One of the texts that pages are made of."""
    return (files("granctl.tree") / "assets" / name).read_text(encoding="utf-8")


def style() -> str:
    """The style sheet of a page with an explorer."""
    return "\n".join(asset(name) for name in STYLES)


def script() -> str:
    """The scripts of a page with an explorer; the page's own start comes after them."""
    return "\n".join(asset(name) for name in SCRIPTS)


def colours(theme: str) -> dict[str, str]:
    """The colours of one theme, light or dark, by their names in the style sheet."""
    start = {"light": ":root {", "dark": ':root[data-theme="dark"] {'}[theme]
    block = asset("tokens.css").partition(start)[2].partition("}")[0]
    return dict(re.findall(r"--([\w-]+): ([^;]+);", block))


def fill(template: str, values: Mapping[str, str]) -> str:
    """A template with each `{{name}}` replaced; the values are HTML already."""
    return re.sub(r"\{\{(\w+)\}\}", lambda match: values[match[1]], template)


def explorer_place(views: Sequence[CutView], tallest: int) -> str:
    """Where the explorer goes: tabs of the cuts and shapes, search, path, drawing, detail.

    Args:
        views: one a tab; without any there are no tabs, and branches are coloured.
        tallest: the most pixels that the drawing may be high.
    """
    cut_tabs = _tabs("cut", "Cut", [(v.name, v.name) for v in views]) if views else ""
    shape_tabs = _tabs("shape", "Shape", [(name, name.capitalize()) for name in SHAPES])
    tabs = cut_tabs + shape_tabs
    return fill(asset("explorer.html"), {"tabs": tabs, "tallest": str(tallest)})


def _tabs(name: str, legend: str, values: Sequence[tuple[str, str]]) -> str:
    tabs = "".join(
        f'<label class="tab"><input type="radio" name="{name}" value="{escape(value)}">'
        f"<span>{escape(text)}</span></label>"
        for value, text in values
    )
    return f"<fieldset><legend>{legend}</legend>{tabs}</fieldset>"


def explorer_data(
    forests: Sequence[Forest], views: Sequence[CutView], notes: Sequence[str]
) -> dict[str, Any]:
    """What the explorer's script reads, as JSON types; `notes` says something of each view."""
    cuts = [
        {
            "name": view.name,
            "forest": view.forest,
            "classes": view.class_of_node,
            "class_names": view.class_names,
            "note": note,
        }
        for view, note in zip(views, notes, strict=True)
    ]
    look = {"palette": PALETTE, "on_palette": ON_PALETTE}
    return {"forests": [forest.record() for forest in forests], "cuts": cuts, **look}


def script_json(value: Any) -> str:
    """JSON that may stand inside a script element: nothing in it can end the element."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.replace("<", "\\u003c")
