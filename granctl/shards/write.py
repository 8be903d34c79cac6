"""Building a shard set: check everything, plan, write what is missing, finish with the manifest."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from granctl.alone import making_alone
from granctl.errors import BadImagesError, NoImagesError, OutputNotWritableError
from granctl.progress import Progress
from granctl.provenance import digest as digest_of
from granctl.shards.buildspec import BuildSpec, ClassLookup
from granctl.shards.duplicates_file import write_duplicates
from granctl.shards.finish import BAD_NAME, finish, write_bad
from granctl.shards.index import ShardSet
from granctl.shards.listing import SPLITS, Source
from granctl.shards.pack import PARTS_NAME, BadMembers, Part, pack_shard, read_part
from granctl.shards.plan import PlannedShard, plan_shards
from granctl.shards.selection import classes_of_labels, select, selection_identity
from granctl.shards.sources import open_source
from granctl.shards.tar import json_payload, sample_bytes
from granctl.workspace import Artefact, Workspace, begin_folder, folder_state

__all__ = ["BuildSpec", "ClassLookup", "build_shards"]

SCHEMA = 1
_NOTE_EVERY = 256
"""Images between two notes beside the bar: a note costs more than a small image."""


def build_shards(
    workspace: Workspace, spec: BuildSpec, out: Path | None, progress: Progress
) -> Artefact:
    """Turns a source into a shard set; goes on where the same build was stopped.

    Raises:
        UserError: the source, the labels, the options or the output cannot be used.
        BadImagesError: images do not decode and `on_bad_image` is `fail`; all are named in
            bad.csv, and the shards without them are whole.
        SourceChangedError: files changed after they were listed.
    """
    spec.check()
    source = open_source(
        workspace,
        spec.source,
        kind=spec.source_kind,
        known=spec.classes.class_of if spec.classes else None,
        progress=progress,
    )
    classes = classes_of_labels(source, spec.classes)
    chosen = select(workspace, source, classes, spec, progress)
    split_of = chosen.split_of
    identity = _identity(source, spec, chosen.held_out)
    spec_digest = digest_of({"kind": "shards", "schema": SCHEMA, **identity})
    folder = out.absolute() if out else workspace.place("shards", _slug(source.name), spec_digest)
    inputs = {"source": source.digest} | ({"labels": spec.classes.digest} if spec.classes else {})
    if folder_state(folder, spec_digest) == "absent":
        begin_folder(folder, spec_digest, identity, inputs)
    with making_alone(folder, progress):
        write_duplicates(folder, source.listing, chosen.duplicates)
        if folder_state(folder, spec_digest) == "whole":
            shutil.rmtree(folder / PARTS_NAME, ignore_errors=True)
            return _found_whole(folder, spec, spec_digest)
        planned, sizes = _planned(source, split_of, classes, spec)
        parts, bad = _write_missing(folder, planned, sizes, source, classes, spec, progress)
        _judge_bad(folder, source, bad, spec, progress)
        if not any(part.table.num_rows for part in parts):
            raise NoImagesError(source.root, len(source.listing))
        head = {"digest": spec_digest, "classes": _classes_record(spec, classes)}
        manifest = finish(folder, parts, source, split_of, head, identity, inputs)
    return _artefact(folder, spec_digest, manifest, made=True)


def _identity(source: Source, spec: BuildSpec, held_out: bool) -> dict[str, Any]:
    """Everything that the bytes of the shards depend on, and nothing else."""
    return {
        "source": source.digest,
        "classes": spec.classes.digest if spec.classes else None,
        "seed": spec.seed,
        "order": spec.order,
        "shard_images": spec.shard_images,
        "shard_bytes": spec.shard_bytes,
        "holdout_frac": spec.holdout_frac if held_out else None,
        **selection_identity(spec),
    }


def _classes_record(spec: BuildSpec, classes: list[tuple[int, ...]]) -> dict[str, Any]:
    """What the manifest says about the numbers in `.cls`."""
    lookup = spec.classes
    if lookup is None:
        return {"num_classes": len(classes), "labels_digest": None, "list": None}
    digests = {"labels_digest": lookup.digest, "list": lookup.list_name}
    return {"num_classes": lookup.num_classes, **digests}


def _slug(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-") or "images"


def _found_whole(folder: Path, spec: BuildSpec, spec_digest: str) -> Artefact:
    """A shard set that is there already.

    Raises:
        BadImagesError: images were left out of it, and this time that was not asked.
    """
    manifest = ShardSet.open(folder).manifest
    if manifest["bad_images"] and spec.on_bad_image == "fail":
        lines = (folder / BAD_NAME).read_text().splitlines()[1:]
        raise BadImagesError(manifest["bad_images"], lines, folder / BAD_NAME)
    return _artefact(folder, spec_digest, manifest, made=False)


def _artefact(
    folder: Path, spec_digest: str, manifest: Mapping[str, Any], *, made: bool
) -> Artefact:
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
        "seed": manifest["seed"],
    }
    return Artefact(kind="shards", path=folder, digest=spec_digest, made=made, details=details)


def _planned(
    source: Source, split_of: NDArray[np.int8], classes: list[tuple[int, ...]], spec: BuildSpec
) -> tuple[list[PlannedShard], NDArray[np.int64]]:
    """The plan, and the bytes that each image takes in a tar."""
    listing = source.listing
    labels = listing.label_of.tolist()
    sizes = np.array(
        [
            sample_bytes(size, len(json_payload(listing.labels[label], classes[label], name)))
            for name, label, size in zip(listing.names, labels, listing.sizes.tolist(), strict=True)
        ],
        dtype=np.int64,
    )
    planned = plan_shards(
        split_of,
        SPLITS,
        sizes,
        order=spec.order,
        seed=spec.seed,
        shard_images=spec.shard_images,
        shard_bytes=spec.shard_bytes,
        label_of=listing.label_of,
        lies_at=listing.lies_at,
    )
    return planned, sizes


def _write_missing(
    folder: Path,
    planned: list[PlannedShard],
    sizes: NDArray[np.int64],
    source: Source,
    classes: list[tuple[int, ...]],
    spec: BuildSpec,
    progress: Progress,
) -> tuple[list[Part], list[tuple[int, str]]]:
    """The parts of whole shards, in the order of the plan, and all bad images that were met.

    A shard with bad images is not written unless they are to be skipped; the others still are, so
    that one run names every bad image and the next goes on.

    Raises:
        OutputNotWritableError: the plan does not fit on the disk, or writing fails.
        SourceChangedError: files changed after they were listed.
    """
    found = {shard.stem: read_part(folder, shard) for shard in planned}
    missing = [shard for shard in planned if found[shard.stem] is None]
    if len(missing) < len(planned):
        whole = len(planned) - len(missing)
        progress.note(f"going on: {whole} of {len(planned)} shards are whole")
    _check_space(folder, int(sum(sizes[shard.members].sum() for shard in missing)))
    bad = [one for part in found.values() if part is not None for one in part.bad]
    teller = _Teller(progress, len(bad))
    progress.start("building shards", sum(len(shard.members) for shard in missing), "images")
    skip = spec.on_bad_image == "skip"
    try:
        for shard in missing:
            try:
                part = pack_shard(folder, shard, source, classes, skip_bad=skip, tell=teller.tell)
            except BadMembers as error:
                bad += error.bad
            else:
                found[shard.stem] = part
                bad += part.bad
        teller.tell_rest()
    finally:
        progress.finish()
    return [part for part in found.values() if part is not None], bad


def _judge_bad(
    folder: Path,
    source: Source,
    bad: list[tuple[int, str]],
    spec: BuildSpec,
    progress: Progress,
) -> None:
    """Names bad images in bad.csv.

    Raises:
        BadImagesError: there are some and `on_bad_image` is `fail`.
    """
    names = write_bad(folder, source, bad)
    if names and spec.on_bad_image == "fail":
        raise BadImagesError(len(names), names, folder / BAD_NAME)
    if names:
        progress.note(f"left out: {len(names)} bad images, all named in {folder / BAD_NAME}")


def _check_space(folder: Path, needed: int) -> None:
    """Raises OutputNotWritableError where the disk has less room than the plan needs."""
    free = shutil.disk_usage(folder).free
    if needed > free:
        reason = f"{needed / 1e6:,.0f} MB are needed and {free / 1e6:,.0f} MB are free"
        raise OutputNotWritableError(folder, reason)


class _Teller:
    """Tells the progress every so many images: telling costs more than copying a small one."""

    def __init__(self, progress: Progress, num_bad: int) -> None:
        self._progress = progress
        self._num_bad = num_bad
        self._images = self._bytes = 0
        self._began = time.monotonic()

    def tell(self, num_bytes: int, good: bool) -> None:
        """One image was read."""
        self._images += 1
        self._bytes += num_bytes
        self._num_bad += not good
        if self._images == _NOTE_EVERY:
            self.tell_rest()

    def tell_rest(self) -> None:
        """Tells what was not told yet."""
        rate = self._bytes / 1e6 / max(time.monotonic() - self._began, 1e-9)
        bad = f", {self._num_bad} bad" if self._num_bad else ""
        self._progress.advance(self._images, f"{rate:,.1f} MB/s{bad}")
        self._images = 0
