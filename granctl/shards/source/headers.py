"""One pass over the headers of a tar: where each file in it lies, and what must not be read.

Python's tarfile makes an object a member and checks one header at a time; here the walk only finds
the next header, and names and checksums are worked out for thousands of headers at once.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from granctl.shards.names import Names
from granctl.shards.source.headerfields import (
    as_text,
    name_in,
    names_in,
    octal,
    pax_records,
    safe_name,
    size_in,
    sum_holds,
    sums_hold,
)
from granctl.shards.tar import BLOCK, padded

_BATCH = 4096
_FILE = ord("0")
_FILE_KINDS = frozenset(b"0\x007")
_KINDS_WITHOUT_DATA = frozenset(b"123456")
_NEVER_READ = {
    "1": "a hard link inside a tar is never followed",
    "2": "a symbolic link inside a tar is never followed",
    "3": "a device",
    "4": "a device",
    "6": "a named pipe",
    "S": "a sparse file",
}
_FOLDER, _LONG_NAME, _PAX, _PAX_GLOBAL = "5", "L", ("x", "X"), "g"
_SKIPPED = ("K", "V", "M", "D", "N", "A")  # long link targets, volume labels, dump directories
_DAMAGED = "damaged header at byte {}: what follows is not read"
NO_END = "it ends without the zero blocks that end a tar: it may be cut off"
CUT_OFF = "cut off by the end of the file"
_LONGEST = 1 << 20
"""A name or a PAX record longer than this is hostile."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Members:
    """The plain files of one tar, in its order; arrays of shape (m,)."""

    names: Names
    """Relative paths without `.` and `..`; bytes that are not UTF-8 are written as \\xNN."""
    offsets: NDArray[np.int64]
    """First byte of the content inside the file."""
    sizes: NDArray[np.int64]
    mtimes: NDArray[np.int64]
    """Seconds, as the headers say; they belong to the identity of a source."""
    rejected: tuple[tuple[str, str], ...]
    """Name and problem of what is never read; the name is empty for the tar itself."""


class _Damaged(Exception):  # noqa: N818
    """The walk cannot go on: caught in this module."""


class _Walk:
    """The state of one pass: what was found, and what extended headers say of the next member."""

    def __init__(self, handle: int, begin: int, end: int) -> None:
        self.handle, self.begin, self.end = handle, begin, end
        self.pieces: list[tuple[Names, NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]]
        self.pieces = []
        self.rejected: list[tuple[str, str]] = []
        self.global_name: bytes | None = None
        self.heads: list[bytes] = []
        self.places: list[int] = []
        self.named: dict[int, bytes] = {}
        self.sized: dict[int, int] = {}

    def flush(self) -> None:
        """Works out the headers that were gathered.

        Raises:
            _Damaged: one of them fails its checksum; those before it are kept.
        """
        if not self.heads:
            return
        heads = np.frombuffer(b"".join(self.heads), dtype=np.uint8).reshape(-1, BLOCK)
        places = np.array(self.places, dtype=np.int64)
        wrong = np.flatnonzero(~sums_hold(heads))
        num = int(wrong[0]) if len(wrong) else len(heads)
        self._work_out(heads[:num], places[:num])
        for gathered in (self.heads, self.places, self.named, self.sized):
            gathered.clear()
        if len(wrong):
            raise _Damaged(_DAMAGED.format(places[num] - self.begin))

    def _work_out(self, heads: NDArray[np.uint8], places: NDArray[np.int64]) -> None:
        sizes, times = octal(heads[:, 124:135]), octal(heads[:, 136:147])
        for i in np.flatnonzero(sizes < 0).tolist():
            sizes[i] = size_in(heads[i].tobytes())
        for i, size in self.sized.items():
            sizes[i : i + 1] = size
        names = names_in(heads, self.named)
        if isinstance(names, Names):
            self.pieces.append((names, places + BLOCK, sizes, times))
            return
        safe = [safe_name(name) for name in names]
        good = np.flatnonzero([bool(name) for name in safe])
        packed = Names.packed([name for name in safe if name])
        self.pieces.append((packed, places[good] + BLOCK, sizes[good], times[good]))
        problem = "its name leads out of the tar, or is empty"
        bad = [as_text(name) for name, kept in zip(names, safe, strict=True) if not kept]
        self.rejected += [(name, problem) for name in bad]

    def members(self) -> Members:
        """All that was found."""
        names, offsets, sizes, times = zip(*self.pieces, strict=True) if self.pieces else [()] * 4
        empty = np.zeros(0, dtype=np.int64)
        return Members(
            names=Names.joined(names),
            offsets=np.concatenate([empty, *offsets]),
            sizes=np.concatenate([empty, *sizes]),
            mtimes=np.concatenate([empty, *times]),
            rejected=tuple(self.rejected),
        )


