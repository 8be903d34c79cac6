"""Why a shard set's jobs ended without making it whole, and whether they are to be run again."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from granctl.errors import GranctlError, listing
from granctl.launch.commands import ended
from granctl.launch.shardjobs import Launched, absent_shards, jobs_folder, tasks_of
from granctl.launch.slurm import UNKNOWN, Ended
from granctl.launch.waiting import tail_of
from granctl.shards.build.finish import check_bad_images
from granctl.shards.build.pack import find_part
from granctl.shards.build.plan import PlannedShard
from granctl.shards.build.planfile import Plan
from granctl.shards.setfiles import BAD_NAME

TRIES = 3
"""Rounds of tasks in a row that may bring no shard more before the finish job gives up."""


def fruitless(missing: Sequence[int]) -> int:
    """Rounds at the end of the row after which as many shards were missing as before.

    Example:
        >>> fruitless([9, 4, 4, 4])
        2
    """
    num = 0
    for before, after in pairwise(missing):
        num = 0 if after < before else num + 1
    return num


def given_up(launched: Launched, plan: Plan, absent: Sequence[PlannedShard]) -> GranctlError | None:
    """Why the tasks of absent shards are not to be run again, or None.

    What somebody cancelled does not come back by itself.
    """
    series = [*(one.missing for one in launched.rounds), len(absent)]
    how = _how_tasks_ended(launched, plan, absent)
    if fruitless(series) < TRIES and all(one.state != "CANCELLED" for one in how.values()):
        return None
    return _fault_of_tasks(launched, plan, absent, how)


def fault_of(launched: Launched, plan: Plan) -> GranctlError:
    """Why no job is left and the set is not whole.

    Where shards are missing it is the fault of their tasks, else of the finish job; of bad images
    it says what a build in this process would.
    """
    folder = Path(launched.folder)
    log = jobs_folder(folder) / "finish.log"
    absent = absent_shards(folder, plan)
    if absent:
        how = _how_tasks_ended(launched, plan, absent)
        # its log says why it submitted them no more, which a cluster may also have refused
        return _fault_of_tasks(launched, plan, absent, how, log)
    if (folder / BAD_NAME).is_file() and (launched.on_bad_image or plan.on_bad_image) == "fail":
        parts = [find_part(folder, shard.stem) for shard in plan.shards]
        try:
            num = len(plan.rejected) + sum(len(part.bad) for part in parts if part)
            check_bad_images(folder, num)
        except GranctlError as error:
            return error
    last = ended(launched.finish).get(None, UNKNOWN) if launched.finish else UNKNOWN
    what = f"all shards of {folder} are there, but its finish job {last.sentence()}"
    return last.error()(what, log, tail_of(log))


def _how_tasks_ended(
    launched: Launched, plan: Plan, absent: Sequence[PlannedShard]
) -> dict[int, Ended]:
    """Task -> how it ended, of those that left shards out."""
    known = ended(launched.rounds[-1].job) if launched.rounds else {}
    return {task: known.get(task, UNKNOWN) for task in tasks_of(plan, absent, launched.tasks)}


def _fault_of_tasks(
    launched: Launched,
    plan: Plan,
    absent: Sequence[PlannedShard],
    how: dict[int, Ended],
    finish: Path | None = None,
) -> GranctlError:
    """Names shards, tasks and a log.

    It is the log of a task that was cancelled, for its mend is another; else of one of which Slurm
    still knows how it ended.
    """
    folder = Path(launched.folder)
    ranked = sorted(how, key=lambda task: (how[task].state != "CANCELLED", how[task] is UNKNOWN))
    first = ranked[0]
    said = listing([f"task {task} {how[task].sentence()}" for task in ranked])
    names = listing([shard.stem for shard in absent])
    log = jobs_folder(folder) / f"task-{first}.log"
    what = f"{len(absent)} of {len(plan.shards)} shards of {folder} are missing ({names}): {said}"
    if finish is not None and finish.is_file():
        what += f"; finish job: {finish}"
    return how[first].error()(what, log, tail_of(log))
