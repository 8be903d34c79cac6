"""Two label maps read and joined, by label or image by image, with the weights that are known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from granctl.errors import (
    BadOptionError,
    KeyedApartError,
    MissingInputError,
    NothingToCompareError,
)
from granctl.shards.index import ShardSet
from granctl.tree.crosstab import Crosstab, Ints, Pairing, cross, pair_labels, rows_of
from granctl.tree.labelmap import LabelMap
from granctl.tree.lists import load_list

MOST_IMAGES = 10**15
"""Sums of counts stay exact below 2**53."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PairSpec:
    """Which two label maps to lay side by side, and what says how many images a label has."""

    a: Path
    b: Path
    counts: Path | None = None
    """A text file: label, tab, images. It weighs the labels."""
    shards: Path | None = None
    """A shard set: it weighs the labels by their images, and says which label an image has."""
    split: str | None = None
    """Which of its splits; None: train."""

    def check(self) -> None:
        """Checks that the options do not contradict each other.

        Raises:
            BadOptionError: names the option.
        """
        if self.counts and self.shards:
            problem = "--shards counts the images, too"
            raise BadOptionError("--counts", problem, "give one of --counts and --shards")
        if self.split and not self.shards:
            problem = "only a shard set has splits"
            raise BadOptionError("--split", problem, "add --shards, or leave --split out")


