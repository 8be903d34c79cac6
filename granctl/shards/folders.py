"""Images in class folders, CLASS/IMAGE or SPLIT/CLASS/IMAGE, at any depth below their class."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from granctl.errors import (
    NoImagesError,
    SourceChangedError,
    SourceLayoutError,
    UnsafeLinkError,
    listing,
)
from granctl.shards.listing import SPLIT_OF_FOLDER, SPLITS, Listing
from granctl.shards.names import Names

IMAGE_SUFFIXES = frozenset(
    {
        ".avif",
        ".bmp",
        ".gif",
        ".heic",
        ".jfif",
        ".jpe",
        ".jpeg",
        ".jpg",
        ".pgm",
        ".png",
        ".ppm",
        ".tif",
        ".tiff",
        ".webp",
    }
)
"""Files that claim to be images; whether they are is decided by content, later."""


class _File(NamedTuple):
    name: str
    size: int
    mtime_ns: int


class FolderSource:
    """A folder of class folders, listed once when it is opened."""

    def __init__(self, root: Path, name: str) -> None:
        self.root, self.name = root, name
        try:
            splits = _split_folders(root)
            found = sorted(_files(root, root.resolve()))
        except PermissionError as error:
            problem = f"{error.filename} cannot be read: permission denied"
            raise SourceLayoutError(root, problem) from error
        files: list[tuple[_File, str, int]] = []
        num_others = num_outside = 0
        for file in found:
            parts = file.name.split("/")
            claims = Path(parts[-1]).suffix.lower() in IMAGE_SUFFIXES
            if not claims or parts[-1].startswith("."):
                num_others += 1
            elif len(parts) < (3 if splits else 2):
                num_outside += 1
            else:
                split = splits[parts[0]] if splits else "train"
                files.append((file, parts[1 if splits else 0], SPLITS.index(split)))
        if not files and num_outside:
            raise SourceLayoutError(root, f"{num_outside} images, but none in a class folder")
        if not files:
            raise NoImagesError(root, num_others)
        self.listing = _listing(files, num_others, num_outside)
        self.digest = _digest(files)

    def read(self, i: int) -> bytes:
        """The bytes of image `i`.

        Raises:
            SourceChangedError: it is gone or has another size than when it was listed.
            OSError: it cannot be read.
        """
        path, size = self.root / self.listing.names[i], int(self.listing.sizes[i])
        try:
            content = path.read_bytes()
        except FileNotFoundError as error:
            raise SourceChangedError(path, "it is gone") from error
        if len(content) != size:
            raise SourceChangedError(path, f"it has {len(content)} bytes, not {size} as before")
        return content


def _listing(files: list[tuple[_File, str, int]], num_others: int, num_outside: int) -> Listing:
    labels = tuple(sorted({label for _, label, _ in files}))
    index_of_label = {label: i for i, label in enumerate(labels)}
    return Listing(
        names=Names.of(file.name for file, _, _ in files),
        labels=labels,
        label_of=np.array([index_of_label[label] for _, label, _ in files], dtype=np.int32),
        split_of=np.array([split for _, _, split in files], dtype=np.int8),
        sizes=np.array([file.size for file, _, _ in files], dtype=np.int64),
        num_others=num_others,
        num_outside=num_outside,
    )


def _digest(files: list[tuple[_File, str, int]]) -> str:
    """Sha256 over names, sizes and times: a file that was touched or replaced is seen."""
    hasher = hashlib.sha256()
    for file, _, _ in files:
        hasher.update(f"{file.name}\0{file.size}\0{file.mtime_ns}\0".encode())
    return hasher.hexdigest()


def _split_folders(root: Path) -> dict[str, str]:
    """Folder -> split, for the layout SPLIT/CLASS/IMAGE; empty for CLASS/IMAGE.

    A folder is a split if it is named so and holds folders: `train` may well be a class of trains.

    Raises:
        SourceLayoutError: other folders stand beside the splits, or a split stands twice.
    """
    folders = _folders(root)
    splits = {
        name: SPLIT_OF_FOLDER[name.lower()]
        for name in folders
        if name.lower() in SPLIT_OF_FOLDER and _folders(root / name)
    }
    if splits and len(set(splits.values())) < len(splits):
        raise SourceLayoutError(root, f"{listing(list(splits))} name the same split twice")
    beside = sorted(set(folders) - set(splits))
    if splits and beside:
        problem = f"beside {listing(list(splits))} stands {listing(beside)}, which holds no classes"
        if set(map(str.lower, beside)).isdisjoint(SPLIT_OF_FOLDER):
            problem = f"beside {listing(list(splits))} stands {listing(beside)}, which is no split"
        raise SourceLayoutError(root, problem)
    return splits


def _folders(folder: Path) -> list[str]:
    """Names of the folders in a folder, sorted, hidden ones left out."""
    with os.scandir(folder) as entries:
        return sorted(e.name for e in entries if e.is_dir() and not e.name.startswith("."))


def _files(root: Path, real_root: Path) -> Iterator[_File]:
    """Every file below `root`, with its name relative to `root`; hidden folders are left out."""
    waiting: list[tuple[str, tuple[Path, ...]]] = [("", (real_root,))]
    while waiting:
        prefix, above = waiting.pop()
        with os.scandir(root / prefix) as entries:
            for entry in entries:
                name = prefix + entry.name
                real = _checked_link(entry, real_root, above) if entry.is_symlink() else None
                if entry.is_dir():
                    if not entry.name.startswith("."):
                        here = real or above[-1] / entry.name
                        waiting.append((f"{name}/", (*above, here)))
                    continue
                if any("\ud800" <= letter <= "\udfff" for letter in name):
                    raise SourceLayoutError(root, f"the name {name!r} is not UTF-8")
                found = entry.stat()
                yield _File(name, found.st_size, found.st_mtime_ns)


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
