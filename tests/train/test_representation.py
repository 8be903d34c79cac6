"""Measures of representations against their definitions, slowly, and on made-up spectra."""

import numpy as np
import pytest

from granctl.train.representation import (
    Groups,
    Moments,
    class_separation,
    effective_rank,
    linear_cka,
    scatter,
    variance_ratio,
)


@pytest.fixture
def rng():
    """Of one seed."""
    return np.random.default_rng(0)


def grouped(matrix, group, num, pieces=3):
    """Groups of a matrix that comes in pieces."""
    found = Groups(num, matrix.shape[1])
    for rows in np.array_split(np.arange(len(matrix)), pieces):
        found.add(matrix[rows], group[rows])
    return found


def products(matrix, other=None, pieces=3):
    """X'Y of centred features that come in pieces."""
    other = matrix if other is None else other
    found = Moments(matrix.shape[1], other.shape[1])
    for rows in np.array_split(np.arange(len(matrix)), pieces):
        found.add(matrix[rows], other[rows])
    return found.centred


def cka(one, other):
    """As `granctl probe` puts it together."""
    return linear_cka(products(one), products(other), products(one, other))


def test_class_separation_is_the_mean_over_all_pairs(rng):
    """The double sums of Kornblith et al., 2010.16402; classes of unequal sizes count alike."""
    matrix = rng.normal(size=(60, 5)).astype(np.float32) + 1
    group = rng.choice(4, 60, p=[0.6, 0.2, 0.1, 0.1])
    matrix[group == 2] += 3
    unit = matrix / np.linalg.norm(matrix, axis=1, keepdims=True)
    far = 1 - unit @ unit.T
    within = np.mean([far[np.ix_(group == k, group == k)].mean() for k in range(4)])
    total = np.mean(
        [far[np.ix_(group == j, group == k)].mean() for j in range(4) for k in range(4)]
    )
    expected = 1 - within / total
    assert 0.05 < expected < 0.95
    assert class_separation(grouped(matrix, group, 4)) == pytest.approx(expected, rel=1e-6)


def test_separation_of_made_clusters(rng):
    """1 where each class is a point, about 0 where classes are drawn alike, more when apart."""
    group = np.repeat(np.arange(5), 200)
    centres = rng.normal(size=(5, 16))
    points = centres[group].astype(np.float32)
    assert class_separation(grouped(points, group, 5)) == pytest.approx(1, abs=1e-6)
    noise = rng.normal(size=(1000, 16)).astype(np.float32)
    assert abs(class_separation(grouped(noise, group, 5))) < 0.02
    found = [class_separation(grouped(s * points + noise, group, 5)) for s in (0.5, 1, 2)]
    assert found == sorted(found)
    assert class_separation(grouped(noise, np.zeros(1000, int), 5)) is None
    assert class_separation(grouped(np.ones((4, 2)), np.array([0, 0, 1, 1]), 2)) is None


def test_scatter_is_that_of_the_definition(rng):
    """Between and within add up to the scatter about the mean; images of no class are left out."""
    matrix = (rng.normal(size=(80, 6)) * [1, 2, 3, 1, 1, 1] + 5).astype(np.float32)
    group = rng.integers(-1, 3, 80)
    kept = group >= 0
    mean = matrix[kept].mean(0, dtype=np.float64)
    within = between = 0.0
    for k in range(3):
        rows = matrix[group == k].astype(np.float64)
        within += ((rows - rows.mean(0)) ** 2).sum()
        between += len(rows) * ((rows.mean(0) - mean) ** 2).sum()
    groups = grouped(matrix, group, 4)
    assert scatter(groups) == pytest.approx((between, within), rel=1e-6)
    assert variance_ratio([groups]) == pytest.approx(between / within, rel=1e-6)
    two, one = groups.only(np.array([1, 1, 0, 0], bool)), groups.only(np.array([0, 0, 1, 1], bool))
    assert variance_ratio([two, one]) == variance_ratio([two]), "one class has nothing to tell"
    assert variance_ratio([one]) is None


def test_groups_of_groups_are_those_of_the_images(rng):
    """Coarse classes follow from the sums of fine ones."""
    matrix = rng.normal(size=(50, 3)).astype(np.float32)
    group, into = rng.integers(0, 6, 50), np.array([0, 0, 1, 1, 1, -1])
    merged, direct = grouped(matrix, group, 6).merged(into, 2), grouped(matrix, into[group], 2)
    assert (merged.images == direct.images).all()
    for name in ("sums", "units", "squares"):
        np.testing.assert_allclose(getattr(merged, name), getattr(direct, name), atol=1e-12)


def test_effective_rank_of_known_spectra(rng):
    """K equal singular values: k; one: 1; any: exp of the entropy; nothing varies: 0."""
    orthogonal = np.linalg.qr(rng.normal(size=(400, 8)) - 0)[0]
    orthogonal = np.linalg.qr(orthogonal - orthogonal.mean(0))[0]
    turn = np.linalg.qr(rng.normal(size=(8, 8)))[0]
    for values, expected in (
        ([1] * 8, 8),
        ([2] * 3 + [0] * 5, 3),
        ([7] + [0] * 7, 1),
        ([3, 1] + [0] * 6, np.exp(-(0.75 * np.log(0.75) + 0.25 * np.log(0.25)))),
    ):
        matrix = (orthogonal * values) @ turn + 4
        assert effective_rank(products(matrix)) == pytest.approx(expected, rel=1e-3)
    matrix = rng.normal(size=(100, 6)) @ rng.normal(size=(6, 6))
    share = np.linalg.svd(matrix - matrix.mean(0), compute_uv=False)
    share /= share.sum()
    expected = np.exp(-(share * np.log(share)).sum())
    assert effective_rank(products(matrix)) == pytest.approx(expected, rel=1e-6)
    assert effective_rank(np.zeros((3, 3))) == 0


def test_cka_is_that_of_the_kernels_and_does_not_see_axes(rng):
    """Against HSIC of n x n kernels; rotations, one scale and a shift change nothing."""
    one, other = rng.normal(size=(40, 6)), rng.normal(size=(40, 9))
    other[:, :6] += one
    centre = np.eye(40) - 1 / 40
    kernels = [centre @ x @ x.T @ centre for x in (one, other)]
    expected = (kernels[0] * kernels[1]).sum() / np.prod([np.linalg.norm(k) for k in kernels])
    assert 0.1 < expected < 0.9
    assert cka(one, other) == pytest.approx(expected, rel=1e-9)
    turn = np.linalg.qr(rng.normal(size=(9, 9)))[0]
    assert cka(one, 3 * other @ turn + 5) == pytest.approx(expected, rel=1e-9)
    assert cka(one, -2 * one) == pytest.approx(1)
    skewed = other * np.linspace(1, 9, 9)
    assert abs(cka(one, skewed) - expected) > 1e-3, "a scale for each axis is no rotation"
    assert cka(one, np.ones((40, 2))) is None
    far = rng.normal(size=(20000, 6)), rng.normal(size=(20000, 6))
    assert cka(*far) < 0.001