def scan_tar(handle: int, begin: int, end: int) -> Members:
    """Walks the headers of a tar that lies at [begin, end) of an open file; reads no content.

    USTAR, GNU (long names, base-256 sizes) and PAX (path, size) are understood; archives that
    were joined by `cat` are read on. Links, devices, sparse files, names that lead out, members
    that the end cuts off: rejected, with a reason. It never raises for what the bytes say.

    Raises:
        OSError: the file cannot be read.
    """
    walk = _Walk(handle, begin, end)
    try:
        _walked(walk)
    except _Damaged as problem:
        try:
            walk.flush()
            walk.rejected.append(("", str(problem)))
        except _Damaged as earlier:
            walk.rejected.append(("", str(earlier)))
    return walk.members()


def _walked(walk: _Walk) -> None:
    """The loop over headers.

    Raises:
        _Damaged: what stands where a header should is none, or the end is missing.
    """
    handle, end, at = walk.handle, walk.end, walk.begin
    heads, places, pread = walk.heads, walk.places, os.pread
    name: bytes | None = None
    size_said: int | None = None
    whole, plain = False, True
    while at + BLOCK <= end:
        head = pread(handle, BLOCK, at)
        try:
            kind, size = head[156], int(head[124:135], 8)
        except (ValueError, IndexError):
            kind, size = 0, -1
        # Where a twelfth byte is no end of the number, the number may be another one.
        if kind == _FILE and plain and size >= 0 and not head[135] & 0xDF and len(head) == BLOCK:
            heads.append(head)
            places.append(at)
            at += BLOCK + (size + 511 & -512)
        elif len(head) < BLOCK:
            break
        elif not head.strip(b"\0"):
            whole, at = True, _next_archive(handle, at, end)
            continue
        elif head[156] in _FILE_KINDS:
            at = _odd_file(walk, head, at, name, size_said)
            name = size_said = None
            plain = walk.global_name is None
        else:
            at, name, size_said = _special(walk, head, at, name, size_said)
            plain = name is None and size_said is None and walk.global_name is None
        if at > end:
            _cut_off(walk)
        if len(heads) >= _BATCH:
            walk.flush()
    walk.flush()
    if not whole:
        raise _Damaged(NO_END)


def _odd_file(walk: _Walk, head: bytes, at: int, name: bytes | None, size_said: int | None) -> int:
    """A file whose name or size stands elsewhere or in another form: where the next header is."""
    size = size_in(head) if size_said is None else size_said
    if size < 0 or not sum_holds(head):
        raise _Damaged(_DAMAGED.format(at - walk.begin))
    called = name if name is not None else walk.global_name
    if head[156] == 0 and (called or name_in(head)).endswith(b"/"):
        return at + BLOCK  # a folder, as tars before 1988 wrote it
    if called is not None:
        walk.named[len(walk.heads)] = called
    walk.sized[len(walk.heads)] = size
    walk.heads.append(head)
    walk.places.append(at)
    return at + BLOCK + padded(size)


