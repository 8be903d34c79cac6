"""A planned shard set built by Slurm, from the first submission to the manifest.

The finish job starts when every task has ended, in whatever way. It makes the set whole, or submits
the tasks whose shards are missing again, and a finish job after them. So nobody has to wait.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from granctl.alone import making_alone
from granctl.errors import SubmitRefusedError, listing
from granctl.files import check_space, make_folder
from granctl.launch.commands import cancel, check_programs, ended, queued, submit
from granctl.launch.shardfaults import fault_of, given_up
from granctl.launch.shardjobs import (
    SCRIPTS,
    Launched,
    Round,
    SlurmBuild,
    absent_shards,
    find_launched,
    jobs_folder,
    jobs_of,
    launched_of,
    read_launched,
    tasks_of,
    write_launched,
)
from granctl.launch.slurm import Queued
from granctl.launch.waiting import looks
from granctl.progress import Progress
from granctl.shards.build.buildspec import OnBadImage
from granctl.shards.build.plan import PlannedShard
from granctl.shards.build.planfile import Plan
from granctl.shards.build.tally import Tally
from granctl.shards.build.write import (
    finish_shards,
    found_whole,
    open_planned,
    shards_to_pack,
)
from granctl.workspace import MANIFEST_NAME, Artefact, Workspace

_SETTLE_S = 60.0
"""How long a network disk may take to show what another machine wrote."""
_USUAL = {"", "None", "Resources", "Priority", "Dependency", "BeginTime", "JobArrayTaskLimit"}
"""Reasons to wait that pass by themselves."""


def build_on_slurm(
    workspace: Workspace,
    folder: Path,
    asked: SlurmBuild,
    on_bad_image: OnBadImage | None,
    progress: Progress,
) -> Artefact:
    """Has Slurm pack what is missing of a planned set and finish it.

    Jobs of this set that are in the queue already are waited for, not doubled.

    Args:
        workspace: of the jobs too; all machines must see it.
        folder: the shard set, with its plan.
        asked: jobs and their resources, and whether to wait.
        on_bad_image: None: as it was planned.
        progress: is told how far the jobs are.

    Raises:
        MissingInputError, ManifestMismatchError: there is no plan.
        NoSlurmError, SubmitRefusedError, QueueSilentError: Slurm is not there, or does not take it.
        JobEndedError: the jobs ended, and the set is not whole.
        BadImagesError: as in `finish_shards`.
    """
    plan = open_planned(folder)
    if plan is None:
        return found_whole(folder, on_bad_image or "skip")
    launched = _submitted(launched_of(workspace, folder, plan, asked, on_bad_image), plan, progress)
    if not asked.wait:
        return _unfinished(plan, launched)
    _wait(launched, plan, progress)
    if not (folder / MANIFEST_NAME).is_file():
        raise fault_of(find_launched(folder) or launched, plan)
    return replace(found_whole(folder, "skip"), made=True)


def finish_or_again(folder: Path, on_bad_image: OnBadImage | None, progress: Progress) -> Artefact:
    """What a finish job does: makes the set whole, or submits what is missing again.

    Shards with images that could not be read are tried once more: another node may read them.

    Raises:
        MissingInputError: no jobs of this set were submitted.
        JobEndedError: tasks were cancelled, or tried again and again without getting on.
        GranctlError: as `finish_shards` and `build_on_slurm`.
    """
    plan = open_planned(folder)
    if plan is None:
        return found_whole(folder, on_bad_image or "fail")
    launched = read_launched(folder)
    with making_alone(jobs_folder(folder), progress):
        alive = _alive(launched)
        if alive.any:  # this job was requeued after it had submitted them
            launched = read_launched(folder)
            if alive.finish is None:
                launched = _submit_finish(launched, alive.tasks)
            return _unfinished(plan, launched)
        absent = absent_shards(folder, plan)
        again = shards_to_pack(folder, plan.shards) if len(launched.rounds) == 1 else absent
        if again:
            fault = given_up(launched, plan, absent) if absent else None
            if fault is not None:
                raise fault
            launched = _submit(launched, plan, again)
            names = listing([shard.stem for shard in again])
            progress.note(f"{len(again)} shards are packed again: {names}")
            return _unfinished(plan, launched)
    return finish_shards(folder, on_bad_image, progress)


# --- submitting ---------------------------------------------------------------------------------


def _submitted(launched: Launched, plan: Plan, progress: Progress) -> Launched:
    """Submits what is missing, unless jobs of the set are in the queue; returns what is there."""
    check_programs()
    folder = Path(launched.folder)
    make_folder(jobs_folder(folder))
    with making_alone(jobs_folder(folder), progress):
        alive = _alive(launched)
        if alive.any:
            progress.note("jobs of this shard set are in the queue: no others are submitted")
            known = find_launched(folder) or launched
            if alive.finish is not None:
                return known
            # the process that had submitted the tasks was killed just then
            ours = known if known.rounds and known.rounds[-1].job == alive.tasks else launched
            return _submit_finish(ours, alive.tasks)
        missing = shards_to_pack(folder, plan.shards)
        if plan.recode is None:
            check_space(folder, sum(shard.num_bytes for shard in missing))
        if len(missing) < len(plan.shards):
            whole = len(plan.shards) - len(missing)
            progress.note(f"going on: {whole} of {len(plan.shards)} shards are whole")
        return _submit(launched, plan, missing)


class _Alive(NamedTuple):
    """Ids of the set's jobs that have not ended, but for the one that this process is."""

    tasks: str | None
    finish: str | None

    @property
    def any(self) -> bool:
        """Whether there is one."""
        return self.tasks is not None or self.finish is not None


