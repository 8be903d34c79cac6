"""How many images each label has: from counts, from a shard set, or from the label list itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from granctl.errors import BadOptionError
from granctl.tree.lists import LabelList

MOST_IMAGES = 10**13
"""More than that is no count; sums over a tree of them stay exact."""
SPLIT = "train"
"""Cuts are made to train on, so the images of this split count."""


@dataclass(frozen=True, kw_only=True, eq=False)
class KnownImages:
    """Images of the labels of one list."""

    of_label: NDArray[np.int64]
    """Shape (num_labels,), in the list's order; 0 where none is known."""
    origin: Mapping[str, Any]
    """from (counts, shards, list), path or name, digest, images in all."""

    @property
    def role(self) -> str:
        """What they are called among the inputs of a cut that depends on them."""
        return str(self.origin["from"])

    @property
    def inputs(self) -> dict[str, str]:
        """Role -> digest; the list's own counts are part of the list's digest."""
        return {} if self.role == "list" else {self.role: str(self.origin["digest"])}


def known_images(
    label_list: LabelList, counts: Path | None = None, shards: Path | None = None
) -> KnownImages | None:
    """The images of each label of the list; None: nothing says.

    Raises:
        BadOptionError: counts and shards are both given, or know none of the labels.
        MissingInputError: a file is not there.
        BadLabelListError, ManifestMismatchError: it is damaged.
        NoSuchSplitError: the shard set has no train split.
    """
    known = _found(label_list, counts, shards)
    if known is not None and known.of_label.sum(dtype=np.float64) > MOST_IMAGES:
        hint = "a line is a label, a tab and the number of its images"
        raise BadOptionError(f"--{known.role}", "it counts more images than there can be", hint)
    return known


def _found(label_list: LabelList, counts: Path | None, shards: Path | None) -> KnownImages | None:
    if counts and shards:
        problem = "--shards counts the images, too"
        raise BadOptionError("--counts", problem, "give one of --counts and --shards")
    if counts:
        from granctl.study.pairs import read_counts

        images, origin = read_counts(counts)
        return _of_list(label_list, images, origin, "--counts")
    if shards:
        from granctl.shards.index import ShardSet

        opened = ShardSet.open(shards)
        num = opened.num_images(SPLIT)
        images = dict(zip(opened.labels, opened.label_counts[SPLIT], strict=True))
        origin = {"from": "shards", "path": str(shards), "digest": opened.digest}
        origin |= {"split": SPLIT, "images": num}
        return _of_list(label_list, images, origin, "--shards")
    if label_list.counts is not None:
        of_label = np.array(label_list.counts, np.int64)
        origin = {"from": "list", "path": label_list.name, "digest": label_list.digest}
        return KnownImages(of_label=of_label, origin={**origin, "images": sum(label_list.counts)})
    return None


def _of_list(
    label_list: LabelList, images: Mapping[str, int], origin: Mapping[str, Any], option: str
) -> KnownImages:
    if not any(i in images for i in label_list.ids):
        problem = f"{origin['path']} knows none of the labels of list {label_list.name!r}"
        raise BadOptionError(option, problem, "give one over these labels, or another --list")
    return KnownImages(of_label=aligned(label_list.ids, images), origin=origin)


def aligned(ids: Sequence[str], images: Mapping[str, int]) -> NDArray[np.int64]:
    """Shape (len(ids),): the images of each label, 0 where none is known."""
    return np.array([images.get(i, 0) for i in ids], np.int64)
