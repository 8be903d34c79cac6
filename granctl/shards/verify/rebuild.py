"""Building shards of a finished set again: its index is the plan, the source gives the bytes."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from granctl.errors import BadOptionError, GranctlError, SourceDiffersError
from granctl.progress import Progress
from granctl.shards.build.pack import Packing
from granctl.shards.build.plan import PlannedShard
from granctl.shards.build.recode import Recode
from granctl.shards.index import ShardSet
from granctl.shards.source.listing import Source
from granctl.shards.source.opening import SourceKind
from granctl.shards.source.resolve import EMBEDDED, open_source
from granctl.shards.verify.layout import ShardRows
from granctl.workspace import Workspace

_BUILDERS = ("build", "plan")


@dataclass(frozen=True, kw_only=True, slots=True)
class RepairSpec:
    """What `granctl shards verify --repair` is asked."""

    source: str | None = None
    """Where the source lies now; None: where it was when the set was built."""
    source_kind: SourceKind | None = None
    known: Sequence[str] | None = None
    """Labels of the label map of the build, which say what folder is a class."""


def source_said(command: str) -> tuple[str, str | None] | None:
    """`--source` and `--source-kind` of the command that built a set; None: it is no such command.

    Example:
        >>> source_said("granctl shards build --source /data/in21k --seed 1")
        ('/data/in21k', None)
        >>> source_said("granctl demo") is None
        True
    """
    try:
        words = shlex.split(command)
    except ValueError:
        return None
    if words[1:2] != ["shards"] or words[2:3] not in [[word] for word in _BUILDERS]:
        return None
    source, kind = EMBEDDED, None
    for word, after in zip(words, [*words[1:], ""], strict=True):
        name, equals, value = word.partition("=")
        if name == "--source":
            source = value if equals else after
        elif name == "--source-kind":
            kind = value if equals else after
    return source, kind


def source_of(
    workspace: Workspace,
    spec: RepairSpec,
    manifest: Mapping[str, Any],
    recorded: Mapping[str, Any] | None,
    progress: Progress,
) -> Source:
    """The source of a finished set: the one that is given, else the one that it was built from.

    What it is worth is seen when its images are compared with the index.

    Args:
        workspace: where names are registered.
        spec: what is given.
        manifest: of the set.
        recorded: its spec.json, where there is one.
        progress: is told how far the pass over headers is.

    Raises:
        BadOptionError: nothing says where the source lies, or it is not there any more.
        UserError: the given source cannot be opened.
    """
    given, kind, known = spec.source, spec.source_kind, spec.known
    if given is not None:
        return open_source(workspace, given, kind=kind, known=known, progress=progress)
    command = str(((recorded or {}).get("provenance") or {}).get("command", ""))
    said = source_said(command)
    named = manifest["source"] in (EMBEDDED, *workspace.data_names())
    if said is None and named:
        said = (str(manifest["source"]), None)
    if said is None:
        problem = "shards must be built again, and nothing says where their source lies"
        raise BadOptionError("--source", problem, "say where it is: --source FOLDER_OR_FILE")
    text, said_kind = said
    try:
        chosen: Any = kind or said_kind
        return open_source(workspace, text, kind=chosen, known=known, progress=progress)
    except GranctlError as error:
        problem = f"the set was built from {text!r}, which cannot be opened here: {error.message}"
        raise BadOptionError("--source", problem, "say where it is now with --source") from error


def check_source(source: Source, shards: ShardSet, name: str, rows: ShardRows) -> None:
    """Compares the listing with the rows of one shard: number, label and size of each image.

    Raises:
        SourceDiffersError: the source is not what the set was built from; names the first image.
    """
    listing = source.listing
    there = rows.keys < len(listing)
    keys = np.where(there, rows.keys, 0)
    place = {label: i for i, label in enumerate(shards.labels)}
    labels = np.array([place.get(label, -1) for label in listing.labels], dtype=np.int64)
    same = there & (labels[listing.label_of[keys]] == rows.labels)
    if "recoded" not in shards.manifest:
        same &= listing.sizes[keys] == rows.sizes
    differing = np.flatnonzero(~same)
    if len(differing):
        row = int(differing[0])
        key = int(rows.keys[row])
        what = f"it has no image {key:,}"
        if there[row]:
            what = f"{listing.names[key]} has another label or size"
        raise SourceDiffersError(source.root, name, what, len(differing))


def packing_of(source: Source, shards: ShardSet) -> Packing:
    """How the shards of a set are packed: under the classes that its manifest says."""
    of_label = dict(zip(shards.labels, shards.manifest["classes"]["of_label"], strict=True))
    recoded = shards.manifest.get("recoded")
    return Packing(
        source=source,
        classes=[tuple(of_label.get(label, ())) for label in source.listing.labels],
        recode=None if recoded is None else Recode(**recoded),
    )


def planned_again(record: Mapping[str, Any], rows: ShardRows) -> PlannedShard:
    """A shard as it was planned, but for bad images, which were left out of it."""
    return PlannedShard(
        stem=record["name"].removesuffix(".tar"),
        split=record["split"],
        members=rows.keys,
        num_bytes=record["bytes"],
    )
