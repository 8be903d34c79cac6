"""What the curve says: is it U-shaped, which granularity is best, how many seeds would tell.

Everything works on a table of top-1 fractions, a row a seed and a column a source, so that what a
seed does to all sources alike cancels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from granctl.study.summary import Estimate, Panel, Point, by_seed, estimate, t_quantile

RESAMPLES = 10_000
_RESAMPLING_SEED = 20_230_316
"""A report of the same results must say the same: the resamples are part of the method."""
_FEWEST_SOURCES = 4
"""A parabola through three points fits them whatever they are."""
_Z_OF_POWER = 0.8416212335729143
"""The 0.8 quantile of the normal distribution."""
_LARGE = 1000
"""Degrees of freedom from which on Student's t is the normal distribution to three digits."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Curvature:
    """A parabola in the logarithm of the number of classes, fitted seed by seed.

    top-1 = a + b x + c x^2 with x = log10(classes). The error is U-shaped where the accuracy rises
    at the coarse end and falls at the fine end, each beyond chance (the intersection-union test of
    Lind and Mehlum, 2010, with one-sided t-tests over seeds at 5 %).
    """

    curvature: Estimate
    """c over seeds: fraction per squared decade of classes; below zero where the error is a U."""
    slope_coarse: Estimate
    """b + 2 c x at the fewest classes."""
    slope_fine: Estimate
    """b + 2 c x at the most classes."""
    turn: float | None
    """Classes at which the mean parabola turns; None where it does not turn between the ends."""
    residual_sd: float
    """Of the means about the mean parabola, a fraction: how badly a parabola describes them."""

    @property
    def is_u(self) -> bool | None:
        """Whether both slopes are told apart from flat; None: one seed tells nothing."""
        rises, falls = _below(self.slope_coarse, -1), _below(self.slope_fine, 1)
        return None if rises is None or falls is None else rises and falls


@dataclass(frozen=True, kw_only=True, slots=True)
class BestSource:
    """Which source is best, and how sure that is."""

    shares: tuple[tuple[str, float], ...]
    """Of each source: in which part of the resampled studies it has the highest mean; high first.
    """
    plausible: tuple[str, ...]
    """The fewest sources that together are best in 95 % of the resamples."""
    fewest_classes: float
    most_classes: float
    """Over the plausible ones."""
    seeds: int


def seeds_table(points: Sequence[Point]) -> tuple[list[int], NDArray[np.float64]]:
    """Seeds that every point has, and top-1 as float64 (seeds, points)."""
    columns = [by_seed(p.results) for p in points]
    shared = sorted(set.intersection(*(set(c) for c in columns))) if columns else []
    table = [[column[seed] for column in columns] for seed in shared]
    return shared, np.array(table, dtype=np.float64).reshape(len(shared), len(points))


def curvature(panel: Panel, family: str = "taxonomy") -> Curvature | None:
    """Fits the parabola to the points of one family; None below four class counts or one seed."""
    points = [p for p in panel.points if p.family == family and p.classes_present]
    if len({p.classes_present for p in points}) < _FEWEST_SOURCES:
        return None
    seeds, table = seeds_table(points)
    if not seeds:
        return None
    x = np.log10(np.array([p.classes_present for p in points], dtype=np.float64))
    fits = np.polyfit(x, table.T, 2)  # (3, seeds): c, b, a
    c, b = fits[0], fits[1]
    mean_c, mean_b = float(c.mean()), float(b.mean())
    fitted = np.polyval(fits.mean(axis=1), x)
    turn = -mean_b / (2 * mean_c) if mean_c else math.inf
    inside = mean_c < 0 and x.min() < turn < x.max()
    return Curvature(
        curvature=estimate(c.tolist()),
        slope_coarse=estimate((b + 2 * c * x.min()).tolist()),
        slope_fine=estimate((b + 2 * c * x.max()).tolist()),
        turn=10**turn if inside else None,
        residual_sd=float(np.sqrt(np.mean((table.mean(axis=0) - fitted) ** 2))),
    )


def best_source(panel: Panel) -> BestSource | None:
    """Resamples the seeds and counts who wins; None below two pretrained sources or two seeds.

    Few seeds give few different resamples, so a share of 1.0 over three seeds says only that the
    same source won under each.
    """
    points = [p for p in panel.points if p.classes_present is not None]
    seeds, table = seeds_table(points)
    if len(points) < 2 or len(seeds) < 2:
        return None
    rng = np.random.default_rng(_RESAMPLING_SEED)
    draws = rng.integers(0, len(seeds), size=(RESAMPLES, len(seeds)))
    winners = table[draws].mean(axis=1).argmax(axis=1)
    shares = np.bincount(winners, minlength=len(points)) / RESAMPLES
    order = np.argsort(-shares, kind="stable")
    enough = int(np.searchsorted(np.cumsum(shares[order]), 0.95)) + 1
    plausible = [points[i] for i in order[:enough]]
    classes = [float(p.classes_present or 0) for p in plausible]
    return BestSource(
        shares=tuple((points[i].cut, float(shares[i])) for i in order),
        plausible=tuple(p.cut for p in plausible),
        fewest_classes=min(classes),
        most_classes=max(classes),
        seeds=len(seeds),
    )


def seeds_to_tell(difference: Estimate) -> int | None:
    """Seeds after which a paired t-test (two-sided, 5 %) sees this difference in 4 of 5 studies.

    The fewest n with n >= ((t(0.975, n - 1) + z(0.8)) sd / mean)^2, the usual approximation of the
    non-central t. None without a deviation or a difference.
    """
    if difference.sd is None or difference.mean == 0:
        return None
    if difference.sd == 0:
        return 2
    ratio = difference.sd / abs(difference.mean)

    def enough(n: int) -> bool:
        return n >= ((t_quantile(min(n - 1, _LARGE)) + _Z_OF_POWER) * ratio) ** 2

    high = 2
    while not enough(high):
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _below(slope: Estimate, sign: int) -> bool | None:
    """Whether sign x slope < 0 by a one-sided t-test at 5 %; None with one seed."""
    if slope.sd is None:
        return None
    upper = sign * slope.mean + t_quantile(slope.n - 1, 0.9) * slope.sd / math.sqrt(slope.n)
    return upper < 0
