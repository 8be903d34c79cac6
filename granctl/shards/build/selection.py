"""Which images of a source go into the shards, in which split, under which classes.

All of it is checked before anything is written.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from granctl.errors import BadOptionError, LabelsNotInMapError, NoImagesError
from granctl.progress import Progress
from granctl.shards.build.budget import at_most_each, at_most_in_all
from granctl.shards.build.buildspec import BuildSpec
from granctl.shards.build.duplicates import Duplicates, find_duplicates
from granctl.shards.build.hashing import content_hashes
from granctl.shards.build.plan import hold_out
from granctl.shards.classes import ClassLookup
from granctl.shards.source.listing import SPLITS, Source
from granctl.workspace import Workspace

NO_SPLIT = -1
"""In `split_of`: the image is left out."""


def classes_of_labels(source: Source, lookup: ClassLookup | None) -> list[tuple[int, ...]]:
    """The classes of each label of the listing; without a lookup the label's own index.

    An empty tuple means that the cut drops the label.

    Raises:
        LabelsNotInMapError: images have labels that the map does not know.
        NoImagesError: the cut drops every label.
    """
    listing = source.listing
    if lookup is None:
        return [(i,) for i in range(len(listing.labels))]
    unknown = [i for i, label in enumerate(listing.labels) if label not in lookup.class_of]
    if unknown:
        names = [listing.labels[i] for i in unknown]
        num = int(np.isin(listing.label_of, unknown).sum())
        raise LabelsNotInMapError(str(source.root), names, num, lookup.list_name)
    classes = [lookup.class_of[label] for label in listing.labels]
    if not any(classes):
        raise NoImagesError(source.root, len(listing))
    return classes


@dataclass(frozen=True, kw_only=True, eq=False)
class Selection:
    """The images that go into the shards."""

    split_of: NDArray[np.int8]
    """Shape (n,): index into `SPLITS`, or `NO_SPLIT`: the image is left out."""
    duplicates: Duplicates | None
    """Those that were looked for, and left out where that was asked."""


def select(
    workspace: Workspace,
    source: Source,
    classes: list[tuple[int, ...]],
    spec: BuildSpec,
    progress: Progress,
) -> Selection:
    """Chooses images: what the cut keeps, held-out ones, no duplicates, within the budget.

    What is left out or held out is said.

    Raises:
        BadOptionError: the budget asks for more images than there are.
    """
    split_of = _splits(source, classes, spec, progress)
    duplicates = None
    if spec.duplicates != "keep":
        near = spec.near_duplicates
        sums, hashes = content_hashes(
            workspace, source, split_of >= 0, progress, near=near is not None
        )
        duplicates = find_duplicates(split_of, sums, hashes, near or 0)
        leaving = split_of.copy()
        leaving[duplicates.images] = NO_SPLIT
        crossing = split_of[duplicates.images] != split_of[duplicates.kept]
        progress.note(
            f"{len(duplicates)} duplicates, {crossing.sum()} of them of an image in another split"
            + (": left out" if spec.duplicates == "drop" else "")
        )
        split_of = leaving if spec.duplicates == "drop" else split_of
    split_of = _within_budget(source, classes, split_of, spec, progress)
    return Selection(split_of=split_of, duplicates=duplicates)


def holds_out(source: Source, classes: list[tuple[int, ...]], spec: BuildSpec) -> bool:
    """Whether images are held out by the seed: the source has training images alone."""
    splits = source.listing.split_of[~_dropped(source, classes)]
    return spec.holdout_frac > 0 and not (splits > 0).any()


def _dropped(source: Source, classes: list[tuple[int, ...]]) -> NDArray[np.bool_]:
    """Which images have a label that the cut drops."""
    return np.array([not c for c in classes])[source.listing.label_of]


def _splits(
    source: Source, classes: list[tuple[int, ...]], spec: BuildSpec, progress: Progress
) -> NDArray[np.int8]:
    """The split of each image."""
    listing = source.listing
    if listing.num_others:
        progress.note(f"left out: {listing.num_others} files that are no images")
    if listing.num_outside:
        progress.note(f"left out: {listing.num_outside} images that lie in no class folder")
    dropped = _dropped(source, classes)
    split_of = np.where(dropped, np.int8(NO_SPLIT), listing.split_of)
    if dropped.any():
        num = sum(not c for c in classes)
        progress.note(f"left out: {dropped.sum()} images of {num} labels that the cut drops")
    if holds_out(source, classes, spec):
        held = hold_out(listing.label_of, len(listing.labels), spec.holdout_frac, spec.seed)
        held &= ~dropped
        progress.note(
            f"training images only: {held.sum()} of {len(listing)} are held out as val"
            f" ({spec.holdout_frac:g} of each label, seed {spec.seed})"
        )
        split_of = np.where(held, np.int8(SPLITS.index("val")), split_of)
    return split_of


def _within_budget(
    source: Source,
    classes: list[tuple[int, ...]],
    split_of: NDArray[np.int8],
    spec: BuildSpec,
    progress: Progress,
) -> NDArray[np.int8]:
    """Leaves out training images beyond `per_class` and `images`.

    Raises:
        BadOptionError: there are fewer than `images`.
    """
    label_of = source.listing.label_of
    train = np.flatnonzero(split_of == SPLITS.index("train"))
    left = len(train)
    if spec.per_class is not None:
        class_of = np.array([c[0] if c else 0 for c in classes], dtype=np.int32)
        train = train[at_most_each(class_of[label_of[train]], spec.per_class, spec.seed)]
    if spec.images is not None:
        if spec.images > len(train):
            problem = f"{spec.images} are asked for, and there are {len(train)} training images"
            raise BadOptionError("--images", problem, "give fewer, or leave it out for all")
        train = train[at_most_in_all(label_of[train], spec.images, spec.share, spec.seed)]
    if len(train) == left:
        return split_of
    progress.note(f"within the budget: {len(train)} of {left} training images")
    chosen = np.where(split_of == SPLITS.index("train"), np.int8(NO_SPLIT), split_of)
    chosen[train] = SPLITS.index("train")
    return chosen


def selection_identity(spec: BuildSpec) -> dict[str, Any]:
    """What was asked beyond the defaults and decides which images are there."""
    asked: dict[str, Any] = {"images": spec.images, "per_class": spec.per_class}
    if spec.images is not None:
        asked["share"] = spec.share
    if spec.duplicates == "drop":
        asked |= {"duplicates": "drop", "near_duplicates": spec.near_duplicates}
    return {field: value for field, value in asked.items() if value is not None}
