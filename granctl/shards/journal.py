"""The journal of a relabel in place: what is being written into the shards of a set.

<shard set>/.relabel/
  journal.json        which relabel, and the manifest that the set had; written first
  train-000000-0.bin  sources of some images of a shard, written before their members are changed
  train-000000.done   the shard is changed and on the disk

The manifest is removed before the first byte of a shard is changed, so that nothing takes the set
for whole, and written again when all is done. So where there is a manifest a journal is void.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from granctl.errors import ManifestMismatchError, RelabelUnfinishedError
from granctl.files import fsync_path, read_json, write_json, writing
from granctl.shards.arraycache import Arrays, load_arrays, write_arrays
from granctl.workspace import MANIFEST_NAME

JOURNAL_NAME = ".relabel"
_HEAD_NAME = "journal.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Journal:
    """What is being done to a set."""

    digest: str
    """That the set will have."""
    command: str
    """What was typed, to be run again."""
    manifest: Mapping[str, Any]
    """That the set had."""


def find_journal(folder: Path) -> Journal | None:
    """The journal of an unfinished relabel; None where there is none, or it is void.

    Raises:
        ManifestMismatchError: it is damaged.
    """
    path = folder / JOURNAL_NAME / _HEAD_NAME
    if (folder / MANIFEST_NAME).is_file() or not path.is_file():
        return None
    head = read_json(path)
    try:
        return Journal(digest=head["digest"], command=head["command"], manifest=head["manifest"])
    except KeyError as error:
        hint = "make the shard set again with `granctl shards build`"
        raise ManifestMismatchError(path, f"it says no {error}", hint) from error


def check_no_journal(folder: Path) -> None:
    """Raises RelabelUnfinishedError where a relabel in place was stopped."""
    journal = find_journal(folder)
    if journal is not None:
        raise RelabelUnfinishedError(folder, journal.command)


def begin_journal(folder: Path, journal: Journal) -> None:
    """From now on the set is not whole, and its journal says why.

    Raises:
        OutputNotWritableError: no space, read-only, no permission.
    """
    remove_journal(folder)
    head = {"digest": journal.digest, "command": journal.command, "manifest": journal.manifest}
    write_json(folder / JOURNAL_NAME / _HEAD_NAME, head)
    fsync_path(folder)
    with writing(folder / MANIFEST_NAME):
        os.unlink(folder / MANIFEST_NAME)
        fsync_path(folder)


def remove_journal(folder: Path) -> None:
    """Removes a journal that is void; its head goes first, so that no half of one is read."""
    path = folder / JOURNAL_NAME
    if path.is_dir():
        with writing(path):
            (path / _HEAD_NAME).unlink(missing_ok=True)
            shutil.rmtree(path)


# --- one shard ------------------------------------------------------------------------------------


def is_done(folder: Path, stem: str) -> bool:
    """Whether a shard is changed and on the disk."""
    return (folder / JOURNAL_NAME / f"{stem}.done").is_file()


def write_sources(folder: Path, stem: str, part: int, sources: Sequence[bytes]) -> None:
    """Keeps what cannot be found again once a part of a shard is half changed.

    Raises:
        OutputNotWritableError: no space, read-only, no permission.
    """
    arrays: Arrays = {
        "bytes": np.frombuffer(b"".join(sources), dtype=np.uint8),
        "lengths": np.fromiter(map(len, sources), np.int64, len(sources)),
    }
    write_arrays(_part_path(folder, stem, part), {}, arrays)


def find_sources(folder: Path, stem: str, part: int) -> list[bytes] | None:
    """What was kept of a part of a shard; None: it was not changed yet."""
    found = load_arrays(_part_path(folder, stem, part))
    if found is None:
        return None
    raw, ends = found[1]["bytes"].tobytes(), np.cumsum(found[1]["lengths"]).tolist()
    return [raw[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]


def mark_done(folder: Path, stem: str, parts: int) -> None:
    """The shard is changed and on the disk; its parts are needed no more."""
    path = folder / JOURNAL_NAME / f"{stem}.done"
    with writing(path):
        path.touch()
        for part in range(parts):
            _part_path(folder, stem, part).unlink(missing_ok=True)


def _part_path(folder: Path, stem: str, part: int) -> Path:
    return folder / JOURNAL_NAME / f"{stem}-{part}.bin"
