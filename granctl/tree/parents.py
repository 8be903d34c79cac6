"""Named parent policies: which of a node's parents a cut follows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from granctl.tree.taxonomy import HYPERNYM, Taxonomy, rank_slices

Policy = Literal["first", "all", "all-with-instances", "shortest", "longest", "most-images"]
"""`first`: the first parent over `@` and `@i`, in file order. `all`: every `@` parent.
`all-with-instances`: every `@` and `@i` parent. `shortest` and `longest`: the parent on the
shortest or longest path to a root over `@` and `@i`; the first of equals. `most-images`: the
parent with most images at or below it, over `@` and `@i`; the first of equals."""

MOST_IMAGES: Policy = "most-images"
"""The one policy that does not follow from the taxonomy alone: it wants the images of each node."""
POLICIES: tuple[Policy, ...] = tuple(p for p in get_args(Policy) if p != MOST_IMAGES)
"""Policies that follow from the taxonomy alone."""
SINGLE_POLICIES: tuple[Policy, ...] = ("first", "shortest", "longest")
"""Those under which a node has at most one parent, and so a label one depth."""
ONE_PARENT: tuple[Policy, ...] = (*SINGLE_POLICIES, MOST_IMAGES)
"""Every policy under which a node has at most one parent."""

Images = NDArray[np.int64]
"""Shape (num_nodes,): images that a node carries itself, not those below it."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Several node indices a row, in CSR form: a parent list a node, or a class list a label."""

    offsets: NDArray[np.int64]
    """Shape (num_rows + 1,)."""
    values: NDArray[np.int32]
    """Shape (offsets[-1],)."""

    @property
    def counts(self) -> NDArray[np.int64]:
        """Values in each row."""
        return np.diff(self.offsets)

    @property
    def row_of_value(self) -> NDArray[np.int64]:
        """Shape (len(values),): the row that each value stands in."""
        return np.repeat(np.arange(len(self.offsets) - 1), self.counts)


def parent_rows(taxonomy: Taxonomy, policy: Policy, images: Images | None = None) -> Rows:
    """The parents that a policy follows, for every node, in file order.

    Raises:
        ValueError: `most-images` without images.
    """
    if policy in ONE_PARENT:
        return _as_rows(parent_of(taxonomy, policy, images))
    if policy == "all-with-instances":
        return Rows(taxonomy.parent_offsets.astype(np.int64), taxonomy.parents)
    kept = taxonomy.relations == HYPERNYM
    kept_before = np.concatenate([[0], np.cumsum(kept)])
    return Rows(kept_before[taxonomy.parent_offsets], taxonomy.parents[kept])


def parent_of(
    taxonomy: Taxonomy, policy: Policy, images: Images | None = None
) -> NDArray[np.int32]:
    """Shape (num_nodes,): the one parent that a single-parent policy follows; -1 for a root.

    Args:
        taxonomy: the DAG.
        policy: one of ONE_PARENT.
        images: what `most-images` counts; other policies do not look at it.

    Raises:
        ValueError: the policy follows several parents, or `most-images` has no images to count.
    """
    chosen = np.full(len(taxonomy), -1, np.int32)
    num_roots, starts = len(taxonomy.roots), taxonomy.parent_offsets[:-1]
    if num_roots == len(taxonomy):
        return chosen
    if policy == "first":
        chosen[num_roots:] = taxonomy.parents[starts[num_roots:]]
        return chosen
    cost: NDArray[np.integer]
    if policy == "longest":
        cost = -taxonomy.rank_of[taxonomy.parents]
    elif policy == "shortest":
        cost = shortest_depth(taxonomy)[taxonomy.parents]
    elif policy == MOST_IMAGES and images is not None:
        cost = -images_below(taxonomy, images)[taxonomy.parents]
    elif policy == MOST_IMAGES:
        raise ValueError(f"{policy} wants the images of each node")
    else:
        raise ValueError(f"{policy} follows several parents")
    best = np.minimum.reduceat(cost, starts[num_roots:])
    is_best = cost == np.repeat(best, np.diff(taxonomy.parent_offsets)[num_roots:])
    place = np.where(is_best, np.arange(len(cost)), len(cost))
    chosen[num_roots:] = taxonomy.parents[np.minimum.reduceat(place, starts[num_roots:])]
    return chosen