@dataclass(frozen=True, kw_only=True, eq=False)
class Side:
    """One of the two maps."""

    path: Path
    labels: LabelMap
    not_in_shards: int = 0
    """Images of an image-keyed map that the split of the shard set does not have."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Pair:
    """Two label maps laid side by side; something of them can be compared."""

    a: Side
    b: Side
    pairing: Pairing
    table: Crosstab
    weights: Mapping[str, Any] | None
    """Where the weights are from: path, digest, split, images; None: each weighs one."""

    @property
    def weight(self) -> int:
        """Images (labels where nothing is known of images) that are compared."""
        return int(self.table.weight.sum())

    @property
    def weighted_by(self) -> str:
        """`images` where their counts are known or each pair is one, else `labels`."""
        return "labels" if self.weights is None and self.pairing.unit == "label" else "images"


def open_pair(spec: PairSpec) -> Pair:
    """Reads both maps and lays them side by side.

    Raises:
        BadOptionError: options contradict each other, or the counts are none.
        MissingInputError: a file is not there.
        KeyedApartError: one map is keyed by images, the other by labels, and no shard set joins.
        NothingToCompareError: they share no label with a class and an image.
        NoSuchSplitError: the shard set lacks the split.
        ManifestMismatchError, BadLabelListError: a file is damaged.
    """
    spec.check()
    a, b = (Side(path=path, labels=LabelMap.read(path)) for path in (spec.a, spec.b))
    weights: Mapping[str, Any] | None = None
    if spec.shards:
        a, b, pairing, weights = _by_shards(ShardSet.open(spec.shards), spec.split or "train", a, b)
    elif a.labels.keyed_by != b.labels.keyed_by:
        by_label, by_image = (spec.a, spec.b) if a.labels.keyed_by == "label" else (spec.b, spec.a)
        raise KeyedApartError(by_label, by_image)
    elif spec.counts:
        images, weights = read_counts(spec.counts)
        pairing = pair_labels(a.labels, b.labels, images)
    else:
        pairing = pair_labels(a.labels, b.labels)
    table = cross(a.labels, b.labels, pairing)
    if not len(table.a):
        raise NothingToCompareError(spec.a, spec.b, *_why_nothing(pairing, table))
    return Pair(a=a, b=b, pairing=pairing, table=table, weights=weights)


def crosstab_of(a: LabelMap, b: LabelMap, shards: ShardSet | None) -> tuple[Crosstab, str]:
    """Two maps laid side by side over a shard set's training images; and what weighs, in a word.

    Args:
        a: one map.
        b: the other.
        shards: whose images; None: each label weighs one.

    Raises:
        KeyedApartError: one is keyed by images, the other by labels, and there is no shard set.
        NothingToCompareError: they share nothing with a class and an image.
        NoSuchSplitError: the shard set has no training images.
    """
    ours, theirs = Side(path=Path(a.name), labels=a), Side(path=Path(b.name), labels=b)
    weights: Mapping[str, Any] | None = None
    if shards is not None:
        ours, theirs, pairing, weights = _by_shards(shards, "train", ours, theirs)
    elif a.keyed_by != b.keyed_by:
        by_label, by_image = (a, b) if a.keyed_by == "label" else (b, a)
        raise KeyedApartError(Path(by_label.name), Path(by_image.name))
    else:
        pairing = pair_labels(a, b)
    table = cross(a, b, pairing)
    pair = Pair(a=ours, b=theirs, pairing=pairing, table=table, weights=weights)
    if not len(pair.table.a):
        raise NothingToCompareError(Path(a.name), Path(b.name), *_why_nothing(pairing, pair.table))
    return pair.table, pair.weighted_by


def read_counts(path: Path) -> tuple[dict[str, int], dict[str, Any]]:
    """The images of each label in a file that `--counts` named, and where they are from.

    Raises:
        MissingInputError: there is no such file.
        BadLabelListError: it has faults.
        BadOptionError: it has no counts, or counts too large to be summed.
    """
    path = path.expanduser().absolute()
    if not path.is_file():
        raise MissingInputError("file of counts", path, "check the path given to --counts")
    found = load_list(str(path))
    hint = "a line is a label, a tab and the number of its images"
    if found.counts is None:
        raise BadOptionError("--counts", f"{path} has labels and no counts", hint)
    if sum(found.counts) > MOST_IMAGES:
        raise BadOptionError("--counts", f"{path} counts {sum(found.counts)} images", hint)
    images = dict(zip(found.ids, found.counts, strict=True))
    return images, {
        "from": "counts",
        "path": str(path),
        "digest": found.digest,
        "images": sum(found.counts),
    }


def _by_shards(
    shards: ShardSet, split: str, a: Side, b: Side
) -> tuple[Side, Side, Pairing, dict[str, Any]]:
    num = shards.num_images(split)
    weights = {
        "from": "shards",
        "path": shards.where,
        "digest": shards.digest,
        "split": split,
        "images": num,
    }
    if a.labels.keyed_by == b.labels.keyed_by == "label":
        images = dict(zip(shards.labels, shards.label_counts[split], strict=True))
        return a, b, pair_labels(a.labels, b.labels, images), weights
    row_a, a = _rows_of_images(shards, split, a)
    row_b, b = _rows_of_images(shards, split, b)
    both = (row_a >= 0) & (row_b >= 0)
    pairing = Pairing(
        row_a=row_a[both],
        row_b=row_b[both],
        weight=np.ones(int(both.sum()), np.int64),
        unit="image",
        only_in_a=int(((row_a >= 0) & ~both).sum()),
        only_in_b=int(((row_b >= 0) & ~both).sum()),
    )
    return a, b, pairing, weights


def _rows_of_images(shards: ShardSet, split: str, side: Side) -> tuple[Ints, Side]:
    """The map's row of each image of the split, -1 where it has none; and what it lacks."""
    if side.labels.keyed_by == "label":
        return rows_of(shards.labels, side.labels)[shards.rows(split).label], side
    row = rows_of(shards.checksums(split).astype(np.str_).tolist(), side.labels)
    lacking = len(side.labels.labels) - len(np.unique(row[row >= 0]))
    return row, Side(path=side.path, labels=side.labels, not_in_shards=lacking)


def _why_nothing(pairing: Pairing, table: Crosstab) -> tuple[str, str]:
    noun, num = pairing.unit, len(pairing.row_a)
    if not num:
        if noun == "image":
            return "no image is in both", "compare maps over the same shard set and split"
        return "no label is in both", "compare maps cut over the same label list"
    if table.weightless == num:
        return (
            f"none of the {num} {noun}s in both has an image",
            "give counts, or a shard set, of these labels; or leave --counts and --shards out",
        )
    unseen = f", {table.weightless} of them without an image" if table.weightless else ""
    return (
        f"no {noun} has a class in both maps (in both: {num}{unseen})",
        "cut so that shallow labels are kept: `granctl tree cut --shallow keep`",
    )
