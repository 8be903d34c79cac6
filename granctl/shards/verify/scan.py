"""One shard read from its beginning to its end: checksums, and what stands around the images."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import xxhash

from granctl.shards.pool import Tell
from granctl.shards.tar import BLOCK, END_BYTES
from granctl.shards.verify.judge import FIRST_BYTES, HEAD_BYTES, Gathered, Verdicts, judged
from granctl.shards.verify.layout import LabelHeads, Layout, ShardRows

_WINDOW_BYTES = 1 << 20
"""Small enough to stay in the processor's cache between reading and hashing."""
_STRETCH = 4096
"""Rows that are judged at once."""
_STRETCH_BYTES = 1 << 26
"""Most bytes of their label members."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Scan:
    """What one pass over a shard found."""

    num_bytes: int
    """Of the file."""
    num_rows: int
    """Rows of the index whose samples the file holds in full: the first so many."""
    ends_well: bool
    """Two blocks of zeros stand behind the last sample, and nothing else."""
    verdicts: Verdicts
    """Of these rows."""

    @property
    def is_as_listed(self) -> bool:
        """Nothing in the tar is anything but what index and manifest say."""
        return self.ends_well and bool(self.verdicts.framed.all())


class _Room:
    """Memory that every shard of this process is read into: fresh memory costs as much as reading.

    It grows with the largest sample.
    """

    def __init__(self) -> None:
        self.window = memoryview(bytearray(_WINDOW_BYTES))
        self.got = Gathered(heads=bytearray(), pads=bytearray(), tails=bytearray())

    def fill(self, file: BinaryIO, size: int) -> int:
        """Reads the next `size` bytes into the window; fewer where the file ends before."""
        got = 0
        while got < size:
            if got == len(self.window):  # an index may claim gigabytes that are not there
                self.window = memoryview(bytearray(self.window) + bytes(min(got, size - got)))
            more = file.readinto(self.window[got:size])  # type: ignore[attr-defined]
            if not more:
                break
            got += more
        return got

    def gathered(self, layout: Layout) -> Gathered:
        """Room for what stands around the images of a stretch."""
        got = self.got
        needed = (HEAD_BYTES * len(layout), int(layout.pads.sum()), int(layout.tail_sizes.sum()))
        for room, size in zip((got.heads, got.pads, got.tails), needed, strict=True):
            if len(room) < size:
                room.extend(bytes(size - len(room)))
        return got


_room = _Room()


def scan_shard(
    file: BinaryIO, rows: ShardRows, layout: Layout, known: LabelHeads, tell: Tell
) -> Scan:
    """Reads a shard once and judges each of its samples.

    Args:
        file: at its beginning.
        rows: what the index says is in it.
        layout: of these rows.
        known: what label members are to say.
        tell: is called with images and bytes as they were read.

    Raises:
        OSError: it cannot be read.
    """
    pieces: list[Verdicts] = []
    done = at = 0
    whole = True
    while whole and done < len(rows):
        ours = slice(done, _stretch_end(layout, done))
        piece, at = _read_stretch(file, rows.slice(ours), layout.slice(ours), known, tell)
        pieces.append(piece)
        done += len(piece.sound)
        whole = done == ours.stop
    got = _room.fill(file, END_BYTES) if whole else 0
    ends_well = whole and got == END_BYTES and not bytes(_room.window[:got]).strip(b"\0")
    num_bytes = at + got
    while more := _room.fill(file, _WINDOW_BYTES):
        num_bytes, ends_well = num_bytes + more, False
    return Scan(
        num_bytes=num_bytes,
        num_rows=done,
        ends_well=ends_well,
        verdicts=Verdicts.joined(pieces),
    )


def _stretch_end(layout: Layout, begin: int) -> int:
    """Behind the rows that are judged at once: not too many, with not too much around them."""
    sums = np.cumsum(layout.tail_sizes[begin : begin + _STRETCH])
    return begin + max(int(np.searchsorted(sums, _STRETCH_BYTES, side="right")), 1)


def _read_stretch(
    file: BinaryIO, rows: ShardRows, layout: Layout, known: LabelHeads, tell: Tell
) -> tuple[Verdicts, int]:
    """Reads and judges some rows, as many as the file holds in full; and how far it was read."""
    offsets, sizes = rows.offsets.tolist(), rows.sizes.tolist()
    pads, ends = layout.pads.tolist(), layout.ends.tolist()
    got = _room.gathered(layout)
    heads, padding, tails = memoryview(got.heads), memoryview(got.pads), memoryview(got.tails)
    head_at = pad_at = tail_at = 0
    sums: list[bytes] = []
    digest = xxhash.xxh3_128_digest
    i, n, begin = 0, len(rows), int(layout.begins[0])
    while i < n:
        first, base = i, begin
        last = max(bisect_right(ends, base + _WINDOW_BYTES, i, n), i + 1)
        limit = base + _room.fill(file, ends[last - 1] - base)
        view = _room.window
        while i < last and ends[i] <= limit:
            at = offsets[i] - base
            end = at + sizes[i]
            tail, begin = end + pads[i], ends[i]
            sums.append(digest(view[at:end]))
            heads[head_at : head_at + HEAD_BYTES] = view[at - BLOCK : at + FIRST_BYTES]
            head_at += HEAD_BYTES
            padding[pad_at : pad_at + pads[i]] = view[end:tail]
            pad_at += pads[i]
            size = begin - base - tail
            tails[tail_at : tail_at + size] = view[tail : tail + size]
            tail_at += size
            i += 1
        tell(i - first, limit - base, 0)
        if i < last:
            begin = limit
            break
    found = np.frombuffer(b"".join(sums), dtype=np.uint8).reshape(i, 16)
    sound = (found == rows.sums[:i]).all(axis=1)
    ours = slice(0, i)
    return judged(rows.slice(ours), layout.slice(ours), sound, got, known), begin
