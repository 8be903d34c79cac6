"""One shard: its planned images, copied and checked, and a part file with their index rows.

Images are read in the order in which they lie in the source, and each goes to its planned place of
the tar, which is put together in memory; what is bad leaves a gap, which is closed at the end. The
part file is renamed into place after its shard, so a shard with a part is whole.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from granctl.errors import ManifestMismatchError
from granctl.files import replacing
from granctl.shards.assembly import Rooms, write_assembled
from granctl.shards.build.audit import Audit, Depth, audit, quiet_decoder
from granctl.shards.build.plan import PlannedShard
from granctl.shards.build.recode import Recode, recoded
from granctl.shards.build.structure import Remark
from granctl.shards.columns import column_of, text_column
from granctl.shards.dali import write_dali_index
from granctl.shards.setfiles import PARTS_NAME
from granctl.shards.source.listing import Source
from granctl.shards.source.slowdisk import InTurn
from granctl.shards.tar import (
    BLOCK,
    END_BYTES,
    headers,
    json_head,
    json_payload,
    label_members,
    sample_bytes,
)
from granctl.workspace import MANIFEST_NAME

UNREADABLE = "unreadable"
_META = b"granctl.part"
_PADDING = [bytes(num) for num in range(BLOCK)]
_ROOMS = Rooms()

Told = tuple[str, str, str]
"""An image for bad.csv: its name in the source, the code of its problem, the problem."""
_ODD: Mapping[int, tuple[str, str]] = {
    int(Remark.CMYK): (
        "cmyk",
        "four colour components, which decoders turn into RGB each in its way",
    ),
    int(Remark.SIXTEEN_BIT): ("16-bit", "16 bits a channel, of which decoders keep 8"),
    int(Remark.MISNAMED): ("misnamed", "its name says another format than its content"),
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
    """One image at its place of the tar."""

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


def packed(
    folder: Path, shard: PlannedShard, packing: Packing, tell: Callable[[int, bool], None]
) -> Callable[[], None]:
    """Puts a shard together without its bad images; what is returned writes it and its part file.

    What is written is a pure function of the planned members; but where bytes could not be read,
    a shard that another process packed with them stays.

    Args:
        folder: the shard set.
        shard: what to write.
        packing: from where, and how.
        tell: is called for each image with its bytes and whether it was good.

    Raises:
        SourceChangedError: the source is not as it was listed.
        OutputNotWritableError: by what is returned: no space, read-only, no permission.
    """
    recoded_ones = _recoded(shard, packing) if packing.recode else None
    sizes = packing.source.listing.sizes[shard.members]
    layout = _Layout(shard, packing, sizes if recoded_ones is None else recoded_ones.sizes)
    room = _ROOMS.take(layout.num_bytes + END_BYTES)
    with quiet_decoder():
        rows, bad = _gathered(shard, packing, layout, recoded_ones, room.bytes, tell)
    end = _without_gaps(room.bytes, rows)
    room.bytes[end : end + END_BYTES] = bytes(END_BYTES)

    def write() -> None:
        with suppress(_ReadElsewhereError):
            with replacing(folder / f"{shard.stem}.tar") as temporary:
                write_assembled(temporary, room.bytes, end + END_BYTES)
                _check_not_read_elsewhere(folder, shard.stem, bad)
            places = _offsets(rows)
            write_dali_index(folder / f"{shard.stem}.tar", room.bytes, places)
            _write_part(folder, shard, bad, rows, places)
        room.give_back()

    return write


class _Layout:
    """Where each sample of a shard lies in its tar, and all of its bytes but the image's."""

    def __init__(self, shard: PlannedShard, packing: Packing, sizes: NDArray[np.int64]) -> None:
        listing = packing.source.listing
        self._members, self._sizes = shard.members, sizes
        self.labels = listing.label_of[shard.members].tolist()
        self.names = list(listing.names.take(shard.members))
        present = set(self.labels)
        heads = {n: json_head(listing.labels[n], packing.classes[n]) for n in present}
        firsts = {n: b"%d" % packing.classes[n][0] for n in present}
        payloads = [
            json_payload(heads[n], name) for n, name in zip(self.labels, self.names, strict=True)
        ]
        self._behind = label_members(shard.members, [firsts[n] for n in self.labels], payloads)
        json_sizes = np.fromiter(map(len, payloads), np.int64, len(payloads))
        self.ends: list[int] = np.cumsum(sample_bytes(sizes, json_sizes)).tolist()
        self.begins: list[int] = [0, *self.ends[:-1]]
        self.num_bytes = self.ends[-1] if self.ends else 0
        self._image_heads: dict[str, NDArray[np.uint8]] = {}

    def put(self, tar: memoryview, r: int, content: bytes, extension: str) -> None:
        """Puts sample `r` at its place."""
        if extension not in self._image_heads:
            self._image_heads[extension] = headers(self._members, extension, self._sizes)
        begin, end = self.begins[r] + BLOCK, self.begins[r] + BLOCK + len(content)
        tar[self.begins[r] : begin] = self._image_heads[extension][r].data
        tar[begin:end] = content
        tar[end : self.ends[r]] = _PADDING[-len(content) % BLOCK] + self._behind[r]


