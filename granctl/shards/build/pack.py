"""One shard: its planned images, copied and checked, and a part file with their index rows.

Images are read in the order in which they lie in the source, and each goes to its planned place of
a buffer that holds the shard; what is bad is left out when the buffer is written. The part file is
renamed into place after its shard, so a shard with a part is whole.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from granctl.errors import ManifestMismatchError
from granctl.files import replacing
from granctl.shards.build.audit import Audit, Depth, audit, quiet_decoder
from granctl.shards.build.plan import PlannedShard
from granctl.shards.build.recode import Recode, recoded
from granctl.shards.build.structure import Remark
from granctl.shards.setfiles import PARTS_NAME
from granctl.shards.source.listing import Source
from granctl.shards.tar import (
    BLOCK,
    END_BYTES,
    headers,
    json_head,
    json_payload,
    label_members,
    padded,
    sample_bytes,
)
from granctl.workspace import MANIFEST_NAME

UNREADABLE = "unreadable"
_META = b"granctl.part"
_WRITE_BYTES = 1 << 24

Told = tuple[str, str, str]
"""An image for bad.csv: its name in the source, the code of its problem, the problem."""
_ODD: Mapping[Remark, tuple[str, str]] = {
    Remark.CMYK: ("cmyk", "four colour components, which decoders turn into RGB each in its way"),
    Remark.SIXTEEN_BIT: ("16-bit", "16 bits a channel, of which decoders keep 8"),
    Remark.MISNAMED: ("misnamed", "its name says another format than its content"),
}
"""Good images that are worth a line in bad.csv nevertheless."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """What is known of one whole shard, beside its rows."""

    num_bytes: int
    """Of the tar."""
    bad: tuple[Told, ...]
    """Images left out, in the order of the listing."""
    odd: tuple[Told, ...]
    """Images kept that other programs may not like, in the order of the shard."""

    @property
    def is_final(self) -> bool:
        """Whether packing again would give the same: bytes that could not be read may be mended."""
        return all(code != UNREADABLE for _, code, _ in self.bad)


@dataclass(frozen=True, kw_only=True, slots=True)
class Packing:
    """How every shard of a set is packed."""

    source: Source
    classes: Sequence[tuple[int, ...]]
    """The classes of each label of the listing, the first one first."""
    depth: Depth = "structure"
    recode: Recode | None = None


@dataclass(slots=True)
class _Row:
    """One image at its place of the buffer."""

    image: int
    name: str
    begin: int
    end: int
    size: int
    label: str
    checksum: str
    found: Audit


def key_of(i: int) -> str:
    """The WebDataset key of image `i` of the listing: unique in the set, without dots."""
    return f"{i:09d}"


def part_path(folder: Path, stem: str) -> Path:
    """Where the part file of a shard lies."""
    return folder / PARTS_NAME / f"{stem}.parquet"


def pack_shard(
    folder: Path, shard: PlannedShard, packing: Packing, tell: Callable[[int, bool], None]
) -> None:
    """Writes `<stem>.tar` without its bad images, and its part file, which names them.

    What is written is a pure function of the planned members; but where bytes could not be read,
    a shard that another process packed with them stays.

    Args:
        folder: the shard set.
        shard: what to write.
        packing: from where, and how.
        tell: is called for each image with its bytes and whether it was good.

    Raises:
        SourceChangedError: the source is not as it was listed.
        OutputNotWritableError: no space, read-only, no permission.
    """
    recoded_ones = _recoded(shard, packing) if packing.recode else None
    sizes = packing.source.listing.sizes[shard.members]
    layout = _Layout(shard, packing, sizes if recoded_ones is None else recoded_ones.sizes)
    with _buffer(layout.num_bytes) as buffer, quiet_decoder():
        rows, bad = _gathered(shard, packing, layout, recoded_ones, buffer, tell)
        if _read_elsewhere(folder, shard.stem, bad):
            return
        with (
            replacing(folder / f"{shard.stem}.tar") as temporary,
            temporary.open("wb", buffering=0) as file,
        ):
            for begin, end in _runs(rows):
                _write(file, buffer[begin:end])
            _write(file, memoryview(bytes(END_BYTES)))
    _write_part(folder, shard, bad, rows)


_KEPT = bytearray()
"""The buffer of the shard before, used again: fresh memory costs as much as the copying."""


def _buffer(size: int) -> memoryview:
    if len(_KEPT) < size:
        _KEPT.extend(bytes(size - len(_KEPT)))
    return memoryview(_KEPT)[:size]


class _Layout:
    """Where each sample of a shard lies in the buffer, and all of its bytes but the image's."""

    def __init__(self, shard: PlannedShard, packing: Packing, sizes: NDArray[np.int64]) -> None:
        listing = packing.source.listing
        self.members, self.sizes = shard.members, sizes
        self.labels = listing.label_of[shard.members].tolist()
        self.names = listing.names.take(shard.members)
        heads = {n: json_head(listing.labels[n], packing.classes[n]) for n in set(self.labels)}
        payloads = [
            json_payload(heads[n], name) for n, name in zip(self.labels, self.names, strict=True)
        ]
        firsts = {n: b"%d" % packing.classes[n][0] for n in set(self.labels)}
        self.tails = label_members(self.members, [firsts[n] for n in self.labels], payloads)
        json_sizes = np.fromiter(map(len, payloads), np.int64, len(payloads))
        self.ends = np.cumsum(sample_bytes(sizes, json_sizes))
        self.num_bytes = int(self.ends[-1]) if len(sizes) else 0
        self.image_heads: dict[str, NDArray[np.uint8]] = {}

    def place(self, buffer: memoryview, r: int, content: bytes, extension: str) -> tuple[int, int]:
        """Puts sample `r` into the buffer; returns where it begins and ends."""
        if extension not in self.image_heads:
            self.image_heads[extension] = headers(self.members, extension, self.sizes)
        size, end, tail = len(content), int(self.ends[r]), self.tails[r]
        begin = end - len(tail) - padded(size) - BLOCK
        after = begin + BLOCK + size
        buffer[begin : begin + BLOCK] = self.image_heads[extension][r].data
        buffer[begin + BLOCK : after] = content
        buffer[after:end] = bytes(padded(size) - size) + tail
        return begin, end


