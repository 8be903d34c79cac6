"""Images in folders at any depth: who lies where, walked in the order of sorted paths."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from granctl.errors import SourceChangedError, SourceLayoutError, UnsafeLinkError
from granctl.shards.names import Names
from granctl.shards.source.inventory import Inventory
from granctl.shards.source.kinds import claims_image
from granctl.shards.source.slowdisk import answered


class _File(NamedTuple):
    base: str
    size: int
    mtime_ns: int
    inode: int


@dataclass(frozen=True, slots=True)
class _Folder:
    """What one folder holds, sorted so that a walk in depth gives sorted paths."""

    path: str
    above: tuple[Path, ...]
    """Real paths of the folders that it lies in, and its own: a link must not lead back."""
    entries: list[_File | str] = field(default_factory=list)
    """Images, and the names of folders."""
    num_others: int = 0


class FolderReader:
    """Files below a folder, opened one by one."""

    def __init__(self, root: Path, names: Names, sizes: NDArray[np.int64]) -> None:
        self._root, self._names, self._sizes = root, names, sizes

    def read(self, row: int) -> bytes:
        """The bytes of one file.

        Raises:
            SourceChangedError: it is gone or has another size than when it was listed.
            OSError: it cannot be read.
        """
        path, size = os.path.join(self._root, self._names[row]), int(self._sizes[row])
        try:
            handle = os.open(path, os.O_RDONLY)
        except FileNotFoundError as error:
            raise SourceChangedError(Path(path), "it is gone") from error
        try:
            content = os.read(handle, size + 1)
            while len(content) <= size and (more := os.read(handle, size + 1 - len(content))):
                content += more
        finally:
            os.close(handle)
        if len(content) != size:
            found = os.stat(path).st_size
            raise SourceChangedError(Path(path), f"it has {found} bytes, not {size} as before")
        return content

    def read_soon(self, row: int) -> None:
        """Lets the system begin to read one file; what is wrong with it is said by `read`."""
        with suppress(OSError):
            handle = os.open(os.path.join(self._root, self._names[row]), os.O_RDONLY)
            try:
                os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_WILLNEED)
            finally:
                os.close(handle)


def folder_inventory(root: Path) -> Inventory:
    """Every image below a folder; hidden files and folders are left out.

    Raises:
        UnsafeLinkError: a link leads out of the folder, to nothing, or back.
        SourceLayoutError: a folder cannot be read, or a name is not UTF-8.
    """
    try:
        folders = _walked(root)
    except PermissionError as error:
        problem = f"{error.filename} cannot be read: permission denied"
        raise SourceLayoutError(root, problem) from error
    paths: list[str] = []
    runs: list[tuple[int, int]] = []
    names: list[bytes] = []
    numbers: list[tuple[int, int, int]] = []
    place_of: dict[str, int] = {}
    for path, files in _runs(folders, ""):
        place = place_of.setdefault(path, len(paths))
        if place == len(paths):
            paths.append(path)
        prefix = f"{path}/".encode() if path else b""
        names += [prefix + file.base.encode() for file in files]
        numbers += [file[1:] for file in files]
        runs.append((place, len(files)))
    columns = np.array(numbers, dtype=np.int64).reshape(-1, 3)
    folder_of = np.repeat(*np.array(runs, dtype=np.int32).reshape(-1, 2).T).astype(np.int32)
    packed, sizes = Names.packed(names), np.ascontiguousarray(columns[:, 0])
    return Inventory(
        root=root,
        names=packed,
        folders=paths,
        folder_of=folder_of,
        sizes=sizes,
        stamps=np.ascontiguousarray(columns[:, 1]),
        lies_at=_rank(folder_of, columns[:, 2]),
        reader=FolderReader(root, packed, sizes),
        tops={top: _holds_folders(folders[top]) for top in _subfolders(folders[""])},
        num_others=sum(folder.num_others for folder in folders.values()),
    )


def _rank(
    folder_of: NDArray[np.int32],
    inodes: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Folder by folder, inside by number of the inode: so local disks laid them down."""
    rank = np.empty(len(folder_of), dtype=np.int64)
    rank[np.lexsort((inodes, folder_of))] = np.arange(len(folder_of))
    return rank


