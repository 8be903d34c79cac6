"""The order of an epoch for slow disks: blocks of neighbours are read together, and still mixed.

The images of an epoch, in their order on the disk, are cut into blocks; the blocks are shuffled,
and of each group of blocks the images are. So at any time a training draws from a bounded part of
the disk, which is read block by block while the group before it is trained on. Like `order.py` it
is a pure function of (seed, epoch, position), whose values must never change between versions.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from granctl.shards.order import permuted, permuted_each

BLOCK_IMAGES = 256
"""About 20 MB of photographs: a disk takes ten times as long to read them as to find them."""
GROUP_BLOCKS = 64
"""16,384 images are mixed with each other; twice as many photographs take 2.6 GB of page cache."""
_GROUP_KEYS = 1 << 32
"""Above all epochs, so that no group shares numbers with the order of the blocks."""


def in_blocks(positions: NDArray[np.int64], n: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """Where each position of an epoch goes: a bijection of [0, n) that keeps neighbours near.

    Args:
        positions: int64, shape (m,), each in [0, n).
        n: images of the epoch, numbered as they lie on the disk.
        seed: which family of orders.
        epoch: which order of the family.

    Returns:
        int64, shape (m,), each in [0, n).

    Raises:
        ValueError: a position is outside [0, n).

    Example:
        >>> sorted(in_blocks(np.arange(600), 600, seed=0, epoch=1).tolist()) == list(range(600))
        True
    """
    places = np.asarray(positions, dtype=np.int64)
    if places.size and (places.min() < 0 or places.max() >= n):
        raise ValueError(f"a position is outside [0, {n})")
    group, begin, end = _groups(places, n)
    keys = (epoch + 1) * _GROUP_KEYS + group
    inside = permuted_each(places - begin, end - begin, seed, keys)
    return _on_disk(begin + inside, n, seed, epoch)


def read_ahead(begin: int, end: int, n: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """What may be read from the disk while the positions of a piece are trained on.

    That is a part of the group after theirs, in runs of neighbours. All pieces of a group together
    name all images of the next one, each once, whoever trains on them; after the last group comes
    the first one of the next epoch.

    Args:
        begin: first position of the piece, in [0, n).
        end: behind its last one.
        n: images of the epoch.
        seed: which family of orders.
        epoch: which order of the family.

    Returns:
        int64, shape (m,), each in [0, n).
    """
    found = [np.empty(0, dtype=np.int64)]
    while begin < end:
        _, first, last = (int(one[0]) for one in _groups(np.array([begin]), n))
        _, next_first, next_last = (int(one[0]) for one in _groups(np.array([last % n]), n))
        until, size, next_size = min(end, last), last - first, next_last - next_first
        places = next_first + np.arange(
            (begin - first) * next_size // size, (until - first) * next_size // size
        )
        found.append(_on_disk(places, n, seed, epoch + (last == n)))
        begin = until
    return np.concatenate(found)


def _groups(
    places: NDArray[np.int64], n: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """The group of each place, its first place and the one behind it; the last takes the rest."""
    size = BLOCK_IMAGES * GROUP_BLOCKS
    most = max(1, n // size)
    group = np.minimum(places // size, most - 1)
    begin = group * size
    return group, begin, np.where(group == most - 1, n, begin + size)


def _on_disk(places: NDArray[np.int64], n: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """The image at each place of the shuffled blocks, before groups are mixed.

    Blocks begin at another image each epoch, so that those which make no whole block, at the end of
    the order, are others too.
    """
    blocks = n // BLOCK_IMAGES
    block, inside = places // BLOCK_IMAGES, places % BLOCK_IMAGES
    whole = block < blocks
    block[whole] = permuted(block[whole], blocks, seed, epoch)
    shift = permuted(np.zeros(1, dtype=np.int64), n, seed, epoch)
    image: NDArray[np.int64] = (block * BLOCK_IMAGES + inside + shift) % n
    return image
