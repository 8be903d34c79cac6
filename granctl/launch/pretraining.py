"""A pretraining done by Slurm: submitted once, waited for, and why it ended without being whole."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from granctl.alone import making_alone
from granctl.errors import GranctlError
from granctl.files import make_folder
from granctl.launch.commands import check_programs, ended, queued, submit
from granctl.launch.slurm import UNKNOWN, Queued
from granctl.launch.trainjob import (
    LOG,
    SCRIPT,
    Command,
    SlurmTraining,
    Submitted,
    find_submitted,
    job_of,
    submitted_of,
    train_folder,
    write_submitted,
)
from granctl.launch.waiting import looks, tail_of
from granctl.progress import Progress
from granctl.train.asked import Asked
from granctl.train.metrics import METRICS_NAME, MetricsTail
from granctl.train.runs import Run
from granctl.workspace import MANIFEST_NAME, Artefact

_SETTLE_S = 60.0
"""How long a network disk may take to show what another machine wrote."""
_USUAL = {"", "None", "Resources", "Priority", "BeginTime"}
"""Reasons to wait that pass by themselves."""


def pretrain_on_slurm(
    asked: Asked, how: SlurmTraining, command: Command, progress: Progress
) -> Artefact:
    """Has Slurm train a network.

    A job of this run that is in the queue already is waited for, not doubled.

    Args:
        asked: the run.
        how: processes and resources, and whether to wait.
        command: what is run.
        progress: is told how far the job is.

    Raises:
        NoSlurmError, SubmitRefusedError, QueueSilentError: Slurm is not there, or does not take it.
        JobEndedError: the job ended, and the run is not whole.
        GranctlError: the inputs do not go together.
    """
    if asked.state() == "whole":
        return _whole(asked, made=False)
    submitted = _submitted(asked, how, command, progress)
    if not how.wait:
        return _unfinished(asked, submitted)
    _wait(submitted, progress)
    if not (asked.folder / MANIFEST_NAME).is_file():
        raise fault_of(submitted)
    return _whole(asked, made=True)


def _submitted(asked: Asked, how: SlurmTraining, command: Command, progress: Progress) -> Submitted:
    """Submits the job, unless one of this run is in the queue."""
    check_programs()
    submitted = submitted_of(asked, how)
    if asked.state() == "absent":
        asked.begin()
    jobs = train_folder(asked.folder)
    make_folder(jobs)
    with making_alone(jobs, progress):
        alive = queued(submitted.name)
        if alive:
            progress.note(f"job {alive[0].job} of this run is in the queue: no other is submitted")
            # the process that had submitted it may have been killed just then
            submitted = find_submitted(asked.folder) or submitted
            return replace(submitted, job=alive[0].job)
        command.keep_recipe(asked.folder)
        write_submitted(submitted)
        job = submit(job_of(submitted, how, command), jobs / SCRIPT)
        submitted = replace(submitted, job=job)
        write_submitted(submitted)
    return submitted


def fault_of(submitted: Submitted) -> GranctlError:
    """Why the job is gone and the run is not whole."""
    log = train_folder(Path(submitted.run)) / LOG
    last = ended(submitted.job).get(None, UNKNOWN)
    what = f"job {submitted.job} of run {submitted.run} {last.sentence()}"
    return last.error()(what, log, tail_of(log))


def _whole(asked: Asked, *, made: bool) -> Artefact:
    record = Run.open(asked.folder).record
    return Artefact(kind="run", path=asked.folder, digest=asked.digest, made=made, details=record)


def _unfinished(asked: Asked, submitted: Submitted) -> Artefact:
    details: dict[str, Any] = {
        "job": submitted.job,
        "nodes": submitted.nodes,
        "processes": submitted.processes,
        "steps": submitted.steps,
        "images": submitted.images,
        "log": str(train_folder(asked.folder) / LOG),
    }
    return Artefact(
        kind="run", path=asked.folder, digest=asked.digest, made=True, whole=False, details=details
    )


# --- waiting ------------------------------------------------------------------------------------


def _wait(submitted: Submitted, progress: Progress) -> None:
    """Waits until the run is whole or its job is gone.

    Ctrl-C ends the waiting alone, as one expects of a queue; it is said how to end the job.
    """
    run = Path(submitted.run)
    tail = MetricsTail(run / METRICS_NAME)
    progress.note(f"job {submitted.job} ({submitted.name}); log: {train_folder(run) / LOG}")
    progress.start(f"training on Slurm, job {submitted.job}", submitted.steps, "steps")
    told: set[str] = set()
    step, loss = 0, ""
    try:
        for _ in looks():
            alive = queued(submitted.name)
            if not alive:
                _settle(submitted)
            whole = (run / MANIFEST_NAME).is_file()
            for line in tail.more():
                # A start that goes on from before the last line takes these steps again.
                progress.advance(max(line["step"] - step, 0))
                step = max(step, line["step"])
                loss = "" if line["loss"] is None else f"loss {line['loss']:.3f}, "
            progress.advance(0, f"{loss}job {alive[0].state.lower() if alive else 'has ended'}")
            for reason in {one.reason for one in alive if _waits(one)} - _USUAL - told:
                told.add(reason)
                progress.note(f"the job waits, and Slurm says why: {reason}")
            if whole or not alive:
                break
    except (KeyboardInterrupt, SystemExit):
        progress.note(f"the job goes on; to end it: `granctl runs stop {run}`")
        raise
    finally:
        progress.finish()


def _waits(job: Queued) -> bool:
    return job.state == "PENDING"


def _settle(submitted: Submitted) -> None:
    """Where the job ended well, waits for a network disk to show the manifest."""
    for passed in looks():
        if (Path(submitted.run) / MANIFEST_NAME).is_file() or passed > _SETTLE_S:
            return
        how = ended(submitted.job).get(None)
        if how is None or how.state != "COMPLETED":
            return
