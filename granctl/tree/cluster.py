"""k-means inside each class: features and superclasses in, cluster ids out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from granctl.errors import ClusterCountError
from granctl.progress import Progress

FULL_UP_TO = 20_000
"""Rows up to which Lloyd's k-means over all of them is used; above, mini-batches of 4,096."""


def shares(sizes: NDArray[np.int64], total: int) -> NDArray[np.int64]:
    """Deals `total` clusters out to superclasses in proportion to their images.

    Each gets at least one and at most one an image; fractions are settled by largest remainder,
    the earlier of equals first.

    Args:
        sizes: shape (num_superclasses,), images of each, at least 1.
        total: clusters in all.

    Raises:
        ClusterCountError: fewer than superclasses, or more than images.

    Example:
        >>> shares(np.array([60, 30, 10]), 5).tolist()
        [3, 1, 1]
    """
    fewest, most = len(sizes), int(sizes.sum())
    if total < fewest:
        problem = f"fewer than the {fewest} classes that are to be split"
        raise ClusterCountError(total, problem, fewest, most)
    if total > most:
        raise ClusterCountError(total, f"more than the {most} images", fewest, most)
    # The one that each must have is dealt first; the rest by size, never beyond one an image.
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
    superclass: NDArray[np.integer],
    total: int,
    seed: int,
    progress: Progress,
) -> NDArray[np.int64]:
    """The cluster of each row inside its superclass; clusters never cross a superclass.

    Deterministic by seed: one thread, one initialisation (k-means++), rows in the order given.

    Args:
        features: shape (num_images, dim).
        superclass: shape (num_images,), from 0, every value up to its greatest in use.
        total: clusters over all superclasses; see `shares`.
        seed: of the initialisation; each superclass has a stream of its own.
        progress: told of each superclass.

    Returns:
        Shape (num_images,): j of the row's superclass; every j below its share is in use.

    Raises:
        ClusterCountError: see `shares`.
    """
    sizes = np.bincount(superclass).astype(np.int64)
    num_clusters = shares(sizes, total)
    cluster = np.zeros(len(superclass), np.int64)
    progress.start("k-means inside each class", len(sizes), "classes")
    for index, k in enumerate(num_clusters.tolist()):
        members = np.flatnonzero(superclass == index)
        cluster[members] = _kmeans(features[members], k, seed, index)
        progress.advance(note=f"{k} clusters of {len(members)} images")
    progress.finish()
    return cluster


def _kmeans(features: NDArray[np.float32], k: int, seed: int, index: int) -> NDArray[np.int64]:
    import warnings

    from sklearn.cluster import KMeans, MiniBatchKMeans
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    if k == 1:
        return np.zeros(len(features), np.int64)
    if k == len(features):
        return np.arange(k)
    state = int(np.random.default_rng([seed, index]).integers(2**31))
    model = (
        KMeans(k, n_init=1, random_state=state)
        if len(features) <= FULL_UP_TO
        else MiniBatchKMeans(k, n_init=1, random_state=state, batch_size=4096)
    )
    with threadpool_limits(1), warnings.catch_warnings():
        # Fewer distinct rows than clusters: the empty ones are filled below.
        warnings.simplefilter("ignore", ConvergenceWarning)
        found = model.fit_predict(features).astype(np.int64)
    return _without_empty(features, found, model.cluster_centers_)


def _without_empty(
    features: NDArray[np.float32], cluster: NDArray[np.int64], centres: NDArray[np.float32]
) -> NDArray[np.int64]:
    """Gives every empty cluster the row that lies farthest from its centre, as others need."""
    sizes = np.bincount(cluster, minlength=len(centres))
    empty = np.flatnonzero(sizes == 0)
    if not len(empty):
        return cluster
    filled = cluster.copy()
    distance = ((features - centres[cluster]) ** 2).sum(1)
    takers = iter(empty.tolist())
    taker = next(takers, None)
    for row in np.argsort(-distance, kind="stable"):
        if taker is None:
            break
        if sizes[filled[row]] > 1:
            sizes[filled[row]] -= 1
            filled[row] = taker
            taker = next(takers, None)
    return filled