def _gathered(
    shard: PlannedShard,
    packing: Packing,
    layout: _Layout,
    recoded_ones: _Recoded | None,
    buffer: memoryview,
    tell: Callable[[int, bool], None],
) -> tuple[list[_Row], list[Told]]:
    """Puts the good images at their places of the buffer; these in the shard's order, the bad."""
    listing, members = packing.source.listing, shard.members
    rows: dict[int, _Row] = {}
    bad: list[tuple[int, Told]] = []
    for r in np.argsort(listing.lies_at[members], kind="stable").tolist():
        image, name = int(members[r]), layout.names[r]
        if recoded_ones is None:
            content, found = _checked(packing, image, name)
        else:
            content, found = recoded_ones.at[r]
        tell(len(content), not found.problem)
        if found.problem:
            bad.append((image, (name, found.code, found.problem)))
            continue
        begin, end = layout.place(buffer, r, content, found.extension)
        checksum = xxhash.xxh3_128_hexdigest(content)
        label = listing.labels[layout.labels[r]]
        rows[r] = _Row(image, name, begin, end, len(content), label, checksum, found)
    return [rows[r] for r in sorted(rows)], [told for _, told in sorted(bad)]


@dataclass(slots=True)
class _Recoded:
    """All images of a shard, encoded anew: their sizes are known only then."""

    at: list[tuple[bytes, Audit]]
    sizes: NDArray[np.int64]


def _recoded(shard: PlannedShard, packing: Packing) -> _Recoded:
    assert packing.recode is not None
    listing = packing.source.listing
    at: list[tuple[bytes, Audit]] = [(b"", Audit("", 0, 0))] * len(shard.members)
    for r in np.argsort(listing.lies_at[shard.members], kind="stable").tolist():
        image = int(shard.members[r])
        content, found = _checked(packing, image, listing.names[image])
        at[r] = (content, found) if found.problem else recoded(content, found, packing.recode)
    return _Recoded(at, np.array([len(content) for content, _ in at], dtype=np.int64))


