"""The plan of a shard set as a file: all that tasks and the end of a build need to know.

It lies in the unfinished shard set, so that any process that sees the folder can do a part of the
work, and is gone when the set is whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from granctl.errors import ManifestMismatchError, MissingInputError
from granctl.shards.arraycache import load_arrays, write_arrays
from granctl.shards.build.audit import Depth
from granctl.shards.build.buildspec import OnBadImage
from granctl.shards.build.plan import PlannedShard
from granctl.shards.build.recode import Recode
from granctl.shards.setfiles import PARTS_NAME
from granctl.shards.source.opening import SourceKind

_PLAN_NAME = "plan.bin"
_SCHEMA = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceRef:
    """How a process finds the source again."""

    text: str
    """As `open_source` takes it; paths are absolute."""
    kind: SourceKind | None
    known: Sequence[str] | None
    """Labels of the label map, which say what folder is a class."""
    workspace: str
    """Where names are registered and what headers say is kept."""
    digest: str
    """What the source was when it was planned."""
    name: str
    """What people call it."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Plan:
    """A shard set that is to be."""

    digest: str
    """Of what was asked; the digest of the set."""
    shards: Sequence[PlannedShard]
    source: SourceRef
    classes: Sequence[tuple[int, ...]]
    """The classes of each label of the source's listing, the first one first."""
    labels: Sequence[str]
    """Those that have images, sorted."""
    depth: Depth
    recode: Recode | None
    on_bad_image: OnBadImage
    rejected: Sequence[tuple[str, str]]
    """Of the listing: name and problem of what is never read."""
    classes_record: Mapping[str, Any]
    """What the manifest says of the numbers in `.cls`."""
    identity: Mapping[str, Any]
    """What `digest` was made of."""
    inputs: Mapping[str, str]
    """Role -> digest of what was read."""

    @property
    def num_images(self) -> int:
        """In all shards; bad ones are found only when they are read."""
        return sum(len(shard.members) for shard in self.shards)

    @property
    def num_bytes(self) -> int:
        """Of all tars."""
        return sum(shard.num_bytes for shard in self.shards)


def plan_path(folder: Path) -> Path:
    """Where the plan of an unfinished shard set lies."""
    return folder / PARTS_NAME / _PLAN_NAME


def write_plan(folder: Path, plan: Plan) -> None:
    """Keeps the plan in the folder of its shard set.

    Raises:
        OutputNotWritableError: no space, read-only, no permission.
    """
    source = plan.source
    recode = plan.recode
    head = {
        "schema": _SCHEMA,
        "digest": plan.digest,
        "stems": [shard.stem for shard in plan.shards],
        "splits": [shard.split for shard in plan.shards],
        "source": {
            "text": source.text,
            "kind": source.kind,
            "known": None if source.known is None else list(source.known),
            "workspace": source.workspace,
            "digest": source.digest,
            "name": source.name,
        },
        "classes": [list(classes) for classes in plan.classes],
        "labels": list(plan.labels),
        "depth": plan.depth,
        "recode": None if recode is None else [recode.resize, recode.quality],
        "on_bad_image": plan.on_bad_image,
        "rejected": [list(one) for one in plan.rejected],
        "classes_record": dict(plan.classes_record),
        "identity": dict(plan.identity),
        "inputs": dict(plan.inputs),
    }
    members = [shard.members for shard in plan.shards]
    arrays = {
        "members": np.concatenate(members) if members else np.zeros(0, np.int64),
        "counts": np.array([len(one) for one in members], dtype=np.int64),
        "bytes": np.array([shard.num_bytes for shard in plan.shards], dtype=np.int64),
    }
    write_arrays(plan_path(folder), head, arrays)


def find_plan(folder: Path) -> Plan | None:
    """The plan in a folder; None where there is none, or it is damaged or of another version."""
    found = load_arrays(plan_path(folder))
    if found is None or found[0].get("schema") != _SCHEMA:
        return None
    head, arrays = found
    recode = head["recode"]
    members = np.split(arrays["members"], np.cumsum(arrays["counts"])[:-1])
    shards = [
        PlannedShard(stem=stem, split=split, members=ours, num_bytes=int(size))
        for stem, split, ours, size in zip(
            head["stems"], head["splits"], members, arrays["bytes"], strict=True
        )
    ]
    return Plan(
        digest=head["digest"],
        shards=shards,
        source=SourceRef(**head["source"]),
        classes=[tuple(classes) for classes in head["classes"]],
        labels=head["labels"],
        depth=head["depth"],
        recode=None if recode is None else Recode(resize=recode[0], quality=recode[1]),
        on_bad_image=head["on_bad_image"],
        rejected=[(name, problem) for name, problem in head["rejected"]],
        classes_record=head["classes_record"],
        identity=head["identity"],
        inputs=head["inputs"],
    )


def check_folder(folder: Path) -> None:
    """Raises MissingInputError where there is no such folder."""
    if not folder.is_dir():
        raise MissingInputError("plan", folder, "make one with `granctl shards plan`")


def read_plan(folder: Path) -> Plan:
    """The plan in a folder.

    Raises:
        MissingInputError: there is no such folder.
        ManifestMismatchError: there is no plan in it, or it is damaged.
    """
    check_folder(folder)
    plan = find_plan(folder)
    if plan is None:
        path = plan_path(folder)
        problem = "damaged, or of another version" if path.exists() else "there is no plan"
        raise ManifestMismatchError(
            path, problem, "run the `granctl shards plan` (or `build`) of this shard set again"
        )
    return plan
