"""Order and chance as pure functions of (seed, epoch, position): no state, no memory, any skip.

The values are part of what a seed means: they must never change between versions.
"""

from __future__ import annotations

import math

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
_ROUNDS = 8


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
    keys = [np.uint64(_mix((key + (r + 1) * _GOLDEN) & _MASK)) for r in range(_ROUNDS)]
    values = places.astype(np.uint64).reshape(-1)
    outside = np.arange(values.size)
    while outside.size:
        values[outside] = _feistel(values[outside], width, height, keys)
        outside = outside[values[outside] >= n]
    return values.astype(np.int64).reshape(places.shape)


def _feistel(
    values: NDArray[np.uint64], width: int, height: int, keys: list[np.uint64]
) -> NDArray[np.uint64]:
    """One pass over [0, width * height): each round adds a hash of one half to the other half."""
    moduli = (np.uint64(width), np.uint64(height))
    left, right = values % moduli[0], values // moduli[0]
    for round_index, key in enumerate(keys):
        if round_index % 2 == 0:
            left = (left + _mix_array(right + key) % moduli[0]) % moduli[0]
        else:
            right = (right + _mix_array(left + key) % moduli[1]) % moduli[1]
    return left + right * moduli[0]


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
