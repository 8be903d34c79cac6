"""Cuts: which nodes are the classes of each label, at a depth, some levels up, at chosen nodes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import repeat
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from granctl.errors import BadOptionError, BeyondTreeError, LabelsNotInTaxonomyError
from granctl.tree.labelmap import LabelMap
from granctl.tree.parents import (
    ONE_PARENT,
    Images,
    Policy,
    Rows,
    depth_of,
    height_of,
    parent_of,
    parent_rows,
)
from granctl.tree.taxonomy import Taxonomy, rank_slices

Shallow = Literal["keep", "drop", "remainder"]
"""A label above the cut's depth: its own class, no class, or one class for all of them."""

REMAINDER = -1
"""Stands for the class of shallow labels, where node indices are expected."""
REMAINDER_ID = "remainder"


def nodes_of_labels(taxonomy: Taxonomy, labels: Sequence[str], list_name: str) -> NDArray[np.int32]:
    """The node index of each label.

    Raises:
        LabelsNotInTaxonomyError: some have none; names the list.
    """
    found = np.array(list(map(taxonomy.index_of.get, labels, repeat(-1))), np.int32)
    if (found < 0).any():
        missing = [labels[i] for i in np.flatnonzero(found < 0).tolist()]
        raise LabelsNotInTaxonomyError(list_name, missing, taxonomy.source)
    return found


def leaf_cut(labels: NDArray[np.int32]) -> Rows:
    """Every label is its own class. `labels`: shape (num_labels,), node indices."""
    return Rows(np.arange(len(labels) + 1), labels)


def depth_cut(
    taxonomy: Taxonomy,
    labels: NDArray[np.int32],
    depth: int,
    policy: Policy = "first",
    shallow: Shallow = "keep",
    images: Images | None = None,
) -> Rows:
    """The ancestor of each label that lies `depth` edges below its root.

    Args:
        taxonomy: the tree.
        labels: shape (num_labels,), node indices.
        depth: edges from the root, which has depth 0.
        policy: one under which a node has one parent.
        shallow: what becomes of a label above that depth.
        images: shape (num_nodes,), for the policy `most-images`.

    Returns:
        A row a label with one node, or REMAINDER, or none.

    Raises:
        BadOptionError: under the policy a label has several depths.
        BeyondTreeError: every label lies above that depth.
    """
    check_one_parent(policy, "--depth")
    parent = parent_of(taxonomy, policy, images)
    depths = depth_of(taxonomy, parent)
    deepest = int(depths[labels].max(initial=0))
    if not 0 <= depth <= deepest:
        raise BeyondTreeError("--depth", depth, deepest, policy)
    node = _climbed(labels, parent, depths, np.full(len(labels), depth))
    return _with_shallow(node, depths[labels] < depth, shallow)


def check_one_parent(policy: Policy, option: str) -> None:
    """Checks that a label has one place in the tree that the policy makes.

    Raises:
        BadOptionError: it follows several parents.
    """
    if policy not in ONE_PARENT:
        raise BadOptionError(
            "--policy",
            f"under {policy!r} a label can have several parents, and so several depths",
            f"with {option} take {', '.join(ONE_PARENT)}; or cut by --level",
        )


def nodes_cut(
    taxonomy: Taxonomy,
    labels: NDArray[np.int32],
    chosen: Sequence[tuple[int, int | None]],
    policy: Policy = "first",
    shallow: Shallow = "keep",
    images: Images | None = None,
) -> tuple[Rows, NDArray[np.bool_]]:
    """Classes at chosen nodes, at any depths: the deepest at or above a label decides.

    Args:
        taxonomy: the tree.
        labels: shape (num_labels,), node indices.
        chosen: (node, depth), nodes distinct. Depth None: the node is a class; otherwise labels
            below the node are cut at that depth from the root.
        policy: one under which a node has one parent.
        shallow: what becomes of labels under no chosen node, or above the depth of theirs.
        images: shape (num_nodes,), for the policy `most-images`.

    Returns:
        A row a label with one node, or REMAINDER, or none; and shape (num_labels,): whether the
        label lies under no chosen node.

    Raises:
        BadOptionError: under the policy a label has several depths; or a depth lies above its node.
    """
    check_one_parent(policy, "--nodes")
    parent = parent_of(taxonomy, policy, images)
    depths = depth_of(taxonomy, parent)
    goal = np.full(len(taxonomy), -1, np.int64)
    for top, depth in chosen:
        if depth is not None and depth < depths[top]:
            shown, own = f"{taxonomy.ids[top]} ({taxonomy.name(top)})", int(depths[top])
            problem = f"no depth {depth} below {shown}, which lies at depth {own}"
            hint = f"depths are counted from the root: give {own} or more, or none"
            raise BadOptionError("--nodes", problem, hint)
        goal[top] = depths[top] if depth is None else depth
    for start, end in rank_slices(taxonomy):
        inherits = start + np.flatnonzero(goal[start:end] < 0)
        goal[inherits] = goal[parent[inherits]]
    goals = goal[labels]
    node = _climbed(labels, parent, depths, np.where(goals < 0, depths[labels], goals))
    return _with_shallow(node, (goals < 0) | (depths[labels] < goals), shallow), goals < 0


