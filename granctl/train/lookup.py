"""What a run was made of, found again: by digest in a workspace, or where its command said."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from granctl.errors import GranctlError
from granctl.files import read_json
from granctl.provenance import short
from granctl.shards.index import ShardSet
from granctl.tree.labelmap import LabelMap
from granctl.workspace import SPEC_NAME, Workspace

if TYPE_CHECKING:
    from granctl.train.runs import Run


def map_paths(workspace: Workspace, digest: object) -> list[Path]:
    """Where the label map of a digest may lie in the workspace."""
    return sorted(workspace.folder("label-map").glob(f"*-{short(str(digest))}.parquet"))


def find_map(workspace: Workspace, digest: object) -> tuple[Path, LabelMap] | None:
    """The label map of a digest and where it lies; None where it is gone."""
    return _map_among(map_paths(workspace, digest), digest)


def shards_by_digest(workspace: Workspace, digest: str) -> ShardSet | None:
    """The shard set with that content digest in the workspace; None where it is gone."""
    return _shards_among(sorted(workspace.folder("shards").glob("*")), digest)


def shards_of_run(run: Run, workspace: Workspace | None = None) -> ShardSet | None:
    """The shard set that a run was pretrained on; None where it is gone.

    It is looked for by its digest where it was then, and in the workspaces.

    Args:
        run: the run.
        workspace: is looked in beside that of the run.
    """
    digest = str(run.manifest["inputs"]["shards"])
    then = _then(run, "shards", "--shards")
    said = _shards_among(then, digest)
    if said is not None:
        return said
    found = (shards_by_digest(space, digest) for space in _workspaces(run, workspace))
    return next((shards for shards in found if shards is not None), None)


def map_of_run(run: Run, workspace: Workspace | None = None) -> LabelMap | None:
    """The label map that a run was pretrained on (the first of several); None where it is gone."""
    digest = str(run.record["labels_digest"])
    said = _map_among(_then(run, "label_map", "--labels"), digest)
    if said is not None:
        return said[1]
    found = (find_map(space, digest) for space in _workspaces(run, workspace))
    return next((pair[1] for pair in found if pair is not None), None)


def _workspaces(run: Run, workspace: Workspace | None) -> list[Workspace]:
    own = Workspace(run.root.absolute().parent.parent)
    return [own] if workspace is None else [workspace, own]


def _then(run: Run, field: str, option: str) -> list[str]:
    """Where an input was: the record says it, and of older runs perhaps the command."""
    return [str(run.record[field])] if field in run.record else list(_said(run, option))


def _said(run: Run, option: str) -> Iterator[str]:
    """What the run's command had for an option."""
    record = read_json(run.root / SPEC_NAME).get("provenance") or {}
    try:
        words = shlex.split(str(record.get("command", "")))
    except ValueError:  # a quote that is never closed: no command of ours
        return
    for word, after in zip(words, [*words[1:], ""], strict=True):
        if word == option:
            yield after
        elif word.startswith(f"{option}="):
            yield word.partition("=")[2]


def _shards_among(places: Iterable[str | Path], digest: str) -> ShardSet | None:
    for place in places:
        try:
            shards = ShardSet.open(place)
            if shards.digest == digest:
                return shards
        except (OSError, GranctlError):
            continue
    return None


def _map_among(places: Iterable[str | Path], digest: object) -> tuple[Path, LabelMap] | None:
    for place in places:
        try:
            found = LabelMap.read(Path(place))
        except (OSError, GranctlError):
            continue
        if found.digest == digest:
            return Path(place), found
    return None
