"""The sampler: orthonormal features, roles of patches, moments, who is hard."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from granctl.theory.sample import (
    NOISE,
    NOISY,
    WEAK,
    Samples,
    balanced,
    dictionary,
    draw,
    feature_of,
    level_offsets,
    training_samples,
)
from granctl.theory.setting import Setting

SETTING = Setting()
DEEP = Setting(superclasses=3, k=4, between=(2,), P=10, missing=2)


def drawn(setting: Setting, num: int, *, hard: bool) -> tuple[np.ndarray, Samples]:
    rng = np.random.default_rng(1)
    features = dictionary(setting, rng)
    flags = np.full(num, hard)
    return features, draw(setting, features, balanced(setting, num), flags, rng)


@pytest.mark.parametrize("setting", [SETTING, DEEP, Setting(k=31)], ids=["two", "deep", "full"])
def test_features_are_orthonormal(setting: Setting) -> None:
    """To the last digits of double precision, one of each node of every level."""
    features = dictionary(setting, np.random.default_rng(0))
    assert features.shape == (setting.num_features, setting.d)
    assert np.abs(features @ features.T - np.eye(len(features))).max() < 1e-13


def test_features_are_turned_evenly() -> None:
    """A coordinate of a random direction has mean 0 and variance 1 / d."""
    all_ = np.concatenate([dictionary(SETTING, np.random.default_rng(i)) for i in range(60)])
    assert abs(all_.mean()) < 4 / np.sqrt(all_.size * SETTING.d)
    assert all_.var() == pytest.approx(1 / SETTING.d, rel=0.02)


def test_an_easy_sample_has_s_patches_of_every_level_and_noise() -> None:
    """And nothing else, in an order of its own."""
    _, samples = drawn(SETTING, 400, hard=False)
    for roles in samples.roles:
        assert Counter(roles.tolist()) == {0: 2, 1: 2, NOISE: 4}
    assert len({tuple(r) for r in samples.roles.tolist()}) > 100


def test_a_hard_sample_lacks_the_common_feature() -> None:
    """Its s subclass patches stay, s_dagger are weak, one is noisy, and the rest is noise."""
    _, samples = drawn(SETTING, 400, hard=True)
    for roles in samples.roles:
        assert Counter(roles.tolist()) == {1: 2, WEAK: 2, NOISY: 1, NOISE: 3}


def test_hard_samples_of_a_deep_hierarchy_lack_the_levels_that_are_said() -> None:
    """Two of three levels are missing, so that only the subclass is left."""
    _, samples = drawn(DEEP, 120, hard=True)
    assert all(Counter(r.tolist()) == {2: 2, WEAK: 2, NOISY: 1, NOISE: 5} for r in samples.roles)
    _, samples = drawn(DEEP, 120, hard=False)
    assert all(Counter(r.tolist()) == {0: 2, 1: 2, 2: 2, NOISE: 4} for r in samples.roles)


def test_no_noisy_patch_where_it_has_no_noise() -> None:
    """sigma_star = 0 takes the part away."""
    _, samples = drawn(Setting(sigma_star=0.0), 50, hard=True)
    assert not (samples.roles == NOISY).any()


@pytest.mark.parametrize("setting", [SETTING, DEEP], ids=["two", "deep"])
@pytest.mark.parametrize("hard", [False, True])
def test_patches_are_what_their_roles_say(setting: Setting, hard: bool) -> None:
    """Along its own feature a patch has the strength of its role, across it only noise."""
    features, samples = drawn(setting, 3000, hard=hard)
    own = feature_of(setting, samples.subclass)
    for level in range(setting.num_levels):
        rows, places = np.nonzero(samples.roles == level)
        if not len(rows):
            continue
        patches = samples.patches[places, rows].astype(np.float64)
        strength = np.einsum("ij,ij->i", patches, features[own[level][rows]])
        sd = setting.sigma_zeta
        low, high = np.sqrt(1 - setting.iota), np.sqrt(1 + setting.iota)
        error = 4 * np.sqrt((sd**2 + (high - low) ** 2 / 12) / len(rows))
        assert strength.mean() == pytest.approx((low + high) / 2, abs=error)
        assert strength.var() == pytest.approx(sd**2 + (high - low) ** 2 / 12, rel=0.1)
        across = patches - strength[:, None] * features[own[level][rows]]
        assert across.var() == pytest.approx(sd**2 * (setting.d - 1) / setting.d, rel=0.02)


@pytest.mark.parametrize("setting", [SETTING, DEEP], ids=["two", "three superclasses"])
def test_weak_patches_show_a_wrong_common_feature(setting: Setting) -> None:
    """In strength alpha_dagger, never the sample's own, every other superclass equally often."""
    features, samples = drawn(setting, 3000, hard=True)
    rows, places = np.nonzero(samples.roles == WEAK)
    shown = samples.patches[places, rows] @ features[: setting.superclasses].T
    own = samples.superclass[rows]
    assert abs(shown[np.arange(len(rows)), own].mean()) < 0.01
    others = setting.superclasses - 1
    mean = (shown.sum() - shown[np.arange(len(rows)), own].sum()) / len(rows)
    assert mean == pytest.approx(0.3, abs=0.01)
    wrong = np.array([shown[own == y].mean(axis=0) for y in range(setting.superclasses)])
    off = wrong[~np.eye(setting.superclasses, dtype=bool)]
    assert off == pytest.approx(0.3 / others, abs=0.03)


def test_noise_has_its_length() -> None:
    """|zeta|^2 is noise^2 on average, and that of the noisy patch sigma_star^2."""
    setting = Setting(noise=0.4, sigma_star=2.0)
    _, samples = drawn(setting, 2000, hard=True)
    for role, length in ((NOISE, 0.4), (NOISY, 2.0)):
        rows, places = np.nonzero(samples.roles == role)
        patches = samples.patches[places, rows].astype(np.float64)
        assert (patches**2).sum(axis=1).mean() == pytest.approx(length**2, rel=0.02)
        assert np.abs(patches.mean(axis=0)).max() < 5 * length / np.sqrt(64 * len(rows))


def test_one_strength_a_sample_where_that_is_asked() -> None:
    """Without noise, the patches of a sample's features are equally long then, else not."""
    for how, is_one in (("sample", True), ("patch", False)):
        setting = Setting(noise=0.0, alpha_drawn=how)
        _, samples = drawn(setting, 20, hard=False)
        lengths = np.linalg.norm(samples.patches, axis=2).T
        spread = [np.ptp(row[row > 0]) for row in lengths]
        assert (max(spread) < 1e-6) == is_one


def test_training_set_is_balanced_and_has_its_share_of_hard_samples() -> None:
    """`samples` of every subclass; round(rho N) are hard, none by default."""
    features = dictionary(SETTING, np.random.default_rng(0))
    easy = training_samples(SETTING, features, np.random.default_rng(1))
    assert np.bincount(easy.subclass).tolist() == [100] * 16
    assert not easy.hard.any()
    mixed = training_samples(Setting(rho=0.03), features, np.random.default_rng(1))
    assert mixed.hard.sum() == 48
    assert ((mixed.roles == WEAK).any(axis=1) == mixed.hard).all()


def test_nodes_of_a_level_are_neighbours() -> None:
    """Subclasses 0, 1 share a node above them, 2, 3 the next, and superclasses have four."""
    assert level_offsets(DEEP) == [0, 3, 9]
    nodes = feature_of(DEEP, np.arange(12))
    assert nodes[0].tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert nodes[1].tolist() == [3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8]
    assert nodes[2].tolist() == list(range(9, 21))
