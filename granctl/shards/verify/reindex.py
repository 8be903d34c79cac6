"""index.parquet made again from the shards: a row a sample, audited as when it was packed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import xxhash

from granctl.files import replacing
from granctl.progress import Progress
from granctl.shards.build.audit import audit, quiet_decoder
from granctl.shards.index import INDEX_NAME, ShardSet, index_record
from granctl.shards.indexfile import writing_index
from granctl.shards.pool import Tell, Teller, over_shards
from granctl.shards.source.headers import Members, scan_tar
from granctl.shards.verify.walk import LABEL_MEMBERS


def reindex(
    shards: ShardSet, folder: Path, workers: int, progress: Progress
) -> dict[str, Any] | None:
    """Writes the index of the shards of a set to a folder; its record for the manifest.

    None: it does not hold what the manifest says, so that shards are damaged too.

    Raises:
        OutputNotWritableError: no space, read-only, no permission.
        WorkerDiedError: a worker process was killed.
    """
    names = shards.shard_names
    records = shards.manifest["shards"]
    teller = Teller(progress)
    progress.start("indexing", sum(record["images"] for record in records), "images")

    def work(number: int, tell: Tell) -> bool:
        part = folder / f"{names[number]}.parquet"
        return part.is_file() or _write_rows(shards, names[number], part, tell)

    try:
        readable = all(over_shards(names, work, workers, teller.tell))
        teller.tell_rest()
    finally:
        progress.finish()
    if not readable:
        return None
    counts = _join(shards, folder)
    said = shards.manifest
    splits = {name: said["splits"][name] for name in shards.splits}
    same = (counts.content_digest, counts.splits) == (said["content_digest"], splits)
    remarks = counts.remarks == said.get("remarks", {})
    images = counts.images == [record["images"] for record in records]
    return index_record(folder / INDEX_NAME) if same and remarks and images else None


def _join(shards: ShardSet, folder: Path) -> Any:
    import pyarrow.parquet as pq

    with writing_index(folder / INDEX_NAME, shards.labels) as writer:
        for record in shards.manifest["shards"]:
            rows = pq.read_table(folder / f"{record['name']}.parquet")
            writer.add(record["split"], rows)
    return writer.counts()


def _write_rows(shards: ShardSet, name: str, part: Path, tell: Tell) -> bool:
    """Writes the rows of one shard; False: its samples cannot be made out."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    recoded = "recoded" in shards.manifest
    known = frozenset(shards.labels)
    rows: list[tuple[Any, ...]] = []
    try:
        with (shards.root / name).open("rb") as file, quiet_decoder():
            size = (shards.root / name).stat().st_size
            for key, image, text in _samples(scan_tar(file.fileno(), 0, size)):
                content, value = _read(file, image), json.loads(_read(file, text))
                # Encoded anew, an image is a plain JPEG whatever its source was.
                found = audit(content, "" if recoded else value["source"])
                if found.problem or value["label"] not in known:
                    return False
                checksum = xxhash.xxh3_128_hexdigest(content)
                size_of = (found.width, found.height, found.remarks)
                rows.append((image[0], image[1], key, value["label"], checksum, *size_of))
                tell(1, len(content), 0)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return False
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(_COLUMNS)
    arrays = {
        column: pa.array(values, pa.type_for_alias(kind))
        for (column, kind), values in zip(_COLUMNS, columns, strict=True)
    }
    with replacing(part) as temporary:
        pq.write_table(pa.table(arrays), temporary, compression="zstd")
    return True


_COLUMNS = (
    ("offset", "int64"),
    ("size", "int32"),
    ("key", "string"),
    ("label", "string"),
    ("checksum", "string"),
    ("width", "int32"),
    ("height", "int32"),
    ("remarks", "uint8"),
)

Span = tuple[int, int]
"""Offset and bytes."""


def _samples(members: Members) -> Sequence[tuple[str, Span, Span]]:
    """Key, image and `.json` of each sample.

    Raises:
        ValueError: the members are not those of samples that granctl wrote.
    """
    if members.rejected or len(members.names) % 3:
        raise ValueError("members that granctl did not write")
    rows = list(zip(members.names, members.offsets.tolist(), members.sizes.tolist(), strict=True))
    found = []
    for (name, *image), (cls, *_), (text, *place) in zip(
        rows[::3], rows[1::3], rows[2::3], strict=True
    ):
        key = name.partition(".")[0]
        if (cls, text) != tuple(f"{key}.{member}" for member in LABEL_MEMBERS):
            raise ValueError("members that granctl did not write")
        found.append((key, (image[0], image[1]), (place[0], place[1])))
    return found


def _read(file: Any, span: Span) -> bytes:
    file.seek(span[0])
    content: bytes = file.read(span[1])
    return content
