"""The statistics of a panel as JSON types: shapes, the best source, differences, seeds needed."""

from __future__ import annotations

import dataclasses
from typing import Any

from granctl.provenance import plain
from granctl.study.apart import PairApart, every_pair, to_references
from granctl.study.statistics import best_source, curvature
from granctl.study.summary import TARGET_ALONE, Panel


def statistics_record(panel: Panel) -> dict[str, Any]:
    """All that is tested of a panel; fractions, classes, seeds; null where nothing can be said.

    The fields: target, method, per_class; shapes (family -> the parabola: curvature, slope_coarse,
    slope_fine with their intervals, turn, turn_low, turn_high, residual_sd, is_u), of families with
    four class counts; best (shares, plausible, fewest_classes, most_classes, seeds); to_references
    and pairs (lists: first, second, difference, bootstrap, seeds_needed).
    """
    families = dict.fromkeys(p.family for p in panel.points if p.family != TARGET_ALONE)
    shapes = {family: curvature(panel, family) for family in families}
    best = best_source(panel)
    return {
        "target": panel.target,
        "method": panel.method,
        "per_class": panel.per_class,
        "shapes": {
            family: {**plain(shape), "is_u": shape.is_u}
            for family, shape in shapes.items()
            if shape is not None
        },
        "best": None if best is None else {**plain(best), "shares": dict(best.shares)},
        "to_references": [_pair(pair) for pair in to_references(panel)],
        "pairs": [_pair(pair) for pair in every_pair(panel)],
    }


def _pair(pair: PairApart) -> dict[str, Any]:
    return dict(dataclasses.asdict(pair))
