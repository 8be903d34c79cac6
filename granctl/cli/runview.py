"""How runs look in a terminal: a line each, one with all that is known, lines of metrics."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from granctl.cli.console import Session
from granctl.launch.runstate import RunState
from granctl.launch.runwatch import follow_run, newest_lines

_COLUMNS = ("run", "state", "step", "images/s", "loss", "left", "where")


def runs_text(runs: Sequence[RunState]) -> str:
    """A line a run under a line of names; words stand in columns."""
    rows = [_COLUMNS, *(_row(one) for one in runs)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(_COLUMNS))]
    padded = [[text.ljust(width) for text, width in zip(row, widths, strict=True)] for row in rows]
    return "\n".join("  ".join(row).rstrip() for row in padded)


def _row(run: RunState) -> tuple[str, ...]:
    of = f"{run.step}/{run.steps}" if run.steps is not None else str(run.step)
    rate = "-" if run.images_per_s is None else f"{run.images_per_s:,.0f}"
    loss = "-" if run.loss is None else f"{run.loss:.3f}"
    left = "-" if run.left_s is None else duration(run.left_s)
    return (run.folder.name, run.state, of, rate, loss, left, run.where or "-")


def duration(seconds: float) -> str:
    """Seconds as people say them.

    Example:
        >>> duration(42), duration(5400), duration(200_000)
        ('42 s', '1:30 h', '2 d 7:33 h')
    """
    if seconds < 120:
        return f"{seconds:.0f} s"
    days, minutes = divmod(round(seconds / 60), 24 * 60)
    clock = f"{minutes // 60}:{minutes % 60:02} h"
    return f"{days} d {clock}" if days else clock


def run_text(record: Mapping[str, Any]) -> str:
    """Everything about a run, a fact a line."""
    asked, metrics = record["asked"], record["metrics"]
    recipe, last = asked["recipe"], metrics["last"]
    of = f"{record['step']}/{record['steps']}" if record["steps"] else str(record["step"])
    facts = {
        "run": record["path"],
        "digest": record["digest"],
        "state": ", ".join(filter(None, [record["state"], record["where"]])),
        "step": of,
        "left": duration(record["left_s"]) if record["left_s"] is not None else "-",
        "command": record["command"],
        "recipe": f"{recipe['name']}: {recipe['about']}",
        "model": _words(recipe["model"]),
        "optimizer": _words(recipe["optimizer"]),
        "seed": str(asked["seed"]),
        "inputs": ", ".join(f"{role} {found[:12]}" for role, found in record["inputs"].items()),
        "metrics": f"{metrics['path']} ({metrics['lines']} lines)",
        "newest": metric_text(last) if last else "-",
        "checkpoints": _checkpoints(record["checkpoints"]),
        "starts": _starts(record["starts"]),
        "log": record["log"] or "-",
    }
    width = max(len(name) for name in facts)
    return "\n".join(f"{name:{width}}  {text}" for name, text in facts.items())


def _words(table: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in table.items() if value is not None)


def _checkpoints(found: Sequence[Mapping[str, Any]]) -> str:
    return ", ".join(f"step {one['step']} ({one['bytes'] / 1e6:,.1f} MB)" for one in found) or "-"


def _starts(found: Sequence[Mapping[str, Any]]) -> str:
    return ", ".join(f"step {one['step']} at {one['at']}" for one in found[-5:]) or "-"


def metric_text(line: Mapping[str, Any]) -> str:
    """One line of metrics, for people."""
    loss = "not finite" if line["loss"] is None else f"{line['loss']:.4f}"
    return (
        f"step {line['step']}, epoch {line['epoch']}, loss {loss}, lr {line['lr']:.3g},"
        f" {line['images_per_s']:,.0f} images/s, {line['waiting_frac']:.0%} waiting"
    )


def print_lines(session: Session, folder: Path, num: int, *, follow: bool) -> None:
    """Prints the last lines of a run's metrics; with `follow` each new one until the run ends.

    With --json it is one object, or when following one a line.
    """
    if not follow:
        lines = newest_lines(folder, num)
        record = {"kind": "metrics", "path": str(folder), "lines": lines, "schema": 1}
        session.answer("\n".join(metric_text(line) for line in lines), record)
        return
    for line in follow_run(folder, num):
        text = json.dumps(line) if session.as_json else metric_text(line)
        print(text, flush=True)  # noqa: T201
