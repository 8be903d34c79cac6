"""Builds that a cluster does: what is asked is checked and planned here, jobs do the rest.

The plan is made in this process, so that what is wrong is said at once and not after a night in the
queue, and so that it is known how much there is to do. Where that is too much for the machine that
one submits from, `granctl shards plan` in a job makes it, and `--plan` takes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from granctl.errors import BadOptionError
from granctl.launch.shardbuild import build_on_slurm
from granctl.launch.shardjobs import SlurmBuild, foresee, launched_of
from granctl.launch.slurm import Resources
from granctl.progress import Progress
from granctl.shards.build.planfile import Plan
from granctl.shards.build.planning import foreseen_plan, open_asked
from granctl.shards.build.write import open_planned, plan_build
from granctl.study.building import AskedBuild
from granctl.workspace import Artefact, Workspace, folder_state


def slurm_build(fields: Mapping[str, Any], resources: Mapping[str, Any]) -> SlurmBuild:
    """How Slurm is to build, checked.

    Args:
        fields: of `SlurmBuild`, but for the resources.
        resources: fields of `Resources`.

    Raises:
        BadOptionError: a value cannot be used.
    """
    made = SlurmBuild(**fields, resources=Resources(**resources))
    made.resources.check()
    return made


def launch_build(
    workspace: Workspace, asked: AskedBuild, progress: Progress, slurm: SlurmBuild
) -> Artefact:
    """Plans a shard set, or takes a plan, and has Slurm build it.

    Raises:
        BadOptionError: options that do not go together.
        GranctlError: as `plan_build` and `build_on_slurm`.
    """
    _check(asked)
    if asked.plan is not None:
        return build_on_slurm(workspace, asked.plan.absolute(), slurm, None, progress)
    planned = plan_build(workspace, asked.spec, asked.out, progress)
    if planned.whole:
        return planned
    return build_on_slurm(workspace, planned.path, slurm, asked.spec.on_bad_image, progress)


def foresee_build(
    workspace: Workspace, asked: AskedBuild, progress: Progress, slurm: SlurmBuild
) -> tuple[str, dict[str, Any]]:
    """The scripts that `launch_build` would submit, and a record with the numbers.

    Of a set that is whole, its path. But for what is cached of the source nothing is written.

    Raises:
        BadOptionError: options that do not go together.
        GranctlError: as `plan_build`.
    """
    _check(asked)
    folder, plan = _foreseen(workspace, asked, progress)
    if plan is None:
        progress.note("shards are there already, whole: nothing to submit")
        return str(folder), {"kind": "slurm-jobs", "path": str(folder), "scripts": {}, "schema": 1}
    on_bad = None if asked.plan else asked.spec.on_bad_image
    record = foresee(launched_of(workspace, folder, plan, slurm, on_bad), plan)
    progress.note(
        f"{record['images']:,} images in {record['shards']:,} shards,"
        f" {record['bytes'] / 1e6:,.1f} MB; {record['free_bytes'] / 1e6:,.0f} MB are free;"
        f" {record['tasks']} tasks"
    )
    return "\n".join(f"# {path}\n{text}" for path, text in record["scripts"].items()), record


def _foreseen(
    workspace: Workspace, asked: AskedBuild, progress: Progress
) -> tuple[Path, Plan | None]:
    """The folder of the set, and its plan where it is not whole."""
    if asked.plan is not None:
        folder = asked.plan.absolute()
        return folder, open_planned(folder)
    opened = open_asked(workspace, asked.spec, asked.out, progress)
    if folder_state(opened.folder, opened.digest) == "whole":
        return opened.folder, None
    return opened.folder, foreseen_plan(workspace, opened, asked.spec, progress)


def _check(asked: AskedBuild) -> None:
    asked.check_plan()
    if asked.task is not None:
        raise BadOptionError("--task", "the launcher numbers the tasks", "leave it out")
    if asked.workers is not None:
        raise BadOptionError("--workers", "the jobs are not here", "give --cpus-per-task")
