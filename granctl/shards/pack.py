"""One shard: its planned images, copied and checked, and a part file with their index rows.

The part file is renamed into place after its shard, so a shard with a part is whole.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xxhash

from granctl.errors import ManifestMismatchError
from granctl.files import replacing
from granctl.shards.audit import Audit, audit, quiet_decoder
from granctl.shards.listing import Source
from granctl.shards.plan import PlannedShard
from granctl.shards.tar import BLOCK, END_BYTES, json_payload, sample

PARTS_NAME = ".parts"
_META = b"granctl.part"
_BUFFER_BYTES = 1 << 22


class BadMembers(Exception):  # noqa: N818
    """A shard was not written because of these images; caught by the build, never by users."""

    def __init__(self, bad: list[tuple[int, str]]) -> None:
        super().__init__(f"{len(bad)} bad images")
        self.bad = bad


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """What is known of one whole shard."""

    name: str
    split: str
    num_bytes: int
    bad: tuple[tuple[int, str], ...]
    """Images left out: index into the listing, and the problem."""
    table: Any
    """A pyarrow table: offset, size, key, label, checksum, width, height."""


def key_of(i: int) -> str:
    """The WebDataset key of image `i` of the listing: unique in the set, without dots."""
    return f"{i:09d}"


def part_path(folder: Path, stem: str) -> Path:
    """Where the part file of a shard lies."""
    return folder / PARTS_NAME / f"{stem}.parquet"


def pack_shard(
    folder: Path,
    shard: PlannedShard,
    source: Source,
    classes_of_label: list[tuple[int, ...]],
    *,
    skip_bad: bool,
    tell: Callable[[int, bool], None],
) -> Part:
    """Writes `<stem>.tar` and its part file; a pure function of the planned members.

    Args:
        folder: the shard set.
        shard: what to write.
        source: where the bytes are.
        classes_of_label: the classes of each label of the listing, the first one first.
        skip_bad: leave images out that do not decode.
        tell: is called for each image with its bytes and whether it was good.

    Raises:
        BadMembers: images do not decode, and they are not to be skipped; nothing is written.
        SourceChangedError: the source is not as it was listed.
        OutputNotWritableError: no space, read-only, no permission.
    """
    name = f"{shard.stem}.tar"
    rows: list[dict[str, Any]] = []
    bad: list[tuple[int, str]] = []
    with quiet_decoder(), replacing(folder / name) as temporary:
        with temporary.open("wb", buffering=_BUFFER_BYTES) as file:
            offset = 0
            for i in shard.members.tolist():
                content, found = _checked(source, i)
                tell(len(content), not found.problem)
                if found.problem:
                    bad.append((i, found.problem))
                    continue
                label = int(source.listing.label_of[i])
                classes = classes_of_label[label]
                label_id = source.listing.labels[label]
                payload = json_payload(label_id, classes, source.listing.names[i])
                packed = sample(key_of(i), found.extension, content, classes[0], payload)
                file.write(packed)
                rows.append(_row(offset, i, label_id, content, found))
                offset += len(packed)
            file.write(bytes(END_BYTES))
        if bad and not skip_bad:
            raise BadMembers(bad)
    return _write_part(folder, shard, offset + END_BYTES, bad, rows)


def _checked(source: Source, i: int) -> tuple[bytes, Audit]:
    try:
        content = source.read(i)
    except OSError as error:
        return b"", Audit("", 0, 0, f"cannot be read: {error.strerror}")
    return content, audit(content)


def _row(offset: int, i: int, label: str, content: bytes, found: Audit) -> dict[str, Any]:
    return {
        "offset": offset + BLOCK,
        "size": len(content),
        "key": key_of(i),
        "label": label,
        "checksum": xxhash.xxh3_128_hexdigest(content),
        "width": found.width,
        "height": found.height,
    }


def _write_part(
    folder: Path,
    shard: PlannedShard,
    num_bytes: int,
    bad: list[tuple[int, str]],
    rows: list[dict[str, Any]],
) -> Part:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema(
        [
            ("offset", pa.int64()),
            ("size", pa.int32()),
            ("key", pa.string()),
            ("label", pa.string()),
            ("checksum", pa.string()),
            ("width", pa.int32()),
            ("height", pa.int32()),
        ],
        metadata={_META: json.dumps({"bytes": num_bytes, "bad": bad})},
    )
    table = pa.Table.from_pylist(rows, schema=schema)
    with replacing(part_path(folder, shard.stem)) as temporary:
        pq.write_table(table, temporary, compression="zstd")
    name = f"{shard.stem}.tar"
    return Part(name=name, split=shard.split, num_bytes=num_bytes, bad=tuple(bad), table=table)


def read_part(folder: Path, shard: PlannedShard) -> Part | None:
    """The part of a shard that an earlier build finished, or None where it must be written.

    Raises:
        ManifestMismatchError: the part file is damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path, tar = part_path(folder, shard.stem), folder / f"{shard.stem}.tar"
    if not path.is_file() or not tar.is_file():
        return None
    try:
        table = pq.read_table(path)
        head = json.loads((table.schema.metadata or {})[_META])
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        problem = f"not a part of a shard set ({error})"
        raise ManifestMismatchError(path, problem, "remove it: its shard is made again") from error
    if tar.stat().st_size != head["bytes"]:
        return None
    return Part(
        name=tar.name,
        split=shard.split,
        num_bytes=head["bytes"],
        bad=tuple((i, problem) for i, problem in head["bad"]),
        table=table,
    )
