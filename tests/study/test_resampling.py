"""Resampling over images and seeds: intervals hold what they should, as often as they say."""

from __future__ import annotations

import numpy as np
import pytest

from granctl.study.estimates import estimate
from granctl.study.resampling import half_widths, image_sums


def test_images_are_drawn_with_all_that_they_bring() -> None:
    """Sums of a column of ones are the images drawn; columns that agree do so in each resample."""
    rng = np.random.default_rng(0)
    values = rng.random((50, 1)).astype(np.float32)
    columns = np.concatenate([np.ones_like(values), values, values], axis=1)
    sums = image_sums(columns, np.random.default_rng(1), 400)
    assert sums.shape == (400, 3)
    assert (sums[:, 0] == 50).all()
    assert (sums[:, 1] == sums[:, 2]).all()
    assert sums[:, 1].mean() == pytest.approx(values.sum(), rel=0.02)
    assert sums[:, 1].var() == pytest.approx(50 * values.var(), rel=0.25)
    assert (sums == image_sums(columns, np.random.default_rng(1), 400)).all()


def test_images_are_drawn_alike_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """More images than are counted at once change nothing."""
    columns = np.arange(60, dtype=np.float32).reshape(30, 2)
    whole = image_sums(columns, np.random.default_rng(1), 40)
    monkeypatch.setattr("granctl.study.resampling._AT_ONCE", 100)
    assert (image_sums(columns, np.random.default_rng(1), 40) == whole).all()


@pytest.mark.parametrize("num", [2, 3, 6])
def test_where_only_seeds_differ_it_is_the_t_interval(num: int) -> None:
    """Images that are all alike leave Student's interval over seeds."""
    values = np.random.default_rng(num).normal(0.05, 0.02, num)
    draws = np.broadcast_to(values[None, :, None], (50, num, 1))
    half = half_widths(values[:, None], draws, np.array([100.0]))
    known = estimate(values.tolist())
    assert known.high is not None
    assert half[0] == pytest.approx(known.high - known.mean, rel=1e-6)


def test_where_only_images_differ_it_is_the_normal_interval() -> None:
    """Seeds that say the same add nothing."""
    values = np.random.default_rng(0).normal(0, 1, 400)
    columns = np.tile(values[:, None], (1, 3)).astype(np.float32)
    draws = image_sums(columns, np.random.default_rng(1))[:, :, None] / 400
    half = half_widths(np.full((3, 1), values.mean()), draws, np.array([400.0]))
    assert half[0] == pytest.approx(1.97 * values.std() / 20, rel=0.05)


@pytest.mark.parametrize(
    ("seeds", "of_image", "of_seed", "of_both"),
    [(2, 0.2, 0.02, 0.3), (3, 0.2, 0.0, 0.3), (3, 0.05, 0.05, 0.2), (5, 0.3, 0.03, 0.1)],
)
def test_intervals_cover_the_truth_as_often_as_they_say(
    seeds: int, of_image: float, of_seed: float, of_both: float
) -> None:
    """800 studies with deviations of images, of seeds and of their meeting: 95 %, within 3 points.

    Each draws its images and seeds anew; the truth is the mean of all that could be drawn.
    """
    rng, studies, images, truth = np.random.default_rng(seeds), 800, 150, 0.1
    covered = 0
    for _ in range(studies):
        gain = truth + rng.normal(0, of_seed, (seeds, 1)) + rng.normal(0, of_image, (1, images))
        gain += rng.normal(0, of_both, (seeds, images))
        draws = image_sums(gain.T.astype(np.float32), rng, 200)[:, :, None] / images
        half = half_widths(gain.mean(axis=1)[:, None], draws, np.array([float(images)]))[0]
        covered += abs(gain.mean() - truth) <= half
    assert 0.92 <= covered / studies <= 0.98
