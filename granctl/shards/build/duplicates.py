"""Images that stand more than once: which are kept, which leave, and who they are. Pure functions.

Exact duplicates have the same bytes; near duplicates have perceptual hashes that differ in few
bits. Of each group one image stays: one that is held out rather than one to train on, so that
nothing that is measured on was seen in training, and then the first of the listing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np
from numpy.typing import NDArray

MOST_BITS = 4
"""Perceptual hashes that differ in more bits than this are taken for different images."""
_BITS = 64
_TABLES = 3


@dataclass(frozen=True, kw_only=True, eq=False)
class Duplicates:
    """Images that would leave; arrays of shape (m,), in the order of the listing."""

    images: NDArray[np.int64]
    kept: NDArray[np.int64]
    """The image that stays instead of each."""
    split_of: NDArray[np.int8]
    """The split of each before it leaves."""
    kept_split_of: NDArray[np.int8]
    bits: NDArray[np.int8]
    """Bits in which its perceptual hash differs from that of the image that stays; -1: the bytes
    are the same."""

    def __len__(self) -> int:
        return len(self.images)


def find_duplicates(
    split_of: NDArray[np.int8],
    checksums: NDArray[np.uint64],
    hashes: NDArray[np.uint64] | None = None,
    most: int = 0,
) -> Duplicates:
    """Who leaves and who stays.

    Near duplicates are taken in order: an image leaves if one that stays, and goes before it,
    differs in few bits. So whoever leaves is like an image that stays, and no chain of small
    differences takes out what is different.

    Args:
        split_of: int8, shape (n,): index into train, val, test; images below 0 are in no split, and
            nobody's duplicate.
        checksums: uint64, shape (n, 2): 128 bits an image; (0, 0) is none.
        hashes: uint64, shape (n,): perceptual hashes, 0 for none; left out, only bytes count.
        most: bits in which hashes of near duplicates differ, 0 to `MOST_BITS`.
    """
    inside = np.flatnonzero(split_of >= 0)
    order = inside[np.lexsort((inside, -split_of[inside]))]  # test, val, train
    stays = np.arange(len(order), dtype=np.int64)
    known = np.flatnonzero((checksums[order] != 0).any(axis=1))
    stays[known] = known[_first_alike(checksums[order[known]])]
    if hashes is not None:
        leads = np.flatnonzero((stays == np.arange(len(order))) & (hashes[order] != 0))
        stays[leads] = leads[_first_near(hashes[order[leads]], most)]
        stays = stays[stays]
    leaving = np.flatnonzero(stays != np.arange(len(order)))
    leaving = leaving[np.argsort(order[leaving])]
    images, kept = order[leaving], order[stays[leaving]]
    bits = np.full(len(images), -1, dtype=np.int8)
    if hashes is not None:
        others = (checksums[images] != checksums[kept]).any(axis=1)
        bits[others] = differing_bits(hashes[images[others]], hashes[kept[others]])
    return Duplicates(
        images=images,
        kept=kept,
        split_of=split_of[images],
        kept_split_of=split_of[kept],
        bits=bits,
    )


def _first_alike(rows: NDArray[np.uint64]) -> NDArray[np.int64]:
    """The first row that equals each row; shape (n, 2) in, (n,) out."""
    n = len(rows)
    order = np.lexsort((np.arange(n), rows[:, 1], rows[:, 0]))
    ordered = rows[order]
    begins = np.ones(n, dtype=np.bool_)
    begins[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    first = np.empty(n, dtype=np.int64)
    first[order] = order[np.maximum.accumulate(np.where(begins, np.arange(n), 0))]
    return first


def _first_near(hashes: NDArray[np.uint64], most: int) -> NDArray[np.int64]:
    """For each hash the one that it leaves for, or itself; earlier ones go before later ones."""
    values, first, value_of = np.unique(hashes, return_index=True, return_inverse=True)
    by_first = np.argsort(first)  # distinct hashes in the order in which they first stand
    place = np.empty(len(values), dtype=np.int64)
    place[by_first] = np.arange(len(values))
    pairs = np.sort(place[near_pairs(values, most)], axis=1)
    distinct = values[by_first]
    bits = differing_bits(distinct[pairs[:, 0]], distinct[pairs[:, 1]])
    stays = np.arange(len(values))
    for at in np.lexsort((pairs[:, 0], bits, pairs[:, 1])).tolist():
        earlier, later = pairs[at].tolist()
        if stays[later] == later and stays[earlier] == earlier:
            stays[later] = earlier
    found: NDArray[np.int64] = first[by_first][stays[place]][value_of]
    return found


def near_pairs(hashes: NDArray[np.uint64], most: int) -> NDArray[np.int64]:
    """All pairs of 64-bit hashes that differ in at most `most` bits.

    Hashes are cut into `most` + 3 pieces; two that differ in so few bits agree in at least three
    pieces, so sorting by each choice of three pieces brings them together (Manku, Jain and Das
    Sarma, Detecting near-duplicates for web crawling, WWW 2007).

    Args:
        hashes: uint64, shape (n,), each different from the others.
        most: 0 to `MOST_BITS`.

    Returns:
        int64, shape (p, 2): first < second, each pair once.
    """
    pairs = [np.zeros((0, 2), dtype=np.int64)]
    if most > 0:
        pairs += [_pairs_of_table(hashes, mask, most) for mask in _masks(most)]
    found = np.concatenate(pairs)
    return np.unique(found, axis=0) if len(found) else found


def near_matches(
    ours: NDArray[np.uint64], theirs: NDArray[np.uint64], most: int
) -> Iterator[NDArray[np.int64]]:
    """Pairs (of ours, of theirs) that differ in at most `most` bits; a pair may come repeatedly.

    As `near_pairs`, but within neither set: it takes one pass over theirs for each choice of three
    pieces, whatever lies near within them.

    Args:
        ours: uint64, shape (n,): the smaller set.
        theirs: uint64, shape (m,).
        most: 0 to `MOST_BITS`.

    Yields:
        int64, shape (p, 2).
    """
    for mask in _masks(most) if len(ours) else ():
        keys = ours & mask
        order = np.argsort(keys, kind="stable")
        keys, asked = keys[order], theirs & mask
        begin = np.searchsorted(keys, asked, side="left")
        here = np.flatnonzero(keys[begin.clip(max=len(keys) - 1)] == asked)
        begin, end = begin[here], np.searchsorted(keys, asked[here], side="right")
        while len(here):
            near = differing_bits(ours[order[begin]], theirs[here]) <= most
            yield np.column_stack([order[begin[near]], here[near]])
            begin = begin + 1
            left = begin < end
            here, begin, end = here[left], begin[left], end[left]


def _masks(most: int) -> Iterator[np.uint64]:
    """Bits of each choice of three pieces."""
    bounds = np.linspace(0, _BITS, most + _TABLES + 1).astype(int).tolist()
    pieces = [sum(1 << bit for bit in range(begin, end)) for begin, end in pairwise(bounds)]
    for chosen in combinations(pieces, _TABLES):
        yield np.uint64(sum(chosen))


def _pairs_of_table(hashes: NDArray[np.uint64], mask: np.uint64, most: int) -> NDArray[np.int64]:
    """Pairs that agree in all bits of the mask and differ in few others."""
    keys = hashes & mask
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    found = []
    here = np.flatnonzero(keys[1:] == keys[:-1])  # begins of neighbours, `step` apart below
    step = 1
    while len(here):
        first, second = order[here], order[here + step]
        close = differing_bits(hashes[first], hashes[second]) <= most
        found.append(np.sort(np.column_stack([first[close], second[close]]), axis=1))
        step += 1
        here = here[here + step < len(keys)]
        here = here[keys[here + step] == keys[here]]
    return np.concatenate([np.zeros((0, 2), dtype=np.int64), *found])


def differing_bits(first: NDArray[np.uint64], second: NDArray[np.uint64]) -> NDArray[np.int64]:
    """In how many bits two hashes differ; shape (n,)."""
    word = first ^ second
    # Counted two, four and eight bits at a time (Warren, Hacker's Delight, section 5-1).
    word = word - (word >> np.uint64(1) & np.uint64(0x5555555555555555))
    fours = np.uint64(0x3333333333333333)
    word = (word & fours) + (word >> np.uint64(2) & fours)
    word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return (word * np.uint64(0x0101010101010101) >> np.uint64(56)).astype(np.int64)
