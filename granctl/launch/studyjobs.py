"""What is submitted for a study: arrays whose tasks make a cell each, and the record of them.

<study>/slurm/
  jobs.json          the name of the jobs, and the ids of the last round's arrays
  round-1/           one submission
    tasks.json       the study as it was then, and which task makes which cell
    00-shards.sbatch
    00-shards-0.log  a task's
    02-pretrain-0.saved  it was told to end, and saved
    recipe.toml      a copy, where the recipe is a file
"""

from __future__ import annotations

import math
import os
import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, TypeVar

from granctl.errors import BadOptionError, GranctlError
from granctl.files import make_folder, read_json, write_json
from granctl.launch.commands import cancel, queued_now, submit
from granctl.launch.here import environment, granctl_words
from granctl.launch.slurm import Job, Queued, Resources, log_pattern, taken_function
from granctl.launch.studyarrays import LONG, CellArray
from granctl.provenance import digest, plain, short
from granctl.spec import parse

TASKS_NAME = "tasks.json"
_RECORD_NAME = "jobs.json"
_SCHEMA = 1
_NOTICE = "USR2@180"
_ASK_S = 10.0
_MARK = ".saved"
GPU_STAGES = (LONG, "embed", "transfer")
"""Those that compute with a network."""

_T = TypeVar("_T")
InQueue = Literal["queued", "running"]


@dataclass(frozen=True, kw_only=True, slots=True)
class SlurmStudy:
    """How Slurm is to make a study's cells."""

    nodes: int = 1
    """Of a pretraining."""
    tasks_per_node: int = 1
    """Processes of a pretraining on each node; where there are GPUs, one each."""
    gpus_per_node: int = 0
    """Of a pretraining; where it has some, an embedding and a transfer have one."""
    at_once: int | None = None
    """Tasks of each array that run at a time; None: as Slurm lets them."""
    resources: Resources = field(default_factory=Resources)
    wait: bool = True
    """Whether the command ends when the study is whole, or when the jobs are submitted."""

    def check(self) -> None:
        """Checks the values.

        Raises:
            BadOptionError: one of them cannot be used.
        """
        if self.gpus_per_node and self.tasks_per_node != self.gpus_per_node:
            problem = f"there is one process for each of {self.gpus_per_node} GPUs of a node"
            raise BadOptionError("--tasks-per-node", problem, "leave it out")
        self.resources.check()