def _checked(packing: Packing, image: int, name: str) -> tuple[bytes, Audit]:
    try:
        content = packing.source.read(image)
    except OSError as error:
        return b"", Audit("", 0, 0, f"cannot be read: {error.strerror}", UNREADABLE)
    return content, audit(content, name, packing.depth)


def _runs(rows: Sequence[_Row]) -> Iterator[tuple[int, int]]:
    """Stretches of the buffer without a bad image between."""
    begin = end = 0
    for row in rows:
        if row.begin != end:
            yield begin, end
            begin = row.begin
        end = row.end
    yield begin, end


def _write(file: Any, content: memoryview) -> None:
    """Writes all of it; a raw file may take less at once."""
    while content:
        content = content[file.write(content[:_WRITE_BYTES]) :]


def _write_part(folder: Path, shard: PlannedShard, bad: list[Told], rows: list[_Row]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    lengths = np.array([row.end - row.begin for row in rows], dtype=np.int64)
    ends = np.cumsum(lengths)
    num_bytes = int(lengths.sum()) + END_BYTES
    odd = [
        (row.name, *said) for row in rows for one, said in _ODD.items() if row.found.remarks & one
    ]
    head = {"bytes": num_bytes, "bad": bad, "odd": odd}
    table = pa.table(
        {
            "offset": pa.array(ends - lengths + BLOCK, pa.int64()),
            "size": pa.array([row.size for row in rows], pa.int32()),
            "key": pa.array([key_of(row.image) for row in rows], pa.string()),
            "label": pa.array([row.label for row in rows], pa.string()),
            "checksum": pa.array([row.checksum for row in rows], pa.string()),
            "width": pa.array([row.found.width for row in rows], pa.int32()),
            "height": pa.array([row.found.height for row in rows], pa.int32()),
            "remarks": pa.array([row.found.remarks for row in rows], pa.uint8()),
        }
    ).replace_schema_metadata({_META: json.dumps(head)})
    with replacing(part_path(folder, shard.stem)) as temporary:
        pq.write_table(table, temporary, compression="zstd")


def _read_elsewhere(folder: Path, stem: str, bad: Sequence[Told]) -> bool:
    """Whether a process that could read more was quicker.

    Two may pack a shard at once where a scheduler takes a machine for lost that is not.
    """
    if all(code != UNREADABLE for _, code, _ in bad):
        return False
    if (folder / MANIFEST_NAME).is_file():
        return True
    part = find_part(folder, stem)
    return part is not None and len(part.bad) < len(bad)


def find_part(folder: Path, stem: str) -> Part | None:
    """What is known of a shard that is whole, or None where it must be packed.

    Raises:
        ManifestMismatchError: the part file is damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path, tar = part_path(folder, stem), folder / f"{stem}.tar"
    if not path.is_file() or not tar.is_file():
        return None
    try:
        head = json.loads((pq.read_schema(path).metadata or {})[_META])
        bad, odd = (tuple((str(n), str(c), str(p)) for n, c, p in head[k]) for k in ("bad", "odd"))
        num_bytes = int(head["bytes"])
    except FileNotFoundError:  # parts go when the set is whole
        return None
    except (pa.ArrowException, OSError, KeyError, ValueError, TypeError) as error:
        raise _damaged(path, error) from error
    if tar.stat().st_size != num_bytes:
        return None
    return Part(num_bytes=num_bytes, bad=bad, odd=odd)


def part_rows(folder: Path, stem: str) -> Any:
    """The rows of a whole shard: a pyarrow table, as it goes into the index.

    Its columns are offset, size, key, label, checksum, width, height, remarks.

    Raises:
        ManifestMismatchError: the part file is damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = part_path(folder, stem)
    try:
        return pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> ManifestMismatchError:
    problem = f"not a part of a shard set ({error})"
    return ManifestMismatchError(path, problem, "remove it: its shard is made again")