def _gathered(
    shard: PlannedShard,
    packing: Packing,
    layout: _Layout,
    recoded_ones: _Recoded | None,
    tar: memoryview,
    tell: Callable[[int, bool], None],
) -> tuple[list[_Row], list[Told]]:
    """Puts the good images at their places; returns them in the shard's order, and the bad."""
    listing, members = packing.source.listing, shard.members
    rows: dict[int, _Row] = {}
    bad: list[tuple[int, Told]] = []
    order = np.argsort(listing.lies_at[members], kind="stable")
    reading = InTurn(packing.source, members[order].tolist())
    for r in order.tolist():
        image, name = int(members[r]), layout.names[r]
        if recoded_ones is None:
            content, found = _checked(reading, name, packing.depth)
        else:
            content, found = recoded_ones.at[r]
        tell(len(content), not found.problem)
        if found.problem:
            bad.append((image, (name, found.code, found.problem)))
            continue
        layout.put(tar, r, content, found.extension)
        checksum = xxhash.xxh3_128_hexdigest(content)
        label, bounds = listing.labels[layout.labels[r]], (layout.begins[r], layout.ends[r])
        rows[r] = _Row(image, name, *bounds, len(content), label, checksum, found)
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
    order = np.argsort(listing.lies_at[shard.members], kind="stable")
    reading = InTurn(packing.source, shard.members[order].tolist())
    for r in order.tolist():
        name = listing.names[int(shard.members[r])]
        content, found = _checked(reading, name, packing.depth)
        at[r] = (content, found) if found.problem else recoded(content, found, packing.recode)
    return _Recoded(at, np.array([len(content) for content, _ in at], dtype=np.int64))


def _checked(reading: InTurn, name: str, depth: Depth) -> tuple[bytes, Audit]:
    """The next image, and what is found in it."""
    try:
        content = reading.read()
    except OSError as error:
        return b"", Audit("", 0, 0, f"cannot be read: {error.strerror}", UNREADABLE)
    return content, audit(content, name, depth)


def _without_gaps(tar: memoryview, rows: Sequence[_Row]) -> int:
    """Moves what lies behind a bad image down to it; returns where the last sample then ends."""
    at = 0
    for begin, end in _runs(rows):
        if begin != at:
            tar[at : at + end - begin] = tar[begin:end]
        at += end - begin
    return at


def _runs(rows: Sequence[_Row]) -> Iterator[tuple[int, int]]:
    """Stretches of the tar without a bad image between."""
    begin = end = 0
    for row in rows:
        if row.begin != end:
            yield begin, end
            begin = row.begin
        end = row.end
    yield begin, end


def _offsets(rows: Sequence[_Row]) -> NDArray[np.int64]:
    """Where each image lies once the gaps are closed."""
    lengths = np.array([row.end - row.begin for row in rows], dtype=np.int64)
    offsets: NDArray[np.int64] = np.cumsum(lengths) - lengths + BLOCK
    return offsets


def _write_part(
    folder: Path,
    shard: PlannedShard,
    bad: list[Told],
    rows: list[_Row],
    offsets: NDArray[np.int64],
) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    num_bytes = sum(row.end - row.begin for row in rows) + END_BYTES
    odd = [
        (row.name, *said) for row in rows for one, said in _ODD.items() if row.found.remarks & one
    ]
    head = {"bytes": num_bytes, "bad": bad, "odd": odd}
    table = pa.table(
        {
            "offset": column_of(offsets),
            "size": column_of(np.array([row.size for row in rows], dtype=np.int32)),
            "key": text_column([key_of(row.image) for row in rows]),
            "label": text_column([row.label for row in rows]),
            "checksum": text_column([row.checksum for row in rows]),
            "width": column_of(np.array([row.found.width for row in rows], dtype=np.int32)),
            "height": column_of(np.array([row.found.height for row in rows], dtype=np.int32)),
            "remarks": column_of(np.array([row.found.remarks for row in rows], dtype=np.uint8)),
        }
    ).replace_schema_metadata({_META: json.dumps(head)})
    with replacing(part_path(folder, shard.stem)) as temporary:
        # It is read once and removed: compressing it costs more than its few bytes.
        pq.write_table(table, temporary, compression="none", use_dictionary=False)


class _ReadElsewhereError(Exception):
    """A process that could read more was quicker."""


def _check_not_read_elsewhere(folder: Path, stem: str, bad: Sequence[Told]) -> None:
    """Raises _ReadElsewhereError where a shard is there with more images than could be read here.

    Two may pack a shard at once where a scheduler takes a machine for lost that is not.
    """
    if all(code != UNREADABLE for _, code, _ in bad):
        return
    if (folder / MANIFEST_NAME).is_file():
        raise _ReadElsewhereError
    part = find_part(folder, stem)
    if part is not None and len(part.bad) < len(bad):
        raise _ReadElsewhereError


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
        with pq.ParquetFile(path) as file:
            return file.read()
    except (pa.ArrowException, OSError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> ManifestMismatchError:
    problem = f"not a part of a shard set ({error})"
    return ManifestMismatchError(path, problem, "remove it: its shard is made again")
