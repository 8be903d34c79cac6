"""All tars of a source, walked once and kept: a file that did not change is not walked again."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xxhash
from numpy.typing import NDArray

from granctl.progress import Progress
from granctl.shards.arraycache import cache_path, load_arrays, save_arrays
from granctl.shards.names import Names
from granctl.shards.source.headers import Members, scan_tar
from granctl.shards.source.slowdisk import answered
from granctl.workspace import Workspace

_SCHEMA = 1
_ENDS_BYTES = 4096
_SAVE_SECONDS = 120
TAR_SUFFIX = ".tar"


class Archive(NamedTuple):
    """One tar: a file, or a member of a file that is a tar itself."""

    file: int
    """Index into the files."""
    name: str
    """Name of the member; empty for the file itself."""
    begin: int
    end: int
    ends: str
    """The xxh3-128 of its first and last 4 KiB."""
    num: int
    """Members; they follow those of the archive before."""


class TarFile(NamedTuple):
    """A file of the source as it was walked."""

    name: str
    """Relative to the source's folder."""
    size: int
    mtime_ns: int
    ends: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Scan:
    """What the headers of some files say; members of all archives, one archive after another."""

    files: tuple[TarFile, ...]
    archives: tuple[Archive, ...]
    names: Names
    offsets: NDArray[np.int64]
    sizes: NDArray[np.int64]
    mtimes: NDArray[np.int64]
    rejected: tuple[tuple[int, str, str], ...]
    """Archive, name and problem."""

    @property
    def archive_of(self) -> NDArray[np.int32]:
        """Shape (n,): the archive of each member."""
        num = [archive.num for archive in self.archives]
        return np.repeat(np.arange(len(num), dtype=np.int32), num)


def scan_files(workspace: Workspace, root: Path, names: Sequence[str], progress: Progress) -> Scan:
    """Walks the headers of tars below `root`; what is known from an earlier walk is taken.

    Raises:
        OSError: a file cannot be read.
    """
    path = cache_path(workspace, "headers", "\0".join([str(root.resolve()), *_few(names)]))
    known = _loaded(path)
    now = list(answered(lambda name: _seen(root, name), names, lambda _: 1))
    if known is not None and list(known.files) == now:
        return known
    earlier = dict(zip(known.files, _pieces(known), strict=True)) if known else {}
    asked = [(i, file) for i, file in enumerate(now) if file not in earlier]
    total = sum(file.size for _, file in asked)
    progress.start("reading headers", max(total, 1), "bytes")
    fresh: dict[int, Scan] = {}
    saved = time.monotonic()
    walked = answered(lambda one: _walked(root, one[1]), asked, lambda scan: len(scan.sizes))
    try:
        for (i, file), scan in zip(asked, walked, strict=True):
            fresh[i] = scan
            progress.advance(file.size)
            if time.monotonic() - saved > _SAVE_SECONDS:
                found = [fresh.get(j) or earlier.get(f) for j, f in enumerate(now)]
                _save(path, _joined([scan for scan in found if scan is not None]))
                saved = time.monotonic()
    finally:
        progress.finish()
    whole = _joined([fresh[i] if i in fresh else earlier[file] for i, file in enumerate(now)])
    _save(path, whole)
    return whole


def _few(names: Sequence[str]) -> list[str]:
    """What tells the cache of one list of files from that of another in the same folder."""
    return list(names) if len(names) == 1 else []


def _seen(root: Path, name: str) -> TarFile:
    handle = os.open(root / name, os.O_RDONLY)
    try:
        found = os.fstat(handle)
        ends = _ends(handle, 0, found.st_size)
        return TarFile(name, found.st_size, found.st_mtime_ns, ends)
    finally:
        os.close(handle)


def _ends(handle: int, begin: int, end: int) -> str:
    head = os.pread(handle, min(_ENDS_BYTES, end - begin), begin)
    tail = os.pread(handle, min(_ENDS_BYTES, end - begin), max(end - _ENDS_BYTES, begin))
    return xxhash.xxh3_128_hexdigest(head + tail)


