"""The reader of class folders: each folder a node, those that directly hold images the labels."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from granctl.errors import (
    BadOptionError,
    MissingInputError,
    NoImagesError,
    SourceLayoutError,
    listing,
)
from granctl.tree.draft import DEFAULT_ROOT, Draft, Imported
from granctl.tree.import_table import INAT_RANKS, take_ranks
from granctl.tree.rows import Record

INAT_FOLDERS = "inat21"
"""Short for the parts of iNaturalist 2021's folder names: number, six ranks, epithet."""

_IMAGE = re.compile(
    r"\.(avif|bmp|gif|heic|jfif|jpe?g|jpe|pgm|png|ppm|tiff?|webp)$", re.IGNORECASE | re.ASCII
)
_SPLITS = ("train", "val", "validation", "test")
_SKIP = "_"


@dataclass(frozen=True, slots=True)
class _Folder:
    path: str
    """Below the folder of folders, by `/`; "" is that folder itself."""
    has_images: bool
    num_others: int


def read_folders(
    folder: Path, ids: str = "path", ranks: str | None = None, root: str | None = None
) -> Imported:
    """Reads nested folders of images; nothing in a file is read.

    The folders train, val and test at the top are no nodes: what they hold is taken together.
    Folders without an image at or below them are left out, which is said.

    Args:
        folder: the folder of class folders.
        ids: `path`: a label's id is its path below `folder`, `animal/dog`; `name`: its own, `dog`.
        ranks: the folders' own names spell their ranks out, with `_` between them: the names of
            the parts by comma, `_` for one without a meaning, or `inat21`.
        root: the id of the made-up root over the topmost folders; None: `root`.

    Raises:
        MissingInputError: there is no such folder.
        NoImagesError: no folder below it holds an image.
        SourceLayoutError: a folder that is no split stands beside splits.
        BadOptionError: ids or ranks that mean nothing.
        TaxonomyFaultsError: every fault, each with its path.
    """
    if ids not in ("path", "name"):
        raise BadOptionError("--ids", f"{ids!r} is neither path nor name", "take --ids path")
    if not folder.is_dir():
        raise MissingInputError("folder of class folders", folder, "check the path")
    draft = Draft(folder.name or str(folder))
    labels, num_others = _labels(folder, draft)
    if not labels and not draft.faults:
        raise NoImagesError(folder, num_others)
    if ranks is not None:
        names = [path.rpartition("/")[2] for path in labels]
        parts, label_id = _parts(ranks), "\0id"
        records = list(_split_names(labels, parts, label_id, draft))
        take_ranks(draft, records, [p for p in parts if p != _SKIP], label_id)
    else:
        names = [path if ids == "path" else path.rpartition("/")[2] for path in labels]
        _take(draft, labels, names)
    digest = hashlib.sha256("\n".join(labels).encode("utf-8", "surrogateescape")).hexdigest()
    return draft.finish(root or DEFAULT_ROOT, {"folders": digest}, names)


def _take(draft: Draft, labels: list[str], names: list[str]) -> None:
    """Adds each label and the folders above it."""
    id_of = dict(zip(labels, names, strict=True))
    known: set[str] = set()
    for label in labels:
        paths = _line_of(label)
        for parent, path in zip(["", *paths], paths, strict=False):
            if path in known:
                continue
            known.add(path)
            node = id_of.get(path, path)
            is_new = node not in draft
            draft.new(node, path, path.rpartition("/")[2])
            if parent and is_new:
                draft.edge(node, id_of.get(parent, parent), path)


def _parts(ranks: str) -> list[str]:
    if ranks == INAT_FOLDERS:
        return [_SKIP, *INAT_RANKS[:-1], "epithet"]
    parts = [part.strip() for part in ranks.split(",")]
    named = [part for part in parts if part != _SKIP]
    if not named or not all(parts) or len(set(named)) < len(named):
        problem = f"{ranks!r} does not name each part of a folder's name once"
        hint = f"such as `--ranks {_SKIP},kingdom,genus,epithet`, or `--ranks {INAT_FOLDERS}`"
        raise BadOptionError("--ranks", problem, hint)
    return parts


def _split_names(
    labels: list[str], parts: list[str], label_id: str, draft: Draft
) -> Iterator[Record]:
    for label in labels:
        name = label.rpartition("/")[2]
        cells = name.split("_", len(parts) - 1)
        if len(cells) < len(parts):
            draft.fault(label, f"its name has {len(cells)} parts, where --ranks has {len(parts)}")
            continue
        cell_of = {part: cell for part, cell in zip(parts, cells, strict=True) if part != _SKIP}
        if "epithet" in cell_of and "genus" in cell_of:
            # A species is named by both; the parts of a subspecies are set apart by _ as well.
            cell_of["epithet"] = f"{cell_of['genus']} {cell_of['epithet'].replace('_', ' ')}"
        yield label, {**cell_of, label_id: name}


def _labels(folder: Path, draft: Draft) -> tuple[list[str], int]:
    """The paths of all folders that directly hold images, sorted; how many other files there are.

    Links that lead around, empty folders and images outside of every class go to the draft.
    """
    splits = _split_folders(folder)
    labels: set[str] = set()
    seen: set[str] = set()
    num_others = 0
    for top in [folder / split for split in splits] or [folder]:
        for found in _below(top, draft):
            seen.add(found.path)
            num_others += found.num_others
            if found.has_images and found.path:
                labels.add(found.path)
            elif found.has_images:
                draft.notes.append(f"images that lie in {top} itself, in no class, are left out")
    empty = seen - {path for label in labels for path in _line_of(label)} - {""}
    if empty:
        draft.notes.append(f"left out, for want of images: {listing(sorted(empty))}")
    return sorted(labels, key=lambda label: label.split("/")), num_others


def _line_of(path: str) -> list[str]:
    """The folders above a path from the top, and the path: `a`, `a/b`, `a/b/c`."""
    parts = path.split("/")
    return ["/".join(parts[:num]) for num in range(1, len(parts) + 1)]


def _split_folders(folder: Path) -> list[str]:
    """The folders at the top that are splits: named so, and holding folders."""
    tops = _folders_in(folder)
    splits = [top for top in tops if top.lower() in _SPLITS and _folders_in(folder / top)]
    beside = sorted(set(tops) - set(splits))
    if splits and beside:
        problem = f"beside the splits {listing(splits)} stands {listing(beside)}, which is none"
        raise SourceLayoutError(folder, problem)
    return splits


def _folders_in(folder: Path) -> list[str]:
    with os.scandir(folder) as entries:
        return sorted(e.name for e in entries if e.is_dir() and e.name[0] != ".")


def _below(top: Path, draft: Draft) -> Iterator[_Folder]:
    """`top` and every folder below it; links are followed, but never around."""
    waiting: list[tuple[str, tuple[str, ...]]] = [("", (os.path.realpath(top),))]
    while waiting:
        path, above = waiting.pop()
        num_images = num_others = 0
        with os.scandir(top / path) as found:
            entries = list(found)
        for entry in entries:
            if entry.name.startswith("."):
                continue
            here = f"{path}/{entry.name}" if path else entry.name
            if not entry.is_dir():
                is_image = _IMAGE.search(entry.name) is not None
                num_images, num_others = num_images + is_image, num_others + (not is_image)
                continue
            is_link = entry.is_symlink()
            real = os.path.realpath(entry.path) if is_link else f"{above[-1]}/{entry.name}"
            if real in above:
                draft.fault(here, "the link leads back to a folder that it lies in: a cycle")
            else:
                waiting.append((here, (*above, real)))
        yield _Folder(path, num_images > 0, num_others)
