"""One comparison on the report's page: the finding, the place of the curve, the table."""

from __future__ import annotations

import re
from html import escape

from granctl.study.answer import answer
from granctl.study.estimates import Estimate
from granctl.study.figures import panel_title
from granctl.study.summary import FAMILIES, TARGET_ALONE, Panel, Point
from granctl.study.table import difference_text, legend
from granctl.study.verdict import verdicts
from granctl.study.wording import NONE

_STRIP_WIDTH = 140
_LONGEST_WHOLE = 20
"""Letters of a name that never breaks."""


def panel_section(index: int, panel: Panel) -> str:
    """The section of one panel; the first panel's sentence is the page's answer already."""
    number = index + 1
    finding = "" if index == 0 else f'<p class="finding">{unbroken(answer(panel))}</p>'
    bars = (
        "bars are one standard deviation over seeds, the pale ones behind them the 95 % t-interval"
        " (from three seeds on), the small dots the seeds themselves"
    )
    return f"""<section aria-labelledby="panel-{index}">
<h2 id="panel-{index}">{unbroken(panel_title(panel))}</h2>
{finding}
<figure>
<ul class="keys"></ul>
<div class="curve"></div>
<p class="readout" aria-live="polite"></p>
<figcaption><b>Figure {number}.</b> Top-1 accuracy on {escape(panel.target)} over the number of
pretraining classes that have images; {bars}. The right axis reads the same as error.</figcaption>
</figure>
{_table(index, panel)}
{_verdicts(panel)}
</section>"""


def _verdicts(panel: Panel) -> str:
    lines = "\n".join(f"<li>{unbroken(line)}</li>" for line in verdicts(panel))
    return f'<ul class="verdicts">\n{lines}\n</ul>' if lines else ""


_COLUMNS = (
    ("Source cut", "text"),
    ("Classes", ""),
    ("Top-1, %", ""),
    ("sd", ""),
    ("Seeds", ""),
    ("95 % interval", "text"),
    ("Less finest", ""),
    ("Less coarsest", ""),
    ("Family", "text last"),
)


def _table(index: int, panel: Panel) -> str:
    heads = "".join(
        f'<th scope="col" class="{kind}"><button type="button">{title}</button></th>'
        for title, kind in _COLUMNS
    )
    scale = _scale(panel)
    rows = "\n".join(_row(index, i, point, scale) for i, point in enumerate(panel.points))
    note = f"{legend(panel)} Bold: the interval excludes zero." if panel.finest else legend(panel)
    return f"""<p class="caption" id="caption-{index}"><b>Table {index + 1}.</b> {unbroken(note)}
Click a heading to sort.</p>
<div class="scroll" tabindex="0" role="region" aria-labelledby="caption-{index}">
<table class="sortable" id="table-{index}" aria-labelledby="caption-{index}">
<thead><tr>{heads}</tr></thead>
<tbody>
{rows}
</tbody></table></div>"""


def _row(index: int, i: int, point: Point, scale: tuple[float, float]) -> str:
    top1, classes = point.top1, point.classes_present
    cells = [
        f'<th scope="row"><span class="swatch"></span>'
        f'<a href="#from-{index}-{i}">{escape(point.cut)}</a></th>',
        _number(classes, NONE if classes is None else f"{classes:,.0f}"),
        _number(top1.mean, f"{100 * top1.mean:.2f}"),
        _number(top1.sd, NONE if top1.sd is None else f"{100 * top1.sd:.2f}"),
        _number(top1.n, str(top1.n)),
        f'<td class="text" data-value="{top1.mean}">{_strip(point, scale)}</td>',
        _difference(point.to_finest),
        _difference(point.to_coarsest),
        f'<td class="text last">{escape(point.family)}</td>',
    ]
    return f'<tr id="row-{index}-{i}" class="{family_class(point.family)}">{"".join(cells)}</tr>'


def unbroken(text: str) -> str:
    """Text as HTML in which names such as depth-6, and per cent, do not break over lines.

    Longer names may break: a phone has no room for them.
    """

    def kept(found: re.Match[str]) -> str:
        whole = found[0]
        return whole if len(whole) > _LONGEST_WHOLE else f'<span class="nb">{whole}</span>'

    return re.sub(r"[\w@]+(?:-[\w@]+)+|\d %", kept, escape(text))


def family_class(family: str) -> str:
    """The CSS class that gives a family its colour."""
    known = {TARGET_ALONE: "f-alone", **{f: f"f-{f}" for f in FAMILIES[:3]}}
    return known.get(family, "f-other")


def _number(value: float | None, text: str) -> str:
    return f'<td data-value="{"" if value is None else value}">{text}</td>'


def _difference(estimate: Estimate | None) -> str:
    if estimate is None:
        return _number(None, NONE)
    mean, _, interval = difference_text(estimate).removesuffix(" *").partition(" ")
    mean, interval = mean.replace("-", "−"), interval.replace("-", "−")
    mark = ' class="apart"' if estimate.excludes_zero else ""
    return _number(estimate.mean, f'<span{mark}>{mean}</span> <span class="ci">{interval}</span>')


def _scale(panel: Panel) -> tuple[float, float]:
    ends = [r["top1"] for p in panel.points for r in p.results]
    ends += [v for p in panel.points for v in (p.top1.low, p.top1.high) if v is not None]
    low, high = min(ends), max(ends)
    return low, max(high - low, 1e-3)


def _strip(point: Point, scale: tuple[float, float]) -> str:
    def x(value: float) -> str:
        return f"{6 + (value - scale[0]) / scale[1] * (_STRIP_WIDTH - 12):.1f}"

    top1 = point.top1
    label = f"mean {100 * top1.mean:.2f}"
    bar = ""
    if top1.low is not None and top1.high is not None:
        bar = f'<line class="ci" x1="{x(top1.low)}" x2="{x(top1.high)}" y1="11" y2="11"/>'
        label += f", interval {100 * top1.low:.2f} to {100 * top1.high:.2f}"
    seeds = "".join(
        f'<circle class="seed" cx="{x(r["top1"])}" cy="17.5" r="1.7"/>' for r in point.results
    )
    return (
        f'<svg class="strip" viewBox="0 0 {_STRIP_WIDTH} 22" role="img" aria-label="{label}">'
        f'<line class="base" x1="0" x2="{_STRIP_WIDTH}" y1="11" y2="11"/>{bar}'
        f'<circle class="mean" cx="{x(top1.mean)}" cy="11" r="4"/>{seeds}</svg>'
    )
