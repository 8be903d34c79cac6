"""Where label maps and shards meet: what a build is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from granctl.errors import BadOptionError
from granctl.processes import default_workers
from granctl.progress import Progress
from granctl.shards.build.recode import Recode
from granctl.shards.build.write import BuildSpec, Task, build_planned, build_shards
from granctl.study.classlookup import class_lookup
from granctl.workspace import Artefact, Workspace


def build_spec(
    fields: Mapping[str, Any], labels: Path | None, resize: int | None, quality: int | None
) -> BuildSpec:
    """What a build is asked, with the classes of a label map; without one each label is one.

    Args:
        fields: of `BuildSpec`, but for classes and recode.
        labels: a label map.
        resize: short side in pixels, to encode images anew.
        quality: of JPEG; only with `resize`.

    Raises:
        BadOptionError: `quality` without `resize`.
        GranctlError: as `class_lookup`.
    """
    if quality is not None and resize is None:
        problem = "images are copied byte for byte"
        raise BadOptionError("--quality", problem, "give --resize too, such as --resize 256")
    recode = None if resize is None else Recode(resize=resize, quality=quality or 90)
    classes = class_lookup(labels) if labels else None
    return BuildSpec(**fields, classes=classes, recode=recode)


@dataclass(frozen=True, kw_only=True, slots=True)
class AskedBuild:
    """What a user asks to be built."""

    spec: BuildSpec
    """As it is by default where there is a plan, which says what and how."""
    out: Path | None = None
    plan: Path | None = None
    """A planned set: what is missing of it is built."""
    task: str | None = None
    """With a plan: only this task's part, as `Task.parse` reads it."""
    workers: int | None = None
    """Processes; None: as many as the processors, at most 8."""

    def check_plan(self) -> None:
        """Raises BadOptionError where something is asked beside a plan that the plan says."""
        if self.plan is not None and (self.spec != BuildSpec() or self.out is not None):
            mend = "leave out what says what is built, how and where"
            raise BadOptionError("--plan", "the plan says what is built, and how", mend)


def build_anything(workspace: Workspace, asked: AskedBuild, progress: Progress) -> Artefact:
    """Builds from a source, or what is missing of a plan, or one task's part of it.

    Raises:
        BadOptionError: `task` without `plan`, or `plan` with what the plan says already.
        GranctlError: as `build_shards` and `build_planned`.
    """
    workers = asked.workers or default_workers()
    if asked.plan is None:
        if asked.task is not None:
            mend = "make one with `granctl shards plan` and give it as --plan"
            raise BadOptionError("--task", "a task needs a plan", mend)
        return build_shards(workspace, asked.spec, asked.out, progress, workers)
    asked.check_plan()
    task = Task.parse(asked.task) if asked.task is not None else None
    return build_planned(asked.plan.absolute(), task, progress, workers)
