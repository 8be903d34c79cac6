"""What the trainings behind results wrote of themselves: losses over steps, and their time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from granctl.errors import GranctlError
from granctl.files import read_json
from granctl.study.results import Result
from granctl.train.metrics import METRICS_NAME, read_metrics
from granctl.train.starts import STARTS_NAME, read_starts
from granctl.workspace import MANIFEST_NAME


@dataclass(frozen=True, kw_only=True, eq=False)
class RunLog:
    """One training: of a run, or of a transfer that trains."""

    steps: int
    images_seen: int
    losses: tuple[tuple[int, float], ...]
    """(steps taken, mean loss since the line before)."""
    seconds: float | None
    """In training: the images between the lines by their rates; None where no rate was written."""
    processes: int
    """That trained together: the most of any start."""
    details: dict[str, Any]
    """Of a pretraining's manifest: computed, held_out and so on; else empty."""


def run_log(result: Result) -> RunLog | None:
    """The pretraining behind a result; None where it is gone, or wrote nothing."""
    return None if not result.get("run") else _read(Path(result["run"]))


def transfer_log(result: Result) -> RunLog | None:
    """The training of a result itself; None where nothing was trained, or it is gone."""
    return _read(Path(result["path"]).parent)


def _read(folder: Path) -> RunLog | None:
    try:
        lines = [line for line in read_metrics(folder / METRICS_NAME) if "images_seen" in line]
        if not lines:
            return None
        starts = read_starts(folder / STARTS_NAME)
        manifest = folder / MANIFEST_NAME
        details = read_json(manifest).get("details") or {} if manifest.is_file() else {}
    except (OSError, GranctlError):
        return None
    last = lines[-1]
    return RunLog(
        steps=last["step"],
        images_seen=last["images_seen"],
        losses=tuple((ln["step"], ln["loss"]) for ln in lines if ln.get("loss") is not None),
        seconds=_seconds(lines),
        processes=max((start.processes for start in starts), default=1),
        details=details,
    )


def _seconds(lines: Sequence[dict[str, Any]]) -> float | None:
    seen = [0, *(line["images_seen"] for line in lines)]
    rates: list[float | None] = [line.get("images_per_s") for line in lines]
    if not all(rates):
        return None
    steps = zip(pairwise(seen), rates, strict=True)
    return float(sum((b - a) / rate for (a, b), rate in steps if rate))
