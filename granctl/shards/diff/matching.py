"""Which image of one set is which of another: pure functions of arrays.

Images are the same when their bytes are. Where the same bytes stand several times in both sets,
those of equal label and split go together first, then what is left in the order of the sets, so
that as little as possible counts as changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_PART_IMAGES = 1 << 22
"""Images of both sets that are sorted at once: those whose checksums have one remainder."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Images:
    """The images of a set in its order: 21 bytes each; arrays of shape (n,)."""

    high: NDArray[np.uint64]
    """The first half of the checksum."""
    low: NDArray[np.uint64]
    label: NDArray[np.int32]
    """Index into labels that both sets share."""
    split: NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.high)


@dataclass(frozen=True, kw_only=True, eq=False)
class Matching:
    """Indices into the two sets."""

    a: NDArray[np.int64]
    """Shape (m,), rising: images that both have."""
    b: NDArray[np.int64]
    """Shape (m,): which they are in B."""
    only_a: NDArray[np.int64]
    only_b: NDArray[np.int64]


def matched(a: Images, b: Images) -> Matching:
    """Pairs equal images, each with at most one."""
    num = min(len(a), len(b))
    same = np.ones(num, dtype=np.bool_)
    for field in ("high", "low", "label", "split"):
        same &= getattr(a, field)[:num] == getattr(b, field)[:num]
    # Sets that differ little have most images at the same place: those need no sorting.
    pairs = [(np.flatnonzero(same), np.flatnonzero(same))]
    left = [_without(len(one), pairs[0][0]) for one in (a, b)]
    num_parts = 1 + (len(left[0]) + len(left[1])) // _PART_IMAGES
    only_a, only_b = list[NDArray[np.int64]](), list[NDArray[np.int64]]()
    for part in range(num_parts):
        ours, theirs = (
            rest[one.high[rest] % np.uint64(num_parts) == part]
            for one, rest in zip((a, b), left, strict=True)
        )
        for num_keys in (3, 2):
            found_a, found_b = _paired(_keys(a, ours)[:num_keys], _keys(b, theirs)[:num_keys])
            pairs.append((ours[found_a], theirs[found_b]))
            ours, theirs = np.delete(ours, found_a), np.delete(theirs, found_b)
        only_a.append(ours)
        only_b.append(theirs)
    pairs_a, pairs_b = (np.concatenate(side) for side in zip(*pairs, strict=True))
    order = np.argsort(pairs_a, kind="stable")
    rest_a, rest_b = np.sort(np.concatenate(only_a)), np.sort(np.concatenate(only_b))
    return Matching(a=pairs_a[order], b=pairs_b[order], only_a=rest_a, only_b=rest_b)


def _keys(images: Images, which: NDArray[np.int64]) -> list[NDArray[Any]]:
    """The checksum's halves, and label and split as one number, of some images."""
    both = images.label[which].astype(np.int64) << 8 | images.split[which]
    return [images.high[which], images.low[which], both]


def _without(num: int, those: NDArray[np.int64]) -> NDArray[np.int64]:
    left = np.ones(num, dtype=np.bool_)
    left[those] = False
    return np.flatnonzero(left)


def _paired(
    keys_a: Sequence[NDArray[Any]], keys_b: Sequence[NDArray[Any]]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Places of equal keys, the k-th of A with the k-th of B.

    Args:
        keys_a: arrays of shape (n,), whose rows are the keys.
        keys_b: as many arrays of shape (m,).

    Returns:
        Two int64 arrays of shape (p,).
    """
    num_a, num = len(keys_a[0]), len(keys_a[0]) + len(keys_b[0])
    if num_a in (0, num):
        nothing = np.zeros(0, dtype=np.int64)
        return nothing, nothing
    keys = [np.concatenate(two) for two in zip(keys_a, keys_b, strict=True)]
    order = np.lexsort(keys[::-1])
    new = np.zeros(num, dtype=np.bool_)
    new[0] = True
    for key in keys:
        ordered = key[order]
        new[1:] |= ordered[1:] != ordered[:-1]
    # In a group of equal keys those of A stand first, as the sort is stable.
    begins = np.flatnonzero(new)
    of_a = order < num_a
    nums_a = np.add.reduceat(of_a, begins, dtype=np.int64)
    nums = np.diff(np.append(begins, num))
    common = np.minimum(nums_a, nums - nums_a)
    rank = np.arange(common.sum()) - np.repeat(np.cumsum(common) - common, common)
    places_a = np.repeat(begins, common) + rank
    places_b = places_a + np.repeat(nums_a, common)
    return order[places_a], order[places_b] - num_a


def num_moved(matching: Matching, a: Images, b: Images) -> int:
    """How many images follow another one in B than in A, in the same split, of those in both."""
    moved = 0
    for split in np.unique(a.split):
        ours = (a.split[matching.a] == split) & (b.split[matching.b] == split)
        places = matching.b[ours]
        rank = np.empty(len(places), dtype=np.int64)
        rank[np.argsort(places, kind="stable")] = np.arange(len(places))
        moved += int((np.diff(rank) != 1).sum())
    return moved
