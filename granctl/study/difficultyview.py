"""Hard images as records, CSV, Markdown, a terminal's table and a figure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from granctl.files import replacing
from granctl.study.difficulty import BinRow, DifficultyPanel, Ranged, SourceRows
from granctl.study.figures import STYLE_OF_FAMILY, figure_style, panel_title
from granctl.study.table import csv_of
from granctl.study.wording import NONE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CSV_NAME, MARKDOWN_NAME, FIGURE_NAME = "difficulty.csv", "difficulty.md", "difficulty.svg"
_OTHER_STYLE = ("#56504A", "", "-.")
_MARKERS = "os^Dv<>pPX"
"""One a source, as many as there are: in a family they share colour and line."""
_WIDTH_IN, _HEIGHT_IN = 6.3, 3.0


def records(panels: Sequence[DifficultyPanel]) -> list[dict[str, Any]]:
    """One flat record a source and bin; fractions, null where there is no number."""
    return [
        _record(panel, source, row)
        for panel in panels
        for source in panel.sources
        for row in source.rows
    ]


def _record(panel: DifficultyPanel, source: SourceRows, row: BinRow) -> dict[str, Any]:
    low, high = (x if math.isfinite(x) else None for x in row.difficulty)
    return {
        "target": panel.panel.target,
        "transfer": panel.panel.method,
        "per_class": panel.panel.per_class,
        "recipe": panel.panel.setting["recipe"],
        "judge": panel.spec.cut,
        "by": panel.spec.by,
        "source": source.point.cut,
        "family": source.point.family,
        "classes_present": source.point.classes_present,
        "seeds": source.seeds,
        "bin": row.bin,
        "images": row.images,
        "difficulty_low": low,
        "difficulty_high": high,
        "top1_mean": row.top1,
        "top1_sd": row.top1_sd,
        **_numbers("gain", row.gain),
        **_numbers("share", row.share),
    }


def _numbers(name: str, value: Ranged | None) -> dict[str, float | None]:
    return {
        f"{name}_{field}": None if value is None else getattr(value, field)
        for field in ("mean", "low", "high")
    }


def as_csv(panels: Sequence[DifficultyPanel]) -> str:
    """The records as CSV with a header; fractions, empty where there is no number."""
    return csv_of(records(panels))


def as_markdown(panels: Sequence[DifficultyPanel]) -> str:
    """Two Markdown tables a panel, of top-1 and of the gain, and what they say; per cent."""
    parts = []
    for panel in panels:
        heads = [_heading(panel, row) for row in panel.sources[0].rows]
        top1 = [["top-1 %", *heads], *([s.point.cut, *map(_top1, s.rows)] for s in panel.sources)]
        gain = [[f"less {panel.spec.cut}", *heads]]
        gain += [[s.point.cut, *(_gain(r) for r in s.rows)] for s in _gainers(panel)]
        share = [["share of the gain %", *heads]]
        share += [[s.point.cut, *(_share(r) for r in s.rows)] for s in _gainers(panel)]
        told = [f"- {line}" for line in sentences(panel)]
        tables = ["\n".join(_lines(t)) for t in (top1, gain, share) if len(t) > 1]
        title = f"**{panel_title(panel.panel)}, by difficulty.** {legend(panel)}"
        parts.append("\n\n".join([title, *tables, "\n".join(told)]).rstrip() + "\n")
    return "\n".join(parts)


def legend(panel: DifficultyPanel) -> str:
    """What the bins and intervals are."""
    measure = {"loss": "mean loss", "margin": "mean margin", "mistakes": "share of mistakes"}
    return (
        f"Bins of equal size by the {measure[panel.spec.by]} of {panel.spec.cut} under the other"
        f" seeds, 1 the easiest; hard: the {panel.hard_bins} hardest. Intervals of 95 %, for"
        " other images and other seeds."
    )


def sentences(panel: DifficultyPanel) -> list[str]:
    """Where the gain of each source lies."""
    found = []
    for source in _gainers(panel):
        hard, whole = source.rows[-2], source.rows[-1]
        if whole.gain is None:
            continue
        head = f"{source.point.cut} less {panel.spec.cut}: {_ranged(whole.gain)} points over all"
        part = f"the hardest {100 * hard.images / whole.images:.0f} % of the images"
        if hard.share is None:
            found.append(f"{head}; not told apart from none, so no share of it is.")
        else:
            found.append(f"{head}; {part} hold {_ranged(hard.share, 0)} % of it.")
    return found


def terminal_table(
    panels: Sequence[DifficultyPanel],
) -> tuple[str, list[str], list[list[str]]]:
    """Title, columns and rows for `Session.table`: top-1 of each bin, and the gain over all."""
    heads = [_heading(panels[0], row) for row in panels[0].sources[0].rows]
    rows = []
    for panel in panels:
        rows.append([f"{panel.panel.target}, {panel.panel.method}:", *[""] * (len(heads) + 1)])
        for source in panel.sources:
            cells = [f"{100 * r.top1:.1f}" for r in source.rows]
            share = source.rows[-2].share
            part = NONE if share is None else f"{100 * share.mean:.0f}"
            rows.append([f"  {source.point.cut}", *cells, part])
    spec = panels[0].spec
    title = (
        f"top-1 % by difficulty ({spec.by} of {spec.cut} under other seeds, 1 the easiest), and the"
        " hard bins' share of the gain"
    )
    return title, ["source", *heads, "% of gain"], rows


def _gainers(panel: DifficultyPanel) -> Iterator[SourceRows]:
    return (s for s in panel.sources if s.rows[-1].gain is not None)


def _heading(panel: DifficultyPanel, row: BinRow) -> str:
    return f"hard {panel.hard_bins}" if row.bin == "hard" else row.bin


def _lines(rows: list[list[str]]) -> list[str]:
    ruled = [rows[0], ["---"] + ["---:"] * (len(rows[0]) - 1), *rows[1:]]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in ruled]


def _top1(row: BinRow) -> str:
    return f"{100 * row.top1:.2f}"


def _gain(row: BinRow) -> str:
    return NONE if row.gain is None else _ranged(row.gain)


def _share(row: BinRow) -> str:
    return NONE if row.share is None else _ranged(row.share, 0, sign="")


def _ranged(value: Ranged, digits: int = 2, sign: str = "+") -> str:
    sign = sign if digits else ""
    mean = f"{100 * value.mean:{sign}.{digits}f}"
    if value.low is None or value.high is None:
        return mean
    return f"{mean} [{100 * value.low:{sign}.{digits}f}, {100 * value.high:{sign}.{digits}f}]"


def draw_bins(panels: Sequence[DifficultyPanel], svg: Path) -> None:
    """Draws two axes a panel: top-1 of every source by bin, and the gain over the judging cut.

    Bars are 95 % intervals of the gain. The same panels give the same bytes.

    Raises:
        OutputNotWritableError: the file cannot be written.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(cast(Any, figure_style())):
        size = (_WIDTH_IN, _HEIGHT_IN * len(panels))
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots(len(panels), 2, squeeze=False)
        for (left, right), panel in zip(axes, panels, strict=True):
            _draw_top1(left, panel)
            _draw_gain(right, panel)
        with replacing(svg) as temporary:
            figure.savefig(temporary, format="svg", metadata={"Date": None})


