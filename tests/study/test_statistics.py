"""The U-test, the best source and the seeds that would be needed, against what was put in."""

from __future__ import annotations

import numpy as np
import pytest
from made_up_study import fake_result

from granctl.study.estimates import estimate, t_quantile
from granctl.study.statistics import (
    best_source,
    curvature,
    seeds_table,
    seeds_to_tell,
)
from granctl.study.summary import Panel, summarise
from granctl.study.verdict import verdicts

CLASSES = (2, 8, 32, 128, 512)


def panel_of(curve: np.ndarray, *, seeds: int, noise: float, rng: int = 0) -> Panel:
    """Results of a made-up curve over CLASSES, with a shift a seed and noise a run."""
    random = np.random.default_rng(rng)
    shift = random.normal(0, 0.05, seeds)
    records = [
        fake_result(
            cut=f"classes-{n}",
            method="classes",
            classes=n,
            top1=float(np.clip(curve[i] + shift[seed] + random.normal(0, noise), 0, 1)),
            seed=seed,
        )
        for i, n in enumerate(CLASSES)
        for seed in range(seeds)
    ]
    loaded = [{**r, "path": f"/results/{i}/result.json"} for i, r in enumerate(records)]
    (panel,) = summarise(loaded)
    return panel


def test_an_inverted_u_is_found_with_its_turn() -> None:
    """A parabola that was put in comes out: sign, turn and verdict, whatever a seed adds to all."""
    x = np.log10(CLASSES)
    panel = panel_of(0.7 - 0.08 * (x - 1.5) ** 2, seeds=5, noise=0.002)
    found = curvature(panel)
    assert found is not None
    assert found.curvature.mean == pytest.approx(-0.08, abs=0.005)
    assert found.turn == pytest.approx(10**1.5, rel=0.1)
    assert found.is_u is True
    assert found.residual_sd < 0.01


def test_a_rising_curve_is_no_u() -> None:
    """A curve that only rises, and bends, is not called U-shaped."""
    panel = panel_of(
        0.5 + 0.1 * np.log10(CLASSES) - 0.01 * np.log10(CLASSES) ** 2, seeds=5, noise=0.002
    )
    found = curvature(panel)
    assert found is not None
    assert found.is_u is False
    assert found.turn is None


def test_the_u_test_rarely_cries_u_over_nothing() -> None:
    """On flat curves with noise a U is claimed in at most about 5 % of the studies."""
    claims = sum(
        bool((c := curvature(panel_of(np.full(5, 0.6), seeds=4, noise=0.02, rng=i))) and c.is_u)
        for i in range(200)
    )
    assert claims <= 12


def test_one_seed_has_no_verdict_and_three_sources_no_parabola() -> None:
    """What cannot be told is None, not False."""
    found = curvature(panel_of(np.array([0.5, 0.6, 0.7, 0.6, 0.5]), seeds=1, noise=0))
    assert found is not None
    assert found.is_u is None
    assert curvature(panel_of(np.full(5, 0.6), seeds=3, noise=0.01), family="clusters") is None


def test_best_source_names_the_winner_and_what_cannot_be_told_from_it() -> None:
    """A clear winner stands alone; two equal ones are both plausible."""
    clear = best_source(panel_of(np.array([0.5, 0.6, 0.7, 0.6, 0.5]), seeds=5, noise=0.005))
    assert clear is not None
    assert clear.plausible == ("classes-32",)
    assert (clear.fewest_classes, clear.most_classes) == (32, 32)
    close = best_source(panel_of(np.array([0.5, 0.7, 0.7, 0.6, 0.5]), seeds=6, noise=0.02, rng=3))
    assert close is not None
    assert set(close.plausible) <= {"classes-8", "classes-32"}
    assert sum(share for _, share in close.shares) == pytest.approx(1)
    assert best_source(panel_of(np.full(5, 0.6), seeds=1, noise=0.1)) is None


def test_seeds_to_tell_gives_the_power_it_promises() -> None:
    """With that many seeds a paired t-test sees the difference in 4 of 5 studies."""
    n = seeds_to_tell(estimate([0.00, 0.01, 0.02, 0.03, -0.01]))
    assert n is not None
    mean, sd = 0.01, estimate([0.00, 0.01, 0.02, 0.03, -0.01]).sd
    assert sd is not None
    draws = np.random.default_rng(1).normal(mean, sd, (20_000, n))
    t = draws.mean(1) / (draws.std(1, ddof=1) / np.sqrt(n))
    assert np.mean(np.abs(t) > t_quantile(n - 1)) == pytest.approx(0.8, abs=0.03)
    assert seeds_to_tell(estimate([0.01])) is None


def test_the_one_sided_quantile_agrees_with_scipy() -> None:
    """t_quantile(df, 0.9) is the 0.95 quantile."""
    stats = pytest.importorskip("scipy.stats")
    for df in (1, 2, 5, 30):
        assert t_quantile(df, 0.9) == pytest.approx(stats.t.ppf(0.95, df), abs=1e-9)


def test_only_shared_seeds_stand_in_the_table() -> None:
    """A seed that one source lacks is left out for all."""
    panel = panel_of(np.full(5, 0.6), seeds=3, noise=0.01)
    points = [panel.points[0], panel.points[1]]
    seeds, table = seeds_table(points)
    assert seeds == [0, 1, 2]
    assert table.shape == (3, 2)


def test_verdicts_say_what_was_put_in() -> None:
    """A U with its turn, the plausible best, and the seeds that would tell the first two apart."""
    x = np.log10(CLASSES)
    shape, best, seeds = verdicts(panel_of(0.7 - 0.08 * (x - 1.5) ** 2, seeds=5, noise=0.002))
    assert shape.startswith("Taxonomy: the error over the classes is U-shaped, lowest near 3")
    assert "classes [3" in shape, "with its interval"
    assert best.startswith("classes-32 has the highest mean in 100 % of the studies resampled")
    assert seeds.startswith("To tell classes-32 and ")
    flat = verdicts(panel_of(np.full(5, 0.6), seeds=3, noise=0.01))
    assert flat[0].startswith("Taxonomy: no U-shape can be told")
    alone = verdicts(panel_of(np.full(5, 0.6), seeds=1, noise=0.01))
    assert "One seed cannot tell" in alone[0]
    assert len(alone) == 1
