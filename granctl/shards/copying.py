"""Spans of one file copied into another: in the kernel where it can, so no byte passes Python."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable

_STEP = 1 << 26
"""Bytes of one call: a signal is answered between two."""
_BUFFER_BYTES = 1 << 22
_UNABLE = {
    errno.ENOSYS,
    errno.EXDEV,
    errno.EOPNOTSUPP,
    errno.EINVAL,
    errno.EPERM,
    errno.ETXTBSY,
    errno.EIO,
}
"""What kernels and file systems say that cannot copy so. Reading and writing tells the rest."""

Step = Callable[[int, int, int, int, int], int]
"""Copies at most `size` bytes from a file and place to a file and place; returns how many."""


def copy_span(source: int, offset: int, target: int, at: int, size: int) -> int:
    """Copies `size` bytes from byte `offset` of an open file to byte `at` of another.

    Returns how many there were: fewer where the source ends before.

    Raises:
        OSError: it cannot be read, or written.
    """
    done = 0
    for step in (_file_range, _sendfile, _read_and_write):
        done += _copied(step, source, offset + done, target, at + done, size - done)
        if done == size:
            break
    return done


def _copied(step: Step, source: int, offset: int, target: int, at: int, size: int) -> int:
    """How many bytes one way could copy; none where the system does not know it."""
    done = 0
    while done < size:
        try:
            num = step(source, offset + done, target, at + done, min(size - done, _STEP))
        except OSError as error:
            if step is _read_and_write or error.errno not in _UNABLE:
                raise
            break
        if not num:  # the end; some file systems say so too where they cannot copy
            break
        done += num
    return done


def _file_range(source: int, offset: int, target: int, at: int, size: int) -> int:
    return os.copy_file_range(source, target, size, offset, at)


def _sendfile(source: int, offset: int, target: int, at: int, size: int) -> int:
    os.lseek(target, at, os.SEEK_SET)
    return os.sendfile(target, source, offset, size)


def _read_and_write(source: int, offset: int, target: int, at: int, size: int) -> int:
    content = os.pread(source, min(size, _BUFFER_BYTES), offset)
    write_at(target, content, at)
    return len(content)


def write_at(target: int, content: bytes, at: int) -> None:
    """Writes all of it at a place of an open file.

    Raises:
        OSError: it cannot be written.
    """
    done = os.pwrite(target, content, at)
    while done < len(content):  # the disk is full, which the next call says, or a signal came
        done += os.pwrite(target, content[done:], at + done)
