"""A page of sections: one self-contained HTML file; the report's and other studies' look.

    text = webpage(
        title="Theory", kicker="theory 0123abcd", heading="Why fine labels?", lede="...",
        caution="...", sections=[section("curve", "The curve", figure_html(figure, "...")), ...],
        footer="Beside this page: table.csv.",
    )

Sections are made of HTML, of figures (`linefigure.py`) and of tables (`grid.py`). The page reads no
network: its policy forbids it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from typing import Any

from granctl import __version__
from granctl.study.grid import Grid
from granctl.study.linefigure import LineFigure
from granctl.tree import drawing
from granctl.tree.drawing import fill, script_json

BASE_STYLES, BASE_SCRIPTS = ("tokens.css", "page.css"), ("page.js",)
"""Of every page of granctl (`granctl/tree/assets`)."""
STYLES, SCRIPTS = ("sections.css",), ("lines.js", "table.js", "sections.js")


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """A part of a page, and what of it is written as files of their own."""

    html: str
    """One section or several."""
    figures: tuple[LineFigure, ...] = ()
    """Go into figures/ as SVG and PNG."""
    grids: tuple[Grid, ...] = ()
    """Go into tables/ as CSV, Markdown and LaTeX."""


def asset(name: str) -> str:
    """One of the texts the page is made of."""
    return (files("granctl.study") / "assets" / name).read_text(encoding="utf-8")


def webpage(
    *,
    title: str,
    kicker: str,
    heading: str,
    lede: str,
    caution: str,
    sections: Sequence[str],
    footer: str,
    data: Mapping[str, Any] | None = None,
    style: str = "",
    script: str = "",
) -> str:
    """The whole page; the same input gives the same bytes.

    Args:
        title: text, of the window.
        kicker: text, small, above all: what it is and its identity.
        heading: text: the question.
        lede: HTML: the answer, a sentence or two.
        caution: text: what the answer does not say.
        sections: HTML, as `section` makes it.
        footer: text: what lies beside the page.
        data: for the scripts as `DATA`.
        style: CSS after the common one.
        script: what the page has of its own; it may add to `starts` and `repaints` (sections.js).
    """
    styles = [*map(drawing.asset, BASE_STYLES), *map(asset, STYLES), style]
    scripts = [*map(drawing.asset, BASE_SCRIPTS), *map(asset, SCRIPTS), script]
    return fill(
        asset("page.html"),
        {
            "title": escape(title),
            "style": "\n".join(styles),
            "kicker": escape(kicker),
            "heading": escape(heading),
            "lede": lede,
            "caution": escape(caution),
            "sections": "\n".join(s for s in sections if s),
            "version": escape(__version__),
            "footer": escape(footer),
            "data": script_json(dict(data or {})),
            "script": "\n".join(scripts),
        },
    )


def look() -> str:
    """Every text that a page is made of, as one: the identity of how it looks."""
    texts = map(asset, ("page.html", *STYLES, *SCRIPTS))
    return "\n".join([*map(drawing.asset, (*BASE_STYLES, *BASE_SCRIPTS)), *texts])


def section(name: str, title: str, body: str, finding: str = "") -> str:
    """A section: its place in the address, its heading, perhaps a sentence, its body.

    Args:
        name: letters, digits and hyphens.
        title: text.
        body: HTML.
        finding: HTML; empty: none.
    """
    told = f'<p class="finding">{finding}</p>\n' if finding else ""
    return f"""<section aria-labelledby="{escape(name)}">
<h2 id="{escape(name)}">{escape(title)}</h2>
{told}{body}
</section>"""


def folded(summary: str, body: str, *, opened: bool = False) -> str:
    """A part that is folded away: for one of many; figures in it are drawn when it is opened.

    Args:
        summary: HTML.
        body: HTML.
        opened: whether it is open at first.
    """
    return f"<details{' open' if opened else ''}><summary>{summary}</summary>\n{body}\n</details>"
