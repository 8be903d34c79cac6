"""Hard images on the page: top-1 and gain by bin of difficulty, as figures and a table."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from granctl.study.comparison import unbroken
from granctl.study.difficulty import BinRow, DifficultyPanel, Ranged, SourceRows
from granctl.study.difficultyview import legend, sentences
from granctl.study.figures import panel_title
from granctl.study.grid import Cell, Column, Grid, grid_html, number, word
from granctl.study.linefigure import NUM_COLOURS, Axis, Dot, Line, LineFigure, figure_html
from granctl.study.webpage import Part, folded, section

_MOST_OPEN = 2


def difficulty_part(panels: Sequence[DifficultyPanel]) -> Part | None:
    """Two figures, what they say and a table for each panel; None where there is none."""
    figures: list[LineFigure] = []
    grids: list[Grid] = []
    html: list[str] = []
    for index, panel in enumerate(panels, 1):
        pair = _figures(index, panel)
        grid = _grid(index, panel)
        figures += pair
        grids.append(grid)
        title = unbroken(panel_title(panel.panel))
        captions = ("Top-1 by bin.", f"Gain over {panel.spec.cut} by bin, with 95 % intervals.")
        drawn = "\n".join(
            figure_html(f, f"<b>{title}.</b> {escape(c)}", small=True)
            for f, c in zip(pair, captions, strict=False)
        )
        told = "".join(f"<li>{unbroken(line)}</li>" for line in sentences(panel))
        told = f'<ul class="verdicts">{told}</ul>' if told else ""
        body = f'<div class="beside">\n{drawn}\n</div>\n{told}\n{grid_html(grid, "Bins.")}'
        html.append(body if index <= _MOST_OPEN else folded(f"<b>{title}</b>", body))
    if not html:
        return None
    body = section(
        "difficulty", "Easy and hard images", "\n".join(html), unbroken(legend(panels[0]))
    )
    return Part(html=body, figures=tuple(figures), grids=tuple(grids))


def _bins(source: SourceRows) -> list[BinRow]:
    """Without `hard` and `all`, which gather them."""
    return list(source.rows[:-2])


def _figures(index: int, panel: DifficultyPanel) -> list[LineFigure]:
    top1 = [_line(i, source, [_top1(r) for r in _bins(source)]) for i, source in _each(panel)]
    gains = [
        _line(i, source, [_gain(r) for r in _bins(source) if r.gain is not None])
        for i, source in _each(panel)
        if source.rows[-1].gain is not None
    ]
    ticks = tuple(float(b + 1) for b in range(panel.spec.bins))
    x = Axis(title=f"bin by {panel.spec.by}, {panel.spec.bins} the hardest", ticks=ticks)
    title = panel_title(panel.panel)
    found = [
        LineFigure(
            name=f"difficulty-{index}-top1",
            title=f"{title}: top-1 by difficulty",
            x=x,
            y=Axis(title="top-1, %"),
            lines=tuple(top1),
        )
    ]
    if any(line.dots for line in gains):
        found.append(
            LineFigure(
                name=f"difficulty-{index}-gain",
                title=f"{title}: gain by difficulty",
                x=x,
                y=Axis(title=f"gain over {panel.spec.cut}, points"),
                lines=tuple(gains),
            )
        )
    return found


def _each(panel: DifficultyPanel) -> list[tuple[int, SourceRows]]:
    return list(enumerate(panel.sources))


def _line(index: int, source: SourceRows, dots: Sequence[Dot]) -> Line:
    return Line(
        name=source.point.cut,
        dots=tuple(dots),
        colour=index % NUM_COLOURS,
        shape=index,
    )


def _top1(row: BinRow) -> Dot:
    text = f"bin {row.bin}, top-1 {100 * row.top1:.2f} %"
    return Dot(x=float(row.bin), y=100 * row.top1, text=text)


def _gain(row: BinRow) -> Dot:
    gain = row.gain or Ranged(mean=0.0, low=None, high=None)
    ends = [None if v is None else 100 * v for v in (gain.low, gain.high)]
    text = f"bin {row.bin}, gain {100 * gain.mean:+.2f} points"
    if ends[0] is not None:
        text += f", 95 % interval {ends[0]:+.2f} to {ends[1]:+.2f}"
    return Dot(x=float(row.bin), y=100 * gain.mean, low=ends[0], high=ends[1], text=text)


def _grid(index: int, panel: DifficultyPanel) -> Grid:
    heads = [(f"bin {r.bin}" if r.bin.isdigit() else r.bin, r.bin) for r in panel.sources[0].rows]
    columns = [
        Column(title="Source cut", name="source", text=True),
        Column(title="Seeds", name="seeds"),
        *(Column(title=f"Top-1, %: {title}", name=f"top1_{name}") for title, name in heads),
        Column(title="Gain over all, points", name="gain"),
        Column(title="Share of it in the hard bins, %", name="share"),
    ]
    rows = [
        (
            word(source.point.cut),
            number(source.seeds),
            *(number(row.top1, "{:.2f}", 100) for row in source.rows),
            _ranged(source.rows[-1].gain, "{:+.2f}"),
            _ranged(source.rows[-2].share, "{:.0f}"),
        )
        for source in panel.sources
    ]
    caption = f"{panel_title(panel.panel)}, by difficulty. {legend(panel)}"
    return Grid(
        name=f"difficulty-{index}", caption=caption, columns=tuple(columns), rows=tuple(rows)
    )


def _ranged(value: Ranged | None, form: str) -> Cell:
    if value is None:
        return number(None)
    text = form.format(100 * value.mean)
    if value.low is not None and value.high is not None:
        text += f" [{form.format(100 * value.low)}, {form.format(100 * value.high)}]"
    return Cell(text=text, value=value.mean)
