"""What a study costs before it runs: runs, steps, images, and time where a rate is known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from granctl.errors import GranctlError
from granctl.progress import Progress
from granctl.shards.build.selection import select
from granctl.shards.index import ShardSet
from granctl.shards.source.listing import SPLITS
from granctl.shards.source.resolve import open_source
from granctl.study import work
from granctl.study.ledger import FolderLedger
from granctl.study.studyplan import StudyPlan
from granctl.study.sweep import place_of
from granctl.workspace import Workspace

_TRAIN = SPLITS.index("train")


def costs_of(
    workspace: Workspace, plan: StudyPlan, rate: float | None, progress: Progress
) -> dict[str, Any]:
    """Counts every training of a study, and what of it is whole already; runs nothing.

    The fields: cells, whole; images (of the source's train split; None where the source is not
    there, with `images_unknown` saying why); sources (a list: cut, runs, images, epochs, steps a
    run, images_seen by all its runs); transfers (a list: method, runs, steps a run, images_seen);
    images_seen (pretraining and transfers together); hours of one device at `rate` images a
    second, None without one.

    Args:
        workspace: where the shards may be.
        plan: the study.
        rate: images a second of one device, in training.
        progress: told while a source is listed.
    """
    images, unknown = _train_images(workspace, plan, progress)
    sources = _sources(plan, images)
    transfers = _transfers(plan)
    known = [row["images_seen"] for row in sources + transfers]
    seen = None if None in known else sum(known)
    ledger = FolderLedger(place_of(workspace, plan.study))
    return {
        "cells": len(plan.cells),
        "whole": sum(ledger.known(cell) is not None for cell in plan.cells),
        "images": images,
        "images_unknown": unknown,
        "equal": plan.study.equal,
        "sources": sources,
        "transfers": transfers,
        "images_seen": seen,
        "rate": rate,
        "hours": None if seen is None or not rate else round(seen / rate / 3600, 2),
    }


def _train_images(
    workspace: Workspace, plan: StudyPlan, progress: Progress
) -> tuple[int | None, str | None]:
    """Images of the source's train split, from the shards or the listing; or why not."""
    (cell,) = plan.of_stage("shards") or (None,)
    if cell is None:
        return 0, None
    built = FolderLedger(place_of(workspace, plan.study)).known(cell)
    try:
        if built is not None:
            return ShardSet.open(built.path).num_images("train"), None
        source = open_source(workspace, cell.params["source"])
        spec = work.build_spec(**cell.params)
        classes: list[tuple[int, ...]] = [(0,)] * len(source.listing.labels)
        split_of = select(workspace, source, classes, spec, progress).split_of
        return int(np.count_nonzero(split_of == _TRAIN)), None
    except GranctlError as error:
        return None, str(error)


def _sources(plan: StudyPlan, images: int | None) -> list[dict[str, Any]]:
    rows: dict[str, dict[str, Any]] = {}
    for cell in plan.of_stage("pretrain"):
        recipe, given = cell.params["recipe"], cell.params["images"]
        num = given if given is not None else images
        steps = None if num is None else recipe.epochs * -(-num // recipe.batch_size)
        row = rows.setdefault(
            cell.needs["labels"],
            {"cut": cell.name.split(".", 1)[1].rsplit(".s", 1)[0], "runs": 0, "images": num}
            | {"epochs": recipe.epochs, "steps": steps, "images_seen": None if num is None else 0},
        )
        row["runs"] += 1
        if num is not None:
            row["images_seen"] += recipe.epochs * num
    return _merged(rows)


def _merged(rows: Mapping[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """One row a cut: a cut that is drawn for each seed has a cell each."""
    merged: dict[str, dict[str, Any]] = {}
    for row in rows.values():
        first = merged.setdefault(row["cut"], {**row, "runs": 0, "images_seen": 0})
        first["runs"] += row["runs"]
        if row["images_seen"] is None:
            first["images_seen"] = None
        else:
            first["images_seen"] += row["images_seen"]
    return list(merged.values())


def _transfers(plan: StudyPlan) -> list[dict[str, Any]]:
    rows: dict[tuple[str, int], dict[str, Any]] = {}
    for cell in plan.of_stage("transfer"):
        method = cell.params["method"]
        training = getattr(plan.recipe, method, None)
        lengths = (cell.params.get("options") or {}).get("lengths") or ()
        steps = max(lengths, default=cell.params["steps"] or (training.steps if training else 0))
        size = training.batch_size if training else 0
        key = method, steps
        row = rows.setdefault(key, {"method": method, "runs": 0, "steps": steps, "images_seen": 0})
        row["runs"] += 1
        row["images_seen"] += (sum(lengths) or steps) * size
    return list(rows.values())
