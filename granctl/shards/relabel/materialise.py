"""New shards of an old set: its bytes copied in the kernel, its label members written anew.

Where no `.json` needs other blocks and nothing is left out, a shard is copied whole. Else what
lies between is copied run by run, so that the shards are always those that a build would write.
Each is whole or not there, with a part file that says where its images lie.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
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
from granctl.shards.copying import copy_span, write_at
from granctl.shards.index import INDEX_NAME, index_record
from granctl.shards.indexfile import IndexGroups, writing_index
from granctl.shards.pool import Tell, Teller, over_shards
from granctl.shards.relabel.members import Labelling, Members, labels_of, members_of, read_tails
from granctl.shards.relabel.relabelling import Relabelling
from granctl.shards.setfiles import BAD_NAME, DUPLICATES_NAME, PARTS_NAME
from granctl.shards.tar import BLOCK, END_BYTES
from granctl.workspace import MANIFEST_NAME, Artefact, begin_folder, finish_folder, folder_state


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
        over_shards(stems, lambda i, tell: _write(job, missing[i], tell), workers, teller.tell)
        teller.tell_rest()
    finally:
        progress.finish()


def _write(job: _Job, shard: NewShard, tell: Tell) -> None:
    """Writes one shard and its part file; a pure function of the base and the classes."""
    record = job.base.manifest["shards"][shard.number]
    path = job.base.store.file(record["name"])
    rows = job.groups.rows(shard.number, ["offset", "size", "key", "label"])
    members = members_of(str(path), rows, job.number_of_label, record)
    chosen = members.part(job.kept[members.labels]) if job.relabelling.drops else members
    places = [np.zeros(0, dtype=np.int64)]
    with (
        replacing(job.folder / f"{shard.stem}.tar") as temporary,
        _opened(path, record["bytes"], temporary) as (source, target),
    ):
        at = 0
        for part in chosen.parts():
            begins = _copy_part(job.labelling, str(path), source, target, part, at)
            places.append(begins[:-1])
            tell(len(part), int(begins[-1]) - at, 0)
            at = int(begins[-1])
        write_at(target, bytes(END_BYTES), at)
    offsets = np.concatenate(places) + BLOCK
    moved = len(offsets) != len(members) or bool((offsets != members.begins + BLOCK).any())
    head = {"bytes": at + END_BYTES, "moved": moved}
    write_arrays(_part_path(job.folder, shard.stem), head, {"offsets": offsets})


@contextmanager
def _opened(path: Path, num_bytes: int, new: Path) -> Iterator[tuple[int, int]]:
    """A shard to read and a file to write.

    Raises:
        ShardCorruptError: the shard is gone, or has another size.
    """
    with ExitStack() as stack:
        try:
            source = os.open(path, os.O_RDONLY)
        except FileNotFoundError as error:
            raise ShardCorruptError(path, "it is missing") from error
        stack.callback(os.close, source)
        found = os.fstat(source).st_size
        if found != num_bytes:
            raise ShardCorruptError(path, f"it has {found} bytes, not {num_bytes} as when made")
        target = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
        stack.callback(os.close, target)
        yield source, target


def _copy_part(
    labelling: Labelling, path: str, source: int, target: int, members: Members, at: int
) -> NDArray[np.int64]:
    """Puts samples beside each other into the new shard, from byte `at` on.

    Returns where each begins, and the end: shape (n + 1,).
    """
    # All of it is copied after: read ahead in one go, a cold disk need not look for each tail.
    span = int(members.begins[0]), int(members.ends[-1] - members.begins[0])
    os.posix_fadvise(source, *span, os.POSIX_FADV_WILLNEED)
    old = read_tails(path, source, members)
    new = labelling.new_tails(members, labelling.sources(path, members, old))
    sizes = members.tails - members.begins + np.fromiter(map(len, new), np.int64, len(new))
    begins = np.concatenate([[at], at + np.cumsum(sizes)])
    ends = begins[1:] - np.fromiter(map(len, new), np.int64, len(new))
    for first, last in _runs(begins[:-1] - members.begins):
        begin, size = int(members.begins[first]), int(members.tails[last] - members.begins[first])
        if copy_span(source, begin, target, int(begins[first]), size) != size:
            raise ShardCorruptError(path, "it ends inside of a sample")
        for i in range(first, last + 1):
            if i == last or new[i] != old[i]:
                write_at(target, new[i], int(ends[i]))
    return begins


def _runs(shifts: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """First and last of each stretch of samples that move by the same number of bytes."""
    bounds = np.flatnonzero(np.diff(shifts)) + 1
    firsts = np.concatenate([[0], bounds]).tolist()
    lasts = np.concatenate([bounds - 1, [len(shifts) - 1]]).tolist()
    return zip(firsts, lasts, strict=True)


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
    import pyarrow as pa

    with writing_index(job.folder / INDEX_NAME, labels) as writer:
        for shard, part in zip(job.shards, parts, strict=True):
            rows = job.groups.rows(shard.number)
            if job.relabelling.drops:
                rows = rows.filter(pa.array(job.kept_rows(shard.number)))
            place = rows.schema.get_field_index("offset")
            rows = rows.set_column(place, "offset", pa.array(part.offsets, pa.int64()))
            writer.add(shard.split, rows)
    found = writer.counts()
    counted = {"splits": found.splits, "remarks": found.remarks}
    return {**counted, "content_digest": found.content_digest}


def _copy_file(source: Path, target: Path) -> None:
    with replacing(target) as temporary:
        shutil.copyfile(source, temporary)
