"""What a kind of source is opened with, and how a user's path may say several files."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from granctl.progress import Progress
from granctl.workspace import Workspace

SourceKind = Literal[
    "folders", "tars", "imagenet1k", "imagenetv2", "inat", "webdataset", "shards", "parquet", "csv"
]
KINDS: tuple[str, ...] = get_args(SourceKind)

_BRACE = re.compile(r"\{(\d+)\.\.(\d+)\}")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Opening:
    """One source that is to be opened."""

    workspace: Workspace
    """Keeps what was read of headers."""
    path: Path
    """A folder or a file; it exists."""
    files: tuple[str, ...] = ()
    """The files in `path` that a pattern named; empty: what lies there."""
    name: str
    """For file names and messages."""
    known: Collection[str] | None
    """Labels of a label list, if one was given: they say which folder is a class."""
    progress: Progress
    numbered: tuple[str, ...] = ()
    """The labels that numbers of folders count; empty: those of ImageNet-1k."""


def expanded(text: str) -> list[str]:
    """The names that `a-{000..146}.tar` means; a text without such a range is itself."""
    found = _BRACE.search(text)
    if found is None:
        return [text]
    first, last = found.group(1), found.group(2)
    numbers = range(int(first), int(last) + 1)
    names = [f"{text[: found.start()]}{n:0{len(first)}d}{text[found.end() :]}" for n in numbers]
    return [name for half in names for name in expanded(half)]


def tars_below(root: Path) -> list[str]:
    """Tars in a folder and in the folders of splits in it: names relative to it, sorted."""
    found = [path for pattern in ("*.tar", "*/*.tar") for path in root.glob(pattern)]
    files = [path for path in found if path.is_file() and not path.name.startswith(".")]
    return sorted(str(path.relative_to(root)) for path in files)
