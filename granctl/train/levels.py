"""A target's classes in their tree: every coarser level, and how far off a wrong answer is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from granctl.errors import GranctlError
from granctl.provenance import short
from granctl.tree.ancestry import Ancestry, ancestry_of
from granctl.tree.cuts import depth_cut
from granctl.tree.distance import lowest_common_hypernym
from granctl.tree.gates import NONE
from granctl.tree.labelmap import LabelMap
from granctl.tree.parents import SINGLE_POLICIES, Policy, depth_of, parent_of
from granctl.tree.store import embedded_wordnet, load_taxonomy
from granctl.tree.taxonomy import Taxonomy
from granctl.workspace import Workspace

OUTSIDE = -1
"""Stands for the class of a level, or the node, of a class that has none."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Level:
    """The classes of a target summed into fewer."""

    cut: str
    """As `depth-3`."""
    class_of: NDArray[np.int64]
    """Shape (K,): the level's class of each class of the target, or OUTSIDE."""
    class_ids: tuple[str, ...]
    """The nodes that are the level's classes."""
    left_out: tuple[str, ...]
    """Classes of the target whose labels lie in several classes of the level."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Places:
    """Where a target's classes lie in a tree in which every node has one parent."""

    ancestry: Ancestry
    node_of_class: NDArray[np.int64]
    """Shape (K,): or OUTSIDE."""
    height: NDArray[np.int64]
    """Shape (num_nodes,): edges down to the farthest class of the target; -1 above none."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Ladder:
    """The coarser levels of a target, finest last, and where its classes lie."""

    levels: tuple[Level, ...] = ()
    places: Places | None = None
    taxonomy: dict[str, Any] = field(default_factory=dict)
    """digest, source and policy; empty where no tree was found."""
    note: str | None = None
    """Why there are none, where there are none."""

    def record(self) -> dict[str, Any]:
        """What a result says of the tree that its levels were cut from."""
        known = {key: self.taxonomy.get(key) for key in ("digest", "source", "policy")}
        return {**known, "note": self.note}


def find_taxonomy(workspace: Workspace, labels: LabelMap) -> tuple[Taxonomy | None, str | None]:
    """The taxonomy that a label map was cut from, or a reason why there is none.

    A map that names none, as a leaf cut of labels that are wnids, belongs to the embedded WordNet.
    Another one is looked for by its digest in the workspace.
    """
    wordnet, named = embedded_wordnet(), labels.inputs.get("taxonomy")
    if named in (None, wordnet.digest):
        return wordnet, None
    for path in sorted(workspace.folder("taxonomy").glob("*.npz")):
        try:
            found = load_taxonomy(path)
        except GranctlError:
            continue
        if found.digest == named:
            return found, None
    return (
        None,
        f"the taxonomy that the target was cut from ({short(named)}) is not in the workspace",
    )


def ladder_of(
    workspace: Workspace, labels: LabelMap, class_ids: Sequence[str], *, sigmoid: bool
) -> Ladder:
    """The coarser levels of a target; without any, and with a note, where there can be none.

    Args:
        workspace: where a taxonomy other than the embedded WordNet is looked for.
        labels: the target's label map.
        class_ids: its classes that are told apart, K of them.
        sigmoid: whether the probabilities of its classes are each for themselves.
    """
    if sigmoid:
        return Ladder(note="an image has several classes: their probabilities do not add up")
    taxonomy, note = find_taxonomy(workspace, labels)
    if taxonomy is None:
        return Ladder(note=note)
    nodes = _nodes_of_classes(taxonomy, labels, class_ids)
    if not any(len(n) for n in nodes):
        return Ladder(note=f"the target's classes are no nodes of {taxonomy.source}")
    policy = _policy(labels)
    about = {"digest": taxonomy.digest, "source": taxonomy.source, "policy": policy}
    return Ladder(
        levels=tuple(_levels(taxonomy, nodes, class_ids, policy)),
        places=_places(taxonomy, nodes, policy),
        taxonomy=about,
    )


def summed(probability: NDArray[np.float64], level: Level) -> NDArray[np.float64]:
    """Probabilities of a level's classes: shape (b, classes of the level).

    What lies on classes that are left out is in none of them, so a row may add up to less than 1.

    Args:
        probability: of the target's classes, shape (b, K).
        level: with at least one class.
    """
    order = np.argsort(level.class_of, kind="stable")
    order = order[np.searchsorted(level.class_of[order], 0) :]
    starts = np.searchsorted(level.class_of[order], np.arange(len(level.class_ids)))
    found: NDArray[np.float64] = np.add.reduceat(probability[:, order], starts, axis=1)
    return found


def apart(
    places: Places, truth: NDArray[np.int64], answer: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Depth and height of the lowest common hypernym of two classes, and the edges between them.

    The height is counted down to the farthest class of the target: the distance of Bertinetto et
    al., "Making Better Mistakes" (CVPR 2020), section 3.1. Depth is counted from the root.

    Args:
        places: of the target's classes.
        truth: shape (n,), classes.
        answer: shape (n,), classes.

    Returns:
        Three times shape (n,); all OUTSIDE where a class has no node or the two have no ancestor
        in common.
    """
    a, b = places.node_of_class[truth], places.node_of_class[answer]
    found = np.full((3, len(a)), OUTSIDE, dtype=np.int64)
    known = np.flatnonzero((a != OUTSIDE) & (b != OUTSIDE))
    node = lowest_common_hypernym(places.ancestry, a[known], b[known]).astype(np.int64)
    known, node = known[node != NONE], node[node != NONE]
    depth = places.ancestry.longest.astype(np.int64)
    found[:, known] = (
        depth[node],
        places.height[node],
        depth[a[known]] + depth[b[known]] - 2 * depth[node],
    )
    return found[0], found[1], found[2]


