"""What the statistics promise, held against simulated studies: coverage and false alarms."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from granctl.study import estimates, statistics
from granctl.study.apart import bootstrap
from granctl.study.statistics import parabola, unbeaten

X = np.log10(np.array([2.0, 8, 32, 128, 512]))
STUDIES = 1_000
"""The standard error of a share of 5 % is 0.7 %."""


@pytest.fixture(autouse=True)
def quantiles_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Student's quantiles are bisected; a thousand studies need the same few."""
    quantile = cache(estimates.t_quantile)
    for module in (estimates, statistics):
        monkeypatch.setattr(module, "t_quantile", quantile)


def studies(
    curve: NDArray[np.float64], seeds: int, *, noise: float = 0.01, num: int = STUDIES, rng: int = 0
) -> NDArray[np.float64]:
    """Shape (num, seeds, points): a curve, a shift of each seed, noise of each run."""
    random = np.random.default_rng(rng)
    shift = random.normal(0, 0.05, (num, seeds, 1))
    return curve + shift + random.normal(0, noise, (num, seeds, len(curve)))


def u_share(curve: NDArray[np.float64], seeds: int) -> float:
    return float(np.mean([parabola(X, s).is_u for s in studies(curve, seeds)]))


@pytest.mark.parametrize("seeds", [3, 5, 10])
def test_u_is_cried_at_most_in_5_per_cent_of_its_worst_case(seeds: int) -> None:
    """A curve that rises steeply and is flat at its fine end is the hardest that is no U."""
    edge = 0.6 - 0.05 * (X - X.max()) ** 2
    assert u_share(edge, seeds) == pytest.approx(0.05, abs=0.02)
    assert u_share(np.full(5, 0.6), seeds) < 0.05


def test_a_clear_u_is_found() -> None:
    """The test is not only careful."""
    assert u_share(0.6 - 0.05 * (X - 1.5) ** 2, 5) > 0.95


@pytest.mark.parametrize("seeds", [3, 5, 10])
def test_curvature_and_turn_are_covered(seeds: int) -> None:
    """The intervals of the curvature and of the turn hold the truth in 95 % of studies."""
    curvature, turn = -0.03, 1.4
    found = [parabola(X, s) for s in studies(0.6 + curvature * (X - turn) ** 2, seeds)]
    in_curvature = [
        f.curvature.low <= curvature <= f.curvature.high
        for f in found
        if f.curvature.low is not None and f.curvature.high is not None
    ]
    assert np.mean(in_curvature) == pytest.approx(0.95, abs=0.02)
    in_turn = [(f.turn_low or 0) <= 10**turn <= (f.turn_high or np.inf) for f in found]
    assert np.mean(in_turn) == pytest.approx(0.95, abs=0.02)
    bounded = np.mean([f.turn_low is not None and f.turn_high is not None for f in found])
    assert bounded > 0.3, "or the interval would say nothing"


@pytest.mark.parametrize(("seeds", "gap"), [(3, 0.0), (5, 0.0), (5, 0.01), (10, 0.005)])
def test_the_best_source_is_among_the_plausible_ones(seeds: int, gap: float) -> None:
    """In 95 % of studies or more, with the others as near as can be."""
    curve = np.full(6, 0.6)
    curve[2] += gap
    held = [unbeaten(s)[2] for s in studies(curve, seeds)]
    assert np.mean(held) >= 0.95 - 0.02


def test_a_clear_best_source_stands_alone() -> None:
    """The set is not all of them where one is far above."""
    curve = np.array([0.5, 0.55, 0.65, 0.6, 0.5])
    assert np.mean([unbeaten(s).sum() for s in studies(curve, 5)]) < 1.2


@pytest.mark.parametrize("seeds", [3, 5, 8])
def test_bootstrap_intervals_cover_what_so_few_seeds_can(seeds: int) -> None:
    """Near 95 % from about eight seeds; of few, what no interval in their range can exceed."""
    draws = np.random.default_rng(2).normal(0.01, 0.02, (300, seeds))
    found = [bootstrap(values.tolist()) for values in draws]
    covered = float(np.mean([f.low <= 0.01 <= f.high for f in found]))
    most = found[0].covers_at_most
    assert covered <= most + 0.04
    assert covered >= min(most, 0.95) - 0.05
