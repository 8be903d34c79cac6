"""Means, deviations and paired differences over seeds: results in, values out.

Nothing is read from disk but the predictions of results that are of different images.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from granctl.errors import MixedResultsError
from granctl.provenance import short
from granctl.study.estimates import Estimate, estimate
from granctl.study.pairing import pair_of, paired
from granctl.study.panelkey import PanelKey, key_of, scope_of, told_apart, values_of
from granctl.study.points import PUBLIC, with_points
from granctl.study.results import Result
from granctl.study.sharedimages import on_shared_images
from granctl.study.standing import standing

TARGET_ALONE = "target alone"
"""The name, and the family, of training on the target without pretraining."""

FAMILIES = ("taxonomy", "clusters", "random", PUBLIC, TARGET_ALONE)
_FAMILY_OF_METHOD = dict.fromkeys(("kmeans", "ward", "average"), "clusters")
_FAMILY_OF_METHOD["random"] = "random"

_MEASURED_ALIKE = ("split", "num_classes")
"""What all results of one target must share to be numbers of the same thing; images may differ, and
then those count that all results of a panel have."""
_OF_PUBLIC = ("recipe", "resolution", "steps")
"""Beside the weights, what public weights of one mean share."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """All seeds of one source cut (or of the target alone) on one target."""

    cut: str
    """What the study calls it, else the label map; and what tells it from others so called."""
    family: str
    """taxonomy, clusters, random, public or target alone; any other method is its own family."""
    method: str
    """As `granctl transfer --method`."""
    classes_present: float | None
    """Pretraining classes that had images, the mean over seeds; None for the target alone and for
    public weights."""
    classes_total: int | None
    """Classes that the label map knows; where there are several, that of the first seed."""
    top1: Estimate
    to_finest: Estimate | None
    """top-1 less the finest taxonomy cut's, by seed; None for itself and without a shared seed."""
    to_coarsest: Estimate | None
    results: tuple[Result, ...]
    """By seed."""

    @property
    def num_pretraining_runs(self) -> int:
        """Distinct pretraining runs; fewer than n says that the spread is not over pretraining."""
        return len({(r.get("source") or {}).get("run_digest") for r in self.results})


@dataclass(frozen=True, kw_only=True, slots=True)
class Panel:
    """One comparison: a target, a transfer method, a budget of labelled images, one setting."""

    target: str
    method: str
    per_class: int | None
    setting: Mapping[str, Any]
    """recipe, images_seen (of pretraining, or in words what is equal in its place) and steps (of
    the transfer), shared by its points."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Of the method, shared by its points: shots, k and so on; `leaks` where it is not the
    default, and of a run's own head `images`, the scored ones."""
    images: int
    """That every result of the panel is scored on: the same ones."""
    left_out: int
    """Images that some of its results were scored on and others were not; they count for none."""
    points: tuple[Point, ...]
    """By number of classes, then name; the target alone last."""
    finest: str | None
    """The taxonomy cut with the most classes present: the leaf cut where it was run."""
    coarsest: str | None


def difference(results: Sequence[Result], reference: Sequence[Result]) -> Estimate | None:
    """top-1 of `results` less `reference`, paired by seed; None where no seed is in both."""
    ours, theirs = by_seed(results), by_seed(reference)
    pairs = [ours[seed] - theirs[seed] for seed in sorted(ours.keys() & theirs.keys())]
    return estimate(pairs) if pairs else None


def summarise(results: Sequence[Result]) -> tuple[Panel, ...]:
    """Groups results into comparable panels, the largest comparison first.

    Results of different targets, methods, budgets or recipes never share a mean. Training on the
    target alone stands in every panel of its target that learns from as many labelled images,
    public weights in every one of their target, budget and method. All results of a panel are
    scored on the same images.

    Raises:
        MixedResultsError: one target was measured on other classes, or on images that cannot be
            told or have none in common; or two different results claim the same seed of the same
            point.
        BadPredictionsError: results are of different images, and predictions were damaged.
    """
    results = with_points(told_apart(standing(results)))
    _check_measured_alike(results)
    groups: dict[PanelKey, list[Result]] = defaultdict(list)
    alone: dict[tuple[str, int | None], list[Result]] = defaultdict(list)
    public: dict[tuple[Any, ...], list[Result]] = defaultdict(list)
    for result in results:
        key = key_of(result)
        source = result.get("source")
        if source is None:
            alone[key.budget].append(result)
        elif source["method"] == PUBLIC:
            public[key.measured].append(result)
        else:
            groups[key].append(result)
    for anchor in public.keys() - {key.measured for key in groups}:
        groups[PanelKey(*anchor)] = []
    for target, per_class in alone.keys() - {key.budget for key in groups}:
        groups[PanelKey(target, per_class, "scratch", "{}", "")] = []
    panels = [
        _panel(key, [*group, *public[key.measured]], _of_recipe(alone[key.budget], key.recipe))
        for key, group in groups.items()
    ]
    return tuple(sorted(panels, key=_panel_order))


def _of_recipe(alone: Sequence[Result], recipe: str | None) -> Sequence[Result]:
    """Training on the target alone by a panel's recipe; all of it where none was by that one."""
    return [r for r in alone if r.get("recipe") == recipe] or alone


def _panel_order(panel: Panel) -> tuple[Any, ...]:
    first = panel.points[0].results[0]
    budget = -1 if panel.per_class is None else panel.per_class
    return (
        -len(panel.points),
        first["num_classes"],
        panel.target,
        panel.method != "finetune",  # the paper's, so the one that opens a report
        panel.method,
        budget,
        str(panel.setting),
    )


