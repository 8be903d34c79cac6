"""Waiting for jobs without troubling the scheduler, and the end of what a job wrote."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from granctl.launch.slurm import START_MARK

_SHORTEST_S, _LONGEST_S = 0.3, 30.0
_TAIL_BYTES = 1 << 16
_TAIL_LINES = 12


def looks() -> Iterator[float]:
    """Seconds since the first look, each time that it is worth looking again.

    A short job is seen to end at once, a long one with a delay of at most a tenth of its length
    and half a minute: queues with thousands of jobs are shared by all users.
    """
    began = time.monotonic()
    while True:
        passed = time.monotonic() - began
        yield passed
        time.sleep(min(max(passed / 10, _SHORTEST_S), _LONGEST_S))


def tail_of(log: Path) -> list[str]:
    """The last lines that the last start of a job wrote; none where there is no log."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - _TAIL_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return []
    starts = [i for i, line in enumerate(lines) if line.startswith(START_MARK)]
    return lines[starts[-1] if starts else 0 :][-_TAIL_LINES:]
