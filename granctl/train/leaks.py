"""Images that a run was pretrained on, found among those that it is measured or chosen on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from granctl.errors import AllLeakedError, BadOptionError, LostInputError
from granctl.progress import Progress, Silent
from granctl.provenance import short
from granctl.shards.index import ShardSet
from granctl.train.hashed import looks_like
from granctl.train.labelling import Labelling
from granctl.train.lookup import shards_of_run
from granctl.train.runs import Run
from granctl.workspace import Workspace

Leaks = Literal["checksum", "perceptual", "keep"]
"""How images of the pretraining are looked for: by equal bytes; by their looks as well; or by equal
bytes, and they are scored all the same."""
Leaked = dict[str, Any] | None
"""`images` (how many were pretrained on; None where that cannot be known), `by`, and `kept`
(whether they are scored all the same); None without a pretraining."""
_TRAIN = "train"
_WORDS = 4
"""Of eight bytes, in a checksum of 32 hex digits."""
_ODD = np.uint64(0x9E3779B97F4A7C15)


def seen_in_pretraining(
    run: Run,
    shards: ShardSet,
    split: str,
    *,
    by: Leaks = "checksum",
    workspace: Workspace | None = None,
    progress: Progress | None = None,
) -> NDArray[np.bool_]:
    """Which images of a split stand in the training split of the run's shards: shape (N,).

    That is every image that the run can have seen: a run on a part of its images (`--images`), or
    with a map that gives some no class, has seen fewer. The order is that of `shards.rows(split)`.

    Args:
        run: the run; its shards are found where its command said, or by digest.
        shards: a target.
        split: of the target.
        by: `checksum` (or `keep`): the same bytes; `perceptual`: images that are encoded anew or
            have another size, too.
        workspace: is looked in for the run's shards beside the run's own, and keeps hashes.
        progress: told how far the hashes are.

    Raises:
        LostInputError: the shards of the run are not there any more.
        NoSuchSplitError: the target has no such split.
    """
    source = shards_of_run(run, workspace)
    if source is None:
        digest = short(str(run.manifest["inputs"]["shards"]))
        raise LostInputError("shard set of the pretraining", digest, "granctl shards build")
    seen = among(shards.checksums(split), source.checksums(_TRAIN))
    if by == "perceptual":
        space = workspace or Workspace(run.root.absolute().parent.parent)
        told = progress or Silent()
        seen |= looks_like(space, (shards, split), (source, _TRAIN), told)
    return seen


def among(ours: NDArray[np.bytes_], theirs: NDArray[np.bytes_]) -> NDArray[np.bool_]:
    """Which of our checksums stand among theirs; shape (n,).

    Theirs are looked up in ours, sorted, by 64 bits; what is found so is compared in full. So 14
    million of theirs need no sorting.

    Args:
        ours: dtype S32, shape (n,).
        theirs: dtype S32, shape (m,).
    """
    if not len(ours) or not len(theirs):
        return np.zeros(len(ours), dtype=np.bool_)
    keys = np.sort(_mixed(ours))
    asked = _mixed(theirs)
    place = np.searchsorted(keys, asked).clip(max=len(keys) - 1)
    found: NDArray[np.bool_] = np.isin(ours, theirs[keys[place] == asked])
    return found


def _mixed(sums: NDArray[np.bytes_]) -> NDArray[np.uint64]:
    """64 bits of each checksum."""
    words = np.ascontiguousarray(sums, dtype="S32").view(np.uint64).reshape(-1, _WORDS)
    mixed = words[:, 0]
    for i in range(1, _WORDS):
        mixed = mixed * _ODD ^ words[:, i]
    return mixed


@dataclass(frozen=True, kw_only=True, eq=False)
class Guarded:
    """The images of a target that are scored, and what is known of the others."""

    labelling: Labelling
    leaked: Leaked


def guarded(
    run: Run | None,
    shards: ShardSet,
    split: str,
    labelling: Labelling,
    leaks: Leaks,
    workspace: Workspace,
    progress: Progress,
) -> Guarded:
    """Leaves out of a labelling the images that the run was pretrained on, and says how many.

    Raises:
        BadOptionError: there is no such way.
        AllLeakedError: no image would be left.
    """
    if leaks not in get_args(Leaks):
        known = ", ".join(get_args(Leaks))
        raise BadOptionError("--leaks", f"{leaks!r} is none", f"take one of {known}")
    if run is None:
        return Guarded(labelling=labelling, leaked=None)
    by, where = "checksum" if leaks == "keep" else leaks, f"{shards.name} {split}"
    try:
        seen = seen_in_pretraining(
            run, shards, split, by=by, workspace=workspace, progress=progress
        )
    except LostInputError:
        progress.note(
            f"the shards of {run.root.name} are not there any more: nobody knows whether it was"
            f" pretrained on images of {where}"
        )
        unknown = {"images": None, "by": by, "kept": True}
        return Guarded(labelling=labelling, leaked=unknown)
    ours = seen[labelling.row]
    num, kept = int(ours.sum()), leaks == "keep"
    leaked = {"images": num, "by": by, "kept": kept}
    if num:
        done = "scored all the same" if kept else "not scored"
        progress.note(
            f"warning: {num} of {len(ours)} images of {where} were pretrained on (by {by}):"
            f" they are {done}"
        )
    if kept or not num:
        return Guarded(labelling=labelling, leaked=leaked)
    if num == len(ours):
        raise AllLeakedError(where, num)
    return Guarded(labelling=labelling.only(np.flatnonzero(~ours)), leaked=leaked)