def _walked(root: Path, file: TarFile) -> Scan:
    """One file: its own members, then those of each tar inside it."""
    handle = os.open(root / file.name, os.O_RDONLY)
    try:
        if hasattr(os, "posix_fadvise"):  # headers lie far apart: reading ahead would read it all
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_RANDOM)
        outer = scan_tar(handle, 0, file.size)
        inner = np.array([name.lower().endswith(TAR_SUFFIX) for name in outer.names], dtype=bool)
        places = np.flatnonzero(inner).tolist()
        bounds = [
            (outer.names[i], int(outer.offsets[i]), int(outer.offsets[i] + outer.sizes[i]))
            for i in places
        ]
        found = list(
            answered(lambda b: scan_tar(handle, b[1], b[2]), bounds, lambda m: len(m.sizes))
        )
        own = _without(outer, inner)
        archives = [Archive(0, "", 0, file.size, file.ends, len(own.sizes))]
        for (name, begin, end), members in zip(bounds, found, strict=True):
            ends = _ends(handle, begin, end)
            archives.append(Archive(0, name, begin, end, ends, len(members.sizes)))
        return _gathered(file, archives, [own, *found])
    finally:
        os.close(handle)


def _without(members: Members, left_out: NDArray[np.bool_]) -> Members:
    if not left_out.any():
        return members
    kept = np.flatnonzero(~left_out)
    return replace(
        members,
        names=members.names.take(kept),
        offsets=members.offsets[kept],
        sizes=members.sizes[kept],
        mtimes=members.mtimes[kept],
    )


def _gathered(file: TarFile, archives: list[Archive], members: list[Members]) -> Scan:
    rejected = [(i, *one) for i, found in enumerate(members) for one in found.rejected]
    return Scan(
        files=(file,),
        archives=tuple(archives),
        names=Names.joined([found.names for found in members]),
        offsets=np.concatenate([found.offsets for found in members]),
        sizes=np.concatenate([found.sizes for found in members]),
        mtimes=np.concatenate([found.mtimes for found in members]),
        rejected=tuple(rejected),
    )


def _joined(scans: Sequence[Scan]) -> Scan:
    """Scans of single files as one."""
    archives: list[Archive] = []
    rejected: list[tuple[int, str, str]] = []
    for i, scan in enumerate(scans):
        rejected += [(at + len(archives), name, said) for at, name, said in scan.rejected]
        archives += [archive._replace(file=i) for archive in scan.archives]
    empty = np.zeros(0, dtype=np.int64)
    return Scan(
        files=tuple(scan.files[0] for scan in scans),
        archives=tuple(archives),
        names=Names.joined([scan.names for scan in scans]),
        offsets=np.concatenate([empty, *(scan.offsets for scan in scans)]),
        sizes=np.concatenate([empty, *(scan.sizes for scan in scans)]),
        mtimes=np.concatenate([empty, *(scan.mtimes for scan in scans)]),
        rejected=tuple(rejected),
    )


def _pieces(scan: Scan) -> list[Scan]:
    """One scan as scans of its single files: views, not copies."""
    of_file: list[list[int]] = [[] for _ in scan.files]
    for i, archive in enumerate(scan.archives):
        of_file[archive.file].append(i)
    ends = np.cumsum([archive.num for archive in scan.archives])
    pieces = []
    for file, ours in zip(scan.files, of_file, strict=True):
        archives = tuple(scan.archives[i]._replace(file=0) for i in ours)
        end = int(ends[ours[-1]])
        rows = slice(end - sum(archive.num for archive in archives), end)
        rejected = [(i - ours[0], n, p) for i, n, p in scan.rejected if ours[0] <= i <= ours[-1]]
        pieces.append(
            Scan(
                files=(file,),
                archives=archives,
                names=Names(scan.names.data, scan.names.offsets[rows.start : rows.stop + 1]),
                offsets=scan.offsets[rows],
                sizes=scan.sizes[rows],
                mtimes=scan.mtimes[rows],
                rejected=tuple(rejected),
            )
        )
    return pieces


def _save(path: Path, scan: Scan) -> None:
    head = {
        "schema": _SCHEMA,
        "files": scan.files,
        "archives": scan.archives,
        "rejected": scan.rejected,
    }
    begin, end = scan.names.offsets[0], scan.names.offsets[-1]
    arrays = {
        "data": scan.names.data[begin:end],
        "bounds": scan.names.offsets - begin,
        "offsets": scan.offsets,
        "sizes": scan.sizes,
        "mtimes": scan.mtimes,
    }
    save_arrays(path, head, arrays)


def _loaded(path: Path) -> Scan | None:
    found = load_arrays(path)
    if found is None or found[0].get("schema") != _SCHEMA:
        return None
    head, arrays = found
    return Scan(
        files=tuple(TarFile(*file) for file in head["files"]),
        archives=tuple(Archive(*archive) for archive in head["archives"]),
        names=Names(arrays["data"], arrays["bounds"]),
        offsets=arrays["offsets"],
        sizes=arrays["sizes"],
        mtimes=arrays["mtimes"],
        rejected=tuple((i, name, problem) for i, name, problem in head["rejected"]),
    )
