"""ImageNetV2 as it is handed out: folders that are named by a class's number in ImageNet-1k."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from granctl.errors import SourceLayoutError, listing
from granctl.shards.source.folders import folder_inventory
from granctl.shards.source.inventory import FileSource, by_folder
from granctl.shards.source.knownsets import list_labels
from granctl.shards.source.layout import OUTSIDE, Layout
from granctl.shards.source.listing import SPLITS
from granctl.shards.source.opening import Opening, tars_below
from granctl.shards.source.tarsource import tar_inventory

_LIST = "1k"
_CALLED = "imagenetv2-"
"""So begin the names of its folders and archives."""


def is_imagenetv2(path: Path) -> bool:
    """Whether a folder or a tar is called as those that are handed out."""
    return path.name.lower().startswith(_CALLED)


def open_imagenetv2(opening: Opening) -> FileSource:
    """Its images, all of them held out (`val`), under the labels that the numbers count.

    Folder 10 is the eleventh label of the sorted list, whatever order the file system or the
    alphabet puts it in. A folder that is named by a label itself is that label.

    Raises:
        SourceLayoutError: a folder of images is no number of the list.
    """
    labels = opening.numbered or list_labels(_LIST)
    path = opening.path
    tars = [path.name] if path.is_file() else tars_below(path)
    if tars:
        root = path.parent if path.is_file() else path
        inventory = tar_inventory(opening.workspace, root, tars, opening.progress)
    else:
        inventory = folder_inventory(path)
    layout = numbered_layout(inventory.folders, labels)
    used = np.unique(inventory.folder_of).tolist()
    bad = [inventory.folders[i] for i in used if layout.label_of[i] == OUTSIDE]
    if bad:
        problem = f"{listing(bad)}: no number from 0 to {len(labels) - 1}, and no label of the list"
        mend = "name the folders of classes 0, 1, 2 ... as in the archive that is handed out"
        raise SourceLayoutError(path, problem, mend)
    return FileSource(inventory, opening.name, by_folder(inventory, layout))


def numbered_layout(folders: Sequence[str], labels: Sequence[str]) -> Layout:
    """The label of each folder by the deepest part of its path that is a number, or a label.

    Args:
        folders: paths, parted by `/`.
        labels: sorted; the numbers count them from 0.
    """
    place = {label: i for i, label in enumerate(labels)}

    def number(part: str) -> int:
        if part.isascii() and part.isdigit() and int(part) < len(labels):
            return int(part)
        return place.get(part, OUTSIDE)

    found = [
        next((n for n in map(number, reversed(folder.split("/"))) if n != OUTSIDE), OUTSIDE)
        for folder in folders
    ]
    return Layout(
        labels=tuple(labels),
        label_of=np.array(found, dtype=np.int32),
        split_of=np.full(len(folders), SPLITS.index("val"), dtype=np.int8),
    )