def _walked(root: Path) -> dict[str, _Folder]:
    """Every folder that is not hidden, by its path; those of one depth are read side by side."""
    real_root = root.resolve()
    found: dict[str, _Folder] = {}
    level = [_Folder("", (real_root,))]
    while level:
        here = list(
            answered(lambda f: _read(root, real_root, f), level, lambda f: len(f[0].entries))
        )
        found |= {folder.path: folder for folder, _ in here}
        level = [inner for _, inner_folders in here for inner in inner_folders]
    return found


def _read(root: Path, real_root: Path, folder: _Folder) -> tuple[_Folder, list[_Folder]]:
    """The entries of a folder, and the folders in it."""
    inner: list[_Folder] = []
    entries: list[_File | str] = []
    num_others = 0
    prefix = f"{folder.path}/" if folder.path else ""
    with os.scandir(root / folder.path) as scanned:
        for entry in scanned:
            link = entry.is_symlink()
            real = _checked_link(entry, real_root, folder.above) if link else None
            if entry.is_dir():
                if not entry.name.startswith("."):
                    _check_name(root, prefix + entry.name)
                    above = (*folder.above, real or folder.above[-1] / entry.name)
                    inner.append(_Folder(prefix + entry.name, above))
                    entries.append(entry.name)
                continue
            if not claims_image(entry.name):
                num_others += 1
                continue
            _check_name(root, prefix + entry.name)
            status = entry.stat()
            if not stat.S_ISREG(status.st_mode):
                num_others += 1
                continue
            entries.append(_File(entry.name, status.st_size, status.st_mtime_ns, status.st_ino))
    # A folder's files and folders in the order of their paths: `a-b/x` goes before `a/x`.
    entries.sort(key=lambda e: f"{e}/" if isinstance(e, str) else e.base)
    return _Folder(folder.path, folder.above, entries, num_others), inner


def _runs(folders: dict[str, _Folder], path: str) -> Iterator[tuple[str, list[_File]]]:
    """Files that stand beside each other in the order of paths, with their folder."""
    waiting: list[tuple[str, int]] = [(path, 0)]
    while waiting:
        here, at = waiting.pop()
        entries = folders[here].entries
        files: list[_File] = []
        while at < len(entries) and not isinstance(entry := entries[at], str):
            files.append(entry)
            at += 1
        if files:
            yield here, files
        if at < len(entries):
            waiting.append((here, at + 1))
            waiting.append((f"{here}/{entries[at]}" if here else str(entries[at]), 0))


def _subfolders(folder: _Folder) -> list[str]:
    return [entry for entry in folder.entries if isinstance(entry, str)]


def _holds_folders(folder: _Folder) -> bool:
    return any(isinstance(entry, str) for entry in folder.entries)


def _check_name(root: Path, name: str) -> None:
    if any("\ud800" <= letter <= "\udfff" for letter in name):
        raise SourceLayoutError(root, f"the name {name!r} is not UTF-8")


def _checked_link(entry: os.DirEntry[str], real_root: Path, above: tuple[Path, ...]) -> Path:
    """What a link leads to.

    Raises:
        UnsafeLinkError: out of the source, to nothing, or back to a folder that it lies in.
    """
    path, target = Path(entry.path), os.readlink(entry.path)
    try:
        real = path.resolve(strict=True)
    except (OSError, RuntimeError) as error:  # RuntimeError: a circle of links, before Python 3.13
        raise UnsafeLinkError(path, target, "leads to nothing") from error
    if not real.is_relative_to(real_root):
        raise UnsafeLinkError(path, target, "leads out of the source")
    if real in above:
        raise UnsafeLinkError(path, target, "leads back to a folder that it lies in")
    return real