def _cut_off(walk: _Walk) -> None:
    """The last member reaches past the end, at least with its padding."""
    if not walk.heads or not sum_holds(walk.heads[-1]):
        return
    last = len(walk.heads) - 1
    size = walk.sized.get(last, -1)
    size = size_in(walk.heads[-1]) if size < 0 else size
    if walk.places[-1] + BLOCK + size <= walk.end:
        return
    called = walk.named.get(last) or name_in(walk.heads[-1])
    del walk.heads[last], walk.places[last]
    walk.named.pop(last, None)
    walk.sized.pop(last, None)
    walk.rejected.append((as_text(called), CUT_OFF))


def _special(
    walk: _Walk, head: bytes, at: int, name: bytes | None, size_said: int | None
) -> tuple[int, bytes | None, int | None]:
    """A header that is no plain file: where the next one is, and what is known of that.

    Raises:
        _Damaged: the header is none.
    """
    place = at - walk.begin
    if not sum_holds(head):
        raise _Damaged(_DAMAGED.format(place))
    kind = chr(head[156])
    size = size_in(head) if size_said is None else size_said
    if size < 0:
        raise _Damaged(_DAMAGED.format(place))
    start = at + BLOCK
    after = start if ord(kind) in _KINDS_WITHOUT_DATA else start + padded(size)
    if kind in (_LONG_NAME, *_PAX, _PAX_GLOBAL):
        if size > _LONGEST or after > walk.end:
            raise _Damaged(f"an extended header at byte {place} of {size} bytes")
        content = os.pread(walk.handle, size, start)
        if kind == _LONG_NAME:
            return after, content.split(b"\0", 1)[0], size_said
        records = dict(pax_records(content))
        if kind == _PAX_GLOBAL:
            walk.global_name = records.get(b"path", walk.global_name)
            return after, name, size_said
        said = records.get(b"size")
        try:
            number = int(said) if said else size_said
        except ValueError as error:
            raise _Damaged(f"an extended header at byte {place} with no number as size") from error
        if any(key.startswith(b"GNU.sparse") for key in records):
            name = records.get(b"GNU.sparse.name", records.get(b"path", name))
            walk.rejected.append((as_text(name or b""), _NEVER_READ["S"]))
            return _after_sparse(walk, after), None, None
        return after, records.get(b"path", name), number
    if kind in _SKIPPED:
        return after, name, size_said
    if kind == "S":
        after += _sparse_blocks(walk.handle, head, start) * BLOCK
    if kind != _FOLDER:
        called = as_text(name or walk.global_name or name_in(head))
        walk.rejected.append((called, _NEVER_READ.get(kind, f"a member of unknown kind {kind!r}")))
    return after, None, None


def _sparse_blocks(handle: int, head: bytes, start: int) -> int:
    """How many blocks more of GNU's map of a sparse file stand before its data."""
    num, more = 0, head[482]
    while more:
        block = os.pread(handle, BLOCK, start + num * BLOCK)
        more = block[504] if len(block) == BLOCK else 0
        num += 1
    return num


def _after_sparse(walk: _Walk, at: int) -> int:
    """Behind the member that a PAX header says is sparse."""
    head = os.pread(walk.handle, BLOCK, at)
    if len(head) < BLOCK or not sum_holds(head):
        raise _Damaged(_DAMAGED.format(at - walk.begin))
    return at + BLOCK + padded(max(size_in(head), 0))


def _next_archive(handle: int, at: int, end: int) -> int:
    """Behind zero blocks: the next header where another archive was joined on, else the end."""
    while at < end:
        content = os.pread(handle, min(1 << 16, end - at), at)
        if not content:
            return end
        rest = content.lstrip(b"\0")
        if rest:
            at += (len(content) - len(rest)) // BLOCK * BLOCK
            head = os.pread(handle, BLOCK, at)
            return at if len(head) == BLOCK and at + BLOCK <= end and sum_holds(head) else end
        at += len(content)
    return end
