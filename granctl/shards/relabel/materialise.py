"""New shards of an old set: its bytes, with the label members written anew.

A shard is read in one go, its members are changed in memory by the index, and it is written in one
go. (Copied in the kernel and patched after, it took twice the processor time: the pages of the copy
are what costs.) Where no `.json` needs other blocks and nothing is left out, all stays in its
place; else the samples move, so that the shards are always those that a build would write. Each is
whole or not there, with a part file that says where its images lie.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from granctl.alone import making_alone, making_together
from granctl.errors import ShardCorruptError
from granctl.files import check_space, read_json, replacing
from granctl.progress import Progress
from granctl.shards.arraycache import load_arrays, write_arrays
from granctl.shards.assembly import Room, Rooms, write_assembled
from granctl.shards.columns import column_of, mask_column
from granctl.shards.dali import write_dali_index
from granctl.shards.foreign import write_set_indexes
from granctl.shards.index import INDEX_NAME, index_record
from granctl.shards.indexfile import IndexGroups, writing_index
from granctl.shards.pool import Tell, Teller, over_shards_in_halves
from granctl.shards.relabel.members import Labelling, Members, labels_of, members_of
from granctl.shards.relabel.relabelling import Relabelling
from granctl.shards.setfiles import BAD_NAME, DUPLICATES_NAME, PARTS_NAME
from granctl.shards.tar import BLOCK, END_BYTES
from granctl.workspace import MANIFEST_NAME, Artefact, begin_folder, finish_folder, folder_state

_ROOMS = Rooms()
_READ_BYTES = 1 << 24


@dataclass(frozen=True, kw_only=True, slots=True)
class NewShard:
    """A shard that is to be written."""

    stem: str
    split: str
    number: int
    """Of the shard of the base that it is made of."""
    num_bytes: int
    """Of that shard."""
    images: int


def materialise(
    folder: Path, relabelling: Relabelling, workers: int, progress: Progress
) -> Artefact:
    """Writes the relabelled set; goes on where it was stopped.

    Raises:
        OutputExistsError: the folder holds something else.
        OutputNotWritableError: no space, read-only, no permission.
        ShardCorruptError: a shard is not as its index says.
        WorkerDiedError: a worker process was killed.
    """
    state = folder_state(folder, relabelling.digest)
    if state == "whole":  # it may be the base itself, whose lock must not be waited for twice
        return _found_whole(folder, relabelling)
    if state == "absent":
        begin_folder(folder, relabelling.digest, relabelling.identity, relabelling.inputs)
    with making_alone(folder, progress), making_together(relabelling.base.root):
        if folder_state(folder, relabelling.digest) == "whole":
            return _found_whole(folder, relabelling)
        job = _Job(folder, relabelling)
        _write_missing(job, workers, progress)
        manifest = _finish(job)
        write_set_indexes(folder, manifest)
        finish_folder(folder, manifest)
        shutil.rmtree(folder / PARTS_NAME, ignore_errors=True)
    return relabelling.artefact(folder, "materialise", manifest, made=True)


def _found_whole(folder: Path, relabelling: Relabelling) -> Artefact:
    shutil.rmtree(folder / PARTS_NAME, ignore_errors=True)
    manifest = read_json(folder / MANIFEST_NAME)
    return relabelling.artefact(folder, "materialise", manifest, made=False)


class _Job:
    """What every shard of one set needs."""

    def __init__(self, folder: Path, relabelling: Relabelling) -> None:
        self.folder, self.base, self.relabelling = folder, relabelling.base, relabelling
        self.groups = IndexGroups(self.base.index_path)
        self.labelling = Labelling(relabelling)
        self.number_of_label = {label: i for i, label in enumerate(self.base.labels)}
        self.kept = np.array([bool(classes) for classes in relabelling.classes])
        self.shards = list(self._planned())

    def _planned(self) -> Iterator[NewShard]:
        """Those that have images left, numbered without gaps."""
        numbers = Counter[str]()
        for number, shard in enumerate(self.base.manifest["shards"]):
            split, images = shard["split"], shard["images"]
            if self.relabelling.drops:
                images = int(self.kept_rows(number).sum())
            if images or not self.relabelling.drops:
                stem = f"{split}-{numbers[split]:06d}"
                stem = stem if self.relabelling.drops else shard["name"].removesuffix(".tar")
                numbers[split] += 1
                size = shard["bytes"]
                yield NewShard(stem=stem, split=split, number=number, num_bytes=size, images=images)

    def kept_rows(self, number: int) -> NDArray[np.bool_]:
        """Which images of a shard of the base stay."""
        rows = self.groups.rows(number, ["label"])
        path = f"{self.base.where}/{self.base.shard_names[number]}"
        if rows.num_rows != self.base.manifest["shards"][number]["images"]:
            raise ShardCorruptError(path, f"its index has {rows.num_rows} rows")
        kept: NDArray[np.bool_] = self.kept[labels_of(path, rows, self.number_of_label)]
        return kept


def _write_missing(job: _Job, workers: int, progress: Progress) -> None:
    missing = [shard for shard in job.shards if _find_part(job.folder, shard.stem) is None]
    if len(missing) < len(job.shards):
        whole = len(job.shards) - len(missing)
        progress.note(f"going on: {whole} of {len(job.shards)} shards are whole")
    if not missing:
        return
    check_space(job.folder, sum(shard.num_bytes for shard in missing))
    teller = Teller(progress)
    progress.start("relabelling", sum(shard.images for shard in missing), "images")
    try:
        stems = [shard.stem for shard in missing]

        def written(number: int, tell: Tell) -> Callable[[], None]:
            return _written(job, missing[number], tell)

        over_shards_in_halves(stems, written, workers, teller.tell)
        teller.tell_rest()
    finally:
        progress.finish()


def _written(job: _Job, shard: NewShard, tell: Tell) -> Callable[[], None]:
    """Puts one new shard together; what is returned writes it and its part file.

    It is a pure function of the base and the classes.
    """
    record = job.base.manifest["shards"][shard.number]
    path = job.base.store.file(record["name"])
    rows = job.groups.rows(shard.number, ["offset", "size", "key", "label"])
    members = members_of(str(path), rows, job.number_of_label, record)
    chosen = members.part(job.kept[members.labels]) if job.relabelling.drops else members
    old = _ROOMS.take(record["bytes"])
    _read_whole(path, old.bytes[: record["bytes"]])
    new = _new_tails(job.labelling, str(path), old.bytes, chosen)
    sizes = chosen.tails - chosen.begins + np.fromiter(map(len, new), np.int64, len(new))
    begins = np.cumsum(sizes) - sizes
    num_bytes = int(sizes.sum()) + END_BYTES
    moved = len(begins) != len(members) or bool((begins != members.begins).any())
    room = _moved(old, chosen, begins, num_bytes) if moved else old
    for at, tail in zip((begins + sizes).tolist(), new, strict=True):
        room.bytes[at - len(tail) : at] = tail
    room.bytes[num_bytes - END_BYTES : num_bytes] = bytes(END_BYTES)
    tell(len(chosen), num_bytes, 0)

    def write() -> None:
        with replacing(job.folder / f"{shard.stem}.tar") as temporary:
            write_assembled(temporary, room.bytes, num_bytes)
        write_dali_index(job.folder / f"{shard.stem}.tar", room.bytes, begins + BLOCK)
        room.give_back()
        head = {"bytes": num_bytes, "moved": moved}
        write_arrays(_part_path(job.folder, shard.stem), head, {"offsets": begins + BLOCK})

    return write


def _new_tails(
    labelling: Labelling, path: str, content: memoryview, members: Members
) -> list[bytes]:
    """The tail of each sample, from the old one."""
    places = zip(members.tails.tolist(), members.ends.tolist(), strict=True)
    old = [bytes(content[tail:end]) for tail, end in places]
    return labelling.new_tails(members, labelling.sources(path, members, old))


def _moved(old: Room, members: Members, begins: NDArray[np.int64], num_bytes: int) -> Room:
    """The samples without their tails at their new places; gives the room of the old ones back."""
    room = _ROOMS.take(num_bytes)
    places = zip(members.begins.tolist(), members.tails.tolist(), begins.tolist(), strict=True)
    for begin, tail, at in places:
        room.bytes[at : at + tail - begin] = old.bytes[begin:tail]
    old.give_back()
    return room


def _read_whole(path: Path, into: memoryview) -> None:
    """Reads a shard of the base.

    Raises:
        ShardCorruptError: it is gone, or has another size.
    """
    try:
        with path.open("rb", buffering=0) as file:
            found, at = os.fstat(file.fileno()).st_size, 0
            if found != len(into):
                raise ShardCorruptError(path, f"it has {found} bytes, not {len(into)} as when made")
            while at < len(into):
                num = file.readinto(into[at : at + _READ_BYTES])
                if not num:
                    raise ShardCorruptError(path, f"it ends at byte {at}")
                at += num
    except FileNotFoundError as error:
        raise ShardCorruptError(path, "it is missing") from error


# --- parts, and the end -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Part:
    """What is known of a whole shard."""

    num_bytes: int
    moved: bool
    """Whether an image lies elsewhere than in the base."""
    offsets: NDArray[np.int64]


def _part_path(folder: Path, stem: str) -> Path:
    return folder / PARTS_NAME / f"{stem}.bin"


def _find_part(folder: Path, stem: str) -> _Part | None:
    """The part of a shard that is whole; None where the shard must be written."""
    found, tar = load_arrays(_part_path(folder, stem)), folder / f"{stem}.tar"
    if found is None or not tar.is_file() or tar.stat().st_size != found[0]["bytes"]:
        return None
    return _Part(found[0]["bytes"], found[0]["moved"], found[1]["offsets"])


def _whole(folder: Path, shard: NewShard) -> _Part:
    part = _find_part(folder, shard.stem)
    if part is None:
        raise ShardCorruptError(folder / f"{shard.stem}.tar", "it was changed while it was made")
    return part


def _finish(job: _Job) -> dict[str, Any]:
    """Writes the index and the lists of bad images and duplicates; returns the manifest."""
    parts = [_whole(job.folder, shard) for shard in job.shards]
    manifest = job.relabelling.manifest()
    manifest["shards"] = [
        {"name": f"{s.stem}.tar", "split": s.split, "images": s.images, "bytes": part.num_bytes}
        for s, part in zip(job.shards, parts, strict=True)
    ]
    if job.relabelling.drops or any(part.moved for part in parts):
        manifest |= _write_index(job, parts, manifest["labels"])
    else:
        _copy_file(job.base.index_path, job.folder / INDEX_NAME)
    manifest["index"] = index_record(job.folder / INDEX_NAME)
    for name in (BAD_NAME, DUPLICATES_NAME):
        if (job.base.root / name).is_file():
            _copy_file(job.base.root / name, job.folder / name)
    return manifest


def _write_index(job: _Job, parts: Sequence[_Part], labels: Sequence[str]) -> dict[str, Any]:
    """Writes the rows that stay with their new places; returns what was counted."""
    with writing_index(job.folder / INDEX_NAME, labels) as writer:
        for shard, part in zip(job.shards, parts, strict=True):
            rows = job.groups.rows(shard.number)
            if job.relabelling.drops:
                rows = rows.filter(mask_column(job.kept_rows(shard.number)))
            place = rows.schema.get_field_index("offset")
            rows = rows.set_column(place, "offset", column_of(part.offsets))
            writer.add(shard.split, rows)
    found = writer.counts()
    counted = {"splits": found.splits, "remarks": found.remarks}
    return {**counted, "content_digest": found.content_digest}


def _copy_file(source: Path, target: Path) -> None:
    with replacing(target) as temporary:
        shutil.copyfile(source, temporary)
