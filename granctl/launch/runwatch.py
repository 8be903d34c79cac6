"""One run looked at: everything about it, its metrics as they come, and how to stop it."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from granctl.errors import NotRunningError
from granctl.files import read_json
from granctl.launch.commands import cancel
from granctl.launch.runstate import RunState, state_of
from granctl.launch.trainjob import LOG, train_folder
from granctl.provenance import plain
from granctl.train import checkpoint
from granctl.train.metrics import METRICS_NAME, MetricsTail, read_metrics
from granctl.train.runs import CHECKPOINTS
from granctl.train.starts import STARTS_NAME, read_starts
from granctl.workspace import MANIFEST_NAME, SPEC_NAME

_LOOK_S = 0.5
_ASK_S = 5.0
"""Between two questions whether the run has ended: the queue is shared by all users."""


def show_run(folder: Path) -> dict[str, Any]:
    """Everything about a run, as JSON types."""
    spec = read_json(folder / SPEC_NAME)
    lines = read_metrics(folder / METRICS_NAME)
    losses = [line["loss"] for line in lines if line["loss"] is not None]
    log = train_folder(folder) / LOG
    whole = (folder / MANIFEST_NAME).is_file()
    return {
        "kind": "run-state",
        **state_of(folder).record(),
        "schema": 1,
        "command": spec["provenance"]["command"],
        "inputs": spec["provenance"]["inputs"],
        "asked": spec["spec"],
        "metrics": {
            "path": str(folder / METRICS_NAME),
            "lines": len(lines),
            "first_loss": losses[0] if losses else None,
            "best_loss": min(losses, default=None),
            "last": lines[-1] if lines else None,
        },
        "checkpoints": [
            {"step": step, "path": str(path), "bytes": _bytes(path)}
            for step, path in checkpoint.kept(folder / CHECKPOINTS)
        ],
        "starts": [plain(one) for one in read_starts(folder / STARTS_NAME)],
        "log": str(log) if log.is_file() else None,
        "details": read_json(folder / MANIFEST_NAME)["details"] if whole else None,
    }


def newest_lines(folder: Path, num: int) -> list[dict[str, Any]]:
    """The last lines of a run's metrics."""
    lines = read_metrics(folder / METRICS_NAME)
    return lines[-num:] if num else []


def follow_run(folder: Path, num: int) -> Iterator[dict[str, Any]]:
    """The last lines of a run's metrics, and each new one until the run ends.

    Steps that are taken again, by a start that goes on from before them, are left out: they give
    the same numbers.
    """
    tail = MetricsTail(folder / METRICS_NAME)
    first = tail.more()
    yield from first[-num:] if num else []
    step = first[-1]["step"] if first else 0
    asked, ended = time.monotonic(), _has_ended(folder)
    while True:
        for line in tail.more():
            if line["step"] > step:
                yield line
                step = line["step"]
        if ended:
            return
        time.sleep(_LOOK_S)
        if time.monotonic() - asked > _ASK_S or (folder / MANIFEST_NAME).is_file():
            asked, ended = time.monotonic(), _has_ended(folder)


def stop_run(folder: Path) -> dict[str, Any]:
    """Tells who makes a run to end; it saves first, and the same command goes on later.

    Raises:
        NotRunningError: nobody makes it, or nobody whom this machine can tell.
        NoSlurmError: there is no scancel.
    """
    found = state_of(folder)
    if found.job is not None:
        cancel(found.job.job)
        return _stopped(found, f"scancel {found.job.job}")
    if found.start is None or found.state != "running":
        raise NotRunningError(folder, found.state, found.where)
    maker = found.start.maker
    if not maker.told(signal.SIGTERM):
        raise NotRunningError(folder, found.state, None if maker.is_near else found.where)
    return _stopped(found, f"SIGTERM to process {maker.process}")


def _stopped(found: RunState, how: str) -> dict[str, Any]:
    return {"kind": "run-stop", "path": str(found.folder), "how": how, "schema": 1}


def _has_ended(folder: Path) -> bool:
    return state_of(folder).state in ("whole", "stopped")


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
