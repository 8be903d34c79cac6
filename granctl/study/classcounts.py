"""How many classes each cut of a study will have, before any is made: for what heads cost."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from granctl.errors import GranctlError
from granctl.provenance import provenance
from granctl.study import work
from granctl.study.sourcecuts import SourceCut, reads_images
from granctl.study.sourcefacts import SourceFacts
from granctl.study.studyplan import StudyPlan
from granctl.study.treecuts import tree_plan
from granctl.tree.store import embedded_wordnet
from granctl.tree.taxonomy import Taxonomy


def class_counts(plan: StudyPlan, facts: SourceFacts) -> dict[str, int | None]:
    """Classes of every cut that a study names; None where only the data will tell.

    Where the labels of the images are known, of those classes that images have; else of all.
    """
    taxonomy = _taxonomy(plan)
    cuts = {cut.name: cut for cut in plan.cuts}
    found: dict[str, int | None] = {}
    if taxonomy is None and plan.study.stated is not None:
        found |= {name: num for name, num in plan.study.stated.classes.items() if name in cuts}
    for name in cuts:
        _count(name, cuts, taxonomy, facts, found)
    return found


def _taxonomy(plan: StudyPlan) -> Taxonomy | None:
    if plan.study.taxonomy is None:
        return embedded_wordnet()
    (cell,) = plan.of_stage("taxonomy") or (None,)
    try:
        return None if cell is None else work.read_taxonomy(cell.params["table"]).taxonomy
    except (GranctlError, OSError):
        return None  # the file is not here yet, or has faults that the cell will tell


def _count(
    name: str,
    cuts: Mapping[str, SourceCut],
    taxonomy: Taxonomy | None,
    facts: SourceFacts,
    found: dict[str, int | None],
) -> int | None:
    if name in found or name not in cuts:
        return found.get(name)
    cut = cuts[name]
    spec, other = cut.spec, cut.table.like or cut.table.part_of
    if cut.is_of_the_tree and not reads_images(cut.table):
        found[name] = None if taxonomy is None else _of_tree(cut, taxonomy, facts)
    elif spec.classes is not None:
        found[name] = spec.classes
    elif spec.method == "per-image":
        found[name] = facts.images
    else:
        found[name] = None if other is None else _count(other, cuts, taxonomy, facts, found)
    return found[name]


def _of_tree(cut: SourceCut, taxonomy: Taxonomy, facts: SourceFacts) -> int | None:
    spec = cut.spec
    if taxonomy is not embedded_wordnet() and spec.list is None:
        # A stand-in, as of a taxonomy that was imported: its labels are then its leaves.
        spec = dataclasses.replace(spec, taxonomy=Path("made-by-the-study"))
    try:
        made, _ = tree_plan(spec, taxonomy)
        fields = {"method": made.method, "params": made.params, "inputs": made.inputs}
        record = provenance(spec, made.inputs)
        labels = made.compute({**fields, "keyed_by": made.keyed_by, "provenance": record})
    except (GranctlError, OSError):
        return None  # the cell will tell what is wrong
    if facts.labels is None:
        return labels.num_classes
    present = np.array([label in facts.labels for label in labels.labels])
    used = labels.classes[np.repeat(present, np.diff(labels.offsets))]
    return len(np.unique(used)) or None
