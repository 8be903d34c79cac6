"""Trainings of the theory's networks in processes: each a part of an artefact, kept as it ends."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from granctl.errors import WorkerDiedError
from granctl.files import read_json, write_json
from granctl.processes import end_pool, leaving_when_ended, prepare_worker
from granctl.progress import Progress
from granctl.provenance import digest, short
from granctl.theory.labels import LabelSpace
from granctl.theory.setting import Setting

METHOD = 1
"""Grows when the same arguments give other numbers; part of every identity."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """One training and its measures."""

    setting: Setting
    space: LabelSpace
    seed: int

    @property
    def name(self) -> str:
        """The file of its record, without a suffix."""
        asked = {"method": METHOD, "setting": self.setting, "space": self.space, "seed": self.seed}
        return f"{self.space.way}-{self.seed}-{short(digest(asked))}"


def run_jobs(
    folder: Path, jobs: Sequence[Job], processes: int, progress: Progress
) -> list[dict[str, Any]]:
    """Runs what `folder` does not hold yet, and returns the records of all jobs, in their order.

    Every training computes in one thread, so that its numbers depend on neither the number of
    processes nor that of cores.

    Args:
        folder: gets a JSON file a job.
        jobs: they may repeat one another.
        processes: at least 1; of 1, the work is done in this one.
        progress: told each training.

    Raises:
        TheoryDivergedError: a loss is not finite any more.
        WorkerDiedError: a process was killed.
        OutputNotWritableError: a record cannot be written.
    """
    path_of = {job.name: folder / f"{job.name}.json" for job in jobs}
    missing = [j for j in {j.name: j for j in jobs}.values() if not path_of[j.name].is_file()]
    if missing:
        progress.start("theory", len(missing), "trainings")
    for job, record in _records(missing, min(processes, len(missing))):
        write_json(path_of[job.name], record)
        error = f"hard error {100 * record['hard']['max']:.1f} %"
        progress.advance(note=f"{job.space.word}, seed {job.seed}: {error}")
    if missing:
        progress.finish()
    return [read_json(path_of[job.name]) for job in jobs]


def _records(jobs: Sequence[Job], processes: int) -> Iterator[tuple[Job, dict[str, Any]]]:
    """Each job's record as it comes."""
    if processes <= 1:
        for job in jobs:
            yield job, work(job)
        return
    pool = ProcessPoolExecutor(
        processes, multiprocessing.get_context("spawn"), initializer=prepare_worker
    )
    finished = False
    try:
        running = {pool.submit(_work, job): job for job in jobs}
        for future in as_completed(running):
            yield running[future], future.result()
        finished = True
    except BrokenProcessPool as died:
        raise WorkerDiedError([job.name for job in jobs], "--processes") from died
    finally:
        end_pool(pool, finished=finished)


def _work(job: Job) -> dict[str, Any]:
    with leaving_when_ended():
        return work(job)


def work(job: Job) -> dict[str, Any]:
    """The record of one training, computed in one thread."""
    import numpy as np
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    from granctl.theory.experiment import measure

    # What overflows ends as a loss that is not finite, and that is an error of its own.
    with threadpool_limits(1), np.errstate(over="ignore", invalid="ignore"):
        return measure(job.setting, job.space, job.seed)
