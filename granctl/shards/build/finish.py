"""The end of a build: the indexes over all shards, the list of bad images, the manifest."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from granctl.errors import BadImagesError, ManifestMismatchError, NoImagesError
from granctl.files import write_bytes
from granctl.progress import Progress
from granctl.provenance import provenance
from granctl.shards.build.pack import Part, find_part, part_rows
from granctl.shards.build.plan import PlannedShard
from granctl.shards.build.planfile import Plan
from granctl.shards.foreign import write_set_indexes
from granctl.shards.index import INDEX_NAME, SCHEMA, index_record
from granctl.shards.indexfile import IndexCounts, writing_index
from granctl.shards.setfiles import BAD_NAME, PARTS_NAME
from granctl.shards.source.listing import SPLITS
from granctl.workspace import finish_folder

NOT_READ = "not-read"
"""Code in bad.csv of what is never read: links, devices, unsafe names, cut-off members of tars."""


def finish(folder: Path, plan: Plan, on_bad_image: str, progress: Progress) -> dict[str, Any]:
    """Writes bad.csv, the indexes and, last, manifest.json, which it returns.

    Args:
        folder: the shard set; every shard is whole.
        plan: of the set.
        on_bad_image: `fail` or `skip`.
        progress: is told what was left out.

    Raises:
        BadImagesError: there are bad images, and they are not to be left out.
        NoImagesError: no image is good.
        ManifestMismatchError: a part is damaged.
    """
    parts = [_whole(folder, shard) for shard in plan.shards]
    num_bad = _write_bad(folder, plan, parts)
    if num_bad and on_bad_image == "fail":
        check_bad_images(folder, num_bad)
    if num_bad:
        progress.note(f"left out: {num_bad} bad images, all named in {folder / BAD_NAME}")
    index = _write_index(folder, plan.shards, plan.labels)
    if not sum(index.images):
        raise NoImagesError(Path(plan.source.text), num_bad)
    manifest = {
        "digest": plan.digest,
        "classes": dict(plan.classes_record),
        "schema": SCHEMA,
        "kind": "shards",
        "content_digest": index.content_digest,
        "labels": list(plan.labels),
        "splits": {name: index.splits[name] for name in SPLITS if name in index.splits},
        "shards": [
            {"name": f"{s.stem}.tar", "split": s.split, "images": images, "bytes": p.num_bytes}
            for s, p, images in zip(plan.shards, parts, index.images, strict=True)
        ],
        "index": index_record(folder / INDEX_NAME),
        "bad_images": num_bad,
        "remarks": index.remarks,
        "source": plan.source.name,
        "seed": plan.identity["seed"],
        # The command stands in spec.json: with other workers or tasks it is another one.
        "provenance": provenance(plan.identity, plan.inputs, with_command=False),
    }
    if plan.recode is not None:
        manifest["recoded"] = {"resize": plan.recode.resize, "quality": plan.recode.quality}
    write_set_indexes(folder, manifest)
    finish_folder(folder, manifest)
    shutil.rmtree(folder / PARTS_NAME, ignore_errors=True)
    return manifest


def check_bad_images(folder: Path, num_bad: int) -> None:
    """Raises BadImagesError, which names the first of them, where there are some."""
    if num_bad:
        with (folder / BAD_NAME).open(newline="") as file:
            rows = [row for row in csv.DictReader(file) if row["left_out"] == "yes"]
        lines = [f"{row['name']} ({row['problem']})" for row in rows]
        raise BadImagesError(num_bad, lines, folder / BAD_NAME)


def _whole(folder: Path, shard: PlannedShard) -> Part:
    part = find_part(folder, shard.stem)
    if part is None:
        problem = "it is gone, or has another size than when it was packed"
        hint = "run the same command again: the shard is made again"
        raise ManifestMismatchError(folder / f"{shard.stem}.tar", problem, hint)
    return part


def _write_bad(folder: Path, plan: Plan, parts: Sequence[Part]) -> int:
    """Writes bad.csv, or removes it where it would be empty; returns how many are left out."""
    bad = sorted(one for part in parts for one in part.bad)
    bad += [(name, NOT_READ, problem) for name, problem in plan.rejected]
    odd = sorted(one for part in parts for one in part.odd)
    if not bad and not odd:
        (folder / BAD_NAME).unlink(missing_ok=True)
        return 0
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(("name", "code", "problem", "left_out"))
    rows.writerows((*one, "yes") for one in bad)
    rows.writerows((*one, "no") for one in odd)
    write_bytes(folder / BAD_NAME, text.getvalue().encode())
    return len(bad)


def _write_index(
    folder: Path, shards: Sequence[PlannedShard], labels: Sequence[str]
) -> IndexCounts:
    """Joins the parts into one Parquet file, a row group a shard."""
    with writing_index(folder / INDEX_NAME, labels) as writer:
        for shard in shards:
            writer.add(shard.split, part_rows(folder, shard.stem))
    return writer.counts()
