"""Building a shard set: plan, write what is missing, finish with the manifest.

In one process, in several of this machine, or as tasks that share nothing but the folder.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from granctl.alone import making_alone, making_together
from granctl.errors import (
    BadOptionError,
    ManifestMismatchError,
    ShardsMissingError,
)
from granctl.files import check_space, remove_temporaries
from granctl.progress import Progress
from granctl.shards.build.buildspec import BuildSpec, OnBadImage
from granctl.shards.build.finish import check_bad_images, finish
from granctl.shards.build.pack import Packing, find_part
from granctl.shards.build.packers import pack_all
from granctl.shards.build.plan import PlannedShard
from granctl.shards.build.planfile import Plan, check_folder, read_plan
from granctl.shards.build.planning import found_plan, open_asked, plan_of, reopened
from granctl.shards.classes import ClassLookup
from granctl.shards.index import ShardSet
from granctl.shards.pool import Teller
from granctl.shards.setfiles import PARTS_NAME
from granctl.shards.source.listing import Source
from granctl.workspace import (
    MANIFEST_NAME,
    Artefact,
    Workspace,
    begin_folder,
    folder_state,
)

__all__ = [
    "BuildSpec",
    "ClassLookup",
    "Task",
    "build_planned",
    "build_shards",
    "finish_shards",
    "plan_build",
]


@dataclass(frozen=True, slots=True)
class Task:
    """One of several that build a shard set: it packs every `of`-th shard from `number` on."""

    number: int
    """0 <= number < of."""
    of: int

    @classmethod
    def parse(cls, text: str) -> Task:
        """Reads `0/64` ... `63/64`.

        Raises:
            BadOptionError: it is no such text.
        """
        number, slash, of = text.partition("/")
        if slash and number.isdecimal() and of.isdecimal() and int(number) < int(of):
            return cls(int(number), int(of))
        problem = f"{text!r} is no task of several"
        raise BadOptionError(
            "--task", problem, "give NUMBER/TASKS, from 0/64 to 63/64 for 64 tasks"
        )


def build_shards(
    workspace: Workspace,
    spec: BuildSpec,
    out: Path | None,
    progress: Progress,
    workers: int = 1,
) -> Artefact:
    """Turns a source into a shard set; goes on where the same build was stopped.

    The bytes are the same for any number of workers.

    Raises:
        UserError: the source, the labels, the options or the output cannot be used.
        BadImagesError: images are bad and `on_bad_image` is `fail`; all are named in bad.csv, and
            all shards are written without them.
        SourceChangedError: files changed after they were listed.
        WorkerDiedError: a worker process was killed.
    """
    asked = open_asked(workspace, spec, out, progress)
    if folder_state(asked.folder, asked.digest) == "absent":
        begin_folder(asked.folder, asked.digest, asked.identity, asked.inputs)
    with making_alone(asked.folder, progress):
        if folder_state(asked.folder, asked.digest) == "whole":
            return found_whole(asked.folder, spec.on_bad_image)
        plan = plan_of(workspace, asked, spec, progress)
        _pack_missing(asked.folder, plan, plan.shards, asked.source, workers, progress)
        return _finished(asked.folder, plan, spec.on_bad_image, progress)


def plan_build(
    workspace: Workspace, spec: BuildSpec, out: Path | None, progress: Progress
) -> Artefact:
    """Begins a shard set with nothing but its plan, for tasks to fill.

    Raises:
        UserError: the source, the labels, the options or the output cannot be used.
    """
    asked = open_asked(workspace, spec, out, progress)
    state = folder_state(asked.folder, asked.digest)
    if state == "whole":
        return found_whole(asked.folder, spec.on_bad_image)
    if state == "absent":
        begin_folder(asked.folder, asked.digest, asked.identity, asked.inputs)
    found = found_plan(asked)  # without the lock, which tasks that are at work share
    if found is not None:
        return _planned(asked.folder, found, made=False)
    with making_alone(asked.folder, progress):
        plan = plan_of(workspace, asked, spec, progress)
    return _planned(asked.folder, plan, made=True)


def build_planned(
    folder: Path, task: Task | None, progress: Progress, workers: int = 1
) -> Artefact:
    """Packs what is missing of a planned set: a task's shards, or all of them and the end too.

    Tasks run beside each other on any machines that see the folder, in any order, as often as one
    likes; `finish_shards` makes the set whole.

    Args:
        folder: the shard set, which holds its plan.
        task: which shards; None: all, and the set is finished.
        progress: is told how far it is.
        workers: processes of this machine.

    Raises:
        MissingInputError, ManifestMismatchError: there is no plan.
        SourceChangedError: the source is not what was planned.
        WorkerDiedError: a worker process was killed.
        BadImagesError: without a task, as in `finish_shards`.
    """
    check_folder(folder)
    with making_together(folder) if task else making_alone(folder, progress):
        if (folder / MANIFEST_NAME).is_file():
            return found_whole(folder, "skip")
        plan = read_plan(folder)
        ours = plan.shards[task.number :: task.of] if task else plan.shards
        if shards_to_pack(folder, ours):
            source = reopened(plan, progress)
            with _finished_by_others(folder):
                _pack_missing(folder, plan, ours, source, workers, progress)
        if (folder / MANIFEST_NAME).is_file():
            return found_whole(folder, "skip")
        if task is None:
            return _finished(folder, plan, plan.on_bad_image, progress)
    details = {"task": task.number, "tasks": task.of, "shards": len(ours)}
    return _part_of(folder, plan, details, made=True)


@contextmanager
def _finished_by_others(folder: Path) -> Iterator[None]:
    """Where the set is made whole while a task still packs, another copy of it was quicker.

    That happens where a scheduler takes a machine for lost that is not. What the task was writing
    was removed as nobody's; nothing of it is missing.
    """
    try:
        yield
    except FileNotFoundError:
        if not (folder / MANIFEST_NAME).is_file():
            raise


def finish_shards(folder: Path, on_bad_image: OnBadImage | None, progress: Progress) -> Artefact:
    """Makes a planned set whole once its tasks have packed every shard.

    Args:
        folder: the shard set.
        on_bad_image: None: as it was planned.
        progress: is told what is left out.

    Raises:
        MissingInputError, ManifestMismatchError: there is no plan.
        ShardsMissingError: shards are not there yet.
        BadImagesError: images are bad and are not to be left out; all are named in bad.csv.
    """
    plan = open_planned(folder)
    if plan is None:
        return found_whole(folder, on_bad_image or "fail")
    # Whoever packs a shard that is whole already changes nothing and is not waited for: it may be a
    # task on a machine that hangs. Where bytes could not be read, a task may be mending that.
    unpacked = shards_to_pack(folder, plan.shards)
    with making_alone(folder, progress) if unpacked else nullcontext():
        return _finished(folder, plan, on_bad_image or plan.on_bad_image, progress)


def open_planned(folder: Path) -> Plan | None:
    """The plan of a set; None where the set is whole, for then the plan is gone.

    Raises:
        MissingInputError: there is no such folder.
        ManifestMismatchError: there is neither, or the plan is damaged.
    """
    check_folder(folder)
    whole = folder / MANIFEST_NAME
    if whole.is_file():
        return None
    try:
        return read_plan(folder)
    except ManifestMismatchError:
        if whole.is_file():  # it became so just now
            return None
        raise


def shards_to_pack(folder: Path, shards: Sequence[PlannedShard]) -> list[PlannedShard]:
    """Those of a planned set that are not there, or lack an image that may be readable by now."""
    parts = (find_part(folder, shard.stem) for shard in shards)
    return [s for s, part in zip(shards, parts, strict=True) if part is None or not part.is_final]


def found_whole(folder: Path, on_bad_image: OnBadImage) -> Artefact:
    """A shard set that is there already.

    Raises:
        BadImagesError: images were left out of it, and this time that was not asked.
    """
    shutil.rmtree(folder / PARTS_NAME, ignore_errors=True)
    manifest = ShardSet.open(folder).manifest
    if on_bad_image == "fail":
        check_bad_images(folder, manifest["bad_images"])
    return _artefact(folder, manifest, made=False)


def _finished(folder: Path, plan: Plan, on_bad_image: OnBadImage, progress: Progress) -> Artefact:
    """The whole set; of several that finish it at once one does."""
    with ExitStack() as stack:
        with suppress(FileNotFoundError):  # the plan and its folder go when the set is whole
            stack.enter_context(making_alone(folder / PARTS_NAME, progress))
        if (folder / MANIFEST_NAME).is_file():
            return found_whole(folder, on_bad_image)
        missing = [s.stem for s in plan.shards if find_part(folder, s.stem) is None]
        if missing:
            raise ShardsMissingError(folder, missing, len(plan.shards))
        manifest = finish(folder, plan, on_bad_image, progress)
    remove_temporaries(folder)
    return _artefact(folder, manifest, made=True)


def _artefact(folder: Path, manifest: Mapping[str, Any], *, made: bool) -> Artefact:
    splits = {name: split["images"] for name, split in manifest["splits"].items()}
    details = {
        "content_digest": manifest["content_digest"],
        "images": sum(splits.values()),
        "splits": splits,
        "labels": len(manifest["labels"]),
        "classes": manifest["classes"]["num_classes"],
        "shards": len(manifest["shards"]),
        "bytes": sum(shard["bytes"] for shard in manifest["shards"]),
        "bad_images": manifest["bad_images"],
        "remarks": manifest["remarks"],
        "seed": manifest["seed"],
    }
    digest = manifest["digest"]
    return Artefact(kind="shards", path=folder, digest=digest, made=made, details=details)


def _planned(folder: Path, plan: Plan, *, made: bool) -> Artefact:
    splits: dict[str, int] = {}
    for shard in plan.shards:
        splits[shard.split] = splits.get(shard.split, 0) + len(shard.members)
    details = {
        "images": plan.num_images,
        "splits": splits,
        "labels": len(plan.labels),
        "classes": plan.classes_record["num_classes"],
        "shards": len(plan.shards),
        "bytes": plan.num_bytes,
        "seed": plan.identity["seed"],
    }
    return _part_of(folder, plan, details, made=made)


def _part_of(folder: Path, plan: Plan, details: Mapping[str, Any], *, made: bool) -> Artefact:
    """A shard set that is not whole yet."""
    return Artefact(
        kind="shards", path=folder, digest=plan.digest, made=made, whole=False, details=details
    )


def _pack_missing(
    folder: Path,
    plan: Plan,
    shards: Sequence[PlannedShard],
    source: Source,
    workers: int,
    progress: Progress,
) -> None:
    """Packs those of `shards` that are not whole.

    Raises:
        OutputNotWritableError: they do not fit on the disk, or writing fails.
        SourceChangedError: files changed after they were listed.
        WorkerDiedError: a worker process was killed.
    """
    missing = shards_to_pack(folder, shards)
    if len(missing) < len(shards):
        whole = len(shards) - len(missing)
        progress.note(f"going on: {whole} of {len(shards)} shards are whole")
    if not missing:
        return
    if plan.recode is None:
        check_space(folder, sum(shard.num_bytes for shard in missing))
    packing = Packing(source=source, classes=plan.classes, depth=plan.depth, recode=plan.recode)
    teller = Teller(progress)
    progress.start("building shards", sum(len(shard.members) for shard in missing), "images")
    try:
        pack_all(folder, missing, packing, workers, teller.tell)
        teller.tell_rest()
    finally:
        progress.finish()
