"""The loss of every pretraining over its steps: a line a cut, its seeds thin behind it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

from granctl.study.linefigure import (
    NUM_COLOURS,
    Axis,
    Dot,
    Line,
    LineFigure,
    figure_html,
    thinned,
)
from granctl.study.results import Result
from granctl.study.runlogs import RunLog, run_log
from granctl.study.summary import Panel
from granctl.study.webpage import Part, folded, section
from granctl.study.wording import count

_MOST_OPEN = 2
_MOST_DOTS, _MOST_THIN_DOTS = 100, 50

Setting = tuple[str, int]
"""Recipe and images seen: runs of one setting stand in one figure."""


def losses_part(panels: Sequence[Panel]) -> Part | None:
    """A figure for each recipe and budget; None where no run left its metrics."""
    found: dict[Setting, dict[str, dict[str, Result]]] = defaultdict(lambda: defaultdict(dict))
    for result in (r for panel in panels for point in panel.points for r in point.results):
        source = result.get("source") or {}
        if source.get("run_digest") and result.get("run"):
            setting = str(source.get("recipe")), int(source.get("images_seen") or 0)
            found[setting][result.get("point", source["cut"])][source["run_digest"]] = result
    figures: list[LineFigure] = []
    html: list[str] = []
    for setting, by_cut in found.items():
        logs = {
            cut: [log for r in rs.values() if (log := run_log(r))] for cut, rs in by_cut.items()
        }
        logs = {cut: ours for cut, ours in logs.items() if any(log.losses for log in ours)}
        if not logs:
            continue
        figure = _figure(len(figures) + 1, setting, logs)
        figures.append(figure)
        told = figure_html(figure, _caption(setting))
        opened = len(figures) <= _MOST_OPEN
        html.append(told if opened else folded(f"<b>{_named(setting)}</b>", told))
    if not figures:
        return None
    body = section("losses", "Training curves", "\n".join(html))
    return Part(html=body, figures=tuple(figures))


def _named(setting: Setting) -> str:
    """HTML."""
    recipe, images = setting
    return f"{escape(recipe)}, {images:,} images"


def _caption(setting: Setting) -> str:
    return (
        f"<b>{_named(setting)}.</b> Training loss over steps, the mean over seeds; thin"
        " lines are single runs. Losses over other numbers of classes are not comparable in height:"
        " look at whether they have come to rest."
    )


def _figure(index: int, setting: Setting, logs: dict[str, list[RunLog]]) -> LineFigure:
    lines: list[Line] = []
    for i, (cut, ours) in enumerate(logs.items()):
        curves = [_curve(log) for log in ours if log.losses]
        if len(curves) > 1:
            lines += [_line(cut, c, "", _MOST_THIN_DOTS, thin=True, index=i) for c in curves]
        lines.append(_line(cut, _mean(curves), _end(ours), _MOST_DOTS, thin=False, index=i))
    return LineFigure(
        name=f"losses-{index}",
        title=f"training loss, {setting[0]}, {setting[1]:,} images",
        x=Axis(title="steps"),
        y=Axis(title="training loss"),
        lines=tuple(lines),
    )


def _curve(log: RunLog) -> NDArray[np.float64]:
    """Shape (2, lines): steps and losses."""
    return np.array(log.losses, dtype=np.float64).T


def _mean(curves: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """The mean at the steps of the shortest curve; the others are read between their lines."""
    steps = min((c[0] for c in curves), key=lambda s: float(s[-1]))
    return np.stack([steps, np.mean([np.interp(steps, *c) for c in curves], axis=0)])


def _line(
    cut: str, curve: NDArray[np.float64], end: str, most: int, *, thin: bool, index: int
) -> Line:
    places = thinned(list(zip(*curve.tolist(), strict=True)), most)
    dots = [Dot(x=x, y=y) for x, y in places]
    if end:
        dots[-1] = Dot(x=dots[-1].x, y=dots[-1].y, text=f"loss {dots[-1].y:.3f} {end}")
    return Line(
        name=cut,
        dots=tuple(dots),
        colour=index % NUM_COLOURS,
        shape=index // NUM_COLOURS,
        marks="none" if thin else "last",
        thin=thin,
    )


def _end(logs: Sequence[RunLog]) -> str:
    """After how many steps, and what the runs score on held-out images under their own classes."""
    held_out = [log.details.get("held_out") for log in logs]
    scores = [h["top1"] for h in held_out if h]
    told = f"after {max(log.steps for log in logs):,} steps, {count(len(logs), 'run')}"
    if scores:
        told += f"; top-1 on held-out images under its own classes {100 * np.mean(scores):.1f} %"
    return told
