"""Means over seeds with their spread: deviations and t-intervals of a few values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """A mean over seeds with its spread; fractions."""

    n: int
    """How many values."""
    mean: float
    sd: float | None
    """Standard deviation with n - 1 in the denominator; None where n is 1."""
    low: float | None
    """Lower end of the 95 % t-interval of the mean; None where n is 1."""
    high: float | None

    @property
    def excludes_zero(self) -> bool:
        """Whether the whole interval lies on one side of zero; False without an interval."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


def estimate(values: Sequence[float]) -> Estimate:
    """Mean, deviation (n - 1) and 95 % t-interval of at least one value."""
    n, mean = len(values), fmean(values)
    if n < 2:
        return Estimate(n=n, mean=mean, sd=None, low=None, high=None)
    sd = stdev(values)
    half = t_quantile(n - 1) * sd / math.sqrt(n)
    return Estimate(n=n, mean=mean, sd=sd, low=mean - half, high=mean + half)


def t_quantile(df: int, two_sided: float = 0.95) -> float:
    """Within +- how many deviations `two_sided` of Student's t lies, to 1e-10; `df` is 1 or more.

    The default is the 0.975 quantile, 0.9 the 0.95 quantile.

    By bisection on the finite sums of Abramowitz and Stegun 26.7.3 and 26.7.4, so that a report
    need not load scipy.

    Example:
        >>> round(t_quantile(2), 4)
        4.3027
    """
    low, high = 0.0, 13.0  # t(0.975, 1) is 12.7
    while _t_two_sided(high, df) < two_sided:
        high *= 2
    while high - low > 1e-11:
        middle = (low + high) / 2
        low, high = (middle, high) if _t_two_sided(middle, df) < two_sided else (low, middle)
    return (low + high) / 2


def _t_two_sided(t: float, df: int) -> float:
    """P(|T| < t) for integer `df`."""
    theta = math.atan(t / math.sqrt(df))
    cos2 = math.cos(theta) ** 2
    odd = df % 2
    term, total = 1.0, 1.0 if df > 1 else 0.0
    for k in range(2 + odd, df - 1, 2):
        term *= (k - 1) / k * cos2
        total += term
    if odd:
        return 2 / math.pi * (theta + math.sin(theta) * math.cos(theta) * total)
    return math.sin(theta) * total
