"""Processes of this machine that train together: one command, told apart by the environment."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import IO

from granctl.errors import ProcessesFailedError
from granctl.launch.here import granctl_words, same_granctl
from granctl.processes import end_with_parent
from granctl.train.world import environment_of, free_port

_FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR2)
_LOOK_S = 0.1
_GRACE_S = 30.0
"""What the others may take to end once one has failed, or all were told to stop."""
_SAID_LINES = 6
_STARTED = "RANK"
"""Set in processes that were started to train together, by whomever."""
_PARENT = "GRANCTL_PARENT"
"""Set in those of this module: the process that started them."""


def is_started() -> bool:
    """Whether this process is one of several already."""
    return bool(os.environ.get(_STARTED))


def stay_with_parent() -> None:
    """In a process that `run_together` started: it ends when that one is killed."""
    if parent := os.environ.get(_PARENT):
        end_with_parent(int(parent), signal.SIGTERM)


def run_together(number: int, arguments: Sequence[str]) -> int:
    """Runs one command of granctl in several processes of this machine; returns its exit code.

    The first of them speaks for all; what another says on stderr is shown if it fails first.
    Signals that tell this process to stop reach each of them once.

    Args:
        number: of processes, at least 2.
        arguments: of the command, as on the command line.

    Raises:
        ProcessesFailedError: one other than the first failed, or was killed.
    """
    with ExitStack() as stack:
        said = [stack.enter_context(tempfile.TemporaryFile()) for _ in range(number)]
        started: list[subprocess.Popen[bytes]] = []
        stack.callback(_end, started)
        with _forwarding(started):
            port = free_port()
            started.extend(  # one by one: a signal in between reaches those that are there
                _started(rank, number, port, arguments, said[rank]) for rank in range(number)
            )
            first = _first_to_end(started)
            _wait_for_rest(started)
        codes = [process.returncode for process in started]
        if first > 0 and codes[first] and codes[first] != codes[0]:
            raise ProcessesFailedError(first, number, codes[first], _told(said[first]))
        return codes[0] if codes[0] >= 0 else 128 - codes[0]


def _started(
    rank: int, size: int, port: int, arguments: Sequence[str], said: IO[bytes]
) -> subprocess.Popen[bytes]:
    place = {**environment_of(rank, size, port), _PARENT: str(os.getpid())}
    return subprocess.Popen(
        [*granctl_words(), *arguments],
        env={**os.environ, **same_granctl(), **place},
        stdout=None if rank == 0 else subprocess.DEVNULL,
        stderr=None if rank == 0 else said,
        process_group=0,  # the terminal's Ctrl-C reaches them from this process, once
    )


@contextmanager
def _forwarding(started: Sequence[subprocess.Popen[bytes]]) -> Iterator[None]:
    """Signals to this process reach every process that was started."""

    def forward(number: int, _frame: object) -> None:
        for process in started:
            if process.poll() is None:
                process.send_signal(number)

    before = {number: signal.signal(number, forward) for number in _FORWARDED}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _first_to_end(started: Sequence[subprocess.Popen[bytes]]) -> int:
    """The rank of the first process that failed, or 0 when all have ended well."""
    while True:
        codes = [process.poll() for process in started]
        failed = [rank for rank, code in enumerate(codes) if code]
        # Several that stop at once do so together: the first then speaks for them.
        if failed:
            return failed[0]
        if all(code == 0 for code in codes):
            return 0
        time.sleep(_LOOK_S)


def _wait_for_rest(started: Sequence[subprocess.Popen[bytes]]) -> None:
    """Once one has failed the others wait for it in vain: they are ended."""
    deadline = time.monotonic() + _GRACE_S
    failed = any(process.returncode for process in started)
    for process in started:
        try:
            process.wait(min(5.0, deadline - time.monotonic()) if failed else None)
        except subprocess.TimeoutExpired:
            _end([process])


def _end(started: Sequence[subprocess.Popen[bytes]]) -> None:
    for process in started:
        if process.poll() is None:
            process.terminate()
    for process in started:
        try:
            process.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _told(said: IO[bytes]) -> str:
    """The last lines of what a process said."""
    said.seek(0)
    lines = said.read().decode(errors="replace").strip().splitlines()
    return " | ".join(lines[-_SAID_LINES:])
