"""Order and chance as pure functions of (seed, epoch, position): no state, no memory, any skip.

The values are part of what a seed means: they must never change between versions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_MASK = (1 << 64) - 1
# The constants of splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators,
# OOPSLA 2014; the finaliser is David Stafford's variant 13).
_GOLDEN = 0x9E3779B97F4A7C15
_MUL_1 = 0xBF58476D1CE4E5B9
_MUL_2 = 0x94D049BB133111EB

# What a key is for, so that the permutation and the augmentation of one seed share no numbers.
_STREAM_ORDER = 1
_STREAM_UNIFORMS = 2

# Eight rounds: Black and Rogaway (Ciphers with arbitrary finite domains, 2002) need three for
# indistinguishability in theory; more only cost time, and tiny domains mix badly with few.
_TURNS = range(8)

_CHUNK = 1 << 18
"""Positions that are worked on at once: what is needed for each stays in the processor's cache."""


def _mix(value: int) -> int:
    """The finaliser of splitmix64 on one Python integer, modulo 2**64."""
    value = ((value ^ (value >> 30)) * _MUL_1) & _MASK
    value = ((value ^ (value >> 27)) * _MUL_2) & _MASK
    return value ^ (value >> 31)


def _mix_array(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The same for an array; overflow wraps, as wanted."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(_MUL_1)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(_MUL_2)
    return values ^ (values >> np.uint64(31))


def _key(stream: int, seed: int, epoch: int) -> int:
    key = _mix(stream * _GOLDEN & _MASK)
    key = _mix((key + seed * _GOLDEN) & _MASK)
    return _mix((key + epoch * _GOLDEN) & _MASK)


def permuted(positions: NDArray[np.int64], n: int, seed: int, epoch: int = 0) -> NDArray[np.int64]:
    """Where each position goes under a random bijection of [0, n).

    Each value is computed on its own, so an epoch of 14 million images needs no table and a run
    resumes at any position at once. It is a Feistel network over Z_a x Z_b with a*b >= n (Black
    and Rogaway 2002, section 4), walked until it lands inside [0, n).

    Args:
        positions: int64, any shape, each in [0, n).
        n: size of the domain.
        seed: which family of bijections.
        epoch: which bijection of the family.

    Returns:
        int64, the shape of `positions`, each in [0, n).

    Raises:
        ValueError: a position is outside [0, n).

    Example:
        >>> sorted(permuted(np.arange(5), 5, seed=0).tolist())
        [0, 1, 2, 3, 4]
    """
    places = np.asarray(positions)
    if places.size and (places.min() < 0 or places.max() >= n):
        raise ValueError(f"a position is outside [0, {n})")
    width = math.isqrt(max(n - 1, 0)) + 1
    height = -(-n // width)
    key = _key(_STREAM_ORDER, seed, epoch)
    keys = [np.uint64(_mix((key + (r + 1) * _GOLDEN) & _MASK)) for r in _TURNS]
    values = places.astype(np.uint64).reshape(-1)
    outside = np.arange(values.size)
    while outside.size:
        values[outside] = _feistel(values[outside], np.uint64(width), np.uint64(height), keys)
        outside = outside[values[outside] >= n]
    return values.astype(np.int64).reshape(places.shape)


def permuted_each(
    positions: NDArray[np.int64], n_of: NDArray[np.int64], seed: int, epoch_of: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Many small bijections at once: each value is `permuted(position, n, seed, epoch)`.

    Args:
        positions: int64, shape (m,), each in [0, n) of its own n.
        n_of: int64, shape (m,): size of each position's domain.
        seed: which family of bijections.
        epoch_of: int64, shape (m,): which bijection of the family.

    Returns:
        int64, shape (m,).
    """
    places = np.empty(len(positions), dtype=np.int64)
    base = _mix((_mix(_STREAM_ORDER * _GOLDEN & _MASK) + seed * _GOLDEN) & _MASK)
    golden = np.uint64(_GOLDEN)
    for first in range(0, len(positions), _CHUNK):
        ours = slice(first, first + _CHUNK)
        n = n_of[ours]
        # The square root in doubles may be off by one where n is above 2**52, and only there.
        root = np.sqrt(np.maximum(n - 1, 0).astype(np.float64)).astype(np.int64)
        width = (root + 1).astype(np.uint64)
        height = (-(-n // (root + 1))).astype(np.uint64)
        key = _mix_array(np.uint64(base) + epoch_of[ours].astype(np.uint64) * golden)
        values = positions[ours].astype(np.uint64)
        outside = np.arange(len(values))
        while outside.size:
            keys = [_mix_array(key[outside] + np.uint64((r + 1) * _GOLDEN & _MASK)) for r in _TURNS]
            moved = _feistel(values[outside], width[outside], height[outside], keys)
            values[outside] = moved
            outside = outside[moved >= n[outside].astype(np.uint64)]
        places[ours] = values.astype(np.int64)
    return places


def _feistel(
    values: NDArray[np.uint64],
    width: NDArray[np.uint64] | np.uint64,
    height: NDArray[np.uint64] | np.uint64,
    keys: Sequence[NDArray[np.uint64] | np.uint64],
) -> NDArray[np.uint64]:
    """One pass over [0, width * height): each round adds a hash of one half to the other half."""
    left, right = values % width, values // width
    for round_index, key in enumerate(keys):
        if round_index % 2 == 0:
            left = (left + _mix_array(right + key) % width) % width
        else:
            right = (right + _mix_array(left + key) % height) % height
    return left + right * width


def uniforms(
    positions: NDArray[np.int64], num: int, seed: int, epoch: int = 0
) -> NDArray[np.float32]:
    """Random numbers that belong to positions: what augments an image whatever its batch.

    Args:
        positions: int64, shape (n,), each >= 0.
        num: how many numbers a position.
        seed: which family of numbers.
        epoch: which numbers of the family.

    Returns:
        float32, shape (n, num), multiples of 2**-24 in [0, 1).

    Example:
        >>> late = uniforms(np.array([7]), 2, seed=0, epoch=3)
        >>> bool((uniforms(np.arange(8), 2, seed=0, epoch=3)[7] == late).all())
        True
    """
    key = np.uint64(_key(_STREAM_UNIFORMS, seed, epoch))
    golden = np.uint64(_GOLDEN)
    rows = _mix_array(np.asarray(positions).astype(np.uint64) * golden + key)
    columns = np.arange(1, num + 1, dtype=np.uint64) * golden
    bits = _mix_array(rows[:, None] + columns[None, :])
    return (bits >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-24)
