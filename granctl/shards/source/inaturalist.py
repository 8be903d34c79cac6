"""iNaturalist as it is handed out: folders or tars of images, and a JSON file a split."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from granctl.errors import SourceLayoutError, listing
from granctl.shards.source.folders import folder_inventory
from granctl.shards.source.inventory import FileSource, Inventory, Labelled
from granctl.shards.source.layout import OUTSIDE
from granctl.shards.source.listing import SPLITS
from granctl.shards.source.opening import Opening, tars_below
from granctl.shards.source.tarsource import tar_inventory

_SPLIT_OF_FILE = {
    "train.json": "train",
    "train_mini.json": "train",
    "train2017.json": "train",
    "train2018.json": "train",
    "train2019.json": "train",
    "val.json": "val",
    "val2017.json": "val",
    "val2018.json": "val",
    "val2019.json": "val",
}
"""Where both train.json and train_mini.json are about images that are here, the first counts."""


def annotation_files(root: Path) -> list[str]:
    """The JSON files of splits that lie in a folder."""
    return [name for name in _SPLIT_OF_FILE if (root / name).is_file()]


def open_inaturalist(opening: Opening) -> FileSource:
    """Images with the labels that the JSON files say: the folder's name of each category.

    Raises:
        SourceLayoutError: no such file, none of its images is here, or it is no such JSON.
    """
    root = opening.path
    files = annotation_files(root)
    if not files:
        problem = "no train.json or val.json"
        raise SourceLayoutError(root, problem, "put the JSON files beside the images")
    tars = tars_below(root)
    if tars:
        inventory = tar_inventory(opening.workspace, root, tars, opening.progress)
    else:
        inventory = folder_inventory(root)
    return FileSource(*_labelled(root, files, inventory, opening))


def _labelled(
    root: Path, files: list[str], inventory: Inventory, opening: Opening
) -> tuple[Inventory, str, Labelled]:
    row_of = {name: row for row, name in enumerate(inventory.names)}
    label_at: dict[int, str] = {}
    split_of = np.zeros(len(inventory), dtype=np.int8)
    used: dict[str, str] = {}
    for file in files:
        split = _SPLIT_OF_FILE[file]
        said = _read(root / file)
        here = {row: label for name, label in said.items() if (row := row_of.get(name)) is not None}
        if split in used.values() or not here:
            opening.progress.note(f"{file} is left out: no images of it, or a file before has them")
            continue
        if len(here) < len(said):
            missing = [name for name in said if name not in row_of]
            problem = f"{len(missing)} of {len(said)} images are not here: {listing(missing)}"
            raise SourceLayoutError(root / file, problem, "unpack all of them, or remove the file")
        used[file] = split
        label_at |= here
        split_of[list(here)] = SPLITS.index(split)
    if not label_at:
        problem = f"none of the images of {listing(files)} is here"
        raise SourceLayoutError(root, problem, "unpack the images beside the JSON files")
    labels = sorted(set(label_at.values()))
    place = {label: i for i, label in enumerate(labels)}
    label_of = np.full(len(inventory), OUTSIDE, dtype=np.int32)
    label_of[list(label_at)] = [place[label] for label in label_at.values()]
    return inventory, opening.name, Labelled(labels=labels, label_of=label_of, split_of=split_of)


def _read(path: Path) -> dict[str, str]:
    """Path of each image -> its label."""
    try:
        record: Mapping[str, Any] = json.loads(path.read_bytes())
        label_of = {
            category["id"]: str(category.get("image_dir_name") or category["name"])
            for category in record["categories"]
        }
        category_of = {one["image_id"]: one["category_id"] for one in record["annotations"]}
        return {
            str(image["file_name"]): label_of[category_of[image["id"]]]
            for image in record["images"]
            if image["id"] in category_of
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        problem = f"not a JSON file of images, annotations and categories ({error!r})"
        raise SourceLayoutError(path, problem, "fetch it again, or remove it") from error
