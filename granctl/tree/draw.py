"""One drawing of a taxonomy and of cuts through it: an interactive page, or a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from granctl import __version__
from granctl.provenance import short
from granctl.tree.drawing import (
    asset,
    explorer_data,
    explorer_place,
    fill,
    script,
    script_json,
    style,
)
from granctl.tree.forest import CutView, Forest

TALLEST = 720
"""Pixels that the drawing may be high: with it the page's head and detail fit on a screen."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Drawing:
    """What is drawn."""

    title: str
    """`WordNet 3.0 nouns`, or the node that is its root."""
    about: str
    """What the widths mean and where nodes hang, in a sentence or two."""
    forests: Sequence[Forest]
    views: Sequence[CutView]
    shape: str
    """icicle or sunburst; a page starts with it, a picture is it."""
    inputs: Mapping[str, str]
    """Role -> digest of what it was made from."""


def draw_html(drawing: Drawing, identity: str) -> str:
    """The drawing as one self-contained page; the same input gives the same bytes.

    Args:
        drawing: what is drawn.
        identity: the digest that the page names itself by.
    """
    notes = [view.note() for view in drawing.views]
    data = explorer_data(drawing.forests, drawing.views, notes)
    inputs = ", ".join(f"{role} {short(digest)}" for role, digest in drawing.inputs.items())
    return fill(
        asset("draw.html"),
        {
            "title": escape(drawing.title),
            "style": style(),
            "digest": short(identity),
            "about": escape(drawing.about),
            "explorer": explorer_place(drawing.views, TALLEST),
            "version": escape(__version__),
            "inputs": escape(inputs),
            "data": script_json({**data, "first_cut": None, "first_shape": drawing.shape}),
            "script": f"{script()}\n{asset('draw.js')}",
        },
    )
