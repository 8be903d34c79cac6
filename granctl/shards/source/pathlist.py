"""A table of images, CSV or TSV: path, label and, where there is one, split."""

from __future__ import annotations

import csv
import os
import stat
from pathlib import Path
from typing import NamedTuple

import numpy as np

from granctl.errors import SourceLayoutError, UnsafeLinkError, listing
from granctl.shards.names import Names
from granctl.shards.source.folders import FolderReader
from granctl.shards.source.inventory import FileSource, Inventory, Labelled
from granctl.shards.source.listing import SPLIT_OF_FOLDER, SPLITS
from granctl.shards.source.opening import Opening
from granctl.shards.source.slowdisk import answered

_PATH_COLUMNS = ("path", "file", "filename", "file_name", "image", "image_path", "filepath")
_LABEL_COLUMNS = ("label", "wnid", "class", "category", "class_id", "target")
_SPLIT_COLUMNS = ("split", "subset", "set", "fold")
_MEND = "a table of images has the columns path and label, and may have split (train, val, test)"


class _Row(NamedTuple):
    path: str
    label: str
    split: str


def open_pathlist(opening: Opening) -> FileSource:
    """The images of a table; paths are relative to its folder, and stay inside it.

    Raises:
        SourceLayoutError: columns, a path, a label or a split cannot be used; all such lines are
            counted and the first are named.
        UnsafeLinkError: a path leads out of the table's folder through a link.
    """
    path = opening.path
    root = path.parent
    rows = sorted(_rows(path))
    stats = list(answered(lambda row: _status(root, row.path), rows, lambda _: 1))
    missing = [row.path for row, found in zip(rows, stats, strict=True) if found is None]
    if missing:
        problem = f"{len(missing)} of {len(rows)} files are not there: {listing(missing)}"
        raise SourceLayoutError(path, problem, "paths are relative to the table's own folder")
    sizes = np.array([found[0] for found in stats if found], dtype=np.int64)
    folders = sorted({row.path.rpartition("/")[0] for row in rows})
    folder_at = {folder: i for i, folder in enumerate(folders)}
    names = Names.of(row.path for row in rows)
    labels = sorted({row.label for row in rows})
    place = {label: i for i, label in enumerate(labels)}
    inventory = Inventory(
        root=path,
        names=names,
        folders=folders,
        folder_of=np.array([folder_at[r.path.rpartition("/")[0]] for r in rows], dtype=np.int32),
        sizes=sizes,
        stamps=np.array([found[1] for found in stats if found], dtype=np.int64),
        lies_at=np.arange(len(rows), dtype=np.int64),
        reader=FolderReader(root, names, sizes),
        tops={},
    )
    labelled = Labelled(
        labels=labels,
        label_of=np.array([place[row.label] for row in rows], dtype=np.int32),
        split_of=np.array([SPLITS.index(row.split) for row in rows], dtype=np.int8),
    )
    return FileSource(inventory, opening.name, labelled)


def _rows(path: Path) -> list[_Row]:
    """The lines of the table.

    Raises:
        SourceLayoutError: as `open_pathlist` says.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SourceLayoutError(path, f"cannot be read as UTF-8 ({error})", _MEND) from error
    delimiter = "\t" if "\t" in text.partition("\n")[0] else ","
    lines = [line for line in csv.reader(text.splitlines(), delimiter=delimiter) if any(line)]
    if not lines:
        raise SourceLayoutError(path, "it is empty", _MEND)
    columns = _columns(path, lines[0])
    body = lines[1:] if columns else lines
    at_path, at_label, at_split = columns or (0, 1, 2)
    rows, faults = [], []
    seen: set[str] = set()
    for number, line in enumerate(body, 2 if columns else 1):
        said = line[at_split].strip().lower() if 0 <= at_split < len(line) else "train"
        name = _inside(path.parent, line[at_path].strip()) if len(line) > at_path else ""
        label = line[at_label].strip() if len(line) > at_label else ""
        if not name or not label or said not in SPLIT_OF_FOLDER or name in seen:
            problem = "no path inside the folder" if not name else "no label" if not label else ""
            problem = problem or (f"split {said!r}" if said not in SPLIT_OF_FOLDER else "twice")
            faults.append(f"line {number}: {problem}")
            continue
        seen.add(name)
        rows.append(_Row(name, label, SPLIT_OF_FOLDER[said]))
    if faults:
        problem = f"{len(faults)} lines cannot be used: {listing(faults, 5)}"
        raise SourceLayoutError(path, problem, _MEND)
    return rows


def _columns(path: Path, head: list[str]) -> tuple[int, int, int] | None:
    """Where path, label and split stand (-1: no split); None where there is no head line.

    Raises:
        SourceLayoutError: the head names a path or a label, but not both.
    """
    said = [name.strip().lower() for name in head]
    found = [
        next((said.index(name) for name in names if name in said), -1)
        for names in (_PATH_COLUMNS, _LABEL_COLUMNS, _SPLIT_COLUMNS)
    ]
    if found[0] >= 0 and found[1] >= 0:
        return found[0], found[1], found[2]
    if found[0] < 0 and found[1] < 0 and len(head) in (2, 3):
        return None
    raise SourceLayoutError(path, f"its columns are {listing(head, 8)}", _MEND)


def _inside(root: Path, text: str) -> str:
    """A path as one relative to `root`; empty where it leads out of it."""
    if os.path.isabs(text):
        text = os.path.relpath(text, root) if text.startswith(f"{root}{os.sep}") else ".."
    parts = [part for part in text.split("/") if part not in ("", ".")]
    return "" if ".." in parts else "/".join(parts)


def _status(root: Path, name: str) -> tuple[int, int] | None:
    """Size and time of a file; None where it is none.

    Raises:
        UnsafeLinkError: it lies outside.
    """
    path = os.path.join(root, name)
    try:
        found = os.stat(path)
    except OSError:
        return None
    if not stat.S_ISREG(found.st_mode):
        return None
    real = os.path.realpath(path)
    if not real.startswith(f"{os.path.realpath(root)}{os.sep}"):
        raise UnsafeLinkError(Path(path), real, "leads out of the source")
    return found.st_size, found.st_mtime_ns