@dataclass(frozen=True, kw_only=True, slots=True)
class Tasks:
    """What tasks are told: tasks.json of a round. Nothing is left to files that may change."""

    study: dict  # type: ignore[type-arg]
    """As its file said, with the place of the file."""
    folder: str
    """The study's, in the workspace."""
    workspace: str
    gpus: int
    """Of each process that computes with a network."""
    arrays: tuple[CellArray, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Submitted:
    """jobs.json: what was submitted last."""

    name: str
    """Of all jobs of the study: by it they are found in the queue."""
    round: int
    jobs: dict = field(default_factory=dict)  # type: ignore[type-arg]
    """Array -> id, of those that Slurm took; not of all where who submitted them was killed."""


def slurm_folder(study: Path) -> Path:
    """Where scripts, logs and the records of a study's jobs lie."""
    return study / "slurm"


def round_folder(study: Path, number: int) -> Path:
    """Where those of one submission lie."""
    return slurm_folder(study) / f"round-{number}"


def name_of_jobs(study: Path, study_digest: str) -> str:
    """The name that all jobs of a study have."""
    return f"study-{short(digest({'folder': os.path.realpath(study), 'study': study_digest}))}"


def jobs_of(tasks: Tasks, how: SlurmStudy, name: str, folder: Path) -> list[Job]:
    """A job array for each array of cells.

    A pretraining is told that its time ends; it saves and starts again by itself, and so does
    whatever a more urgent job takes the place of. A start that saves nothing does not go round for
    ever: the third from one step is refused.

    Args:
        tasks: what is to be made.
        how: processes and resources.
        name: of the jobs.
        folder: of the round.
    """
    return [_job_of(array, how, name, folder) for array in tasks.arrays]


def _job_of(array: CellArray, how: SlurmStudy, name: str, folder: Path) -> Job:
    trains, gpus = array.stage == LONG, how.gpus_per_node
    words = [*granctl_words(), "sweep", "task", str(folder / TASKS_NAME), array.name]
    srun = 'srun --kill-on-bad-exit=1 --cpus-per-task="$SLURM_CPUS_PER_TASK"'
    task = 'task="${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID"'
    # Told that its time ends: exit code 140, also of a process that had not begun to listen.
    mark = f"saved={shlex.quote(str(folder / array.name))}-$SLURM_ARRAY_TASK_ID{_MARK}"
    saved = """
if [ "$code" -eq 140 ] && [ -e "$saved" ]; then
    again="its time ends, and all is saved"
elif [ "$code" -eq 140 ]; then
    echo "its time ended before it had saved anything: give it more with --time"
fi"""
    ending = f"""code=$?
again={saved if trains else ""}
[ "$code" -eq 143 ] && taken && again="a more urgent job takes its place"
if [ -n "$again" ]; then
    echo "this task starts again: $again"
    scontrol requeue "$task" && exit 0
fi
exit "$code\""""
    waits = "".join(f"; {after.how} {after.array}" for after in array.after)
    return Job(
        name=name,
        about=f"{array.name}: a {array.stage} cell a task, of {folder.parents[1].name}{waits}.",
        command="\n".join(
            [
                task,
                taken_function('"$task"'),
                *([mark, 'rm -f "$saved"'] if trains else []),
                f'{srun} {shlex.join(words)} "$SLURM_ARRAY_TASK_ID"',
            ]
        ),
        log=log_pattern(folder, f"{array.name}-%a.log"),
        folder=Path.cwd(),  # so that relative paths of the study mean what they meant
        resources=how.resources,
        # numbers must not depend on how many cores a node has; a training has its own --threads
        environment={**environment(name), "OMP_NUM_THREADS": "1"},
        array=array.indices,
        at_once=how.at_once,
        nodes=how.nodes if trains else 1,
        tasks_per_node=how.tasks_per_node if trains else 1,
        gpus_per_node=gpus if trains else min(gpus, 1) if array.stage in GPU_STAGES else 0,
        signal=_NOTICE if trains else None,
        ending=ending,
    )


def mark_of(tasks: Path, array: str, index: int) -> Path:
    """A file that says that a training was told to end and has saved all, by its tasks.json."""
    return tasks.with_name(f"{array}-{index}{_MARK}")


def script_of(folder: Path, array: CellArray) -> Path:
    """Where an array's script lies."""
    return folder / f"{array.name}.sbatch"


def log_of(folder: Path, array: CellArray, index: int) -> Path:
    """Where a task writes."""
    return folder / f"{array.name}-{index}.log"


def submit_round(study: Path, tasks: Tasks, how: SlurmStudy, name: str, number: int) -> Submitted:
    """Writes what tasks are told, and submits every array; all of them or none.

    Raises:
        NoSlurmError, SubmitRefusedError: Slurm is not there, or does not take one of them.
    """
    folder = round_folder(study, number)
    make_folder(folder)
    write_json(folder / TASKS_NAME, {"schema": _SCHEMA, **plain(tasks)})
    done = Submitted(name=name, round=number)
    _write_submitted(study, done)
    try:
        for array, job in zip(tasks.arrays, jobs_of(tasks, how, name, folder), strict=True):
            after = [f"{one.how}:{done.jobs[one.array]}" for one in array.after]
            identity = submit(job, script_of(folder, array), after)
            done = replace(done, jobs={**done.jobs, array.name: identity})
            _write_submitted(study, done)
    except GranctlError:
        for identity in reversed(list(done.jobs.values())):
            cancel(identity)
        raise
    return done


def _write_submitted(study: Path, submitted: Submitted) -> None:
    write_json(slurm_folder(study) / _RECORD_NAME, {"schema": _SCHEMA, **plain(submitted)})


def find_submitted(study: Path) -> Submitted | None:
    """What was submitted last for a study, or None."""
    return _read(Submitted, slurm_folder(study) / _RECORD_NAME)


def read_tasks(path: Path) -> Tasks | None:
    """What the tasks of a round are told, or None where there is no such file."""
    return _read(Tasks, path)


def _read(cls: type[_T], path: Path) -> _T | None:
    if not path.is_file():
        return None
    record = read_json(path)
    record.pop("schema", None)
    return parse(cls, record, str(path))


def arrays_of_round(study: Path, submitted: Submitted) -> tuple[CellArray, ...]:
    """The arrays of a round that Slurm took."""
    tasks = read_tasks(round_folder(study, submitted.round) / TASKS_NAME)
    arrays = tasks.arrays if tasks else ()
    return tuple(array for array in arrays if array.name in submitted.jobs)


def cells_in_queue(
    submitted: Submitted, arrays: Sequence[CellArray], queue: Sequence[Queued]
) -> dict[str, InQueue]:
    """Cell -> whether its task waits or runs, of those that have not ended."""
    cell_of = {
        (submitted.jobs[array.name], index): cell
        for array in arrays
        for index, cell in zip(array.indices, array.cells, strict=True)
    }
    return {
        cell_of[one.job, one.task]: "queued" if one.is_pending else "running"
        for one in queue
        if one.task is not None and (one.job, one.task) in cell_of
    }


def look_into_queue(study: Path) -> Mapping[str, InQueue] | None:
    """Cell -> whether its task waits or runs; None where there are no jobs, or no Slurm to ask."""
    submitted = find_submitted(study)
    if submitted is None:
        return None
    queue = queued_now(submitted.name)
    if queue is None:
        return None
    return cells_in_queue(submitted, arrays_of_round(study, submitted), queue)


class QueueLook:
    """As `look_into_queue`, for those who look again and again: many users share the queue."""

    def __init__(self) -> None:
        self._asked = -math.inf
        self._found: Mapping[str, InQueue] | None = None

    def __call__(self, study: Path) -> Mapping[str, InQueue] | None:
        """What the queue held at most ten seconds ago."""
        if time.monotonic() - self._asked > _ASK_S:
            self._asked, self._found = time.monotonic(), look_into_queue(study)
        return self._found