def shortest_depth(taxonomy: Taxonomy) -> NDArray[np.int32]:
    """Shape (num_nodes,): edges on the shortest path from a root, over both relations."""
    depth, offsets = np.zeros(len(taxonomy), np.int32), taxonomy.parent_offsets
    for start, end in rank_slices(taxonomy):
        of_parents = depth[taxonomy.parents[offsets[start] : offsets[end]]]
        lowest = np.minimum.reduceat(of_parents, offsets[start:end] - offsets[start])
        depth[start:end] = lowest + 1
    return depth


def images_below(taxonomy: Taxonomy, images: Images) -> Images:
    """Shape (num_nodes,): images at or below each node over both relations.

    A node counts once for each of its ancestors, however many paths lead there.
    """
    offsets, num = taxonomy.parent_offsets, len(taxonomy)
    num_parents = np.diff(offsets)
    # Nodes with one path to the root are most; for those a sum along that path is right.
    forks = num_parents > 1
    for start, end in rank_slices(taxonomy):
        of_parents = forks[taxonomy.parents[offsets[start] : offsets[end]]]
        forks[start:end] |= np.logical_or.reduceat(of_parents, offsets[start:end] - offsets[start])
    total = np.where(forks, 0, images)
    for start, end in reversed(list(rank_slices(taxonomy))):
        nodes = start + np.flatnonzero(~forks[start:end])
        np.add.at(total, taxonomy.parents[offsets[nodes]], total[nodes])
    source = np.flatnonzero(forks & (images > 0))
    row, here = np.arange(len(source)), source
    codes = [row * num + here]
    while len(here):
        counts = num_parents[here].astype(np.int64)
        ends = np.cumsum(counts)
        within = np.arange(ends[-1]) - np.repeat(ends - counts, counts)
        up = taxonomy.parents[np.repeat(offsets[here], counts) + within]
        codes.append(_distinct(np.repeat(row, counts) * num + up))
        row, here = codes[-1] // num, codes[-1] % num
    code = _distinct(np.concatenate(codes))
    np.add.at(total, code % num, images[source[code // num]])
    return total


def _distinct(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    # Not np.unique: it hashes, and loads numpy.ma.
    ordered = np.sort(codes)
    return ordered[np.diff(ordered, prepend=-1) > 0]


def depth_of(taxonomy: Taxonomy, parent: NDArray[np.int32]) -> NDArray[np.int32]:
    """Shape (num_nodes,): edges up to a root when every node has the one parent given."""
    depth = np.zeros(len(taxonomy), np.int32)
    for start, end in rank_slices(taxonomy):
        depth[start:end] = depth[parent[start:end]] + 1
    return depth


def height_of(taxonomy: Taxonomy, rows: Rows) -> NDArray[np.int32]:
    """Shape (num_nodes,): edges on the longest way up to where a policy ends."""
    height = np.zeros(len(taxonomy), np.int32)
    for start, end in rank_slices(taxonomy):
        first, last = rows.offsets[start], rows.offsets[end]
        counts = np.diff(rows.offsets[start : end + 1])
        some = counts > 0
        if some.any():
            of_parents = height[rows.values[first:last]]
            begins = rows.offsets[start:end][some] - first
            height[start:end][some] = np.maximum.reduceat(of_parents, begins) + 1
    return height


def above(taxonomy: Taxonomy, rows: Rows, marked: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which nodes lie strictly above any marked node, along a policy's parents."""
    reached = np.zeros(len(taxonomy), bool)
    for start, end in reversed(list(rank_slices(taxonomy))):
        first, last = rows.offsets[start], rows.offsets[end]
        counts = np.diff(rows.offsets[start : end + 1])
        hit = np.repeat(reached[start:end] | marked[start:end], counts)
        reached[rows.values[first:last][hit]] = True
    return reached


def _as_rows(parent: NDArray[np.int32]) -> Rows:
    has = parent >= 0
    return Rows(np.concatenate([[0], np.cumsum(has)]).astype(np.int64), parent[has])
