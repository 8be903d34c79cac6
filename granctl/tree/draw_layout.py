"""Where each node of a forest goes in a picture, and which class colours it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from granctl.tree.forest import CutView, Forest

MIXED = -1
"""The tint of a node that holds several classes, or none."""
_SEVERAL = -2
_OPENED_AT = 1 / 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """Arrays of shape (num_nodes,) over a forest, whose nodes come in preorder."""

    depth: NDArray[np.int32]
    """Edges from the root."""
    total: NDArray[np.int64]
    """What the node and everything below it count for."""
    left: NDArray[np.float64]
    right: NDArray[np.float64]
    """The node's share of the width, 0 to 1."""
    home: int
    """The lowest node that holds everything: where a picture starts."""


def lay_out(forest: Forest) -> Layout:
    """Widths in proportion to what lies at or below each node; children side by side."""
    num, parents = len(forest), forest.parents
    depth, total = [0] * num, list(forest.weights)
    for node in range(1, num):
        depth[node] = depth[parents[node]] + 1
    for node in range(num - 1, 0, -1):
        total[parents[node]] += total[node]
    left, right = [0.0] * num, [1.0] * num
    taken = list(left)  # up to where the children of a node have been placed
    num_children = [0] * num
    for node in range(1, num):
        parent = parents[node]
        share = (right[parent] - left[parent]) * total[node] / (total[parent] or 1)
        left[node] = taken[node] = taken[parent]
        right[node] = taken[parent] = taken[parent] + share
        num_children[parent] += 1
    home = 0
    while num_children[home] == 1 and not forest.weights[home]:
        home += 1  # the only child comes next
    return Layout(
        depth=np.array(depth, np.int32),
        total=np.array(total, np.int64),
        left=np.array(left),
        right=np.array(right),
        home=home,
    )


def tints(
    forest: Forest, view: CutView | None, layout: Layout, num_tints: int
) -> tuple[list[int], list[bool]]:
    """The tint of each node (MIXED, or below `num_tints`), and whether the cut goes through above.

    Without a cut the branches have a tint each.
    """
    if view is None:
        return _tints_of_branches(forest, layout, num_tints), [False] * len(forest)
    below = _classes_below(forest, view.class_of_node)
    order: dict[int, int] = {}
    for of in below:
        if of >= 0:
            order.setdefault(of, len(order))
    tint = [order[of] % num_tints if of >= 0 else MIXED for of in below]
    parents = [max(p, 0) for p in forest.parents]
    edge = [of >= 0 and (i == 0 or below[parents[i]] != of) for i, of in enumerate(below)]
    return tint, edge


def _classes_below(forest: Forest, own: Sequence[int]) -> list[int]:
    """The class that all labels at or below a node share; below 0: several, or none."""
    below = list(own)
    for node in range(len(forest) - 1, 0, -1):
        parent = forest.parents[node]
        if below[node] == -1:
            continue
        if below[parent] == -1:
            below[parent] = below[node]
        elif below[parent] != below[node]:
            below[parent] = _SEVERAL
    return below


def _tints_of_branches(forest: Forest, layout: Layout, num_tints: int) -> list[int]:
    """A tint a branch; a branch that holds more than a fifth is opened, and its own told apart."""
    tint, number = [MIXED] * len(forest), 0
    inner = {p for p in forest.parents if p >= 0}
    opened = {layout.home}
    large = _OPENED_AT * float(layout.total[layout.home])
    for node in range(layout.home + 1, len(forest)):
        parent = forest.parents[node]
        if parent not in opened:
            tint[node] = tint[parent]
        elif node in inner and layout.total[node] > large:
            opened.add(node)
        else:
            tint[node] = number % num_tints
            number += 1
    return tint
