"""A study's plan, costs and state as tables, lines and records."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

from granctl.provenance import plain
from granctl.study.ledger import STATES
from granctl.study.studyplan import StudyPlan
from granctl.study.wording import NONE, count

_WIDTH_OF_NAMES = 16
"""So that 80 columns hold the numbers too."""
Table = tuple[str, list[str], list[list[str]]]


def plan_text(plan: StudyPlan) -> str:
    """One line a cell: stage, tab, name, tab, the cells that it needs."""
    lines = (f"{c.stage}\t{c.name}\t{','.join(c.needs.values())}" for c in plan.cells)
    return "\n".join(lines)


def plan_record(plan: StudyPlan, costs: Mapping[str, Any]) -> dict[str, Any]:
    """The plan as JSON types: the study, its cells, what they cost."""
    cells = [
        {"name": c.name, "stage": c.stage, "needs": list(c.needs.values())} for c in plan.cells
    ]
    study = {k: v for k, v in plain(plan.study).items() if k != "folder"}
    head = {"kind": "study-plan", "schema": 1, "digest": plan.study.digest}
    return {**head, "study": study, "plan": cells, "costs": dict(costs)}


def cost_table(costs: Mapping[str, Any]) -> Table:
    """A row a source cut and a transfer method; with several recipes, of each."""
    every = [*costs["sources"], *costs["transfers"]]
    recipes = list(dict.fromkeys(row["recipe"] for row in every))
    rows = []
    for recipe in recipes:
        if len(recipes) > 1:
            rows.append([f"{recipe}:", *[""] * 7])
        rows += [_cost_row(row) for row in every if row["recipe"] == recipe]
    columns = ["source", "runs", "classes", "images", "epochs", "steps", "seen", "compute"]
    return f"what it costs: {costs['cells']} cells, {costs['whole']} whole", columns, rows


def _cost_row(row: Mapping[str, Any]) -> list[str]:
    name = row["cut"] if "cut" in row else f"then {row['method']}"
    place = "\n".join(textwrap.wrap(name, _WIDTH_OF_NAMES)) if len(name) > _WIDTH_OF_NAMES else name
    numbers = [_number(row.get(key)) for key in ("runs", "classes", "images", "epochs", "steps")]
    return [place, *numbers, _large(row["images_seen"]), _ratio(row.get("compute"))]


def cost_notes(plan: StudyPlan, costs: Mapping[str, Any]) -> list[str]:
    """What the table does not say: fairness, time, disk, what is shared, what is not known."""
    study = plan.study
    seeds = count(len(study.seeds), "seed")
    shared = f"equal {study.equal} for every source"
    if study.images:
        chosen = ", in equal shares of its classes" if study.share == "equal" else ""
        shared += f", {study.images:,} images each{chosen}, unless a cut says otherwise"
    notes = [f"{study.name}: {study.about}"] if study.about else []
    told = "steps are those of a run, images seen those of all its runs"
    notes.append(f"{told}; compute: operations of a run over those of the cheapest source")
    notes.append(f"{seeds}, the same for every source, so differences are paired; {shared}")
    if study.scratch != "none":
        notes.append(f"training on the target alone: {_ALONE[study.scratch]}")
    if costs["images_unknown"]:
        notes.append(f"images unknown: {costs['images_unknown']}")
    elif costs["images_from"] not in ("shards", "listing"):
        notes.append(f"{costs['images']:,} training images, {costs['images_from']}")
    return [*notes, *_time_notes(costs), *_disk_notes(costs)]


_ALONE = {
    "same-steps": "for the steps of a transfer",
    "recipe": "for as many steps as the recipe says",
    "same-images": "for as many images as pretraining and transfer see together",
    "same-compute": "for as many operations as pretraining and transfer take together",
}


def _time_notes(costs: Mapping[str, Any]) -> list[str]:
    if costs["images_seen"] is None:
        return []
    total = f"{costs['images_seen']:,} images"
    if costs["flops"] is not None:
        total += f" in all, {costs['flops']:.2g} FLOP"
    if costs["hours"] is None:
        return [f"{total}; --rate IMAGES_A_SECOND gives hours: nobody timed these recipes"]
    rates = [
        f"{r['recipe']} at {r['images_per_second']:,.4g} images/s of one {r['device']}"
        f" ({r['origin']})"
        for r in costs["rates"]
    ]
    return [f"{costs['hours']:,} device-hours for {total}: {'; '.join(rates)}"]


def _disk_notes(costs: Mapping[str, Any]) -> list[str]:
    of, disk = costs["shared"], costs["disk"]
    known = {
        "shards": disk["shards"],
        "checkpoints": disk["checkpoints"],
        "features": disk["features"],
    }
    parts = [
        f"{name} {'unknown' if num is None else _bytes(num)}"
        for name, num in known.items()
        if num != 0
    ]
    shared = f"{count(of['maps'], 'label map')} over one shard set" if of["shards"] else ""
    runs = f"{count(of['runs'], 'run')} for {count(of['transfers'], 'transfer')}"
    return [f"shared: {shared}{'; ' if shared else ''}{runs}", f"disk: {', '.join(parts)}"]


def _large(value: int | None) -> str:
    """`1.28 G`: no one reads nine digits."""
    if value is None:
        return NONE
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return str(value)


def _ratio(value: float | None) -> str:
    return NONE if value is None else f"{value:.2f}"


def _bytes(num: int) -> str:
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if num >= size:
            return f"{num / size:,.3g} {unit}"
    return f"{num / 1e3:,.3g} kB"


def status_table(found: Mapping[str, Any]) -> Table:
    """A row a stage, a column a state."""
    rows = [
        [stage, *(str(row[state]) if row[state] else NONE for state in STATES)]
        for stage, row in found["stages"].items()
    ]
    left = found["seconds_left"]
    time_left = "" if left is None else f", {left:,.0f} s of one process left"
    done = found["states"]["done"]
    return f"{found['name']}: {done} of {found['cells']} cells{time_left}", ["stage", *STATES], rows


def status_text(found: Mapping[str, Any]) -> str:
    """One line: the numbers of each state; then a line a cell that failed."""
    numbers = ", ".join(f"{found['states'][state]} {state}" for state in STATES)
    failed = [f"{cell}: {error}" for cell, error in found["failed"].items()]
    return "\n".join([f"{found['name']}: {numbers}", *failed])


def is_whole(found: Mapping[str, Any]) -> bool:
    """Whether nothing is left to make."""
    return bool(found["states"]["done"] == found["cells"])


def _number(value: int | None) -> str:
    """`12,000`, and from eight digits on `14.14 M`."""
    if value is not None and value >= 1e7:
        return f"{value / 1e6:,.4g} M"
    return NONE if value is None else f"{value:,}"
