"""One maker of a folder at a time: the second waits, and then finds the work done."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from granctl.files import remove_leftovers
from granctl.progress import Progress


@contextmanager
def making_alone(folder: Path, progress: Progress) -> Iterator[None]:
    """Holds the folder's own lock; the system gives it back when the process ends, killed or not.

    Where the file system knows no such lock (some network disks) it does without: two makers
    then write the same bytes, each under temporary names of its own. What a killed maker left
    half-written is removed.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress.note(f"another process makes {folder}: waiting for it")
            fcntl.flock(handle, fcntl.LOCK_EX)
        except OSError:
            pass
        remove_leftovers(folder)
        yield
    finally:
        os.close(handle)


def is_made(folder: Path) -> bool:
    """Whether some process, here or on a machine that shares the lock, holds the folder's lock."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        pass
    finally:
        os.close(handle)
    return False


@contextmanager
def making_together(folder: Path) -> Iterator[None]:
    """Holds a share of the folder's lock: others may share it, and `making_alone` waits for all."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_SH)
        yield
    finally:
        os.close(handle)
