"""What the numbers cost: images, steps and measured time of each source's trainings."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from statistics import fmean

from granctl.study.grid import Cell, Column, Grid, grid_html, number, word
from granctl.study.results import Result
from granctl.study.runlogs import RunLog, run_log, transfer_log
from granctl.study.summary import TARGET_ALONE, Panel
from granctl.study.webpage import Part, section
from granctl.study.wording import NONE

_COLUMNS = (
    Column(title="Source cut", name="source", text=True),
    Column(title="Recipe", name="recipe", text=True),
    Column(title="Runs", name="runs"),
    Column(title="Images a run", name="images_seen"),
    Column(title="Steps a run", name="steps"),
    Column(title="Seconds a run", name="seconds"),
    Column(title="Device-hours, all runs", name="device_hours"),
    Column(title="Transfers", name="transfers"),
    Column(title="Device-hours, all transfers", name="transfer_device_hours"),
    Column(title="Computed on", name="computed", text=True),
)
_TRAINS = ("finetune", "scratch")
"""Methods that train a network, and write its time."""


def costs_part(panels: Sequence[Panel]) -> Part | None:
    """One table of every source; None where no training left a record."""
    groups: dict[tuple[str, str], list[Result]] = defaultdict(list)
    every = {r["digest"]: r for panel in panels for point in panel.points for r in point.results}
    for result in every.values():
        source = result.get("source") or {}
        groups[_source(result), str(source.get("recipe") or "")].append(result)
    logs = {key: _logs(results) for key, results in groups.items()}
    if not any(log for both in logs.values() for some in both for log in some):
        return None
    rows = [
        _row(cut, recipe, groups[cut, recipe], *logs[cut, recipe])
        for cut, recipe in sorted(groups, key=lambda key: _order(groups[key]))
    ]
    caption = (
        "Time in training, measured batch by batch; evaluation, encoding and waiting for a machine"
        " are not in it. Device-hours: hours times the processes that trained together; of"
        " transfers those that train a network: heads on its features leave no record of time."
    )
    grid = Grid(name="costs", caption=caption, columns=_COLUMNS, rows=tuple(rows))
    return Part(html=section("costs", "What it cost", grid_html(grid, "Costs.")), grids=(grid,))


def _order(results: Sequence[Result]) -> tuple[float, str]:
    source = results[0].get("source") or {}
    return source.get("classes_present") or float("inf"), _source(results[0])


def _source(result: Result) -> str:
    """The point of a curve; all public weights of one name are one, and all of the target alone."""
    named = (result.get("source") or {}).get("cut", TARGET_ALONE)
    return str(result.get("point", named))


def _logs(results: Sequence[Result]) -> tuple[list[RunLog | None], list[RunLog | None]]:
    """Of each pretraining once, and of each transfer that trains a network; None: left none."""
    runs = _runs(results).values()
    return [run_log(r) for r in runs], [transfer_log(r) for r in results if r["method"] in _TRAINS]


def _runs(results: Sequence[Result]) -> dict[str, Result]:
    """A result of each pretraining, by its digest."""
    pretrained = [r for r in results if (r.get("source") or {}).get("run_digest")]
    return {r["source"]["run_digest"]: r for r in pretrained}


def _row(
    cut: str,
    recipe: str,
    results: Sequence[Result],
    pretrained: Sequence[RunLog | None],
    transfers: Sequence[RunLog | None],
) -> tuple[Cell, ...]:
    runs = [log for log in pretrained if log is not None]
    seconds = [log.seconds for log in runs if log.seconds is not None]
    seen = [r["source"].get("images_seen") for r in _runs(results).values()]
    images = [num for num in seen if num is not None]
    on = dict.fromkeys(
        str(text)
        for text in (
            *(log.details.get("computed") for log in runs),
            *(r.get("computed") for r in results),
        )
        if text
    )
    return (
        word(cut),
        word(recipe or NONE),
        number(len(pretrained)),
        number(fmean(images) if images else None),
        number(fmean(log.steps for log in runs) if runs else None),
        number(fmean(seconds) if seconds else None, "{:,.1f}"),
        number(_device_hours(pretrained), "{:,.3f}"),
        number(len(results)),
        number(_device_hours(transfers), "{:,.3f}"),
        word("; ".join(on)),
    )


def _device_hours(logs: Sequence[RunLog | None]) -> float | None:
    """Summed; None where there is none, or one without time: the sum would be too small."""
    spent = [
        log.seconds * log.processes / 3600
        for log in logs
        if log is not None and log.seconds is not None
    ]
    return sum(spent) if spent and len(spent) == len(logs) else None
