"""Worker processes that end cleanly: Ctrl-C is the parent's, and one that is ended unwinds."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager

UNWINDING_S = 5.0
"""How long an ended worker may take. Python swallows the exception of a signal that arrives inside
a callback of the garbage collector or of an import, and such a worker would go on for ever."""


_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
MOST_WORKERS = 8
"""A build is bound by its disk long before more processes than this help."""


def default_workers() -> int:
    """The processors that this process may use, at most eight."""
    return min(len(os.sched_getaffinity(0)), MOST_WORKERS)


def prepare_worker() -> None:
    """A pool's initializer: Ctrl-C reaches the parent alone, which ends the workers.

    A worker that is ended unwinds, so that what it was writing is removed; it is ended too when
    its parent is killed, and would else wait for work for ever.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _unwind)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    parent = multiprocessing.parent_process()
    if parent is None or os.getppid() != parent.pid:  # it was killed before the line above
        raise SystemExit(128 + signal.SIGTERM)


def outlive_signals() -> None:
    """For a process that works for a training: the parent hears signals, and ends it.

    Schedulers send them to every process of a job, and a worker that died of one would take the
    step with it that is to be saved. It does not outlive its parent.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    parent = multiprocessing.parent_process()
    if parent is not None and os.getppid() != parent.pid:  # it was killed before the line above
        os._exit(128 + signal.SIGKILL)


def _unwind(number: int, _frame: object) -> None:
    raise SystemExit(128 + number)


@contextmanager
def leaving_when_ended() -> Iterator[None]:
    """Around the work of a worker: once it has unwound, its process is gone.

    Else the pool would hand the exit to the parent as a result, and take the next piece of work.
    """
    try:
        yield
    except SystemExit as ended:
        os._exit(int(ended.code or 0))


def end_pool(pool: ProcessPoolExecutor, *, finished: bool) -> None:
    """Waits for an idle pool; ends the processes of one that still works, by pid."""
    processes = list((pool._processes or {}).values())
    pool.shutdown(wait=finished, cancel_futures=True)
    if finished:
        return
    for process in processes:
        process.terminate()
    for process in processes:
        process.join(UNWINDING_S)
        if process.is_alive():
            process.kill()
            process.join()
