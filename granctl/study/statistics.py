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

from granctl.study.estimates import Estimate, estimate, t_quantile
from granctl.study.summary import Panel, Point, by_seed

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
    turn_low: float | None
    """Lower end of the 95 % interval of where accuracy is highest, in classes; None: below the
    fewest classes, or nowhere, since the data do not bound it."""
    turn_high: float | None
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
    """Sources that no other beats; the best is among them in 95 % of studies. High means first."""
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
    return parabola(x, table)


def parabola(x: NDArray[np.float64], table: NDArray[np.float64]) -> Curvature:
    """The parabola through each row of a table, and what their means say.

    Args:
        x: shape (points,), log10 of classes, at least three different ones.
        table: shape (seeds, points), top-1.
    """
    fits = np.polyfit(x, table.T, 2)  # (3, seeds): c, b, a
    c, b = fits[0], fits[1]
    mean_c, mean_b = float(c.mean()), float(b.mean())
    fitted = np.polyval(fits.mean(axis=1), x)
    turn = -mean_b / (2 * mean_c) if mean_c else math.inf
    inside = mean_c < 0 and x.min() < turn < x.max()
    low, high = turn_interval(b, c) if inside else (-math.inf, math.inf)
    return Curvature(
        curvature=estimate(c.tolist()),
        slope_coarse=estimate((b + 2 * c * x.min()).tolist()),
        slope_fine=estimate((b + 2 * c * x.max()).tolist()),
        turn=10**turn if inside else None,
        turn_low=10**low if low > x.min() else None,
        turn_high=10**high if high < x.max() else None,
        residual_sd=float(np.sqrt(np.mean((table.mean(axis=0) - fitted) ** 2))),
    )


def turn_interval(b: NDArray[np.float64], c: NDArray[np.float64]) -> tuple[float, float]:
    """95 % interval of -b / 2c, where the mean of parabolas of slope b + 2 c x turns.

    The x at which a t-test over seeds does not tell the slope from flat (Fieller, 1954): right for
    normal slopes, however flat; where the curvature is not told from none it has no ends.

    Args:
        b: shape (seeds,), slope at x = 0.
        c: shape (seeds,), curvature.

    Returns:
        Two x; infinite without an end, and with one seed.
    """
    n = len(b)
    if n < 2:
        return -math.inf, math.inf
    spread = np.cov(b, c) * t_quantile(n - 1) ** 2 / n
    mean_b, mean_c = float(b.mean()), float(c.mean())
    square = 4 * (mean_c**2 - float(spread[1, 1]))
    linear = 4 * (mean_b * mean_c - float(spread[0, 1]))
    constant = mean_b**2 - float(spread[0, 0])
    inner = linear**2 - 4 * square * constant
    if square <= 0 or inner < 0:
        return -math.inf, math.inf
    half = math.sqrt(inner) / (2 * square)
    middle = -linear / (2 * square)
    return middle - half, middle + half


def best_source(panel: Panel) -> BestSource | None:
    """Which sources may be best; None below two pretrained sources or two seeds.

    The shares are of studies resampled from the seeds: few seeds give few different ones, so a
    share of 1.0 over three seeds says only that the same source won under each.
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
    enough = unbeaten(table)
    plausible = [points[i] for i in np.argsort(-table.mean(axis=0), kind="stable") if enough[i]]
    classes = [float(p.classes_present or 0) for p in plausible]
    return BestSource(
        shares=tuple((points[i].cut, float(shares[i])) for i in order),
        plausible=tuple(p.cut for p in plausible),
        fewest_classes=min(classes),
        most_classes=max(classes),
        seeds=len(seeds),
    )


def unbeaten(table: NDArray[np.float64], error: float = 0.05) -> NDArray[np.bool_]:
    """Columns that no other beats; the best one is among them but for `error` of studies.

    One is out where another lies above it by a one-sided paired t-test at error / (columns - 1), so
    that the truly best one is out by chance at most so often, whatever the others do (Bonferroni;
    the comparisons with the best of Hsu, 1981, with a variance of their own for each pair). A set
    of the columns that win most resamples holds the best far less often: 50 to 87 % of studies
    with 3 to 5 seeds (tests/study/test_coverage.py).

    Args:
        table: shape (seeds, columns), two of each at least.
        error: chance that the best column is out.

    Returns:
        Shape (columns,); at least one is True.
    """
    num, columns = table.shape
    limit = t_quantile(num - 1, 1 - 2 * error / (columns - 1))
    above = table[:, None, :] - table[:, :, None]  # (seeds, i, j): column j less column i
    mean, sd = above.mean(axis=0), above.std(axis=0, ddof=1)
    found: NDArray[np.bool_] = ~(mean > limit * sd / math.sqrt(num)).any(axis=1)
    return found


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
