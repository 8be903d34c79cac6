"""Hierarchical clusters of many rows: Ward and average linkage by nearest-neighbour chains.

One condensed float32 matrix of distances is all that is kept, n (n - 1) / 2 of them: 0.95 GB for
21,843 rows, where scipy and scikit-learn hold two of float64. Both linkages are reducible, so that
a chain of nearest neighbours ends in a pair that the greedy algorithm would merge, too
(F. Murtagh, "A survey of recent advances in hierarchical clustering algorithms", 1983).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from granctl.progress import Progress

Linkage = Literal["ward", "average"]

_BLOCK_BYTES = 64 << 20
"""Of float64 distances at a time while the matrix is filled."""


@dataclass(frozen=True, slots=True)
class Merges:
    """The n - 1 merges of n rows, in the order in which the chain found them."""

    one: NDArray[np.int64]
    """Shape (n - 1,): a row of one cluster."""
    other: NDArray[np.int64]
    """Shape (n - 1,): a row of the other."""
    height: NDArray[np.float64]
    """Shape (n - 1,): distance at which they merge, as scipy.cluster.hierarchy gives it."""

    def cut(self, num_clusters: int) -> NDArray[np.int64]:
        """The cluster of each row when exactly `num_clusters` are left.

        Clusters are numbered in the order of their first rows; of merges at equal heights the one
        that was found first is made first.

        Args:
            num_clusters: 1 to n.

        Returns:
            Shape (n,).

        Raises:
            ValueError: another number.
        """
        from scipy.sparse import coo_matrix
        from scipy.sparse.csgraph import connected_components

        num_rows = len(self.one) + 1
        if not 1 <= num_clusters <= num_rows:
            raise ValueError(f"{num_clusters} clusters of {num_rows} rows")
        # All merges are the edges of a tree over the rows: any n - k of them leave k parts.
        made = np.argsort(self.height, kind="stable")[: num_rows - num_clusters]
        edges = coo_matrix(
            (np.ones(len(made), bool), (self.one[made], self.other[made])), (num_rows, num_rows)
        )
        part = connected_components(edges, directed=False)[1]
        _, first, place = np.unique(part, return_index=True, return_inverse=True)
        number = np.empty(len(first), np.int64)
        number[np.argsort(first)] = np.arange(len(first))
        return number[place]


def merges(features: NDArray[np.floating], linkage: Linkage, progress: Progress) -> Merges:
    """Merges rows bottom up until one cluster is left.

    ward: the pair whose union adds least to the squared distances from the centres
    (J. H. Ward, 1963). average: the pair of least mean Euclidean distance (UPGMA).
    Deterministic; there is no seed.

    Args:
        features: shape (n, dim), finite.
        linkage: `ward` or `average`.
        progress: told of the merges.

    Example:
        >>> from granctl.progress import Silent
        >>> found = merges(np.array([[0.0], [1.0], [9.0], [11.0]]), "average", Silent())
        >>> found.cut(2).tolist(), found.height.tolist()
        ([0, 0, 1, 1], [1.0, 2.0, 9.5])
    """
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    with threadpool_limits(1):
        # Ward's recurrence is one of squared distances, the average's one of distances.
        distances = _Condensed(_filled(features, squared=linkage == "ward"), len(features))
    found = _by_chain(distances, linkage, progress)
    return found if linkage == "average" else Merges(found.one, found.other, np.sqrt(found.height))


def _filled(features: NDArray[np.floating], *, squared: bool) -> NDArray[np.float32]:
    """All distances of rows i < j, row by row; float64 inside a block, so that none cancels."""
    num = len(features)
    # Distances do not change when the mean goes, and their rounding gets smaller.
    rows = features.astype(np.float64) - features.mean(0, dtype=np.float64)
    norms = (rows * rows).sum(1)
    filled = np.empty(num * (num - 1) // 2, np.float32)
    step = max(1, _BLOCK_BYTES // (8 * max(num, 1)))
    place = 0
    for start in range(0, num, step):
        block = rows[start : start + step] @ rows[start:].T
        block *= -2.0
        block += norms[start : start + step, None]
        block += norms[None, start:]
        np.maximum(block, 0.0, out=block)
        if not squared:
            np.sqrt(block, out=block)
        for i in range(len(block)):
            left = num - (start + i) - 1
            filled[place : place + left] = block[i, i + 1 :]
            place += left
    return filled


class _Condensed:
    """Distances between the clusters that are left; a cluster goes by its first row."""

    def __init__(self, values: NDArray[np.float32], num: int) -> None:
        self.values = values
        index = np.arange(num, dtype=np.int64)
        # The distance of i < j lies at base[i] + j.
        self.base = index * (2 * num - index - 1) // 2 - index - 1
        self.left = index
        """The clusters that are left, in ascending order."""

    def places(self, cluster: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The other clusters, and where their distances to this one lie."""
        at = int(np.searchsorted(self.left, cluster))
        others = np.concatenate([self.left[:at], self.left[at + 1 :]])
        where = np.empty(len(others), np.int64)
        np.add(self.base[others[:at]], cluster, out=where[:at])
        np.add(others[at:], self.base[cluster], out=where[at:])
        return others, where

    def remove(self, cluster: int) -> None:
        at = int(np.searchsorted(self.left, cluster))
        self.left = np.concatenate([self.left[:at], self.left[at + 1 :]])


def _by_chain(distances: _Condensed, linkage: Linkage, progress: Progress) -> Merges:
    num = len(distances.left)
    sizes = np.ones(num, np.float32)
    one, other = np.zeros((2, max(num - 1, 0)), np.int64)
    height = np.zeros(max(num - 1, 0))
    chain: list[int] = []
    progress.start(f"{linkage} linkage", len(one), "merges")
    for merge in range(len(one)):
        if not chain:
            chain.append(int(distances.left[0]))
        while True:
            a = chain[-1]
            others, where = distances.places(a)
            to_others = distances.values[where]
            nearest = int(to_others.argmin())
            b, lowest = int(others[nearest]), to_others[nearest]
            # Of equals the one before in the chain: it would else turn in a circle.
            if len(chain) > 1:
                before = int(np.searchsorted(others, chain[-2]))
                if to_others[before] <= lowest:
                    b = chain[-2]
                    break
            chain.append(b)
        del chain[-2:]
        one[merge], other[merge], height[merge] = a, b, lowest
        _merge(distances, sizes, linkage, (min(a, b), max(a, b)), lowest)
        progress.advance()
    progress.finish()
    return Merges(one, other, height)


def _merge(
    distances: _Condensed,
    sizes: NDArray[np.float32],
    linkage: Linkage,
    pair: tuple[int, int],
    between: np.float32,
) -> None:
    """Joins the second of a pair to the first, whose distances become the union's.

    By the recurrence of G. N. Lance and W. T. Williams, 1967.
    """
    kept, gone = pair
    distances.remove(gone)
    others, at_kept = distances.places(kept)
    low, high = np.minimum(others, gone), np.maximum(others, gone)
    of_kept = distances.values[at_kept]
    of_gone = distances.values[distances.base[low] + high]
    a, b = sizes[kept], sizes[gone]
    if linkage == "average":
        united = (a * of_kept + b * of_gone) / (a + b)
    else:
        c = sizes[others]
        united = ((a + c) * of_kept + (b + c) * of_gone - c * between) / (a + b + c)
    distances.values[at_kept] = united
    sizes[kept] = a + b
