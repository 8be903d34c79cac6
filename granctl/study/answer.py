"""The answer in one sentence a panel, made from its numbers and claiming no more than they do."""

from __future__ import annotations

from granctl.study.points import PUBLIC
from granctl.study.summary import TARGET_ALONE, Panel, Point, difference
from granctl.study.wording import count, per_cent

MOST_NAMES = 4


def source_words(point: Point) -> str:
    """What a point did before the transfer, in words."""
    if point.family == PUBLIC:
        return f"the public weights {point.cut}"
    if point.classes_present is None:
        return "training on the target alone"
    return f"pretraining on {count(round(point.classes_present), 'class')} ({point.cut})"


def setting_words(panel: Panel) -> str:
    """Target, method and budget of a panel in words."""
    how = {"finetune": "fine-tuned", "linear": "by linear probe", "scratch": "trained alone"}
    how |= {"fewshot": "by few-shot regression", "knn": "by nearest neighbours"}
    how |= {"grouped": "by the run's own head"}
    images = "every labelled image"
    per_class = panel.per_class or max(panel.options.get("shots", [0]))
    if panel.method == "grouped":
        images = "no labelled image"
    elif per_class:
        images = f"{count(per_class, 'labelled image')} a class"
    return f"On {panel.target}, {how.get(panel.method, panel.method)} with {images}"


def answer(panel: Panel) -> str:
    """Which source had the highest mean, and which others lie below it beyond their interval.

    A difference counts where the 95 % t-interval of the differences paired by seed excludes zero;
    the intervals are not corrected for the number of comparisons.
    """
    ranked = sorted(panel.points, key=lambda c: -c.top1.mean)
    best, others = ranked[0], ranked[1:]
    top = per_cent(best.top1.mean)
    where = setting_words(panel)
    if not others:
        return (
            f"{where}, {source_words(best)} reached {top} top-1 ({count(best.top1.n, 'seed')});"
            " nothing else was measured, so there is nothing to compare it with."
        )
    seeds = count(best.top1.n, "seed")
    head = f"{where}, {source_words(best)} had the highest mean top-1, {top} ({seeds})"
    below, untold, unknown = _against(best, others)
    if len(unknown) == len(others):
        return (
            f"{head}; no other source shares two seeds with it,"
            " so no difference can be told from chance."
        )
    parts = []
    if below:
        parts.append(
            f"it lies above {_names(below, len(others))} by more than the 95 % interval"
            " of the paired difference"
        )
    if untold:
        parts.append(
            f"{'cannot' if below else 'it cannot'} be told from {_names(untold, len(others))}"
        )
    if unknown:
        parts.append(f"shares fewer than two seeds with {_names(unknown, len(others))}")
    return f"{head}; {', and '.join(parts)}."


def _against(best: Point, others: list[Point]) -> tuple[list[Point], list[Point], list[Point]]:
    below: list[Point] = []
    untold: list[Point] = []
    unknown: list[Point] = []
    for point in others:
        gap = difference(best.results, point.results)
        if gap is None or gap.low is None:
            unknown.append(point)
        else:
            (below if gap.low > 0 else untold).append(point)
    return below, untold, unknown


def _names(points: list[Point], num_others: int) -> str:
    if len(points) == num_others and num_others > MOST_NAMES:
        return f"all {num_others} others"
    names = ["the target alone" if c.cut == TARGET_ALONE else c.cut for c in points]
    if len(names) > MOST_NAMES:
        names = [*names[: MOST_NAMES - 1], f"{len(names) - MOST_NAMES + 1} more"]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
