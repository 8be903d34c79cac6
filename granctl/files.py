"""Writing so that a reader never sees half a file: temporary name, fsync, rename."""

from __future__ import annotations

import errno
import glob
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from granctl.errors import ManifestMismatchError, OutputNotWritableError

_NOT_WRITABLE = {
    errno.ENOSPC: "no space is left on the device",
    errno.EDQUOT: "the disk quota is used up",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "permission denied",
    errno.EPERM: "not permitted",
    errno.ENOTDIR: "a part of the path is a file",
    errno.EISDIR: "it is a folder",
    errno.EFBIG: "the file is larger than allowed here",
}


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns the operating system's refusal to write `path` into an error with a mend.

    Raises:
        OutputNotWritableError: no space, read-only, no permission.
    """
    try:
        yield
    except OSError as error:
        reason = _NOT_WRITABLE.get(error.errno or 0)
        if reason is None:
            raise
        raise OutputNotWritableError(path, reason) from error


def fsync_path(path: Path) -> None:
    """Makes what was written to a file, or a folder's list of names, last a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_folder(path: Path) -> None:
    """Makes a folder and its parents.

    Raises:
        OutputNotWritableError: it cannot be made.
    """
    with writing(path):
        try:
            path.mkdir(parents=True, exist_ok=True)
        except FileExistsError as error:
            raise OutputNotWritableError(path, "a file has that name") from error


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside `path`; on success it becomes `path`, else it is removed.

    The name holds the machine and the process, so that two writers of one artefact do not meet.

    Raises:
        OutputNotWritableError: no space, read-only, no permission.
    """
    make_folder(path.parent)
    temporary = path.with_name(f".{path.name}.{os.getpid()}@{_machine()}.tmp")
    with writing(path):
        try:
            yield temporary
            fsync_path(temporary)
            os.replace(temporary, path)
            fsync_path(path.parent)
        except BaseException:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise


def check_space(folder: Path, needed: int) -> None:
    """Raises OutputNotWritableError where the disk of a folder has less room than is needed."""
    free = shutil.disk_usage(folder).free
    if needed > free:
        reason = f"{needed / 1e6:,.0f} MB are needed and {free / 1e6:,.0f} MB are free"
        raise OutputNotWritableError(folder, reason)


def remove_leftovers(folder: Path) -> None:
    """Removes the temporary files that killed processes of this machine left in a folder.

    Of other machines' files nobody can tell from here whether they are still written.
    """
    for path in folder.glob(f".*@{glob.escape(_machine())}.tmp"):
        process = path.name.removesuffix(f"@{_machine()}.tmp").rpartition(".")[2]
        if process.isdigit() and not _alive(int(process)):
            with suppress(OSError):
                path.unlink()


def remove_temporaries(folder: Path) -> None:
    """Removes every temporary file of a folder in which nothing is to be written any more.

    Processes of other machines that were killed left them, or one that nobody needs still writes.
    """
    for path in folder.glob(".*@*.tmp"):
        with suppress(OSError):
            path.unlink()


def _machine() -> str:
    return os.uname().nodename


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it lives, and is another user's
        return True
    return True


def write_bytes(path: Path, content: bytes) -> None:
    """Writes a whole file or nothing."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_at(handle: int, content: bytes, at: int) -> None:
    """Writes all of it at a place of an open file.

    Raises:
        OSError: it cannot be written.
    """
    done = os.pwrite(handle, content, at)
    while done < len(content):  # the disk is full, which the next call says, or a signal came
        done += os.pwrite(handle, content[done:], at + done)


def write_json(path: Path, value: Any) -> None:
    """Writes JSON for people and programs: sorted keys, two spaces, a newline at the end."""
    text = json.dumps(value, indent=2, sort_keys=True, allow_nan=False, ensure_ascii=False)
    write_bytes(path, text.encode() + b"\n")


def read_json(path: Path) -> dict[str, Any]:
    """Reads a JSON object.

    Raises:
        ManifestMismatchError: the file is not a JSON object.
    """
    try:
        value = json.loads(path.read_bytes())
    except ValueError as error:
        raise ManifestMismatchError(
            path, f"not JSON ({error})", "it was damaged: remove the folder and make it again"
        ) from error
    if not isinstance(value, dict):
        raise ManifestMismatchError(
            path, "not a JSON object", "it was damaged: remove the folder and make it again"
        )
    return value
