"""Sources in pairs: their difference with intervals, and the seeds that would tell them apart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from granctl.study.estimates import Estimate, estimate, t_quantile
from granctl.study.statistics import RESAMPLES, seeds_to_tell
from granctl.study.summary import TARGET_ALONE, Panel, Point, by_seed

_RESAMPLING_SEED = 20_230_317
"""A report of the same results must say the same: the resamples are part of the method."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Bootstrap:
    """A bootstrap interval of a mean over seeds; fractions."""

    low: float
    high: float
    covers_at_most: float
    """No interval inside the range of n values holds the median of a distribution more often than
    1 - 2^(1 - n): 0.75 of 3, 0.94 of 5."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PairApart:
    """Two points of a panel: the first less the second, paired by seed."""

    first: str
    second: str
    difference: Estimate
    """With its t-interval."""
    bootstrap: Bootstrap | None
    """None with one seed."""
    seeds_needed: int | None
    """At which a paired t-test tells them apart in 4 of 5 studies; None: nothing to go by."""


def every_pair(panel: Panel) -> list[PairApart]:
    """All pairs of sources that share a seed, in the order of the panel."""
    found = (pair_apart(a, b) for a, b in combinations(panel.points, 2))
    return [pair for pair in found if pair is not None]


def to_references(panel: Panel) -> list[PairApart]:
    """Each source less the finest cut of the taxonomy, and less training on the target alone.

    Where the target alone was trained for several lengths, the one with the highest mean counts.
    """
    finest = next((p for p in panel.points if p.cut == panel.finest), None)
    alone = [p for p in panel.points if p.family == TARGET_ALONE]
    best = max(alone, key=lambda p: p.top1.mean, default=None)
    found = []
    for reference in (finest, best):
        if reference is not None:
            others = (p for p in panel.points if p is not reference)
            found += [pair_apart(point, reference) for point in others]
    return [pair for pair in found if pair is not None]


def pair_apart(first: Point, second: Point) -> PairApart | None:
    """One pair; None where no seed is in both."""
    ours, theirs = by_seed(first.results), by_seed(second.results)
    gaps = [ours[seed] - theirs[seed] for seed in sorted(ours.keys() & theirs.keys())]
    if not gaps:
        return None
    difference = estimate(gaps)
    return PairApart(
        first=first.cut,
        second=second.cut,
        difference=difference,
        bootstrap=bootstrap(gaps) if len(gaps) > 1 else None,
        seeds_needed=seeds_to_tell(difference),
    )


def bootstrap(values: Sequence[float]) -> Bootstrap:
    """The 95 % interval of a mean by resampling, its percentiles widened for few values.

    Percentiles of resampled means are too narrow for few values: their variance is n - 1 over n of
    what it should be, and they know no t. The percentiles taken here are those at which the
    interval of normal values is the t-interval, Phi(-sqrt(n / (n - 1)) t) (Hesterberg, "What
    Teachers Should Know about the Bootstrap", The American Statistician 69, 2015, section 5.3). It
    still lies inside the range of the values, see `covers_at_most`.
    """
    n = len(values)
    sample = np.asarray(values, dtype=np.float64)
    rng = np.random.default_rng(_RESAMPLING_SEED)
    means = sample[rng.integers(0, n, size=(RESAMPLES, n))].mean(axis=1)
    tail = _normal_tail(math.sqrt(n / (n - 1)) * t_quantile(n - 1))
    low, high = _quantiles(means, tail)
    return Bootstrap(low=low, high=high, covers_at_most=1 - 2.0 ** (1 - n))


def _quantiles(means: NDArray[np.float64], tail: float) -> tuple[float, float]:
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(low), float(high)


def _normal_tail(z: float) -> float:
    return math.erfc(z / math.sqrt(2)) / 2
