"""A file put together in memory and written in one go, past the page cache where the system can.

Through the page cache each page is allocated, filled, and flushed by the sync that must follow:
measured on ext4, that took 1.5 to 2.5 times the processor time of writing shards directly, and
the pages pushed the source out of memory.
"""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
from collections import deque
from contextlib import suppress
from pathlib import Path

_ALIGN = 4096
"""Direct writes begin, end and lie in memory at multiples of a disk's block; none is larger."""
_STEP = 8 << 20
"""Bytes of one write: large enough for any disk, and a signal is answered between two."""
_UNABLE = (errno.EINVAL, errno.EOPNOTSUPP)


class Room:
    """Memory for one file."""

    def __init__(self, rooms: Rooms, size: int) -> None:
        self._rooms = rooms
        # Private: what is there when worker processes are forked becomes a room of each.
        self._memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self.bytes = memoryview(self._memory)
        """Of any content, and up to a multiple of what direct writes need."""

    def give_back(self) -> None:
        """From now on it is another file's."""
        self._rooms.free.append(self)


class Rooms:
    """Memory that one file after another uses: fresh memory costs as much as the copying."""

    def __init__(self) -> None:
        self.free: deque[Room] = deque()

    def take(self, size: int) -> Room:
        """Room for a file of this size; it may be given back by another thread."""
        with suppress(IndexError):
            room = self.free.pop()
            if len(room.bytes) >= size:
                return room
        return Room(self, max(size + -size % _ALIGN, _ALIGN))


def write_assembled(path: Path, content: memoryview, size: int) -> None:
    """Makes a file of the first `size` bytes of a `Room`'s memory; it is not synced.

    Raises:
        OSError: it cannot be written.
    """
    handle = _opened(path)
    try:
        at, whole = 0, size + -size % _ALIGN
        while at < size:
            try:
                at += os.pwrite(handle, content[at : min(at + _STEP, whole)], at)
            except OSError as error:
                if error.errno not in _UNABLE or not _is_direct(handle):
                    raise
                _through_the_cache(handle)  # the file system took the flag, and no such write
            if at % _ALIGN:
                _through_the_cache(handle)  # less was taken, and the rest lies askew
        os.ftruncate(handle, size)
    finally:
        os.close(handle)


def _opened(path: Path) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    try:
        return os.open(path, flags | os.O_DIRECT, 0o666)
    except OSError as error:
        if error.errno not in _UNABLE:
            raise
        return os.open(path, flags, 0o666)


def _is_direct(handle: int) -> bool:
    return bool(fcntl.fcntl(handle, fcntl.F_GETFL) & os.O_DIRECT)


def _through_the_cache(handle: int) -> None:
    fcntl.fcntl(handle, fcntl.F_SETFL, fcntl.fcntl(handle, fcntl.F_GETFL) & ~os.O_DIRECT)
