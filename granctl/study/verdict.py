"""What the statistics of a panel say, in sentences that claim no more than they do."""

from __future__ import annotations

from collections.abc import Sequence

from granctl.study.estimates import Estimate
from granctl.study.statistics import (
    BestSource,
    Curvature,
    best_source,
    curvature,
    seeds_to_tell,
)
from granctl.study.summary import TARGET_ALONE, Panel, Point, difference
from granctl.study.wording import count, per_cent

MANY_SEEDS = 1000
"""From here on a number of seeds is told as `more than`."""


def verdicts(panel: Panel) -> list[str]:
    """Sentences on the shape of each curve, on which source is best, and on the seeds needed."""
    found = []
    for family in dict.fromkeys(p.family for p in panel.points if p.family != TARGET_ALONE):
        shape = curvature(panel, family)
        if shape is not None:
            found.append(_shape(family, shape))
    best = best_source(panel)
    if best is not None:
        found.append(_best(best))
    needed = _needed(panel)
    return [*found, needed] if needed else found


def _shape(family: str, shape: Curvature) -> str:
    coarse, fine = _slope(shape.slope_coarse), _slope(shape.slope_fine)
    fit = f"a parabola misses the means by {100 * shape.residual_sd:.1f} points"
    slopes = f"{coarse} points a decade of classes at the coarse end, {fine} at the fine end; {fit}"
    if shape.is_u is None:
        return f"{family.capitalize()}: {slopes}. One seed cannot tell whether the error is a U."
    if not shape.is_u:
        return f"{family.capitalize()}: no U-shape can be told ({slopes})."
    turn = "" if shape.turn is None else f", lowest near {shape.turn:,.0f} classes{_ends(shape)}"
    return f"{family.capitalize()}: the error over the classes is U-shaped{turn} ({slopes})."


def _ends(shape: Curvature) -> str:
    """` [20, 90]`: between which classes that is, with 95 %."""
    if shape.turn_low is None and shape.turn_high is None:
        return " [nowhere bounded]"
    low = "fewest" if shape.turn_low is None else f"{shape.turn_low:,.0f}"
    high = "most" if shape.turn_high is None else f"{shape.turn_high:,.0f}"
    return f" [{low}, {high}]"


def _slope(slope: Estimate) -> str:
    if slope.low is None or slope.high is None:
        return f"{100 * slope.mean:+.1f}"
    return f"{100 * slope.mean:+.1f} [{100 * slope.low:+.1f}, {100 * slope.high:+.1f}]"


def _best(best: BestSource) -> str:
    name, share = best.shares[0]
    seeds = f"studies resampled from {count(best.seeds, 'seed')}"
    head = f"{name} has the highest mean in {per_cent(share, 0)} of the {seeds}"
    if len(best.plausible) == 1:
        return f"{head}; by paired tests {best.plausible[0]} beats every other (95 % in all)."
    span = f"{best.fewest_classes:,.0f} to {best.most_classes:,.0f} classes"
    told = f"by paired tests the best may be any of {_listed(best.plausible)}"
    return f"{head}; {told} ({span}; 95 % in all)."


def _needed(panel: Panel) -> str | None:
    """Seeds that would tell the two highest means apart; None where that cannot be said."""
    ranked = sorted(
        (p for p in panel.points if p.classes_present is not None), key=lambda p: -p.top1.mean
    )
    if len(ranked) < 2:
        return None
    first, second = ranked[:2]
    gap = difference(first.results, second.results)
    needed = None if gap is None else seeds_to_tell(gap)
    if gap is None or needed is None or gap.sd is None:
        return None
    number = f"more than {MANY_SEEDS:,}" if needed > MANY_SEEDS else f"{needed}"
    apart = f"{100 * gap.mean:.2f} points apart, deviation {100 * gap.sd:.2f} over seeds"
    return f"To tell {_pair(first, second)} apart ({apart}) in 4 of 5 studies takes {number} seeds."


def _pair(first: Point, second: Point) -> str:
    return f"{first.cut} and {second.cut}"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
