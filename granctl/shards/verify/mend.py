"""Damaged shards made whole: from the index where their images are sound, else from the source.

What is made lies in the folder of repairs until the index has proven it.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from granctl.errors import SourceDiffersError
from granctl.files import check_space, fsync_path, make_folder, write_at, writing
from granctl.progress import Progress
from granctl.shards.build.pack import find_part, part_path
from granctl.shards.build.packers import pack_all
from granctl.shards.dali import dali_path
from granctl.shards.index import ShardSet
from granctl.shards.pool import Teller
from granctl.shards.source.listing import Source
from granctl.shards.store import Folder
from granctl.shards.verify.facts import SetFacts, ShardFacts
from granctl.shards.verify.gather import ShardGatherer
from granctl.shards.verify.patch import patches_of
from granctl.shards.verify.places import put_in_place
from granctl.shards.verify.rebuild import (
    RepairSpec,
    check_source,
    packing_of,
    planned_again,
    source_of,
)
from granctl.shards.verify.report import Mended
from granctl.shards.verify.setchecks import REPAIR_NAME
from granctl.shards.verify.verify import gatherer_of
from granctl.workspace import Workspace


@dataclass(frozen=True, kw_only=True, eq=False)
class _Work:
    """What mending needs."""

    shards: ShardSet
    gatherer: ShardGatherer
    """Of the set."""
    made: ShardGatherer
    """Of what was made so far: the same rows, other tars."""
    workers: int
    progress: Progress

    @property
    def folder(self) -> Path:
        """Of the set."""
        return self.shards.root

    @property
    def place(self) -> Path:
        """Of what was made so far."""
        return self.shards.root / REPAIR_NAME


def mend_shards(
    workspace: Workspace,
    facts: SetFacts,
    shards: ShardSet,
    damaged: Collection[str],
    spec: RepairSpec,
    workers: int,
    progress: Progress,
) -> list[Mended]:
    """Mends shards of a folder, those first that need no source.

    Raises:
        BadOptionError: the source is needed, and cannot be found.
        SourceDiffersError: it has other images than the set; what could be mended was.
        OutputNotWritableError: no space, read-only, no permission.
        WorkerDiedError: a worker process was killed.
    """
    gatherer = gatherer_of(shards.store, facts, shards)
    made = replace(gatherer, store=Folder(shards.root / REPAIR_NAME))
    work = _Work(shards=shards, gatherer=gatherer, made=made, workers=workers, progress=progress)
    numbers = [i for i, name in enumerate(shards.shard_names) if name in damaged]
    check_space(shards.root, sum(shards.manifest["shards"][i]["bytes"] for i in numbers))
    make_folder(work.place)
    mended: list[Mended] = []
    left: list[int] = []
    for number in numbers:
        name = shards.shard_names[number]
        if _made_before(work, number, name) or _patched(
            work, gatherer.gather(name, number, _quietly), number
        ):
            mended.append(put_in_place(work.folder, name, "patched", progress))
        else:
            left.append(number)
    if left:
        source = source_of(workspace, spec, shards.manifest, facts.spec, progress)
        mended += _rebuilt(work, left, source)
    return mended


def _made_before(work: _Work, number: int, name: str) -> bool:
    """Whether a repair that was stopped has left the mended shard."""
    there = (work.place / name).is_file()
    packed = part_path(work.place, name.removesuffix(".tar")).exists()
    return there and not packed and work.made.gather(name, number, _quietly).is_clean


def _patched(work: _Work, facts: ShardFacts, number: int) -> bool:
    """Makes a mended copy of a shard from the index; False: it cannot be mended so."""
    if facts.num_bytes is None:
        return False
    patches = patches_of(facts, work.folder / facts.name)
    if patches is None:
        return False
    path = work.place / facts.name
    with writing(path):
        shutil.copyfile(work.folder / facts.name, path)
    _write_over(path, patches)
    return work.made.gather(facts.name, number, _quietly).is_clean


def _write_over(path: Path, patches: Sequence[tuple[int, bytes]]) -> None:
    with writing(path):
        with path.open("r+b", buffering=0) as file:
            for at, content in patches:
                write_at(file.fileno(), content, at)
        fsync_path(path)


def _rebuilt(work: _Work, numbers: Sequence[int], source: Source) -> list[Mended]:
    """Packs shards again, and puts those in place that are as the index says.

    Raises:
        SourceDiffersError: an image of the source is another one now, or none.
    """
    records = work.shards.manifest["shards"]
    rows = [work.gatherer.rows(number) for number in numbers]
    for number, ours in zip(numbers, rows, strict=True):
        check_source(source, work.shards, records[number]["name"], ours)
    planned = [planned_again(records[n], ours) for n, ours in zip(numbers, rows, strict=True)]
    missing = [shard for shard in planned if find_part(work.place, shard.stem) is None]
    teller = Teller(work.progress)
    num_images = sum(len(shard.members) for shard in missing)
    work.progress.start("building shards again", num_images, "images")
    try:
        packing = packing_of(source, work.shards)
        pack_all(work.place, missing, packing, work.workers, teller.tell)
        teller.tell_rest()
    finally:
        work.progress.finish()
    mended: list[Mended] = []
    problems: list[SourceDiffersError] = []
    for number in numbers:
        name = work.shards.shard_names[number]
        problem = _difference(work, number, name, source)
        if problem is None:
            mended.append(put_in_place(work.folder, name, "rebuilt", work.progress))
        else:
            problems.append(problem)
            (work.place / name).unlink()
        part_path(work.place, name.removesuffix(".tar")).unlink()
        dali_path(work.place / name).unlink()  # the set's own is right again, or still
    if problems:
        raise problems[0]
    return mended


def _difference(work: _Work, number: int, name: str, source: Source) -> SourceDiffersError | None:
    """Why a shard that was packed again is not the one of the index; None: it is."""
    part = find_part(work.place, name.removesuffix(".tar"))
    assert part is not None
    if part.bad:
        image, _, problem = part.bad[0]
        return SourceDiffersError(source.root, name, f"{image}: {problem}", len(part.bad))
    facts = work.made.gather(name, number, _quietly)
    if facts.is_clean:
        return None
    patches = patches_of(facts, work.place / name)
    if patches is not None:  # label members of a set that was relabelled
        _write_over(work.place / name, patches)
        if work.made.gather(name, number, _quietly).is_clean:
            return None
    sound = facts.judged("sound").astype(np.bool_)
    differing = np.flatnonzero(~sound).tolist()
    if not differing:
        return SourceDiffersError(source.root, name, "names of images have other lengths", 1)
    key = facts.key(differing[0])
    image = source.listing.names[int(key)]
    return SourceDiffersError(source.root, name, f"{image} has other bytes", len(differing))


def _quietly(images: int, num_bytes: int, num_bad: int) -> None:
    """Tells nobody: the shards that are mended are few."""
