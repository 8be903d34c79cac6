"""What is submitted for a planned shard set: tasks and a finish job, and the record of them."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from granctl.errors import MissingInputError
from granctl.files import read_json, write_json
from granctl.launch.here import environment, granctl_words
from granctl.launch.slurm import Job, Resources, job_script, log_pattern
from granctl.provenance import digest, plain, short
from granctl.shards.build.buildspec import OnBadImage
from granctl.shards.build.pack import find_part
from granctl.shards.build.plan import PlannedShard
from granctl.shards.build.planfile import Plan
from granctl.shards.build.write import shards_to_pack
from granctl.spec import parse
from granctl.workspace import Workspace

SCRIPTS = ("tasks.sbatch", "finish.sbatch")
_RECORD_NAME = "jobs.json"
_SCHEMA = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class SlurmBuild:
    """How a shard set is built by Slurm."""

    tasks: int = 64
    """Jobs of the array; at most as many as there are shards."""
    resources: Resources = field(default_factory=Resources)
    """Of each job."""
    wait: bool = True
    """Whether the command ends when the set is whole, or when the jobs are submitted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Round:
    """One array of tasks."""

    job: str
    tasks: tuple[int, ...]
    missing: int
    """Shards that were missing when it was submitted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Launched:
    """What was submitted for a shard set, and how to go on: jobs.json beside the set."""

    folder: str
    """The shard set."""
    name: str
    """Of its jobs: by it they are found in the queue, whatever became of who submitted them."""
    tasks: int
    resources: Resources
    workspace: str
    on_bad_image: OnBadImage | None
    """None: as planned."""
    rounds: tuple[Round, ...] = ()
    finish: str = ""
    """Id of the last finish job."""


def jobs_folder(folder: Path) -> Path:
    """Where scripts, logs and the record of a shard set's jobs lie: beside it, and they stay."""
    return folder.with_name(f"{folder.name}.slurm")


def launched_of(
    workspace: Workspace, folder: Path, plan: Plan, asked: SlurmBuild, on_bad: OnBadImage | None
) -> Launched:
    """What is to be submitted for a planned set."""
    name = f"shards-{short(digest({'folder': os.path.realpath(folder), 'plan': plan.digest}))}"
    return Launched(
        folder=str(folder),
        name=name,
        tasks=max(1, min(asked.tasks, len(plan.shards))),
        resources=asked.resources,
        workspace=str(workspace.root),
        on_bad_image=on_bad,
    )


def jobs_of(launched: Launched, tasks: Sequence[int]) -> tuple[Job, Job]:
    """The array of tasks, and the finish job."""
    folder = Path(launched.folder)
    jobs = jobs_folder(folder)
    words = [*granctl_words(), "shards"]
    where = ["--workspace", launched.workspace]
    pack = shlex.join([*words, "build", "--plan", str(folder), *where])
    pack += f" --workers {launched.resources.cpus_per_task}"
    pack += f' --task "$SLURM_ARRAY_TASK_ID/{launched.tasks}"'
    end = [*words, "finish", str(folder), *where, "--launcher", "slurm"]
    end += ["--on-bad-image", launched.on_bad_image] if launched.on_bad_image else []
    return (
        Job(
            name=launched.name,
            about=f"Packs shards of {folder.name}: each of {launched.tasks} tasks its part.",
            command=pack,
            log=log_pattern(jobs, "task-%a.log"),
            folder=jobs,
            resources=launched.resources,
            environment=environment(launched.name),
            array=tuple(tasks),
        ),
        Job(
            name=launched.name,
            about=f"Makes {folder.name} whole, or submits the tasks again that left shards out.",
            command=shlex.join(end),
            log=log_pattern(jobs, "finish.log"),
            folder=jobs,
            resources=launched.resources,
            environment=environment(launched.name),
        ),
    )


def foresee(launched: Launched, plan: Plan) -> dict[str, Any]:
    """What would be submitted, and what it would write; nothing is."""
    folder = Path(launched.folder)
    tasks = tasks_of(plan, shards_to_pack(folder, plan.shards), launched.tasks)
    there = next(path for path in folder.parents if path.is_dir())
    return {
        "kind": "slurm-jobs",
        "path": str(folder),
        "digest": plan.digest,
        "made": False,
        "schema": 1,
        "images": plan.num_images,
        "shards": len(plan.shards),
        "bytes": plan.num_bytes,
        "free_bytes": shutil.disk_usage(there).free,
        "tasks": len(tasks),
        "scripts": {
            str(jobs_folder(folder) / name): job_script(job)
            for name, job in zip(SCRIPTS, jobs_of(launched, tasks), strict=True)
            if job.array or name != SCRIPTS[0]
        },
    }


def tasks_of(plan: Plan, shards: Sequence[PlannedShard], tasks: int) -> list[int]:
    """The tasks that pack these shards: task i packs every `tasks`-th from i on."""
    stems = {shard.stem for shard in shards}
    return sorted({i % tasks for i, shard in enumerate(plan.shards) if shard.stem in stems})


def absent_shards(folder: Path, plan: Plan) -> list[PlannedShard]:
    """Shards of the plan that are not there."""
    return [shard for shard in plan.shards if find_part(folder, shard.stem) is None]


def write_launched(launched: Launched) -> None:
    """Keeps what was submitted beside the shard set."""
    record = {"schema": _SCHEMA, **plain(launched)}
    write_json(jobs_folder(Path(launched.folder)) / _RECORD_NAME, record)


def find_launched(folder: Path) -> Launched | None:
    """What was submitted for a shard set, or None."""
    path = jobs_folder(folder) / _RECORD_NAME
    if not path.is_file():
        return None
    record = read_json(path)
    record.pop("schema", None)
    return parse(Launched, record, str(path))


def read_launched(folder: Path) -> Launched:
    """What was submitted for a shard set.

    Raises:
        MissingInputError: nothing was.
    """
    found = find_launched(folder)
    if found is None:
        mend = f"submit it: `granctl shards build --plan {folder} --launcher slurm`"
        raise MissingInputError("record of the jobs", jobs_folder(folder) / _RECORD_NAME, mend)
    return found