def _policy(labels: LabelMap) -> Policy:
    """The map's own, where a node has one parent under it that follows from the tree alone."""
    policy = labels.params.get("policy")
    return cast("Policy", policy) if policy in SINGLE_POLICIES else "first"


def _nodes_of_classes(
    taxonomy: Taxonomy, labels: LabelMap, class_ids: Sequence[str]
) -> list[NDArray[np.int32]]:
    """A class's own node, else those of all its labels; none where one of them has none."""
    index = taxonomy.index_of
    row = np.repeat(np.arange(len(labels.labels)), np.diff(labels.offsets))
    order = np.argsort(labels.classes, kind="stable")
    ends = np.searchsorted(labels.classes[order], np.arange(labels.num_classes + 1))
    number = {name: i for i, name in enumerate(labels.class_ids)}
    found = []
    for name in class_ids:
        keys = [name]
        if name not in index and labels.keyed_by == "label":
            begin, end = ends[number[name] : number[name] + 2]
            keys = [labels.labels[i] for i in row[order[begin:end]]]
        nodes = [index.get(key, OUTSIDE) for key in keys]
        found.append(np.array([] if OUTSIDE in nodes else nodes, dtype=np.int32))
    return found


def _levels(
    taxonomy: Taxonomy, nodes: list[NDArray[np.int32]], class_ids: Sequence[str], policy: Policy
) -> list[Level]:
    """Every depth at which two classes or more, and fewer than the target's, are left."""
    flat = np.concatenate(nodes)
    owner = np.repeat(np.arange(len(nodes)), [len(n) for n in nodes])
    deepest = int(depth_of(taxonomy, parent_of(taxonomy, policy))[flat].max())
    found = []
    for depth in range(1, deepest):
        above = depth_cut(taxonomy, flat, depth, policy).values
        lowest = np.full(len(nodes), len(taxonomy), dtype=np.int64)
        highest = np.full(len(nodes), OUTSIDE, dtype=np.int64)
        np.minimum.at(lowest, owner, above)
        np.maximum.at(highest, owner, above)
        nests = lowest == highest
        coarse = np.unique(highest[nests])
        if 2 <= len(coarse) < int(nests.sum()):
            class_of = np.where(nests, np.searchsorted(coarse, highest), OUTSIDE)
            out = tuple(class_ids[i] for i in np.flatnonzero(~nests).tolist())
            ids = tuple(taxonomy.ids[n] for n in coarse)
            level = Level(cut=f"depth-{depth}", class_of=class_of, class_ids=ids, left_out=out)
            found.append(level)
    return found


def _places(taxonomy: Taxonomy, nodes: list[NDArray[np.int32]], policy: Policy) -> Places:
    single = np.array([n[0] if len(n) == 1 else OUTSIDE for n in nodes], dtype=np.int64)
    parent = parent_of(taxonomy, policy)
    height = np.full(len(taxonomy), -1, dtype=np.int64)
    here, edges = np.unique(single[single != OUTSIDE]), 0
    while len(here):
        height[here] = np.maximum(height[here], edges)
        here, edges = np.unique(parent[here]), edges + 1
        here = here[here >= 0]
    return Places(ancestry=ancestry_of(taxonomy, policy), node_of_class=single, height=height)
