"""What people look at: an outline of the tree under a node, and the paths above one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from granctl.tree.parents import Policy, Rows, parent_rows
from granctl.tree.taxonomy import Taxonomy, below


@dataclass(frozen=True, kw_only=True, slots=True)
class Branch:
    """One node of an outline and what is shown under it."""

    id: str
    name: str
    labels: int
    """Labels at or below the node, each counted once."""
    is_label: bool
    is_class: bool
    """Whether it is a class of the cut that is shown, if one is."""
    class_index: int
    """The class that it is, or else that all labels at or below it have; -1: several, or none."""
    children: tuple[Branch, ...]
    hidden: int
    """Children that are not shown, for they are too many or too deep."""

    def record(self) -> dict[str, Any]:
        """As JSON types."""
        own = {name: getattr(self, name) for name in ("id", "name", "labels", "is_label")}
        rest = {name: getattr(self, name) for name in ("is_class", "class_index", "hidden")}
        return {**own, **rest, "children": [c.record() for c in self.children]}


def outline(
    taxonomy: Taxonomy,
    root: int,
    depth: int,
    labels: NDArray[np.bool_],
    *,
    classes: NDArray[np.int32],
    class_of: NDArray[np.int32],
    most: int,
) -> Branch:
    """The tree under `root`, as far as it carries labels; a node with two parents is met twice.

    Args:
        taxonomy: the tree.
        root: node index.
        depth: edges to go down.
        labels: shape (num_nodes,), which nodes are labels.
        classes: shape (num_nodes,), the class of a cut that a node is; -1 for none.
        class_of: shape (num_nodes,), the class of each label under that cut; -1 for none.
        most: children of a node that are shown, those with most labels first.
    """

    def branch(node: int, left: int, num_labels: int) -> Branch:
        counts = {int(c): num_below(int(c)) for c in taxonomy.children_of(node)}
        ranked = sorted((c for c in counts if counts[c]), key=lambda c: -counts[c])
        shown = ranked[:most] if left else []
        return Branch(
            id=taxonomy.ids[node],
            name=taxonomy.name(node),
            labels=num_labels,
            is_label=bool(labels[node]),
            is_class=bool(classes[node] >= 0),
            class_index=class_index(node),
            children=tuple(branch(c, left - 1, counts[c]) for c in shown),
            hidden=len(ranked) - len(shown),
        )

    def class_index(node: int) -> int:
        if classes[node] >= 0:
            return int(classes[node])
        below_it = class_of[below(taxonomy, node) & labels]
        return int(below_it[0]) if len(below_it) and (below_it == below_it[0]).all() else -1

    num_below = _label_counter(taxonomy, labels)
    return branch(root, depth, num_below(root))


def _label_counter(taxonomy: Taxonomy, labels: NDArray[np.bool_]) -> Callable[[int], int]:
    known: dict[int, int] = {}

    def count(node: int) -> int:
        if node not in known:
            known[node] = int((below(taxonomy, node) & labels).sum())
        return known[node]

    return count


def paths_up(taxonomy: Taxonomy, node: int, policy: Policy) -> Iterator[list[int]]:
    """Every path from a node up to where the policy ends, each from the top down."""
    rows = parent_rows(taxonomy, policy)
    yield from _paths(rows, node)


def _paths(rows: Rows, node: int) -> Iterator[list[int]]:
    parents = rows.values[rows.offsets[node] : rows.offsets[node + 1]].tolist()
    if not parents:
        yield [node]
    for parent in parents:
        for path in _paths(rows, parent):
            yield [*path, node]
