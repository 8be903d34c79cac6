"""Named data sets that are known by what they hold when they are whole: read as facts, no code."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

from granctl import spec
from granctl.errors import SpecError
from granctl.workspace import Workspace, embedded

FACTS_NAME = "data-sets.toml"


@dataclass(frozen=True, kw_only=True, slots=True)
class PerSplit:
    """A number for each split; None where nothing is said."""

    train: int | None = None
    val: int | None = None
    test: int | None = None

    @property
    def said(self) -> dict[str, int]:
        """Split -> number, of those that are said."""
        every = {field.name: getattr(self, field.name) for field in fields(self)}
        return {split: num for split, num in every.items() if num is not None}


@dataclass(frozen=True, kw_only=True, slots=True)
class Release:
    """One form in which a data set is handed out."""

    name: str
    classes: int
    list: str = ""
    """An embedded label list, or a file relative to the workspace; empty: only counted."""
    images: PerSplit = PerSplit()
    fewest: PerSplit = PerSplit()
    """Images that each class has at least."""
    most: PerSplit = PerSplit()
    entries: int = 0
    """Of a file of labels: the images that it is about."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Facts:
    """A table of data-sets.toml."""

    about: str = ""
    aliases: tuple[str, ...] = ()
    holds: Literal["images", "real"] = "images"
    numbered: str = ""
    origin: str = ""
    release: tuple[Release, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownSet:
    """A data set by name."""

    name: str
    about: str
    aliases: tuple[str, ...]
    holds: Literal["images", "real"]
    """Images, or labels for another set's validation images (ImageNet-ReaL's real.json)."""
    numbered: str
    """The label list whose sorted order the numbers of its classes count; empty: it has names."""
    releases: tuple[Release, ...]
    home: Path
    """Where files of labels are looked for."""

    def labels(self, name: str) -> tuple[str, ...]:
        """The labels of a list that it names, sorted: in1k numbers its classes so."""
        own = self.home / name
        if own.is_file():
            return tuple(sorted(own.read_text(encoding="utf-8").split()))
        return list_labels(name)


def list_labels(name: str) -> tuple[str, ...]:
    """The labels of an embedded list, sorted.

    Raises:
        ManifestMismatchError: there is no such list.
    """
    content = gzip.decompress(embedded(f"lists/{name}.txt.gz").read_bytes())
    return tuple(sorted(content.decode().split()))


def known_sets(workspace: Workspace) -> dict[str, KnownSet]:
    """Every data set that is known, by name: the embedded facts, and the workspace's own.

    Raises:
        SpecError: the workspace's data-sets.toml has faults; all of them are said.
    """
    own = workspace.root / FACTS_NAME
    found = _read(embedded(FACTS_NAME))
    return {**found, **(_read(own) if own.is_file() else {})}


def known_as(workspace: Workspace, name: str) -> KnownSet | None:
    """The data set of a name or of another name for it, whatever the case; None: it is made up."""
    sets = known_sets(workspace)
    lower = name.lower()
    if name in sets:
        return sets[name]
    return next((s for s in sets.values() if lower in (s.name.lower(), *s.aliases)), None)


def registered_name(workspace: Workspace, name: str) -> str:
    """The name that `data add` keeps it under (`imagenet` is in1k); else as it was given."""
    names = workspace.data_names()
    known = known_as(workspace, name) if names and name not in names else None
    return known.name if known is not None and known.name in names else name


def _read(path: Path) -> dict[str, KnownSet]:
    tables = spec.load_toml(path)
    loose = [name for name, table in tables.items() if not isinstance(table, Mapping)]
    if loose:
        raise SpecError(str(path), [f"{name}: a table was expected" for name in loose])
    found = {}
    for name, table in tables.items():
        facts = spec.parse(_Facts, table, f"{path} [{name}]")
        found[name] = KnownSet(
            name=name,
            about=facts.about,
            aliases=facts.aliases,
            holds=facts.holds,
            numbered=facts.numbered,
            releases=facts.release,
            home=path.parent,
        )
    return found
