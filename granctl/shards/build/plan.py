"""Which image goes into which shard at which place: pure functions of sizes, options, seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from granctl.shards.order import permuted, permuted_each
from granctl.shards.tar import END_BYTES

Order = Literal["shuffled", "source", "blocks", "stratified", "balanced"]

BLOCK_IMAGES = 256
"""Images that `blocks` leaves beside each other: about 25 MB, which a slow disk reads at once."""
_IN_SHARD = 1 << 32
"""Epochs from here on are the orders inside shards; those below belong to labels."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PlannedShard:
    """One shard to write."""

    stem: str
    """File name without .tar: `train-000000`."""
    split: str
    members: NDArray[np.int64]
    """Shape (m,): indices into the listing, in the order of the shard."""
    num_bytes: int
    """Of its tar, if no image is left out or encoded anew."""


def ranks_within(
    label_of: NDArray[np.int32], num_labels: int, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """A random place for each image among those of its label, and how many these are.

    Args:
        label_of: int32, shape (n,).
        num_labels: labels are 0 <= label < num_labels.
        seed: which places.

    Returns:
        Two int64 arrays of shape (n,): the place, each of 0 .. m - 1 once a label, and m.
    """
    counts = np.bincount(label_of, minlength=num_labels).astype(np.int64)
    by_label = np.argsort(label_of, kind="stable")
    labels = label_of[by_label]
    num = counts[labels]
    positions = np.arange(len(label_of)) - (np.cumsum(counts) - counts)[labels]
    # Epochs from 1 on: epoch 0 of the same seed is the order of the shards.
    found = permuted_each(positions, num, seed, labels.astype(np.int64) + 1)
    rank, of = np.empty_like(found), np.empty_like(num)
    rank[by_label], of[by_label] = found, num
    return rank, of


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
    if holdout_frac == 0 or not len(label_of):
        return np.zeros(len(label_of), dtype=np.bool_)
    rank, num = ranks_within(label_of, num_labels, seed)
    quota = np.minimum(np.maximum(np.rint(num * holdout_frac), 1), num - 1)
    held: NDArray[np.bool_] = rank < quota
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
    label_of: NDArray[np.int32] | None = None,
    lies_at: NDArray[np.int64] | None = None,
) -> list[PlannedShard]:
    """Lays out every split on its own.

    No shard holds more than `shard_images` images or, unless a single image is larger, more than
    `shard_bytes` bytes, headers and padding counted. Where images decide, the shards of a split
    hold equally many but for the last.

    Args:
        split_of: int8, shape (n,), index into `splits`.
        splits: names.
        sample_bytes: int64, shape (n,): bytes of each image's three members in the tar.
        order: `shuffled` over the whole split by the seed; as in the `source`; in `blocks` of
            images that lie beside each other, shuffled, and then inside each shard; `stratified`:
            each shard holds every label in its share (see `stratified_order`); `balanced`: any
            first shards hold labels as equally as these last (see `balanced_order`).
        seed: which shuffle.
        shard_images: at least 1.
        shard_bytes: at least 1.
        label_of: int32, shape (n,); `stratified` and `balanced` need it.
        lies_at: int64, shape (n,): rank of each image on the disk; left out, the listing's order.
    """
    labels = np.zeros(len(split_of), dtype=np.int32) if label_of is None else label_of
    ranks = np.arange(len(split_of)) if lies_at is None else lies_at
    shards = []
    for index, split in enumerate(splits):
        images = np.flatnonzero(split_of == index)
        if order == "blocks":
            images = images[np.argsort(ranks[images], kind="stable")]
        images = images[_ORDERS[order](labels[images], seed)]
        cuts = _cuts(sample_bytes[images], shard_images, shard_bytes)
        for number, (begin, end) in enumerate(pairwise(cuts)):
            members = images[begin:end]
            if order in _MIXED_INSIDE:
                inside = permuted(np.arange(end - begin), end - begin, seed, _IN_SHARD + number)
                members = members[inside]
            stem, size = f"{split}-{number:06d}", int(sample_bytes[members].sum()) + END_BYTES
            shards.append(PlannedShard(stem=stem, split=split, members=members, num_bytes=size))
    return shards


def shuffled_order(labels: NDArray[np.int32], seed: int) -> NDArray[np.int64]:
    """All of it at random; shape (n,), each of 0 .. n - 1 once."""
    return permuted(np.arange(len(labels)), len(labels), seed, 0)


def block_order(labels: NDArray[np.int32], seed: int) -> NDArray[np.int64]:
    """Blocks of `BLOCK_IMAGES` in random order, whole; shape (n,), each of 0 .. n - 1 once."""
    n = len(labels)
    num = -(-n // BLOCK_IMAGES)
    begins = permuted(np.arange(num), num, seed, 0) * BLOCK_IMAGES
    order = (begins[:, None] + np.arange(BLOCK_IMAGES)).reshape(-1)
    return order[order < n]


def stratified_order(labels: NDArray[np.int32], seed: int) -> NDArray[np.int64]:
    """An order in which every run of images holds every label in its share.

    Image number r (at random) of the m images of a label stands at (r + u) / m of the way, u its
    label's own share of a step. Among any w images beside each other there are w * m / n of a
    label with m of all n images, give or take 2 + m * c / n, where c is the number of labels:
    up to place t stand, of each label, m * t - u rounded up, so of all labels n * t, give or take
    c / 2 (the u are spread evenly), and a run begins and ends at such places.

    Args:
        labels: int32, shape (n,), each at least 0.
        seed: which order.

    Returns:
        int64, shape (n,), each of 0 .. n - 1 once.
    """
    if not len(labels):
        return np.zeros(0, dtype=np.int64)
    present, dense = np.unique(labels, return_inverse=True)
    rank, num = ranks_within(dense.astype(np.int32), len(present), seed)
    spread = permuted(np.arange(len(present)), len(present), seed, _IN_SHARD - 1)
    step = (spread + 0.5) / len(present)
    return np.argsort((rank + step[dense]) / num, kind="stable")


def balanced_order(labels: NDArray[np.int32], seed: int) -> NDArray[np.int64]:
    """An order whose every beginning holds labels as equally as they last.

    First one image of each label in random order, then the second of each, and so on: among the
    first k images two labels differ by at most 1, unless one of them has no more.

    Args:
        labels: int32, shape (n,), each at least 0.
        seed: which order.

    Returns:
        int64, shape (n,), each of 0 .. n - 1 once.
    """
    if not len(labels):
        return np.zeros(0, dtype=np.int64)
    rank, _ = ranks_within(labels, int(labels.max()) + 1, seed)
    at_random = permuted(np.arange(len(labels)), len(labels), seed, 0)
    return np.lexsort((at_random, rank))


def _source_order(labels: NDArray[np.int32], seed: int) -> NDArray[np.int64]:  # noqa: ARG001
    return np.arange(len(labels))


_ORDERS: Mapping[Order, Callable[[NDArray[np.int32], int], NDArray[np.int64]]] = {
    "shuffled": shuffled_order,
    "source": _source_order,
    "blocks": block_order,
    "stratified": stratified_order,
    "balanced": balanced_order,
}
_MIXED_INSIDE: frozenset[Order] = frozenset({"blocks", "stratified"})
"""Orders with a pattern that a sequential reader would see: their shards are shuffled inside."""


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
