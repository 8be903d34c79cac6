"""The tree that a policy of one parent makes of the labels and what lies above them, as arrays."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from granctl.tree.cuts import check_one_parent
from granctl.tree.parents import Images, Policy, depth_of, parent_of
from granctl.tree.taxonomy import Taxonomy

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class LabelTree:
    """Nodes that are a label or lie above one, each with at most one parent.

    Nodes have *places* 0, 1, ... in the order of the taxonomy, so that a parent comes before its
    children. With several roots it is a forest.
    """

    nodes: Ints
    """Shape (num_places,): the taxonomy's node at each place, ascending."""
    parent: Ints
    """Shape (num_places,): the place of the parent; -1 for a root."""
    place_of_label: Ints
    """Shape (num_labels,), in the order of the label list."""
    levels: tuple[Ints, ...]
    """The places at each depth, from the roots down."""

    def __len__(self) -> int:
        return len(self.nodes)

    @cached_property
    def is_label(self) -> Mask:
        """Shape (num_places,)."""
        marked = np.zeros(len(self), bool)
        marked[self.place_of_label] = True
        return marked

    def at_labels(self, values: Ints) -> Ints:
        """Values of the labels, in the list's order, at their places; 0 elsewhere."""
        found = np.zeros(len(self), np.int64)
        found[self.place_of_label] = values
        return found

    def sums(self, own: Ints, parent: Ints) -> Ints:
        """Shape (num_places,): the sum of `own` at and below each place, along these parents.

        `parent`: that of the tree, or with -1 where an edge is cut.
        """
        total = own.copy()
        for places in reversed(self.levels):
            linked = places[parent[places] >= 0]
            np.add.at(total, parent[linked], total[linked])
        return total

    def tops(self, parent: Ints) -> Ints:
        """Shape (num_places,): the place where the way up along these parents ends."""
        top = np.arange(len(self))
        for places in self.levels[1:]:
            linked = places[parent[places] >= 0]
            top[linked] = top[parent[linked]]
        return top

    def lowest(self, parent: Ints) -> Ints:
        """Shape (num_places,): the lowest place at or below each with the same labels below it.

        A place that is no label and has one child stands for nothing but that child.
        """
        linked = np.flatnonzero(parent >= 0)
        num_children = np.bincount(parent[linked], minlength=len(self))
        passes = (num_children == 1) & ~self.is_label
        child = np.full(len(self), -1)
        child[parent[linked]] = linked
        found = np.arange(len(self))
        for places in reversed(self.levels):
            through = places[passes[places]]
            found[through] = found[child[through]]
        return found

    def classes_under(self, parent: Ints) -> NDArray[np.int32]:
        """Shape (num_labels,): the node of each label's class when edges are cut.

        The labels that still hang together are a class; its node is the lowest that lies at or
        above all of them.

        Args:
            parent: shape (num_places,): the tree's, with -1 where an edge is cut.
        """
        place = self.lowest(parent)[self.tops(parent)[self.place_of_label]]
        return self.nodes[place].astype(np.int32)


def label_tree(
    taxonomy: Taxonomy,
    labels: NDArray[np.int32],
    policy: Policy = "first",
    images: Images | None = None,
    option: str = "--classes",
) -> LabelTree:
    """The part of a taxonomy that carries labels, as a tree.

    Args:
        taxonomy: the DAG.
        labels: shape (num_labels,), distinct node indices.
        policy: one under which a node has one parent.
        images: shape (num_nodes,), for `most-images`.
        option: what an error says the tree is wanted for.

    Raises:
        BadOptionError: the policy follows several parents.
    """
    check_one_parent(policy, option)
    parent = parent_of(taxonomy, policy, images)
    marked, here = np.zeros(len(taxonomy), bool), labels
    while len(here):
        marked[here] = True
        here = parent[here]
        here = here[here >= 0]
        here = here[~marked[here]]
    nodes = np.flatnonzero(marked)
    place = np.cumsum(marked) - 1
    up = parent[nodes]
    depth = depth_of(taxonomy, parent)[nodes]
    order = np.argsort(depth, kind="stable")
    bounds = np.cumsum(np.bincount(depth))
    return LabelTree(
        nodes=nodes,
        parent=np.where(up >= 0, place[up], -1),
        place_of_label=place[labels],
        levels=tuple(np.split(order, bounds[:-1])),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Siblings:
    """The children of every place, in an order of their own."""

    order: Ints
    """Shape (num_linked,): places with a parent, those of one parent together."""
    parent: Ints
    """Shape (num_linked,): their parents."""

    @cached_property
    def first(self) -> Ints:
        """Shape (num_linked,): where in `order` the children of the same parent begin."""
        starts = np.flatnonzero(np.diff(self.parent, prepend=-2))
        return np.repeat(starts, np.diff(starts, append=len(self.order)))

    @cached_property
    def is_last(self) -> Mask:
        """Shape (num_linked,): whether it is the last child of its parent."""
        changes: Mask = np.diff(self.parent, append=-2) != 0
        return changes

    def before(self, values: Ints) -> Ints:
        """Shape (num_linked,): the sum of `values` over the earlier siblings of each."""
        running = np.cumsum(values) - values
        return running - running[self.first]


def siblings(places: Ints, parent: Ints, key: Ints) -> Siblings:
    """Those of the places that have a parent, by parent and key; of equals the lower place first.

    Args:
        places: shape (n,), ascending.
        parent: shape (num_places,), -1 for none.
        key: shape (num_places,).
    """
    linked = places[parent[places] >= 0]
    order = linked[np.lexsort((key[linked], parent[linked]))]
    return Siblings(order=order, parent=parent[order])
