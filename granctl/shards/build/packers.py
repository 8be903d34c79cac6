"""Packing many shards, in this process or in several: the bytes are the same."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from granctl.errors import WorkerDiedError
from granctl.processes import end_pool, leaving_when_ended, prepare_worker
from granctl.shards.build.pack import Packing, pack_shard
from granctl.shards.build.plan import PlannedShard

Tell = Callable[[int, int, int], None]
"""Is called with images, bytes and how many of the images were bad, since the last call."""
_TELL_IMAGES = 64
"""Images that a worker packs between two looks at the counts that all share."""
_TELL_S = 0.5


def pack_all(
    folder: Path, shards: Sequence[PlannedShard], packing: Packing, workers: int, tell: Tell
) -> None:
    """Packs shards.

    Raises:
        WorkerDiedError: a process was killed.
        SourceChangedError: the source is not as it was listed.
        OutputNotWritableError: no space, read-only, no permission.
    """
    if workers == 1 or len(shards) < 2:
        for shard in shards:
            pack_shard(folder, shard, packing, lambda size, good: tell(1, size, not good))
    else:
        _in_processes(folder, shards, packing, workers, tell)


@dataclass(frozen=True, slots=True)
class _Job:
    folder: Path
    shards: Sequence[PlannedShard]
    packing: Packing
    counts: Any
    """Images, bytes, bad images of all workers: a shared array with its lock."""


_job: _Job | None = None
"""What the workers work on: they are forked, so a listing of gigabytes is not sent to each."""


def _in_processes(
    folder: Path, shards: Sequence[PlannedShard], packing: Packing, workers: int, tell: Tell
) -> None:
    global _job  # noqa: PLW0603
    context = multiprocessing.get_context("fork")
    counts = context.Array("q", 3)
    _job = _Job(folder, shards, packing, counts)
    pool = ProcessPoolExecutor(min(workers, len(shards)), context, initializer=prepare_worker)
    waiting = iter(range(len(shards)))
    running: dict[Future[None], int] = {}
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
                future.result()
                del running[future]
            if not running:
                break
        finished = True
    except BrokenProcessPool as error:
        names = [shards[number].stem for number in sorted(running.values())]
        raise WorkerDiedError(names, "--workers") from error
    finally:
        _job = None
        end_pool(pool, finished=finished)


def _work(number: int) -> None:
    assert _job is not None
    counts = _job.counts
    ours = [0, 0, 0]

    def flush() -> None:
        with counts.get_lock():
            for i, num in enumerate(ours):
                counts[i] += num
        ours[:] = [0, 0, 0]

    def tell(size: int, good: bool) -> None:
        ours[0] += 1
        ours[1] += size
        ours[2] += not good
        if ours[0] == _TELL_IMAGES:
            flush()

    with leaving_when_ended():
        pack_shard(_job.folder, _job.shards[number], _job.packing, tell)
        flush()
