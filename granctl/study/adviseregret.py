"""What following a ranking of cuts costs, where a grid measured them: regret, rank correlation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray

from granctl.study.advisesure import sure
from granctl.study.summary import Panel, Point, difference

Matrix = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Table:
    """The scores of a panel's points by one rule."""

    scores: Matrix
    """Shape (draws, points)."""
    ratio: float
    """As `sure` takes it."""


def judged(
    panel: Panel, points: Sequence[Point], own: Sequence[bool], tables: Mapping[str, Table]
) -> dict[str, Any]:
    """A panel's measured means beside the scores, and the regret of each rule.

    Regret is the mean of the best measured cut less that of the cut that a rule names, paired by
    seed. The best is the highest of noisy means, so that the regret of every rule is too high, by
    as much for one as for another.

    A rule that names the target's own classes needs no tool. So the same is asked of the cuts
    without them, where two or more are left.

    Args:
        panel: where the points are from.
        points: two or more.
        own: whether each gives the target's own classes.
        tables: rule -> scores.
    """
    others = [i for i, yes in enumerate(own) if not yes]
    without = None
    if 2 <= len(others) < len(points):
        fewer = {
            rule: Table(scores=t.scores[:, others], ratio=t.ratio) for rule, t in tables.items()
        }
        rest = [points[i] for i in others]
        without = _regrets(panel, rest, [False] * len(rest), fewer)
    scores = {rule: table.scores.mean(axis=0).tolist() for rule, table in tables.items()}
    return {
        "target": panel.target,
        "method": panel.method,
        "per_class": panel.per_class,
        "setting": dict(panel.setting),
        "options": dict(panel.options),
        "cuts": [
            {
                "cut": point.cut,
                "family": point.family,
                "classes": point.classes_present,
                "own": own[i],
                "seeds": point.top1.n,
                "top1": point.top1.mean,
                "scores": {rule: values[i] for rule, values in scores.items()},
            }
            for i, point in enumerate(points)
        ],
        **_regrets(panel, points, own, tables),
        "without_own": without,
    }


def _regrets(
    panel: Panel, points: Sequence[Point], own: Sequence[bool], tables: Mapping[str, Table]
) -> dict[str, Any]:
    """The best measured cut, and the regret of each rule."""
    means = np.array([p.top1.mean for p in points])
    classes = [int(p.classes_present or 0) for p in points]
    best = int(means.argmax())
    told = tables["told"].scores[0] if "told" in tables else None
    rules: dict[str, Any] = {}
    for rule, table in tables.items():
        found = sure(table.scores, classes, table.ratio, told)
        mean = table.scores.mean(axis=0)
        rules[rule] = {
            **_regret(points, best, found.order[0]),
            "highest": points[found.highest].cut,
            "regret_of_highest": float(means[best] - means[found.highest]),
            "spearman": spearman(mean, means),
            "kendall": kendall(mean, means),
            "tied": [points[i].cut for i in found.tied],
            "tied_has_best": best in found.tied,
        }
    finest = [i for i, p in enumerate(points) if p.cut == panel.finest]
    named = {"leaf": finest, "own": [i for i, yes in enumerate(own) if yes]}
    naive = {rule: _regret(points, best, i[0]) if i else None for rule, i in named.items()}
    return {
        "best": {"cut": points[best].cut, "top1": float(means[best])},
        "rules": rules,
        "naive": {**naive, "any": {"regret": float(means[best] - means.mean())}},
    }


def _regret(points: Sequence[Point], best: int, chosen: int) -> dict[str, Any]:
    """What the chosen cut lies below the best one."""
    ours, theirs = points[best], points[chosen]
    gap = None if best == chosen else difference(ours.results, theirs.results)
    return {
        "cut": theirs.cut,
        "regret": ours.top1.mean - theirs.top1.mean,
        "low": None if gap is None else gap.low,
        "high": None if gap is None else gap.high,
        "seeds": min(ours.top1.n, theirs.top1.n) if gap is None else gap.n,
    }


def mean_regret(panels: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float | int]]:
    """Of each rule, over the panels that have it: the mean and the worst regret, and how many."""
    found: dict[str, list[float]] = {}
    for panel in panels:
        for rule, row in {**panel["rules"], **panel["naive"]}.items():
            if row is not None:
                found.setdefault(rule, []).append(row["regret"])
    return {
        rule: {"mean": fmean(values), "worst": max(values), "panels": len(values)}
        for rule, values in found.items()
    }


def spearman(a: Matrix, b: Matrix) -> float | None:
    """Spearman's rank correlation, equal values at their mean rank; None where one is constant.

    Example:
        >>> spearman(np.array([1.0, 2.0, 3.0]), np.array([10.0, 30.0, 20.0]))
        0.5
    """
    x, y = _ranks(a), _ranks(b)
    x, y = x - x.mean(), y - y.mean()
    scale = float(np.sqrt((x @ x) * (y @ y)))
    return round(float(x @ y) / scale, 12) if scale else None


def kendall(a: Matrix, b: Matrix) -> float | None:
    """Kendall's tau-b (Kendall, 1945); None where one is constant.

    Example:
        >>> round(kendall(np.array([1.0, 2.0, 3.0]), np.array([10.0, 30.0, 20.0])), 4)
        0.3333
    """
    x, y = (np.sign(v[:, None] - v[None, :]) for v in (_ranks(a), _ranks(b)))
    scale = float(np.sqrt((x * x).sum() * (y * y).sum()))
    return float((x * y).sum()) / scale if scale else None


def _ranks(values: Matrix) -> Matrix:
    """From 0; equal values share their mean rank, and rounding makes none unequal."""
    _, number, count = np.unique(np.round(values, 12), return_inverse=True, return_counts=True)
    ranks: Matrix = (np.cumsum(count) - (count + 1) / 2)[number]
    return ranks