def _panel(key: PanelKey, group: Sequence[Result], alone: Sequence[Result]) -> Panel:
    shared = on_shared_images([*group, *alone])
    by_point: dict[tuple[Any, ...], list[Result]] = defaultdict(list)
    for result in paired(shared.results):
        by_point[_unit(result)].append(result)
    taxonomy = {
        unit: rs
        for unit, rs in by_point.items()
        if rs[0].get("source") and _family(rs[0]) == FAMILIES[0]
    }
    by_size = sorted(taxonomy, key=lambda c: (_classes(taxonomy[c]), _is_leaf(taxonomy[c])))
    coarsest, finest = (by_size[0], by_size[-1]) if by_size else (None, None)
    points = [
        _point(
            rs,
            _name(unit, list(by_point)),
            taxonomy[finest] if finest and unit != finest else None,
            taxonomy[coarsest] if coarsest and unit != coarsest else None,
        )
        for unit, rs in by_point.items()
    ]
    points.sort(key=_point_order)
    images = shared.results[0]["n"]
    shown = {"leaks": key.leaks} if key.leaks else {}
    shown |= {"images": images} if key.method == "grouped" else {}
    return Panel(
        target=key.target,
        method=key.method,
        per_class=key.per_class,
        setting={"recipe": key.recipe, "images_seen": key.images_seen, "steps": key.steps},
        options={**json.loads(key.options), **shown},
        images=images,
        left_out=shared.left_out,
        points=tuple(points),
        finest=finest[0] if finest else None,
        coarsest=coarsest[0] if coarsest else None,
    )


def _unit(result: Result) -> tuple[Any, ...]:
    """What the seeds of one point share: its name first."""
    source = result.get("source")
    if source is None:
        trained = (result.get(name) for name in _OF_PUBLIC)
        values = ", ".join(f"{name} {value}" for name, value in values_of(result).items())
        return (TARGET_ALONE, values, *trained)
    if source["method"] == PUBLIC:
        trained = (result.get(name) for name in _OF_PUBLIC)
        return (source["cut"], short(str(source.get("run_digest"))), *trained)
    return (result["point"],)


def _name(unit: tuple[Any, ...], units: Sequence[tuple[Any, ...]]) -> str:
    """The cut; where public weights or the target alone are several points, also what differs."""
    alike = [other for other in units if other[0] == unit[0] and len(other) == len(unit)]
    if len(alike) == 1 or len(unit) != 2 + len(_OF_PUBLIC):
        return str(unit[0])
    first = "" if unit[0] == TARGET_ALONE else "weights"
    told = [
        f"{what} {value}".strip()
        for i, (what, value) in enumerate(zip((first, *_OF_PUBLIC), unit[1:], strict=True), start=1)
        if len({other[i] for other in alike}) > 1
    ]
    return f"{unit[0]} ({', '.join(told)})"


def _point(
    results: Sequence[Result],
    cut: str,
    finest: Sequence[Result] | None,
    coarsest: Sequence[Result] | None,
) -> Point:
    _check_seeds_differ(results, cut)
    results = sorted(results, key=lambda r: (r["seed"], r["digest"]))
    source, family = results[0].get("source"), _family(results[0])
    return Point(
        cut=cut,
        family=family,
        method=results[0]["method"],
        classes_present=_classes(results) if source and family != PUBLIC else None,
        classes_total=source.get("classes_total") if source else None,
        top1=estimate([r["top1"] for r in results]),
        to_finest=difference(results, finest) if finest else None,
        to_coarsest=difference(results, coarsest) if coarsest else None,
        results=tuple(results),
    )


def _point_order(point: Point) -> tuple[Any, ...]:
    family = FAMILIES.index(point.family) if point.family in FAMILIES else len(FAMILIES)
    return (point.classes_present or math.inf, family, point.cut)


def _is_leaf(results: Sequence[Result]) -> bool:
    return bool(results[0]["source"]["method"] == "leaf")


def _family(result: Result) -> str:
    source = result.get("source")
    if source is None:
        return TARGET_ALONE
    method = str(source["method"])
    taxonomic = method in ("leaf", "depth", "level", "classes", "balanced", "min-images", "nodes")
    return FAMILIES[0] if taxonomic else _FAMILY_OF_METHOD.get(method, method)


def _classes(results: Sequence[Result]) -> float:
    return fmean(r["source"]["classes_present"] for r in results)


def by_seed(results: Sequence[Result]) -> dict[Any, float]:
    """Seed (`pairing.py`) -> top-1; several maps of a seed (random ones) count as their mean."""
    values: dict[Any, list[float]] = defaultdict(list)
    for result in results:
        values[pair_of(result)].append(result["top1"])
    return {seed: fmean(tops) for seed, tops in values.items()}


def _check_measured_alike(results: Sequence[Result]) -> None:
    first: dict[tuple[str, str], Result] = {}
    for result in results:
        other = first.setdefault((result["target"], scope_of(result)), result)
        for key in _MEASURED_ALIKE:
            if result.get(key) != other.get(key):
                raise MixedResultsError(
                    f"target {result['target']}: {key} is {other.get(key)} in"
                    f" {other['path']} and {result.get(key)} in {result['path']}"
                )


def _check_seeds_differ(results: Sequence[Result], cut: str) -> None:
    seen: dict[tuple[Any, ...], Result] = {}
    for result in results:
        source = result.get("source") or {}
        unit = (source.get("labels_digest"), source.get("run_seed"), result["seed"])
        other = seen.setdefault(unit, result)
        if other is not result:
            raise MixedResultsError(
                f"two results of {cut} on {result['target']} have seed {result['seed']} and"
                f" differ: {other['path']} and {result['path']}"
            )
