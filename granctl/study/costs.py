"""What a study costs before it runs: runs, steps, images, operations, hours, disk, sharing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import Any, Literal, cast

from granctl.progress import Progress
from granctl.study.cells import Cell
from granctl.study.classcounts import class_counts
from granctl.study.fair import fair_epochs
from granctl.study.ledger import FolderLedger
from granctl.study.rates import rate_of
from granctl.study.sourcefacts import SourceFacts, source_facts
from granctl.study.studyplan import StudyPlan, Training
from granctl.study.sweep import place_of
from granctl.train.batches import num_batches
from granctl.train.recipe import Recipe, Transfer
from granctl.train.sizes import FORWARD_AND_BACKWARD, kept_bytes, recipe_size
from granctl.workspace import Workspace

_KEPT_CHECKPOINTS = 2
"""Of a run that is whole."""
_FLOAT = 4
Row = dict[str, Any]


def costs_of(
    workspace: Workspace, plan: StudyPlan, rate: float | None, progress: Progress
) -> dict[str, Any]:
    """Counts every training of a study, and what of it is whole already; runs nothing.

    The fields: cells, whole; images (of the source's train split; None where nobody knows, with
    `images_unknown` saying why), images_from; equal, share; sources and transfers (lists, below);
    images_seen, flops (of all trainings; None where one is unknown); rate (the one asked for),
    rates (a list: recipe, device, images_per_second, origin); hours, of one such device; disk
    (shards, checkpoints, features; bytes); shared (shards, maps, runs, transfers: cells of each).

    A source: cut, recipe, runs, classes, images, epochs, steps and flops of a run, images_seen by
    all its runs, compute (flops over those of the cheapest source of the recipe). A transfer:
    method, recipe, runs, steps and flops of a run, images_seen by all. Methods on frozen features
    train no network and look at each image once, which is not counted; nor are evaluations.

    Args:
        workspace: where the shards may be.
        plan: the study.
        rate: images a second of one device, in pretraining; None: as data_manifests/rates.toml.
        progress: told while a source is listed.
    """
    facts = source_facts(workspace, plan, progress)
    plan = _with_channels(plan, facts.channels)
    sources = _sources(plan, facts)
    transfers = _transfers(plan)
    ledger = FolderLedger(place_of(workspace, plan.study))
    return {
        "cells": len(plan.cells),
        "whole": sum(ledger.known(cell) is not None for cell in plan.cells),
        "images": facts.images,
        "images_from": facts.origin,
        "images_unknown": facts.unknown,
        "equal": plan.study.equal,
        "share": plan.study.share,
        "sources": sources,
        "transfers": transfers,
        "images_seen": _sum([row["images_seen"] for row in sources + transfers]),
        "flops": _sum([_times(row["flops"], row["runs"]) for row in sources + transfers]),
        "rate": rate,
        **_hours(plan, sources, transfers, rate),
        "disk": _disk(plan, facts, sources),
        "shared": {
            "shards": len(plan.of_stage("shards")),
            "maps": len(plan.of_stage("cut")),
            "runs": len(plan.of_stage("pretrain")),
            "transfers": len(plan.of_stage("transfer")),
        },
    }


def _with_channels(plan: StudyPlan, channels: Literal[1, 3] | None) -> StudyPlan:
    """The plan with recipes that say what images they see, as those of runs do."""

    def seeing(recipe: Recipe) -> Recipe:
        look, told = recipe.input, 1 if len(recipe.input.mean) == 1 else 3
        known = look.channels or channels or cast(Literal[1, 3], told)
        return replace(recipe, input=replace(look, channels=known))

    return replace(
        plan,
        recipes=tuple(map(seeing, plan.recipes)),
        trainings={k: replace(t, recipe=seeing(t.recipe)) for k, t in plan.trainings.items()},
    )


def _sources(plan: StudyPlan, facts: SourceFacts) -> list[Row]:
    counts = class_counts(plan, facts)
    rows: dict[tuple[str, str], Row] = {}
    for cell in plan.of_stage("pretrain"):
        training = plan.trainings[cell.name]
        key = training.cut, training.recipe.name
        if key not in rows:
            classes = counts.get(training.cut, counts.get(training.of))
            rows[key] = _source(cell, training, classes, facts.images)
        rows[key]["runs"] += 1
    for row in rows.values():
        seen = _times(row["images"], row["epochs"])
        row["images_seen"] = _times(seen, row["runs"])
    for row in rows.values():
        known = [r["flops"] for r in rows.values() if r["recipe"] == row["recipe"] and r["flops"]]
        row["compute"] = round(row["flops"] / min(known), 3) if row["flops"] else None
    return list(rows.values())


def _source(cell: Cell, training: Training, classes: int | None, every: int | None) -> Row:
    """One pretraining; a head whose classes nobody knows yet is left out of its operations."""
    recipe = training.recipe
    images = training.images if training.images or training.of_part else every
    if classes and images and training.cut != training.of:
        classes = min(classes, images)  # a part has the classes of its images alone
    size, of_all = recipe_size(recipe, classes or 0), training.reference or every
    epochs: int | None = cell.params["recipe"].epochs
    if "equal_compute" in cell.params:
        epochs = None
        if size is not None and images and of_all:
            epochs = fair_epochs(recipe.epochs, of_all, images, size)
    seen = _times(images, epochs)
    return {
        "cut": training.cut,
        "recipe": recipe.name,
        "runs": 0,
        "classes": classes,
        "images": images,
        "epochs": epochs,
        "steps": None if images is None else _times(num_batches(images, recipe.batch_size), epochs),
        "flops": _times(seen, size.training_flops if size else None),
    }


def _transfers(plan: StudyPlan) -> list[Row]:
    rows: dict[tuple[str, str, int], Row] = {}
    for cell in plan.of_stage("transfer"):
        method, recipe = cell.params["method"], plan.trainings[cell.name].recipe
        trains: Transfer | None = {"finetune": recipe.finetune, "scratch": recipe.scratch}.get(
            method
        )
        options = cell.params.get("options") or {}
        lengths: Sequence[int] = options.get("lengths") or ()
        steps = max(lengths, default=cell.params["steps"] or (trains.steps if trains else 0))
        if method == "linear":
            steps = cell.params["steps"] or recipe.linear.steps
        tried = options.get("tries") or ()
        tries = prod(len(values) for _, values in tried) if tried else 0  # each at the full length
        seen = ((sum(lengths) or steps) + steps * tries) * trains.batch_size if trains else 0
        key = method, recipe.name, steps
        row = rows.setdefault(
            key,
            {"method": method, "recipe": recipe.name, "runs": 0, "steps": steps}
            | {"images_seen": 0, "flops": _times(seen, _flops(recipe, trains))},
        )
        row["runs"] += 1
        row["images_seen"] += seen
    return list(rows.values())


def _flops(recipe: Recipe, trains: Transfer | None) -> int | None:
    """Operations of an image of a transfer, its small head left out."""
    size = recipe_size(recipe, 0, trains.resolution if trains else None)
    return FORWARD_AND_BACKWARD * size.body_flops if size else None


def _hours(
    plan: StudyPlan, sources: list[Row], transfers: list[Row], asked: float | None
) -> dict[str, Any]:
    """Hours of one device: images by the rate, or operations where an image's differ."""
    rates, hours = [], list[float | None]()
    for recipe in plan.recipes:
        rate, unit = rate_of(recipe, asked), _flops(recipe, None)
        if rate is not None:
            told = {"device": rate.device, "images_per_second": rate.images_per_second}
            rates.append({"recipe": recipe.name, **told, "origin": rate.origin})
        for row in sources + transfers:
            if row["recipe"] != recipe.name:
                continue
            images: float | None = row["images_seen"]
            if images and unit and row["flops"] is not None:
                images = row["flops"] * row["runs"] / unit
            if images is None or (rate is None and images):
                hours.append(None)
            elif rate is not None:
                hours.append(images / rate.images_per_second / 3600)
    total = None if None in hours else sum(h for h in hours if h is not None)
    return {"rates": rates, "hours": None if total is None else round(total, 2)}


def _disk(plan: StudyPlan, facts: SourceFacts, sources: Sequence[Mapping[str, Any]]) -> Row:
    by_name = {recipe.name: recipe for recipe in plan.recipes}
    kept: list[int | None] = []
    for row in sources:
        one = kept_bytes(by_name[row["recipe"]], row["classes"] or 0)
        kept.append(_times(one, row["runs"] * _KEPT_CHECKPOINTS))
    size = recipe_size(plan.recipe, 0)
    of_image = size.num_features * _FLOAT if size else None
    embeds = len(plan.of_stage("embed"))
    return {
        "shards": facts.shard_bytes,
        "checkpoints": _sum(kept),
        "features": _times(_times(facts.images, of_image), embeds) if embeds else 0,
    }


def _times(a: int | None, b: int | None) -> int | None:
    return None if a is None or b is None else a * b


def _sum(values: Sequence[int | None]) -> int | None:
    return None if None in values else sum(v for v in values if v is not None)
