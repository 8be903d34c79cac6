"""Clusters inside superclasses: how many each gets, merging bottom up, what they are called."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from granctl.errors import ClusterCountError
from granctl.progress import Progress
from granctl.tree.kmeans import Groups, streamed_kmeans
from granctl.tree.linkage import Linkage, merges

NAMES_A_CLUSTER = 2


def shares(sizes: NDArray[np.int64], total: int, noun: str = "images") -> NDArray[np.int64]:
    """Deals `total` clusters out to superclasses in proportion to their rows.

    Each gets at least one and at most one a row; fractions are settled by largest remainder,
    the earlier of equals first.

    Args:
        sizes: shape (num_superclasses,), rows of each, at least 1.
        total: clusters in all.
        noun: what a row is, `images` or `labels`.

    Raises:
        ClusterCountError: fewer than superclasses, or more than rows.

    Example:
        >>> shares(np.array([60, 30, 10]), 5).tolist()
        [3, 1, 1]
    """
    fewest, most = len(sizes), int(sizes.sum())
    if total < fewest:
        problem = f"fewer than the {fewest} classes that are to be split"
        raise ClusterCountError(total, problem, fewest, most)
    if total > most:
        raise ClusterCountError(total, f"more than the {most} {noun}", fewest, most)
    # The one that each must have is dealt first; the rest by size, never beyond one a row.
    got = np.ones(len(sizes), np.int64)
    while got.sum() < total:
        left, room = total - int(got.sum()), sizes - got
        ideal = left * room / room.sum()
        whole = np.minimum(np.floor(ideal).astype(np.int64), room)
        if not whole.any():
            order = np.argsort(-(ideal - np.floor(ideal)), kind="stable")
            whole[order[room[order] > 0][:left]] = 1
        got += whole
    return got


def kmeans_within(
    features: NDArray[np.float32],
    superclass: NDArray[np.int64],
    num_clusters: NDArray[np.int64],
    seed: int,
    progress: Progress,
) -> NDArray[np.int64]:
    """The cluster of each row inside its superclass, by k-means; see `kmeans.streamed_kmeans`.

    Args:
        features: shape (n, dim).
        superclass: shape (n,), from 0, every value up to its greatest in use.
        num_clusters: shape (num_superclasses,): 1 to the rows of each.
        seed: each superclass has a stream of its own.
        progress: told of every stage.

    Returns:
        Shape (n,): j of the row's superclass, none empty.
    """
    whole = np.arange(len(features))
    groups = Groups(of_row=superclass, num_clusters=num_clusters)
    return streamed_kmeans(lambda: iter([(whole, features)]), groups, seed, progress).cluster


def linked_within(
    features: NDArray[np.float32],
    superclass: NDArray[np.integer],
    num_clusters: NDArray[np.int64],
    linkage: Linkage,
    progress: Progress,
) -> NDArray[np.int64]:
    """The cluster of each row inside its superclass, by merging from the bottom up.

    Args:
        features: shape (n, dim).
        superclass: shape (n,), from 0, every value up to its greatest in use.
        num_clusters: shape (num_superclasses,): 1 to the rows of each.
        linkage: `ward` or `average`.
        progress: told of each superclass.

    Returns:
        Shape (n,): j of the row's superclass, in the order of first rows.
    """
    cluster = np.zeros(len(superclass), np.int64)
    for index, k in enumerate(num_clusters.tolist()):
        members = np.flatnonzero(superclass == index)
        if k > 1:
            cluster[members] = merges(features[members], linkage, progress).cut(k)
    return cluster


def nearest_labels(
    features: NDArray[np.float32], cluster: NDArray[np.int64], names: Sequence[str]
) -> list[str]:
    """What each cluster of labels is called: the labels nearest to its mean, how many more.

    Args:
        features: shape (n, dim), a row a label.
        cluster: shape (n,), from 0, all in use.
        names: the labels' names.

    Example:
        >>> nearest_labels(np.array([[0.0], [2.0], [3.0]]), np.zeros(3, int), ["a", "b", "c"])
        ['b, c +1']
    """
    order = np.argsort(cluster, kind="stable")
    sizes = np.bincount(cluster)
    sums = np.add.reduceat(features[order].astype(np.float64), np.cumsum(sizes) - sizes)
    away = features - (sums / sizes[:, None])[cluster]
    return _called(np.einsum("nd,nd->n", away, away), cluster, np.arange(len(cluster)), names)


def commonest_labels(
    label: NDArray[np.integer], cluster: NDArray[np.int64], names: Sequence[str]
) -> list[str]:
    """What each cluster of images is called: the labels of most of its images, how many more.

    Args:
        label: shape (n,), index into `names`.
        cluster: shape (n,), from 0, all in use.
        names: the labels' names.

    Example:
        >>> commonest_labels(np.array([1, 1, 0, 0]), np.array([0, 0, 0, 1]), ["cat", "dog"])
        ['dog, cat', 'cat']
    """
    pair, images = np.unique(cluster * len(names) + label, return_counts=True)
    return _called(-images, pair // len(names), pair % len(names), names)


def _called(
    cost: NDArray[np.floating] | NDArray[np.integer],
    cluster: NDArray[np.int64],
    label: NDArray[np.integer],
    names: Sequence[str],
) -> list[str]:
    """The names of the labels of least cost in each cluster; of equals the first."""
    order = np.lexsort((label, cost, cluster))
    sizes = np.bincount(cluster)
    starts = np.cumsum(sizes) - sizes
    called = []
    for start, size in zip(starts.tolist(), sizes.tolist(), strict=True):
        shown = order[start : start + min(size, NAMES_A_CLUSTER)]
        more = f" +{size - len(shown)}" if size > len(shown) else ""
        called.append(", ".join(names[i] for i in label[shown].tolist()) + more)
    return called