def _draw_top1(axes: Axes, panel: DifficultyPanel) -> None:
    for index, source in enumerate(panel.sources):
        rows = source.rows[:-2]
        x, y = range(1, len(rows) + 1), [100 * r.top1 for r in rows]
        axes.plot(x, y, label=source.point.cut, **_look(source, index, len(panel.sources)))
    axes.set_ylabel("top-1, %")
    axes.set_title(panel_title(panel.panel), loc="left", fontsize=8)
    axes.legend(frameon=False, fontsize=7)
    _frame(axes, panel)


def _draw_gain(axes: Axes, panel: DifficultyPanel) -> None:
    axes.axhline(0, color="#7A746C", linewidth=0.8)
    for index, source in enumerate(panel.sources):
        gains = [r.gain for r in source.rows[:-2] if r.gain is not None]
        if not gains:
            continue
        y = [100 * g.mean for g in gains]
        bars = [
            [100 * (g.mean - (g.mean if g.low is None else g.low)) for g in gains],
            [100 * ((g.mean if g.high is None else g.high) - g.mean) for g in gains],
        ]
        shift = 0.06 * (index - len(panel.sources) / 2)
        x = [place + 1 + shift for place in range(len(gains))]
        look = _look(source, index, len(panel.sources))
        axes.errorbar(x, y, yerr=[[max(b, 0) for b in side] for side in bars], capsize=2, **look)
    axes.set_ylabel(f"gain over {panel.spec.cut}, points")
    _frame(axes, panel)


def _frame(axes: Axes, panel: DifficultyPanel) -> None:
    axes.set_xticks(range(1, panel.spec.bins + 1))
    axes.set_xlabel(f"difficulty bin ({panel.spec.by}), {panel.spec.bins} the hardest")
    axes.grid(axis="y", linewidth=0.4, color="#DDD8D0")
    axes.set_axisbelow(True)


def _look(source: SourceRows, index: int, num: int) -> dict[str, Any]:
    """Of a family one colour and line; the finer of its sources are drawn stronger."""
    colour, _, line = STYLE_OF_FAMILY.get(source.point.family, _OTHER_STYLE)
    alpha = 0.35 + 0.65 * (index + 1) / num
    marker = _MARKERS[index % len(_MARKERS)]
    shape = {"marker": marker, "linestyle": line, "linewidth": 1.2, "markersize": 4}
    return {"color": colour, "alpha": alpha, **shape}