def _climbed(
    labels: NDArray[np.int32],
    parent: NDArray[np.int32],
    depths: NDArray[np.int32],
    goals: NDArray[np.integer],
) -> NDArray[np.int32]:
    """Each label's ancestor at its goal, a depth; the label itself where it lies above that."""
    node = labels.copy()
    for _ in range(int((depths[labels] - goals).max(initial=0))):
        node = np.where(depths[node] > goals, parent[node], node)
    return node


def _with_shallow(node: NDArray[np.int32], is_shallow: NDArray[np.bool_], shallow: Shallow) -> Rows:
    if shallow == "remainder":
        node[is_shallow] = REMAINDER
    kept = ~is_shallow if shallow == "drop" else np.ones(len(node), bool)
    return Rows(np.concatenate([[0], np.cumsum(kept)]).astype(np.int64), node[kept])


def level_cut(
    taxonomy: Taxonomy,
    labels: NDArray[np.int32],
    level: int,
    policy: Policy = "all",
    images: Images | None = None,
) -> Rows:
    """`level` times every node is replaced by its parents; a node without one stays.

    With the policy `all` this is the paper's rule (arXiv 2303.16887, section on ImageNet-21k):
    it gives the paper's class counts for the 21,843 labels. Several parents give a label several
    classes; a row holds each once, in the order in which they are met.

    Args:
        taxonomy: the tree.
        labels: shape (num_labels,), node indices.
        level: steps up.
        policy: any.
        images: shape (num_nodes,), for the policy `most-images`.

    Raises:
        BeyondTreeError: no label has so many nodes above it.
    """
    rows = parent_rows(taxonomy, policy, images)
    deepest = int(height_of(taxonomy, rows)[labels].max(initial=0))
    if not 0 <= level <= deepest:
        raise BeyondTreeError("--level", level, deepest, policy)
    # One step depends on the node alone, so it is taken once a distinct node, and the steps are
    # composed from the top down, where the nodes are few: any level costs about the same.
    current, steps, places = labels, list[Rows](), list[NDArray[np.int64]]()
    for _ in range(level):
        step = _step(rows, current)
        current, place = np.unique(step.values, return_inverse=True)
        steps.append(step)
        places.append(place)
    composed = leaf_cut(current)
    for step, place in zip(reversed(steps), reversed(places), strict=True):
        composed = _expand(step, place, composed)
    return composed


def _step(parents: Rows, nodes: NDArray[np.int32]) -> Rows:
    """One row a node: its parents, or itself if it has none."""
    counts = parents.counts[nodes]
    stays = counts == 0
    sizes = np.where(stays, 1, counts)
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    within = np.arange(offsets[-1]) - np.repeat(offsets[:-1], sizes)
    source = np.repeat(np.where(stays, 0, parents.offsets[nodes]), sizes) + within
    if not len(parents.values):
        return Rows(offsets, nodes)
    found = parents.values[np.minimum(source, len(parents.values) - 1)]
    return Rows(offsets, np.where(np.repeat(stays, sizes), np.repeat(nodes, sizes), found))


def _expand(step: Rows, place: NDArray[np.int64], above: Rows) -> Rows:
    """Replaces each value of `step`, whose row in `above` is `place`, by that row; no repeats."""
    counts = above.counts[place]
    ends = np.cumsum(counts)
    within = np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - counts, counts)
    values = above.values[np.repeat(above.offsets[place], counts) + within]
    row = np.repeat(step.row_of_value, counts)
    return _without_repeats(row, values, len(step.offsets) - 1)


def _without_repeats(row: NDArray[np.int64], values: NDArray[np.int32], num_rows: int) -> Rows:
    """CSR of (row, value) pairs that are sorted by row; of equal pairs the first stays."""
    keys = row * (int(values.max(initial=0)) + 1) + values
    # Only rows of several values can repeat one; they are few, and sorting is the cost here.
    counts = np.bincount(row, minlength=num_rows)
    several = np.flatnonzero(counts[row] > 1)
    _, first = np.unique(keys[several], return_index=True)
    kept = counts[row] == 1
    kept[several[first]] = True
    left = np.bincount(row[kept], minlength=num_rows)
    return Rows(np.concatenate([[0], np.cumsum(left)]).astype(np.int64), values[kept])


def label_map_of(taxonomy: Taxonomy, labels: Sequence[str], cut: Rows, **fields: Any) -> LabelMap:
    """A cut as a label map; classes are numbered in the order in which the labels meet them.

    So a leaf cut numbers the classes as the label list does. `fields` are the map's others:
    method, params, inputs, provenance.
    """
    nodes, first, inverse = np.unique(cut.values, return_index=True, return_inverse=True)
    order = np.argsort(first)
    place_of = np.empty(len(order), np.int32)
    place_of[order] = np.arange(len(order), dtype=np.int32)
    in_order = nodes[order].tolist()
    ids, names = [taxonomy.ids[n] for n in in_order], taxonomy.names(in_order)
    if REMAINDER in in_order:
        place = in_order.index(REMAINDER)
        ids[place] = names[place] = REMAINDER_ID
    return LabelMap(
        labels=tuple(labels),
        offsets=cut.offsets.astype(np.int64),
        classes=place_of[inverse],
        class_ids=tuple(ids),
        class_names=tuple(names),
        **fields,
    )
