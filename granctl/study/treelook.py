"""Answers about a taxonomy that make no artefact: outlines, paths, lists."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from granctl.errors import NothingBelowError
from granctl.study.cuts import open_taxonomy
from granctl.study.cutspec import checked_policy
from granctl.tree.cuts import nodes_of_labels
from granctl.tree.keep import chosen_labels
from granctl.tree.labelmap import LabelMap
from granctl.tree.lists import ABOUT, load_list
from granctl.tree.store import embedded_wordnet_path
from granctl.tree.taxonomy import Taxonomy
from granctl.tree.view import Branch, outline, paths_up


@dataclass(frozen=True, kw_only=True, slots=True)
class LookSpec:
    """What is looked at."""

    list: str | None = None
    """Label list; None: 21843."""
    every_node: bool = False
    """Whether every node counts as a label."""
    cut: Path | None = None
    """A label map."""
    taxonomy: Path | None = None
    """None: the embedded WordNet 3.0."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """An outline and where it came from."""

    root: Branch
    head: dict[str, Any]

    def record(self) -> dict[str, Any]:
        """As JSON types."""
        return {**self.head, "root": self.root.record()}


def look(spec: LookSpec, node: int | None, depth: int, most: int) -> Look:
    """The outline of the tree under a node; None: under the root, if there is one.

    Raises:
        NothingBelowError: the node has no label at or below it.
        GranctlError: an input is missing or damaged.
    """
    taxonomy = open_taxonomy(spec.taxonomy)
    label_list = chosen_labels(spec.list, taxonomy, spec.taxonomy)
    labels = np.ones(len(taxonomy), bool)
    if not spec.every_node:
        labels[:] = False
        labels[nodes_of_labels(taxonomy, label_list.ids, label_list.name)] = True
    classes, class_of = np.full((2, len(taxonomy)), -1, np.int32)
    if spec.cut is not None:
        _mark(LabelMap.read(spec.cut), taxonomy, classes, class_of)
    root = taxonomy.roots[0] if node is None else node
    found = outline(taxonomy, root, depth, labels, classes=classes, class_of=class_of, most=most)
    if not found.labels:
        raise NothingBelowError(found.id, found.name, label_list.name)
    counted = "every node" if spec.every_node else label_list.name
    return Look(root=found, head={**_head(spec.taxonomy, taxonomy), "list": counted})


def _mark(
    label_map: LabelMap,
    taxonomy: Taxonomy,
    classes: NDArray[np.int32],
    class_of: NDArray[np.int32],
) -> None:
    """Marks the nodes that are classes, and the (first) class of each label."""
    index_of, first = taxonomy.index_of, label_map.offsets[:-1].tolist()
    for number, node in enumerate(label_map.class_ids):
        if node in index_of:
            classes[index_of[node]] = number
    for row, label in enumerate(label_map.labels):
        if label in index_of and first[row] < label_map.offsets[row + 1]:
            class_of[index_of[label]] = label_map.classes[first[row]]


def paths(taxonomy_path: Path | None, node: int | None, policy: str | None) -> dict[str, Any]:
    """Every path from the top to a node along a policy; None: over both relations."""
    taxonomy = open_taxonomy(taxonomy_path)
    chosen = checked_policy(policy) or "all-with-instances"
    found = [
        [{"id": taxonomy.ids[n], "name": taxonomy.name(n)} for n in path]
        for path in paths_up(taxonomy, taxonomy.roots[0] if node is None else node, chosen)
    ]
    return {**_head(taxonomy_path, taxonomy), "policy": chosen, "paths": found}


def known_lists() -> dict[str, Any]:
    """The embedded label lists."""
    found = []
    for name, about in ABOUT.items():
        label_list = load_list(name)
        facts = {"name": name, "labels": len(label_list.ids), "about": about}
        found.append({**facts, "digest": label_list.digest})
    return {"kind": "label-lists", "schema": 1, "made": False, "lists": found}


def _head(path: Path | None, taxonomy: Taxonomy) -> dict[str, Any]:
    where = str(path or embedded_wordnet_path())
    head = {"kind": "taxonomy", "path": where, "digest": taxonomy.digest, "made": False}
    return {**head, "schema": 1}
