"""The table of a report: one row a point, as records, CSV, Markdown and for the terminal."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

from granctl.study.estimates import Estimate
from granctl.study.figures import panel_title
from granctl.study.latex import latex_table
from granctl.study.summary import Panel, Point
from granctl.study.verdict import verdicts
from granctl.study.wording import NONE, count

HEADINGS = ["source", "classes", "family", "seeds", "top-1 %", "sd", "95 % interval"]
DIFFERENCES = ["less finest", "less coarsest"]


def records(panels: Sequence[Panel]) -> list[dict[str, Any]]:
    """One flat record a point; fractions, null where there is no number."""
    return [_record(panel, point) for panel in panels for point in panel.points]


def _record(panel: Panel, point: Point) -> dict[str, Any]:
    first = point.results[0]
    return {
        "target": panel.target,
        "transfer": panel.method,
        "method": point.method,
        "per_class": panel.per_class,
        "source": point.cut,
        "family": point.family,
        "classes_present": point.classes_present,
        "classes_total": point.classes_total,
        **_numbers("top1", point.top1),
        **_numbers("to_finest", point.to_finest),
        **_numbers("to_coarsest", point.to_coarsest),
        "finest": panel.finest,
        "coarsest": panel.coarsest,
        "pretraining_runs": point.num_pretraining_runs if point.classes_present else 0,
        "n_images": panel.images,
        "images_left_out": panel.left_out,
        "split": first.get("split"),
        "recipe": panel.setting["recipe"],
        "pretraining_images_seen": panel.setting["images_seen"],
        "transfer_steps": first.get("steps"),
        "transfer_options": json.dumps(panel.options) if panel.options else None,
    }


def _numbers(name: str, estimate: Estimate | None) -> dict[str, Any]:
    fields = ("n", "mean", "sd", "low", "high")
    return {f"{name}_{f}": None if estimate is None else getattr(estimate, f) for f in fields}


def as_csv(panels: Sequence[Panel]) -> str:
    """The records as CSV with a header; fractions, empty where there is no number."""
    return csv_of(records(panels))


def csv_of(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows of equal keys as CSV with a header."""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def as_markdown(panels: Sequence[Panel]) -> str:
    """One Markdown table a panel, and what its statistics say; per cent, differences in points."""
    parts = []
    for panel in panels:
        rows = [HEADINGS + DIFFERENCES, ["---"] + ["---:"] * 8, *rows_of(panel)]
        lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
        told = [f"- {line}" for line in verdicts(panel)]
        parts.append(
            "\n".join([f"**{panel_title(panel)}.** {legend(panel)}", "", *lines, "", *told, ""])
        )
    return "\n".join(parts)


def left_out(panel: Panel) -> str:
    """How many images count for none of the panel's results; "" where all of them count."""
    if not panel.left_out:
        return ""
    return (
        f"All numbers are of the {panel.images:,} images that every result was scored on; left out:"
        f" {count(panel.left_out, 'image')} that only some were scored on."
    )


def legend(panel: Panel) -> str:
    """What the columns of differences mean in this panel, and which images are not in it."""
    return f"{_differences(panel)} {left_out(panel)}".rstrip()


def _differences(panel: Panel) -> str:
    if panel.finest is None:
        return "No cut of a taxonomy is among the sources, so no differences are shown."
    return (
        "Differences are of top-1, in points, paired by seed, with their 95 % t-interval;"
        f" finest: {panel.finest}, coarsest: {panel.coarsest}."
    )


def rows_of(panel: Panel) -> list[list[str]]:
    """The cells of a panel's table as text, in the order of HEADINGS and DIFFERENCES."""
    return [
        [*_text(p), difference_text(p.to_finest), difference_text(p.to_coarsest)]
        for p in panel.points
    ]


def as_latex(panels: Sequence[Panel]) -> str:
    r"""One LaTeX table a panel, for `\usepackage{booktabs}`; per cent, differences in points."""
    headings = HEADINGS + DIFFERENCES
    return "\n".join(
        latex_table(f"{panel_title(panel)}. {legend(panel)}", headings, rows_of(panel))
        for panel in panels
    )


def terminal_table(panels: Sequence[Panel]) -> tuple[str, list[str], list[list[str]]]:
    """Title, columns and rows for `Session.table`, narrow enough for 80 columns.

    A row with the target alone opens each panel.
    """
    rows: list[list[str]] = []
    for panel in panels:
        rows.append([f"{panel.target}, {panel.method}:", *[""] * 5])
        for point, (cut, classes, _, seeds, mean, sd, _) in zip(
            panel.points, map(_text, panel.points), strict=True
        ):
            spread = f"{mean} ± {sd}" if point.top1.sd is not None else mean
            gaps = [_short(point.to_finest), _short(point.to_coarsest)]
            rows.append([f"  {cut}", classes, seeds, spread, *gaps])
    columns = ["source", "classes", "seeds", "top-1 % ± sd", "to finest", "to coarsest"]
    title = "top-1 over seeds; * the 95 % interval of the paired difference excludes zero"
    return title, columns, rows


def _short(estimate: Estimate | None) -> str:
    if estimate is None:
        return NONE
    return f"{100 * estimate.mean:+.2f} {'*' if estimate.excludes_zero else ' '}"


def _text(point: Point) -> list[str]:
    top1 = point.top1
    classes = NONE if point.classes_present is None else f"{point.classes_present:,.0f}"
    return [
        point.cut,
        classes,
        point.family,
        str(top1.n),
        f"{100 * top1.mean:.2f}",
        NONE if top1.sd is None else f"{100 * top1.sd:.2f}",
        interval_text(top1),
    ]


def interval_text(estimate: Estimate) -> str:
    """`82.10 to 84.20` in per cent; a dash where one seed gives none."""
    if estimate.low is None or estimate.high is None:
        return NONE
    return f"{100 * estimate.low:.2f} to {100 * estimate.high:.2f}"


def difference_text(estimate: Estimate | None) -> str:
    """`+1.20 [+0.10, +2.30]` in points; a star where the interval excludes zero."""
    if estimate is None:
        return NONE
    mean = f"{100 * estimate.mean:+.2f}"
    if estimate.low is None or estimate.high is None:
        return mean
    star = " *" if estimate.excludes_zero else ""
    return f"{mean} [{100 * estimate.low:+.2f}, {100 * estimate.high:+.2f}]{star}"
