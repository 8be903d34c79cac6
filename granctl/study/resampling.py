"""Intervals of what is averaged over images and seeds, by resampling paired images.

A resample draws the images with replacement, as many as there are; a drawn image brings its answers
under every seed and every source, so that differences stay paired. Seeds are not drawn: two or
three of them, drawn with replacement, give intervals that are far too narrow (Hesterberg, "What
Teachers Should Know about the Bootstrap", The American Statistician 69, 2015, section 4). Their
part is the variance of the mean over them. Of S seeds

    V = V_images + max(0, V_seeds - V_both)

with V_images the variance over resamples of the mean over seeds; V_seeds = s^2 / S, s^2 the
variance over seeds; and V_both, what an image does under one seed alone, which is in both of them:
the variance over resamples of each seed's deviation from the mean, summed and divided by S (S - 1).
The interval is the mean +- t sqrt(V), t of Student's distribution with the degrees of freedom of
Satterthwaite (1946), V^2 / (V_seeds^2 / (S - 1) + V_images^2 / (n - 1)), rounded down, and S - 1 at
least.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from granctl.study.estimates import t_quantile

RESAMPLES = 2_000
RESAMPLING_SEED = 20_230_316
"""A report of the same results must say the same: the resamples are part of the method."""
_AT_ONCE = 4_000_000
"""Counts of drawn images in memory."""
_MOST_FREEDOM = 200
"""From here on the quantile is that of the normal distribution to 1 %."""

Matrix = NDArray[np.float64]


def image_sums(
    columns: NDArray[np.float32], rng: np.random.Generator, resamples: int = RESAMPLES
) -> Matrix:
    """Sums of each column over images that are drawn with replacement.

    Args:
        columns: shape (N, C), a row an image.
        rng: which images are drawn.
        resamples: how often.

    Returns:
        Shape (resamples, C).
    """
    num = len(columns)
    part = max(1, _AT_ONCE // num)
    found = np.empty((resamples, columns.shape[1]))
    for start in range(0, resamples, part):
        rows = min(part, resamples - start)
        drawn = rng.integers(0, num, size=(rows, num)) + num * np.arange(rows)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=rows * num).reshape(rows, num)
        found[start : start + rows] = counts.astype(np.float32) @ columns
    return found


def half_widths(by_seed: Matrix, draws: Matrix, images: Matrix) -> Matrix:
    """Half of the 95 % interval of means over seeds, by the formula above: shape (G,).

    Args:
        by_seed: shape (S, G): G numbers under each of two seeds or more.
        draws: shape (R, S, G): the same numbers of resampled images.
        images: shape (G,): how many images each is of.
    """
    num = len(by_seed)
    mean = draws.mean(axis=1)
    of_images = mean.var(axis=0, ddof=1)
    of_seeds = by_seed.var(axis=0, ddof=1) / num
    of_both = (draws - mean[:, None]).var(axis=0, ddof=1).sum(axis=0) / (num * (num - 1))
    total = of_images + np.maximum(of_seeds - of_both, 0)
    parts = of_seeds**2 / (num - 1) + of_images**2 / np.maximum(images - 1, 1)
    freedom = np.divide(total**2, parts, out=np.full_like(total, _MOST_FREEDOM), where=parts > 0)
    whole = np.clip(freedom, min(num - 1, _MOST_FREEDOM), _MOST_FREEDOM).astype(np.int64)
    found: Matrix = np.array([_quantile(df) for df in whole.tolist()]) * np.sqrt(total)
    return found


@cache
def _quantile(df: int) -> float:
    return t_quantile(df)
