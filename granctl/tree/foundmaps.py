"""Label maps of a workspace, found by digest."""

from __future__ import annotations

from pathlib import Path

from granctl.errors import GranctlError
from granctl.provenance import short
from granctl.tree.labelmap import LabelMap
from granctl.workspace import Workspace


def map_paths(workspace: Workspace, digest: object) -> list[Path]:
    """Where the label map of a digest may lie in the workspace."""
    return sorted(workspace.folder("label-map").glob(f"*-{short(str(digest))}.parquet"))


def find_map(workspace: Workspace, digest: object) -> tuple[Path, LabelMap] | None:
    """The label map of a digest and where it lies; None where it is gone."""
    for path in map_paths(workspace, digest):
        try:
            found = LabelMap.read(path)
        except GranctlError:
            continue
        if found.digest == digest:
            return path, found
    return None
