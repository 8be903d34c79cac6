"""Named parent policies: which of a node's parents a cut follows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from granctl.tree.taxonomy import HYPERNYM, Taxonomy, rank_slices

Policy = Literal["first", "all", "all-with-instances", "shortest", "longest"]
"""`first`: the first parent over `@` and `@i`, in file order. `all`: every `@` parent.
`all-with-instances`: every `@` and `@i` parent. `shortest` and `longest`: the parent on the
shortest or longest path to a root over `@` and `@i`; the first of equals."""

POLICIES: tuple[Policy, ...] = get_args(Policy)
SINGLE_POLICIES: tuple[Policy, ...] = ("first", "shortest", "longest")
"""Policies under which a node has at most one parent, and so a label one depth."""


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


def parent_rows(taxonomy: Taxonomy, policy: Policy) -> Rows:
    """The parents that a policy follows, for every node, in file order."""
    if policy in SINGLE_POLICIES:
        return _as_rows(parent_of(taxonomy, policy))
    if policy == "all-with-instances":
        return Rows(taxonomy.parent_offsets.astype(np.int64), taxonomy.parents)
    kept = taxonomy.relations == HYPERNYM
    kept_before = np.concatenate([[0], np.cumsum(kept)])
    return Rows(kept_before[taxonomy.parent_offsets], taxonomy.parents[kept])


def parent_of(taxonomy: Taxonomy, policy: Policy) -> NDArray[np.int32]:
    """Shape (num_nodes,): the one parent that a single-parent policy follows; -1 for a root.

    Raises:
        ValueError: the policy follows several parents.
    """
    chosen = np.full(len(taxonomy), -1, np.int32)
    num_roots, starts = len(taxonomy.roots), taxonomy.parent_offsets[:-1]
    if num_roots == len(taxonomy):
        return chosen
    if policy == "first":
        chosen[num_roots:] = taxonomy.parents[starts[num_roots:]]
        return chosen
    if policy == "longest":
        cost = -taxonomy.rank_of[taxonomy.parents]
    elif policy == "shortest":
        cost = shortest_depth(taxonomy)[taxonomy.parents]
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
