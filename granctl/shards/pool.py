"""Work on many shards, one after another or in several processes, and how far it is."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    wait,
)
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Any, TypeVar

from granctl.errors import WorkerDiedError
from granctl.processes import end_pool, leaving_when_ended, prepare_worker
from granctl.progress import Progress

Tell = Callable[[int, int, int], None]
"""Is called with images, bytes and how many of the images were bad, since the last call."""
Found = TypeVar("Found")
Work = Callable[[int, Tell], Found]
"""Does one shard, by its number; what it returns is small, for it is sent between processes."""
_TELL_IMAGES = 64
"""Images that a worker does between two looks at the counts that all share."""
_TELL_S = 0.5
_NOTE_EVERY = 256
"""Images between two notes beside the bar: a note costs more than a small image."""


def over_shards(names: Sequence[str], work: Work[Found], workers: int, tell: Tell) -> list[Found]:
    """Does a piece of work for each shard; what is done must not depend on the order.

    Returns what the work found, shard by shard.

    Args:
        names: what people call the shards; their places are their numbers.
        work: does one of them.
        workers: processes. They are forked: `work` holds what it needs, and nothing is sent.
        tell: is called as the work goes on, always in this process.

    Raises:
        WorkerDiedError: a process was killed.
        Exception: what `work` raises.
    """
    if workers == 1 or len(names) < 2:
        return [work(number, tell) for number in range(len(names))]
    found = _in_processes(names, work, workers, tell)
    return [found[number] for number in range(len(names))]


def over_shards_in_halves(
    names: Sequence[str], first: Work[Callable[[], Found]], workers: int, tell: Tell
) -> list[Found]:
    """Does work whose second half waits for the disk: meanwhile the next shard is begun.

    As `over_shards`; several processes overlap by themselves.

    Args:
        names: what people call the shards; their places are their numbers.
        first: does the first half of one, and returns the second, which runs in a thread.
        workers: processes.
        tell: is called as the work goes on.
    """
    if workers > 1 and len(names) > 1:
        return over_shards(names, lambda number, tell: first(number, tell)(), workers, tell)
    found: list[Found] = []
    with ThreadPoolExecutor(1, thread_name_prefix="granctl-write") as thread:
        running: Future[Found] | None = None
        for number in range(len(names)):
            second = first(number, tell)
            if running is not None:
                found.append(running.result())
            running = thread.submit(second)
        if running is not None:
            found.append(running.result())
    return found


@dataclass(frozen=True, slots=True)
class _Job:
    work: Work[Any]
    counts: Any
    """Images, bytes, bad images of all workers: a shared array with its lock."""


_job: _Job | None = None
"""What the workers work on: they are forked, so a listing of gigabytes is not sent to each."""


def _in_processes(
    names: Sequence[str], work: Work[Found], workers: int, tell: Tell
) -> dict[int, Found]:
    global _job  # noqa: PLW0603
    context = multiprocessing.get_context("fork")
    counts = context.Array("q", 3)
    _job = _Job(work, counts)
    pool = ProcessPoolExecutor(min(workers, len(names)), context, initializer=prepare_worker)
    waiting = iter(range(len(names)))
    running: dict[Future[Found], int] = {}
    found: dict[int, Found] = {}
    told = [0, 0, 0]
    finished = False
    try:
        while True:
            for _, number in zip(range(2 * workers - len(running)), waiting, strict=False):
                running[pool.submit(_work, number)] = number
            done = wait(running, timeout=_TELL_S, return_when=FIRST_COMPLETED).done
            now = [int(num) for num in counts[:]]
            tell(*(new - old for new, old in zip(now, told, strict=True)))
            told = now
            for future in done:
                found[running[future]] = future.result()
                del running[future]
            if not running:
                break
        finished = True
    except BrokenProcessPool as error:
        died = [names[number] for number in sorted(running.values())]
        raise WorkerDiedError(died, "--workers") from error
    finally:
        _job = None
        end_pool(pool, finished=finished)
    return found


def _work(number: int) -> Any:
    assert _job is not None
    counts = _job.counts
    ours = [0, 0, 0]

    def flush() -> None:
        with counts.get_lock():
            for i, num in enumerate(ours):
                counts[i] += num
        ours[:] = [0, 0, 0]

    def tell(images: int, num_bytes: int, num_bad: int) -> None:
        ours[0] += images
        ours[1] += num_bytes
        ours[2] += num_bad
        if ours[0] >= _TELL_IMAGES:
            flush()

    with leaving_when_ended():
        found = _job.work(number, tell)
        flush()
    return found


class Teller:
    """Tells the progress every so many images: telling costs more than copying a small one."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._images = self._bytes = self._num_bad = 0
        self._began = time.monotonic()

    def tell(self, images: int, num_bytes: int, num_bad: int) -> None:
        """So many images more were read."""
        self._images += images
        self._bytes += num_bytes
        self._num_bad += num_bad
        if self._images >= _NOTE_EVERY:
            self.tell_rest()

    def tell_rest(self) -> None:
        """Tells what was not told yet."""
        rate = self._bytes / 1e6 / max(time.monotonic() - self._began, 1e-9)
        bad = f", {self._num_bad} bad" if self._num_bad else ""
        self._progress.advance(self._images, f"{rate:,.1f} MB/s{bad}")
        self._images = 0
