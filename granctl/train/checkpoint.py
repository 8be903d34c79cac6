"""Checkpoints: folders that are whole or not there, verified by checksum before they are used.

<run>/checkpoints/
  step-000094/
    state.pt         tensors and plain values only; read with weights_only
    manifest.json    step, epoch, the run's digest, sha256 of state.pt
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from granctl.errors import CheckpointMismatchError, ManifestMismatchError
from granctl.files import fsync_path, make_folder, read_json, write_json, writing
from granctl.progress import Progress
from granctl.provenance import short
from granctl.workspace import MANIFEST_NAME

STATE_NAME = "state.pt"
_MADE = "made"
"""Key of step, epoch and run inside the state."""
_FOLDER = re.compile(r"step-(\d+)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Checkpoint:
    """A checkpoint that was read and found whole."""

    path: Path
    step: int
    """Steps that were taken."""
    epoch: int
    """Epochs that were finished."""
    state: Mapping[str, Any]
    """What `save` was given; tensors on the CPU."""


def save(
    folder: Path,
    state: Mapping[str, Any],
    *,
    step: int,
    epoch: int,
    run_digest: str,
    keep: int = 2,
    keep_every: int | None = None,
) -> Path:
    """Writes a checkpoint whole or not at all, then removes all but the newest `keep`.

    Args:
        folder: the run's `checkpoints`.
        state: tensors, numbers, strings, and lists and dicts of them.
        step: steps that were taken.
        epoch: epochs that were finished.
        run_digest: identity of the run.
        keep: at least 2, so that a damaged newest one has one before it.
        keep_every: those of every so many steps stay too.

    Raises:
        OutputNotWritableError: no space, read-only, no permission.
    """
    import torch

    place = _place(folder, step)
    temporary = folder / f"{place.name}.tmp"
    make_folder(folder)
    with writing(place):
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        try:
            made = {"step": step, "epoch": epoch, "run_digest": run_digest}
            torch.save({**state, _MADE: made}, temporary / STATE_NAME)
            fsync_path(temporary / STATE_NAME)
            manifest = {
                "schema": 1,
                **made,
                "sha256": _sha256(temporary / STATE_NAME),
            }
            write_json(temporary / MANIFEST_NAME, manifest)
        except BaseException as error:
            shutil.rmtree(temporary, ignore_errors=True)  # its space may be what the next one needs
            if isinstance(error, RuntimeError):  # how torch says that a disk is full
                raise OSError(errno.ENOSPC, str(error)) from error
            raise
        shutil.rmtree(place, ignore_errors=True)
        os.replace(temporary, place)
        fsync_path(folder)
    earlier = [(number, old) for number, old in _newest_first(folder) if number <= step]
    for number, old in earlier[max(keep, 1) :]:
        if keep_every is None or number % keep_every:
            shutil.rmtree(old, ignore_errors=True)
    # Later ones are damaged, or the run would have gone on from them.
    for number, old in _newest_first(folder):
        if number > step:
            shutil.rmtree(old, ignore_errors=True)
    return place


def newest(
    folder: Path, run_digest: str, progress: Progress
) -> tuple[Checkpoint | None, list[str]]:
    """The newest checkpoint that is whole; each damaged one before it is told.

    Returns:
        the checkpoint, None where there is none; and what is wrong with those passed over.

    Raises:
        CheckpointMismatchError: one is of another run.
    """
    faults: list[str] = []
    for _, place in _newest_first(folder):
        try:
            return _load(place, run_digest), faults
        except ManifestMismatchError as error:
            faults.append(error.message)
            progress.note(f"damaged checkpoint, the one before is taken: {error.message}")
    return None, faults


def at_step(folder: Path, run_digest: str, step: int) -> Checkpoint:
    """The checkpoint that another process of the same training found whole.

    Raises:
        ManifestMismatchError: it is damaged.
        CheckpointMismatchError: it is of another run.
    """
    return _load(_place(folder, step), run_digest)


def kept(folder: Path) -> list[tuple[int, Path]]:
    """Steps and folder of each checkpoint, oldest first; none of them is looked into."""
    return _newest_first(folder)[::-1]


def _place(folder: Path, step: int) -> Path:
    return folder / f"step-{step:06d}"


def _load(place: Path, run_digest: str) -> Checkpoint:
    import torch

    hint = "remove that folder: the checkpoint before it is taken"
    state_path = place / STATE_NAME
    for path in (place / MANIFEST_NAME, state_path):
        if not path.is_file():
            raise ManifestMismatchError(path, "it is missing", hint)
    manifest = read_json(place / MANIFEST_NAME)
    if not {"step", "epoch", "run_digest", "sha256"} <= manifest.keys():
        raise ManifestMismatchError(place / MANIFEST_NAME, "not that of a checkpoint", hint)
    try:
        if _sha256(state_path) != manifest["sha256"]:
            raise ManifestMismatchError(state_path, "its bytes are not those that were saved", hint)
        state = torch.load(state_path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise ManifestMismatchError(state_path, f"it cannot be read: {error}", hint) from error
    made = state.pop(_MADE)  # under the checksum, which the manifest's own fields are not
    if made["run_digest"] != run_digest:
        raise CheckpointMismatchError(place, short(str(made["run_digest"])), short(run_digest))
    if any(manifest[key] != value for key, value in made.items()) or place != _place(
        place.parent, made["step"]
    ):
        raise ManifestMismatchError(place / MANIFEST_NAME, "it says another step or run", hint)
    return Checkpoint(path=place, step=made["step"], epoch=made["epoch"], state=state)


def _newest_first(folder: Path) -> list[tuple[int, Path]]:
    """Steps and folder of each checkpoint."""
    if not folder.is_dir():
        return []
    found = [(int(m[1]), p) for p in folder.iterdir() if (m := _FOLDER.fullmatch(p.name))]
    return sorted(found, reverse=True)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
