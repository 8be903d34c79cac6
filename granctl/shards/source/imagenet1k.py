"""ImageNet-1k as it is handed out: training tars or folders, flat validation images, labels."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from granctl.errors import SourceLayoutError, listing
from granctl.shards.source.devkit import DEVKIT_NAME, TRUTH_NAME, devkit_labels
from granctl.shards.source.folders import folder_inventory
from granctl.shards.source.inventory import FileSource, Inventory, Labelled, by_folder
from granctl.shards.source.layout import OUTSIDE, laid_out, tops_of
from granctl.shards.source.listing import SPLIT_OF_FOLDER, SPLITS
from granctl.shards.source.opening import Opening
from granctl.shards.source.tarsource import tar_inventory

_CALLED = {
    "ILSVRC2012_img_train.tar": "train",
    "ILSVRC2012_img_val.tar": "val",
    "ILSVRC2012_img_test_v10102019.tar": "test",
}
_INNER = ("ILSVRC/Data/CLS-LOC", "Data/CLS-LOC")
TRUTH_NAMES = (
    "LOC_val_solution.csv",
    "val_annotations.txt",
    "val.txt",
    "imagenet_2012_validation_synset_labels.txt",
    TRUTH_NAME,
    DEVKIT_NAME,
)
"""Files that say the labels of flat validation images."""
_MEND = "put one of these beside the images, or lay val/ out as CLASS/IMAGE: " + ", ".join(
    TRUTH_NAMES
)
_VAL = SPLITS.index("val")


def data_root(root: Path) -> Path:
    """Where train/ and val/ lie: Kaggle's archive has them three folders down."""
    return next((root / inner for inner in _INNER if (root / inner).is_dir()), root)


def official_tars(root: Path) -> list[str]:
    """The tars of images that are handed out, those that are here."""
    return [name for name in sorted(_CALLED) if (root / name).is_file()]


def truth_file(root: Path) -> Path | None:
    """The file that says the labels of flat validation images, if there is one."""
    inner = data_root(root)
    homes = [root, inner, inner / "val", root / "ILSVRC2012_devkit_t12" / "data"]
    places = [home / name for name in TRUTH_NAMES for home in homes]
    return next((place for place in places if place.is_file()), None)


def open_imagenet1k(opening: Opening) -> FileSource:
    """Training images by class; validation images by class, or flat with a file of labels.

    Raises:
        SourceLayoutError: flat validation images without labels, a file of labels of other
            images, or a folder with images beside the splits.
    """
    root = data_root(opening.path)
    tars = official_tars(root)
    if tars:
        inventory = tar_inventory(opening.workspace, root, tars, opening.progress, _CALLED)
    else:
        inventory = folder_inventory(root)
    tops = tops_of(inventory.folders)
    beside = [top for top in tops if top.lower() not in SPLIT_OF_FOLDER]
    if beside:
        raise SourceLayoutError(root, f"images lie in {listing(beside)}, beside the splits")
    splits = {top: SPLIT_OF_FOLDER[top.lower()] for top in tops}
    labelled = by_folder(inventory, laid_out(inventory.folders, splits, opening.known))
    return FileSource(inventory, opening.name, _with_truth(opening.path, inventory, labelled))


def _with_truth(root: Path, inventory: Inventory, labelled: Labelled) -> Labelled:
    """Gives flat validation images the labels that a file says."""
    rows = np.flatnonzero(labelled.split_of == _VAL)
    path = truth_file(root)
    if path is None:
        if (labelled.label_of[rows] == OUTSIDE).any():
            problem = f"{len(rows)} validation images lie in one folder, and no file has labels"
            raise SourceLayoutError(root, problem, _MEND)
        return labelled
    bases = [inventory.names[row].rpartition("/")[2] for row in rows.tolist()]
    train = np.unique(labelled.label_of[labelled.split_of == SPLITS.index("train")])
    trained = [labelled.labels[i] for i in train.tolist() if i != OUTSIDE]
    truth = read_truth(path, bases, trained)
    said = [truth.get(_stem(base), "") for base in bases]
    if not any(said) and (labelled.label_of[rows] != OUTSIDE).all():
        return labelled  # val/ is laid out by class, and the file is about something else
    if not all(said):
        missing = [base for base, label in zip(bases, said, strict=True) if not label]
        problem = f"it has no label of {len(missing)} images: {listing(missing)}"
        raise SourceLayoutError(path, problem, _MEND)
    labels = sorted({*trained, *said})
    place = {label: i for i, label in enumerate(labels)}
    renumbered = np.array([place.get(label, OUTSIDE) for label in labelled.labels], dtype=np.int32)
    label_of = np.append(renumbered, np.int32(OUTSIDE))[labelled.label_of]
    label_of[rows] = [place[label] for label in said]
    return Labelled(labels=labels, label_of=label_of, split_of=labelled.split_of)


def read_truth(path: Path, bases: Sequence[str], trained: Sequence[str]) -> dict[str, str]:
    """Image -> label, from any of the files that are in use.

    `NAME LABEL` a line (a number counts the sorted training labels from 0), Kaggle's table, one
    WordNet id a line in the order of the images, or the numbers of the development kit.

    Args:
        path: the file.
        bases: file names of the images.
        trained: training labels, sorted.

    Raises:
        SourceLayoutError: it is none of these, or is about another number of images.
    """
    if path.name in (DEVKIT_NAME, TRUTH_NAME):
        return _in_order(path, bases, devkit_labels(path))
    text = path.read_text(encoding="utf-8", errors="replace")
    if path.suffix == ".csv":
        rows = [row for row in csv.reader(text.splitlines()) if len(row) >= 2]
        return {_stem(row[0]): row[1].split(" ")[0] for row in rows[1:]}
    rows = [re.split(r"[\s,]+", line.strip()) for line in text.splitlines() if line.strip()]
    if all(len(row) == 1 for row in rows):
        return _in_order(path, bases, [row[0] for row in rows])
    said = {_stem(row[0]): row[1] for row in rows if len(row) >= 2}
    if not all(label.isdigit() for label in said.values()):
        return said
    most = max(map(int, said.values()))
    if most >= len(trained):
        problem = f"it counts labels up to {most}, and there are {len(trained)} training labels"
        raise SourceLayoutError(path, problem, _MEND)
    return {stem: trained[int(label)] for stem, label in said.items()}


def _in_order(path: Path, bases: Sequence[str], labels: Sequence[str]) -> dict[str, str]:
    if len(labels) != len(bases):
        problem = f"it has {len(labels)} labels, and there are {len(bases)} validation images"
        raise SourceLayoutError(path, problem, _MEND)
    return dict(zip(sorted(map(_stem, bases)), labels, strict=True))


def _stem(base: str) -> str:
    return base.rpartition("/")[2].split(".", 1)[0]