def _alive(launched: Launched) -> _Alive:
    own = os.environ.get("SLURM_JOB_ID")
    id_of = {one.is_task: one.job for one in queued(launched.name) if one.job != own}
    return _Alive(id_of.get(True), id_of.get(False))


def _submit(launched: Launched, plan: Plan, shards: Sequence[PlannedShard]) -> Launched:
    """Submits the tasks that pack these shards, and the finish job after them."""
    if not shards:
        return _submit_finish(launched, None)
    folder = Path(launched.folder)
    tasks = tuple(tasks_of(plan, shards, launched.tasks))
    array, _ = jobs_of(launched, tasks)
    job = submit(array, jobs_folder(folder) / SCRIPTS[0])
    one = Round(job=job, tasks=tasks, missing=len(absent_shards(folder, plan)))
    return _submit_finish(replace(launched, rounds=(*launched.rounds, one)), job)


def _submit_finish(launched: Launched, array: str | None) -> Launched:
    """Submits the finish job; where that is refused no tasks stay behind without one.

    The record is written before, for the finish job to read, and again with its id.
    """
    write_launched(launched)
    _, job = jobs_of(launched, ())
    script = jobs_folder(Path(launched.folder)) / SCRIPTS[1]
    try:
        finish = submit(job, script, [f"afterany:{array}"] if array else [])
    except SubmitRefusedError:
        if array:
            cancel(array)
        raise
    launched = replace(launched, finish=finish)
    write_launched(launched)
    return launched


def _unfinished(plan: Plan, launched: Launched) -> Artefact:
    """A set whose jobs are submitted."""
    arrays = [one.job for one in launched.rounds[-1:]]
    details = {
        "images": plan.num_images,
        "shards": len(plan.shards),
        "bytes": plan.num_bytes,
        "jobs": {"tasks": arrays[0] if arrays else None, "finish": launched.finish or None},
    }
    return Artefact(
        kind="shards",
        path=Path(launched.folder),
        digest=plan.digest,
        made=True,
        whole=False,
        details=details,
    )


# --- waiting ------------------------------------------------------------------------------------


def _wait(launched: Launched, plan: Plan, progress: Progress) -> None:
    """Waits until the set is whole or no job of it is left.

    Ctrl-C ends the waiting alone, as one expects of a queue; it is said how to end the jobs.
    """
    folder = Path(launched.folder)
    tally = Tally(folder, plan.shards)
    name = launched.name
    progress.note(f"jobs: `squeue --name={name}`; logs: {jobs_folder(folder)}")
    progress.start("building shards on Slurm", tally.num_images, "images")
    told: set[str] = set()
    num_bad = 0
    try:
        for _ in looks():
            alive = queued(name)
            if not alive:
                _settle(folder)
            whole = (folder / MANIFEST_NAME).is_file()
            counted = tally.rest() if whole else tally.look()
            num_bad += counted.num_bad
            progress.advance(counted.images, _state(tally, alive, num_bad))
            for reason in {one.reason for one in alive if one.state == "PENDING"} - _USUAL - told:
                told.add(reason)
                progress.note(f"jobs wait, and Slurm says why: {reason}")
            if whole or not alive:
                break
    except (KeyboardInterrupt, SystemExit):
        progress.note(f"the jobs go on; to end them: `scancel --name={name}`")
        raise
    finally:
        progress.finish()


def _state(tally: Tally, alive: Sequence[Queued], num_bad: int) -> str:
    """How far it is, beside the bar."""
    states = Counter(one.state.lower() for one in alive)
    jobs = ", ".join(f"{num} {state}" for state, num in sorted(states.items()))
    done = tally.num_shards - tally.num_left
    bad = f", {num_bad} bad images" if num_bad else ""
    return f"{done}/{tally.num_shards} shards{bad}; jobs: {jobs or 'none'}"


def _settle(folder: Path) -> None:
    """Where the finish job ended well, waits for a network disk to show the manifest."""
    for passed in looks():
        if (folder / MANIFEST_NAME).is_file() or passed > _SETTLE_S:
            return
        launched = find_launched(folder)
        how = ended(launched.finish).get(None) if launched and launched.finish else None
        if how is None or how.state != "COMPLETED":
            return
