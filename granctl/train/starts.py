"""starts.jsonl: each start of a training: from which step, of what, by which process and job."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from granctl.errors import NoProgressError
from granctl.files import write_bytes
from granctl.provenance import plain
from granctl.spec import parse
from granctl.train.maker import Maker
from granctl.train.metrics import read_metrics

STARTS_NAME = "starts.jsonl"
TRIES = 3
"""Starts of one job that may begin at the same step: the third one gives up."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Start:
    """One start of a training."""

    step: int
    """Steps that were taken before."""
    steps: int
    """Of the whole training."""
    images: int
    """Of an epoch."""
    processes: int
    """That train together."""
    maker: Maker
    """Rank 0."""
    job: str | None = None
    """Slurm's id; None: no job."""
    restart: int = 0
    """How often Slurm had started the job before."""
    at: str
    """When, UTC."""


def start_of(
    environment: Mapping[str, str], *, step: int, steps: int, images: int, processes: int
) -> Start:
    """A start of this process, now.

    Args:
        environment: of this process.
        step: steps that were taken before.
        steps: of the whole training.
        images: of an epoch.
        processes: that train together.
    """
    return Start(
        step=step,
        steps=steps,
        images=images,
        processes=processes,
        maker=Maker.this(),
        job=environment.get("SLURM_JOB_ID") or None,
        restart=int(environment.get("SLURM_RESTART_COUNT") or 0),
        at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def begin_start(path: Path, start: Start) -> None:
    """Adds a start to the run's file.

    Raises:
        NoProgressError: the two before it, in the same job of Slurm, began at the same step.
    """
    earlier = read_starts(path)
    check_progress(path.parent, [*earlier, start])
    lines = [json.dumps(plain(one)) for one in (*earlier, start)]
    write_bytes(path, "".join(f"{line}\n" for line in lines).encode())


def check_progress(run: Path, starts: Sequence[Start]) -> None:
    """Looks at the last starts, the newest of which is about to be made.

    A job that somebody submits anew is another one: its tries count from the first.

    Raises:
        NoProgressError: the last three, of one job of Slurm, began at the same step.
    """
    last = starts[-TRIES:]
    same = len({(one.job, one.step) for one in last}) == 1
    if len(last) == TRIES and same and last[-1].job is not None:
        raise NoProgressError(last[-1].step, TRIES, run)


def read_starts(path: Path) -> list[Start]:
    """The starts of a run, oldest first; none where there is no such file."""
    return [parse(Start, table, str(path)) for table in read_metrics(path)]


def newer_maker(path: Path) -> Maker | None:
    """Another process that has begun after this one; None: the run is this one's."""
    starts = read_starts(path)
    return starts[-1].maker if starts and starts[-1].maker != Maker.this() else None


def begin_here(path: Path, *, step: int, steps: int, images: int, processes: int) -> None:
    """Adds a start of this process, now.

    Raises:
        NoProgressError: as `begin_start`.
    """
    sizes = {"step": step, "steps": steps, "images": images, "processes": processes}
    begin_start(path, start_of(os.environ, **sizes))
