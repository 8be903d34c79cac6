"""Which images of a source go into the shards, in which split, under which classes.

All of it is checked before anything is written.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from granctl.errors import LabelsNotInMapError, NoImagesError
from granctl.progress import Progress
from granctl.shards.buildspec import BuildSpec, ClassLookup
from granctl.shards.listing import SPLITS, Source
from granctl.shards.plan import hold_out

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


def chosen_splits(
    source: Source, classes: list[tuple[int, ...]], spec: BuildSpec, progress: Progress
) -> tuple[NDArray[np.int8], bool]:
    """The split of each image, int8 of shape (n,), and whether images were held out by the seed.

    It is `NO_SPLIT` where the cut drops the label. What is left out or held out is said.
    """
    listing = source.listing
    if listing.num_others:
        progress.note(f"left out: {listing.num_others} files that are no images")
    if listing.num_outside:
        progress.note(f"left out: {listing.num_outside} images that lie in no class folder")
    dropped = np.array([not c for c in classes])[listing.label_of]
    split_of = np.where(dropped, np.int8(NO_SPLIT), listing.split_of)
    if dropped.any():
        num = sum(not c for c in classes)
        progress.note(f"left out: {dropped.sum()} images of {num} labels that the cut drops")
    if spec.holdout_frac == 0 or (split_of > 0).any():
        return split_of, False
    held = hold_out(listing.label_of, len(listing.labels), spec.holdout_frac, spec.seed)
    held &= ~dropped
    progress.note(
        f"training images only: {held.sum()} of {len(listing)} are held out as val"
        f" ({spec.holdout_frac:g} of each label, seed {spec.seed})"
    )
    return np.where(held, np.int8(SPLITS.index("val")), split_of), True
