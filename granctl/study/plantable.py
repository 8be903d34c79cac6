"""A study's plan, costs and state as tables, lines and records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from granctl.provenance import plain
from granctl.study.answer import count
from granctl.study.ledger import STATES
from granctl.study.studyplan import StudyPlan
from granctl.study.table import NONE

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
    """A row a source cut and a transfer method."""
    per_run = ("steps", "images_seen")
    rows = [
        [row["cut"], *(_number(row[k]) for k in ("runs", "images", "epochs", *per_run))]
        for row in costs["sources"]
    ]
    rows += [
        [f"transfer: {row['method']}", f"{row['runs']}", NONE, NONE]
        + [_number(row[key]) for key in per_run]
        for row in costs["transfers"]
    ]
    columns = ["source", "runs", "images", "epochs", "steps a run", "images seen"]
    return f"what it costs: {costs['cells']} cells, {costs['whole']} whole", columns, rows


def cost_notes(plan: StudyPlan, costs: Mapping[str, Any]) -> list[str]:
    """What the table does not say: fairness, time, what is not known."""
    study = plan.study
    seeds = count(len(study.seeds), "seed")
    shared = f"equal {study.equal} for every source"
    if study.images:
        shared += f", {study.images:,} images each unless a cut says otherwise"
    notes = [f"{study.name}: {study.about}"] if study.about else []
    notes.append(f"{seeds}, the same for every source, so differences are paired; {shared}")
    if costs["images_unknown"]:
        notes.append(f"images unknown: {costs['images_unknown']}")
    if costs["hours"] is not None:
        total = f"{costs['images_seen']:,} images"
        notes.append(f"{costs['hours']:,} device-hours at {costs['rate']:,g} images/s for {total}")
    elif costs["images_seen"] is not None:
        notes.append(f"{costs['images_seen']:,} images in all; --rate IMAGES_A_SECOND gives hours")
    return notes


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
    return NONE if value is None else f"{value:,}"
