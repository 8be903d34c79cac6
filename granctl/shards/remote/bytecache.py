"""Images of a remote shard set kept on disk: bounded, shared by processes, checked when read.

<cache>/used.bytes                            bytes of all images in the cache, under a lock
<cache>/sets/<set>/images/lock                held by each process that reads the set
<cache>/sets/<set>/images/<shard>             a sparse file with the images at their places
<cache>/sets/<set>/images/<shard>.have        which those are: offset, size and hash of each
"""

from __future__ import annotations

import fcntl
import os
import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import xxhash
from numpy.typing import NDArray

from granctl.shards.remote.remotespec import RemoteSpec

_HAVE = np.dtype([("offset", "<i8"), ("size", "<i8"), ("hash", "<u8"), ("zero", "<u8")])
"""32 bytes, so that a record never lies across two pages: a killed writer tears none."""
_BLOCK = 4096
"""Of the file system: an image takes whole blocks."""
_LOOK_AGAIN_S = 1.0


class ByteCache:
    """What the disk has of a set's images.

    When the cache is full, images of other sets that nobody reads go, the set that was used longest
    ago first; then nothing is added any more. Within a set nothing is ever replaced: an epoch asks
    for every image once, in random order, so that any kept part of the set is hit equally often,
    and one that is thrown away just before it is asked for again is never hit.
    """

    def __init__(self, spec: RemoteSpec, folder: Path, names: Sequence[str]) -> None:
        self._limit, self._names = spec.cache_bytes, names
        self._root, self._folder = spec.cache, folder / "images"
        self._on = spec.cache_bytes > 0
        self._counted = False
        self._known: dict[int, tuple[float, NDArray[np.void]]] = {}
        self._lock = threading.Lock()
        self._held = -1
        if self._on:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._held = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT, 0o644)
            os.utime(self._folder / "lock")
            with suppress(OSError):  # no locks on this file system: then nothing is thrown away
                fcntl.flock(self._held, fcntl.LOCK_SH)

    def has(self, shard: int, offset: int, size: int) -> bool:
        """Whether the disk has an image."""
        return self._on and self._record(shard, offset, size) is not None

    def get(self, shard: int, offset: int, size: int) -> bytes | None:
        """An image, or None where the disk does not have it as it was put there."""
        record = self._record(shard, offset, size) if self._on else None
        if record is None:
            return None
        try:
            handle = os.open(self._folder / self._names[shard], os.O_RDONLY)
        except OSError:
            return None
        try:
            data = os.pread(handle, size, offset)
        finally:
            os.close(handle)
        whole = len(data) == size and xxhash.xxh3_64_intdigest(data) == int(record["hash"])
        return data if whole else None

    def put(self, shard: int, images: Sequence[tuple[int, memoryview]]) -> None:
        """Keeps images, given by their offsets, as far as there is room; never raises OSError."""
        new = [(at, data) for at, data in images if not self.has(shard, at, len(data))]
        if not self._on or not new:
            return
        records = np.zeros(len(new), dtype=_HAVE)
        for i, (at, data) in enumerate(new):
            records[i] = (at, len(data), xxhash.xxh3_64_intdigest(data), 0)
        try:
            if not self._reserve(_disk_bytes(records)):
                return
            path = self._folder / self._names[shard]
            handle = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
            try:
                for at, data in new:
                    os.pwrite(handle, data, at)
            finally:
                os.close(handle)
            with open(f"{path}.have", "ab", buffering=0) as have:
                have.write(records.tobytes())
        except OSError:  # a full disk: go on without
            self._on = False

    def close(self) -> None:
        """Lets the set be thrown away when another needs the room."""
        if self._held >= 0:
            os.close(self._held)
            self._held = -1
        self._on = False

    # --- what is there ------------------------------------------------------------------------

    def _record(self, shard: int, offset: int, size: int) -> np.void | None:
        with self._lock:
            looked, records = self._known.get(shard, (0.0, np.zeros(0, dtype=_HAVE)))
            found = _find(records, offset, size)
            if found is None and time.monotonic() - looked > _LOOK_AGAIN_S:
                # Other processes add images too.
                records = _read_have(Path(f"{self._folder / self._names[shard]}.have"))
                self._known[shard] = (time.monotonic(), records)
                found = _find(records, offset, size)
        return found

    # --- how much is there --------------------------------------------------------------------

    def _reserve(self, num_bytes: int) -> bool:
        """Counts bytes as used, before they are written; False where there is no room."""
        with _ledger(self._root) as used:
            total = used[0]
            if total + num_bytes > self._limit and not self._counted:
                self._counted = True
                _remove_others(self._root, self._folder, self._limit - num_bytes)
                total = sum(_set_bytes(images) for images in _image_folders(self._root))
            fits = total + num_bytes <= self._limit
            used[0] = total + num_bytes if fits else total
            return fits


def _disk_bytes(records: NDArray[np.void]) -> int:
    """At most what images take on the disk: each may begin and end within a block."""
    return int(records["size"].sum()) + 2 * _BLOCK * len(records)


def _read_have(path: Path) -> NDArray[np.void]:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return np.zeros(0, dtype=_HAVE)
    records = np.frombuffer(data[: len(data) // _HAVE.itemsize * _HAVE.itemsize], dtype=_HAVE)
    return records[np.argsort(records["offset"], kind="stable")]


def _find(records: NDArray[np.void], offset: int, size: int) -> np.void | None:
    i = int(np.searchsorted(records["offset"], offset))
    if i < len(records) and records["offset"][i] == offset and records["size"][i] == size:
        return records[i]  # type: ignore[no-any-return]
    return None


def _image_folders(cache: Path) -> list[Path]:
    """Of all sets, the one that was used longest ago first."""
    found = [path.parent for path in (cache / "sets").glob("*/images/lock")]
    return sorted(found, key=lambda images: (images / "lock").stat().st_mtime)


def _set_bytes(images: Path) -> int:
    return sum(_disk_bytes(_read_have(path)) for path in images.glob("*.have"))


def _remove_others(cache: Path, own: Path, limit: int) -> None:
    """Removes images of sets that nobody reads until the rest is within the limit."""
    bytes_of = {images: _set_bytes(images) for images in _image_folders(cache)}
    for images in list(bytes_of):
        if sum(bytes_of.values()) <= limit:
            return
        if images != own and _nobody_reads(images):
            shutil.rmtree(images, ignore_errors=True)
            bytes_of[images] = 0


def _nobody_reads(images: Path) -> bool:
    handle = os.open(images / "lock", os.O_RDWR)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(handle)
    return True


@contextmanager
def _ledger(cache: Path) -> Iterator[list[int]]:
    """The count of used bytes, under a lock: read before, written after."""
    handle = os.open(cache / "used.bytes", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        text = os.pread(handle, 32, 0)
        used = [int(text) if text.strip().isdigit() else 0]
        yield used
        os.pwrite(handle, f"{used[0]:032d}".encode(), 0)
    finally:
        os.close(handle)
