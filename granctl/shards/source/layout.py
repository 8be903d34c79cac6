"""What the folders that an image lies in say: its split and its label. Pure functions of paths."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from granctl.errors import SourceLayoutError, listing
from granctl.shards.source.listing import SPLIT_OF_FOLDER, SPLITS

OUTSIDE = -1
"""Label of a folder that is none and lies in none."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Layout:
    """Splits and labels of folders; arrays of shape (number of folders,)."""

    labels: tuple[str, ...]
    """Sorted."""
    label_of: NDArray[np.int32]
    """Index into `labels`, or `OUTSIDE`."""
    split_of: NDArray[np.int8]
    """Index into `SPLITS`."""


def splits_of_tops(root: Path, tops: Mapping[str, bool]) -> dict[str, str]:
    """Top folder -> split, for the layout SPLIT/CLASS/IMAGE; empty for CLASS/IMAGE.

    A folder is a split if it is named so and holds folders: `train` may well be a class of trains.

    Args:
        root: for messages.
        tops: each folder at the top, and whether it holds folders.

    Raises:
        SourceLayoutError: other folders stand beside the splits, or a split stands twice.
    """
    splits = {
        name: SPLIT_OF_FOLDER[name.lower()]
        for name, holds_folders in sorted(tops.items())
        if name.lower() in SPLIT_OF_FOLDER and holds_folders
    }
    if splits and len(set(splits.values())) < len(splits):
        raise SourceLayoutError(root, f"{listing(list(splits))} name the same split twice")
    beside = sorted(set(tops) - set(splits))
    if splits and beside:
        problem = f"beside {listing(list(splits))} stands {listing(beside)}, which holds no classes"
        if set(map(str.lower, beside)).isdisjoint(SPLIT_OF_FOLDER):
            problem = f"beside {listing(list(splits))} stands {listing(beside)}, which is no split"
        raise SourceLayoutError(root, problem)
    return splits


def tops_of(folders: Sequence[str]) -> dict[str, bool]:
    """Each first part of these paths, and whether any path goes on after it."""
    tops: dict[str, bool] = {}
    for folder in folders:
        top, slash, _ = folder.partition("/")
        if top:
            tops[top] = tops.get(top, False) or bool(slash)
    return tops


def laid_out(
    folders: Sequence[str], splits: Mapping[str, str], known: Collection[str] | None
) -> Layout:
    """Split and label of each folder.

    The label is the deepest folder that `known` names, by its path below the split or by its own
    name; without one, the first below the split.

    Args:
        folders: paths relative to the source, parted by `/`; empty is the source itself.
        splits: top folder -> split; empty where there are none.
        known: labels of a label list, if one was given.
    """
    found: list[tuple[str, int]] = []
    for folder in folders:
        parts = folder.split("/") if folder else []
        split = SPLITS.index(splits[parts[0]]) if splits and parts else 0
        parts = parts[1:] if splits else parts
        named = next(filter(known.__contains__, _names_of(parts)), None) if known else None
        found.append((named or (parts[0] if parts else ""), split))
    labels = tuple(sorted({label for label, _ in found if label}))
    place = {label: i for i, label in enumerate(labels)} | {"": OUTSIDE}
    return Layout(
        labels=labels,
        label_of=np.array([place[label] for label, _ in found], dtype=np.int32),
        split_of=np.array([split for _, split in found], dtype=np.int8),
    )


def _names_of(parts: Sequence[str]) -> Iterator[str]:
    """What a label list may call a folder and those that it lies in, the deepest first."""
    for depth in range(len(parts), 0, -1):
        yield "/".join(parts[:depth])
        yield parts[depth - 1]


def used_labels(
    labels: Sequence[str], label_of: NDArray[np.int32]
) -> tuple[tuple[str, ...], NDArray[np.int32]]:
    """The labels that images have, and the images' labels numbered so; order is kept."""
    counts = np.bincount(label_of, minlength=len(labels))
    used = np.flatnonzero(counts)
    number = np.cumsum(counts > 0, dtype=np.int32) - 1
    return tuple(labels[i] for i in used.tolist()), number[label_of].astype(np.int32)
