"""Which image goes into which shard at which place: pure functions of sizes, options, seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from granctl.shards.order import permuted
from granctl.shards.tar import END_BYTES

Order = Literal["shuffled", "source"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PlannedShard:
    """One shard to write."""

    stem: str
    """File name without .tar: `train-000000`."""
    split: str
    members: NDArray[np.int64]
    """Shape (m,): indices into the listing, in the order of the shard."""


def hold_out(
    label_of: NDArray[np.int32], num_labels: int, holdout_frac: float, seed: int
) -> NDArray[np.bool_]:
    """Which images are held out, label by label.

    Of m images of a label, `round(m * holdout_frac)`, at least 1 where m is 2 or more and none
    where m is 1.

    Args:
        label_of: int32, shape (n,).
        num_labels: labels are 0 <= label < num_labels.
        holdout_frac: 0 holds out nothing.
        seed: which images.

    Returns:
        bool, shape (n,).
    """
    held = np.zeros(len(label_of), dtype=np.bool_)
    if holdout_frac == 0:
        return held
    by_label = np.argsort(label_of, kind="stable")
    ends = np.cumsum(np.bincount(label_of, minlength=num_labels))
    for label, end in enumerate(ends):
        images = by_label[ends[label - 1] if label else 0 : end]
        m = len(images)
        quota = min(max(round(m * holdout_frac), 1), m - 1)
        # Epochs from 1 on: epoch 0 of the same seed is the order of the shards.
        held[images[permuted(np.arange(m), m, seed, 1 + label) < quota]] = True
    return held


def plan_shards(
    split_of: NDArray[np.int8],
    splits: Sequence[str],
    sample_bytes: NDArray[np.int64],
    *,
    order: Order,
    seed: int,
    shard_images: int,
    shard_bytes: int,
) -> list[PlannedShard]:
    """Lays out every split on its own.

    No shard holds more than `shard_images` images or, unless a single image is larger, more than
    `shard_bytes` bytes, headers and padding counted. Where images decide, the shards of a split
    hold equally many but for the last.

    Args:
        split_of: int8, shape (n,), index into `splits`.
        splits: names.
        sample_bytes: int64, shape (n,): bytes of each image's three members in the tar.
        order: `shuffled` over the whole split by the seed, or as in the `source`.
        seed: which shuffle.
        shard_images: at least 1.
        shard_bytes: at least 1.
    """
    shards = []
    for index, split in enumerate(splits):
        images = np.flatnonzero(split_of == index)
        if order == "shuffled":
            images = images[permuted(np.arange(len(images)), len(images), seed, 0)]
        cuts = _cuts(sample_bytes[images], shard_images, shard_bytes)
        for number, (begin, end) in enumerate(pairwise(cuts)):
            stem = f"{split}-{number:06d}"
            shards.append(PlannedShard(stem=stem, split=split, members=images[begin:end]))
    return shards


def _cuts(sizes: NDArray[np.int64], shard_images: int, shard_bytes: int) -> list[int]:
    """Where shards begin and end: from 0 to len(sizes)."""
    n = len(sizes)
    num_shards = max(-(-n // shard_images), 1)
    evenly = max(-(-n // num_shards), 1)
    ends = np.cumsum(sizes)
    cuts = [0]
    while cuts[-1] < n:
        begin = cuts[-1]
        limit = (ends[begin - 1] if begin else 0) + shard_bytes - END_BYTES
        by_bytes = int(np.searchsorted(ends, limit, side="right"))
        cuts.append(min(max(by_bytes, begin + 1), begin + evenly, n))
    return cuts
