"""The hierarchical multi-view distribution: features, and easy and hard samples.

The definition: Hong et al., arXiv 2303.16887, as docs/theory.md states it in full.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from granctl.theory.setting import Setting

Floats = NDArray[np.floating]
Ints = NDArray[np.int64]

NOISE, WEAK, NOISY = -1, -2, -3
"""Roles of patches that carry no feature of their sample; those that do have its level's number."""


@dataclass(frozen=True, kw_only=True)
class Samples:
    """Patches and what they were drawn as."""

    patches: NDArray[np.float32]
    """(P, n, d): patches first, so that a sum over them adds whole planes."""
    subclass: Ints
    """(n,): 0 .. superclasses x k - 1; those of a superclass are neighbours."""
    superclass: Ints
    """(n,)"""
    hard: NDArray[np.bool_]
    """(n,)"""
    roles: NDArray[np.int8]
    """(n, P): a level's number from the top, NOISE, WEAK or NOISY."""


def dictionary(setting: Setting, rng: np.random.Generator) -> NDArray[np.float64]:
    """Orthonormal features, uniformly turned: (features, d), superclasses first, level by level."""
    square = rng.standard_normal((setting.d, setting.num_features))
    q, r = np.linalg.qr(square)
    return np.ascontiguousarray((q * np.sign(np.diag(r))).T)


def level_offsets(setting: Setting) -> list[int]:
    """Row of the first feature of every level in the dictionary."""
    return [sum(setting.level_sizes[:i]) for i in range(setting.num_levels)]


def feature_of(setting: Setting, subclass: Ints) -> Ints:
    """(levels, n): the dictionary's row of each sample's feature on every level."""
    rows = [
        offset + subclass // (setting.num_subclasses // size)
        for offset, size in zip(level_offsets(setting), setting.level_sizes, strict=True)
    ]
    return np.stack(rows)


def balanced(setting: Setting, num: int) -> Ints:
    """Subclasses of `num` samples, as even as can be: each num // all, the first one more."""
    return np.arange(num, dtype=np.int64) % setting.num_subclasses


def training_samples(
    setting: Setting, features: NDArray[np.float64], rng: np.random.Generator
) -> Samples:
    """N samples, `samples` of every subclass; round(rho N) of them, chosen at random, are hard."""
    hard = np.zeros(setting.num_samples, dtype=bool)
    chosen = rng.permutation(setting.num_samples)[: round(setting.rho * setting.num_samples)]
    hard[chosen] = True
    return draw(setting, features, balanced(setting, setting.num_samples), hard, rng)


def draw(
    setting: Setting,
    features: NDArray[np.float64],
    subclass: Ints,
    hard: NDArray[np.bool_],
    rng: np.random.Generator,
) -> Samples:
    """Draws one sample for each subclass given.

    Args:
        setting: the distribution.
        features: as `dictionary` gives them.
        subclass: (n,).
        hard: (n,), which of them are hard.
        rng: all randomness.
    """
    n = len(subclass)
    roles = _roles(setting, hard, rng)
    superclass = subclass // setting.k
    feature = _carried(setting, roles, subclass, superclass, rng)
    strength = _strengths(setting, roles, rng)
    patches = rng.standard_normal((setting.P, n, setting.d), dtype=np.float32)
    scale = np.where(roles == NOISY, setting.sigma_star, setting.noise) / setting.d**0.5
    patches *= scale.T[:, :, None].astype(np.float32)
    rows, places = np.nonzero(strength)
    pieces = features[feature[rows, places]] * strength[rows, places, None]
    patches[places, rows] += pieces.astype(np.float32)
    return Samples(
        patches=patches, subclass=subclass, superclass=superclass, hard=hard, roles=roles
    )


def _roles(setting: Setting, hard: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.int8]:
    """(n, P): the roles of each sample's patches, in an order of its own."""
    easy_roles = np.full(setting.P, NOISE, dtype=np.int8)
    hard_roles = easy_roles.copy()
    for level in range(setting.num_levels):
        easy_roles[level * setting.s : (level + 1) * setting.s] = level
    kept = range(setting.missing, setting.num_levels)
    parts = [level for level in kept for _ in range(setting.s)]
    parts += [WEAK] * setting.s_dagger + [NOISY] * (setting.sigma_star > 0)
    hard_roles[: len(parts)] = parts
    roles = np.where(hard[:, None], hard_roles, easy_roles)
    return rng.permuted(roles, axis=1)


def _carried(
    setting: Setting,
    roles: NDArray[np.int8],
    subclass: Ints,
    superclass: Ints,
    rng: np.random.Generator,
) -> Ints:
    """(n, P): the dictionary's row of each patch's feature; 0 where it has none."""
    by_level = feature_of(setting, subclass)
    carried = np.zeros(roles.shape, dtype=np.int64)
    for level in range(setting.num_levels):
        carried = np.where(roles == level, by_level[level][:, None], carried)
    # A wrong superclass, uniformly among the others; all weak patches of a sample show the same.
    others = rng.integers(1, setting.superclasses, size=len(subclass))
    wrong = (superclass + others) % setting.superclasses
    return np.where(roles == WEAK, wrong[:, None], carried)


def _strengths(
    setting: Setting, roles: NDArray[np.int8], rng: np.random.Generator
) -> NDArray[np.float64]:
    """(n, P): the factor of each patch's feature; 0 where it has none."""
    low, high = (1 - setting.iota) ** 0.5, (1 + setting.iota) ** 0.5
    shape = roles.shape if setting.alpha_drawn == "patch" else (len(roles), 1)
    alpha = rng.uniform(low, high, size=shape)
    spread = setting.alpha_dagger_spread
    weak = rng.uniform(setting.alpha_dagger - spread, setting.alpha_dagger + spread, size=shape)
    return np.where(roles >= 0, alpha, np.where(roles == WEAK, weak, 0.0))
