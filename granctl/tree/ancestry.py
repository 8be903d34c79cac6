"""What questions about common ancestors need of a taxonomy, worked out once: `Ancestry`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from granctl.tree.parents import Policy, Rows, above, height_of, parent_rows
from granctl.tree.taxonomy import Taxonomy, rank_slices

Ints = NDArray[np.int32]
Places = NDArray[np.int64]
"""What is used as an index is int64: numpy takes twice as long with int32, which it converts."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Ancestry:
    """A taxonomy under one parent policy, ready for `granctl.tree.distance`; never changed.

    Nodes with exactly one parent, and their edges, form a forest. The root of a node's tree in it
    is its head: the nearest node at or above it that has several parents, or none.
    """

    parents: Rows
    """The parents of each node that the policy follows."""
    longest: Ints
    """Shape (num_nodes,): edges on the longest path from a root of the policy."""
    slices: tuple[tuple[int, int], ...]
    """(start, end) of each rank below the roots, from the top."""
    head: Ints
    """Shape (num_nodes,)."""
    gate: Places
    """Shape (num_nodes,): the nearest node at or above it that is a head, or above a node with
    several parents. Common ancestors of nodes with two heads lie at or above their gates."""
    position: Places
    """Shape (num_nodes,): place in a preorder of the forest."""
    node_at: Ints
    """Shape (num_nodes,): the node at each place."""
    table: Ints
    """Shape (levels * num_nodes,): at k * num_nodes + i the least of the places of the forest
    parents of the nodes at the places i .. i + 2**k - 1."""
    level_of_length: NDArray[np.int8]
    """Shape (num_nodes + 1,): the greatest k with 2**k <= length."""

    @cached_property
    def shortest(self) -> Ints:
        """Shape (num_nodes,): edges on the shortest path from a root of the policy."""
        depth, rows = np.zeros(len(self.head), np.int32), self.parents
        for start, end in self.slices:
            counts = rows.counts[start:end]
            some = counts > 0
            if some.any():
                first = rows.offsets[start]
                of_parents = depth[rows.values[first : rows.offsets[end]]]
                begins = rows.offsets[start:end][some] - first
                depth[start:end][some] = np.minimum.reduceat(of_parents, begins) + 1
        return depth

    def depth(self, by: Literal["longest", "shortest"]) -> Ints:
        """Shape (num_nodes,): edges from a root on the path that is named."""
        return self.shortest if by == "shortest" else self.longest

    def in_one_tree(self, a: Places, b: Places) -> Ints:
        """The lowest common ancestor of pairs whose heads are the same; shape (num_pairs,).

        In a preorder the least parent among the nodes after the first, up to the second, is it
        (Bender and Farach-Colton, 2000; with parents in place of depths).
        """
        place_a, place_b = self.position[a], self.position[b]
        low, high = np.minimum(place_a, place_b), np.maximum(place_a, place_b)
        level = self.level_of_length[high - low].astype(np.int64)
        row = level * len(self.head)
        # Equal nodes have an empty range: one place is looked at, and not used.
        begin = np.minimum(low + 1, high)
        left, right = self.table[row + begin], self.table[row + high - (1 << level) + 1]
        found: Ints = self.node_at[np.minimum(left, right)]
        np.copyto(found, a, where=low == high, casting="same_kind")
        return found


@dataclass(frozen=True, kw_only=True, eq=False)
class Closure:
    """The ancestors of some nodes, each list with the node itself and deepest first."""

    start_of_node: NDArray[np.int64]
    """Shape (num_nodes,): where a node's list begins; of nodes that were not asked for, 0."""
    keys: Ints
    """The ancestors by their place in `order`; a list ends with `end`."""
    up: Ints
    """Shape (len(keys),): fewest edges from the node up to that ancestor."""
    order: Ints
    """Shape (num_nodes,): all nodes, deepest first, of equals the lowest index first."""

    @property
    def end(self) -> int:
        """The mark behind every list."""
        return len(self.order)

    def node(self, places: NDArray[np.int64]) -> Ints:
        """The ancestors at these places of the lists."""
        return self.order[self.keys[places]]


def ancestry_of(taxonomy: Taxonomy, policy: Policy = "all-with-instances") -> Ancestry:
    """Prepares a taxonomy for questions about common ancestors; some 20 ms for WordNet.

    Example:
        >>> from granctl.tree.store import embedded_wordnet
        >>> int(ancestry_of(embedded_wordnet(), "first").longest.max())
        19
    """
    rows, num = parent_rows(taxonomy, policy), len(taxonomy)
    slices = tuple(rank_slices(taxonomy))
    single = np.full(num, -1, np.int32)
    has_one = rows.counts == 1
    single[has_one] = rows.values[rows.offsets[:-1][has_one]]
    several = rows.counts > 1
    position = _preorder(single, slices)
    node_at = np.empty(num, np.int32)
    node_at[position] = np.arange(num, dtype=np.int32)
    parent_place = np.where(single < 0, 0, position[single])[node_at]
    level_of_length = np.zeros(num + 1, np.int8)
    level_of_length[1:] = np.log2(np.arange(1, num + 1)).astype(np.int8)
    ancestry = Ancestry(
        parents=rows,
        longest=height_of(taxonomy, rows),
        slices=slices,
        head=_nearest(single, slices, np.zeros(num, bool)),
        gate=_nearest(single, slices, several | above(taxonomy, rows, several)).astype(np.int64),
        position=position.astype(np.int64),
        node_at=node_at,
        table=_sparse_table(parent_place, int(level_of_length[-1])),
        level_of_length=level_of_length,
    )
    for array in vars(ancestry).values():
        if isinstance(array, np.ndarray):
            array.setflags(write=False)
    return ancestry


def _nearest(single: Ints, slices: tuple[tuple[int, int], ...], stop: NDArray[np.bool_]) -> Ints:
    """The nearest node at or above each, along `single` parents, that is a stop or has none."""
    nearest = np.arange(len(single), dtype=np.int32)
    goes_on = (single >= 0) & ~stop
    for start, end in slices:
        nodes = start + np.flatnonzero(goes_on[start:end])
        nearest[nodes] = nearest[single[nodes]]
    return nearest


def _preorder(single: Ints, slices: tuple[tuple[int, int], ...]) -> Ints:
    """The place of each node in a preorder of the forest that `single` parents make."""
    num = len(single)
    inner = single >= 0
    size = np.ones(num, np.int64)
    for start, end in reversed(slices):
        here = inner[start:end]
        np.add.at(size, single[start:end][here], size[start:end][here])
    # Siblings stand in order of index; the roots of the trees are siblings, too.
    order = np.argsort(single, kind="stable")
    before = np.cumsum(size[order]) - size[order]
    first = np.flatnonzero(np.diff(single[order], prepend=-2))
    within = np.empty(num, np.int32)
    within[order] = before - np.repeat(before[first], np.diff(first, append=num))
    position = within
    for start, end in slices:
        nodes = start + np.flatnonzero(inner[start:end])
        position[nodes] += position[single[nodes]] + 1
    return position


def _sparse_table(values: Ints, top: int) -> Ints:
    table = np.empty((top + 1, len(values)), np.int32)
    table[0] = values
    for level in range(1, top + 1):
        half = 1 << (level - 1)
        table[level] = table[level - 1]
        np.minimum(table[level - 1, :-half], table[level - 1, half:], out=table[level, :-half])
    return table.ravel()


def deepest_first(ancestry: Ancestry, by: Literal["longest", "shortest"]) -> Ints:
    """All nodes, those of greatest depth first, of equals the lowest index first."""
    return np.argsort(-ancestry.depth(by), kind="stable").astype(np.int32)


def closure_of(
    ancestry: Ancestry, nodes: Ints, by: Literal["longest", "shortest"] = "longest"
) -> Closure:
    """The ancestors of each of the nodes, with the fewest edges up to them.

    Memory: 8 bytes for each pair of a node and an ancestor; for the 21,843 labels of ImageNet-21k
    about 2 MB.

    Args:
        ancestry: the taxonomy under a policy.
        nodes: shape (n,), distinct node indices, ascending.
        by: the path that depth is counted on.
    """
    num, parents = len(ancestry.head), ancestry.parents
    order = deepest_first(ancestry, by)
    key_of = np.empty(num, np.int64)
    key_of[order] = np.arange(num)
    width, counts = num + 1, parents.counts
    row, here = np.arange(len(nodes)), nodes
    codes, ups = [row * width + key_of[here]], [np.zeros(len(nodes), np.int32)]
    while len(here):
        sizes = counts[here]
        ends = np.cumsum(sizes)
        within = np.arange(ends[-1]) - np.repeat(ends - sizes, sizes)
        above = parents.values[np.repeat(parents.offsets[here], sizes) + within]
        code = np.unique(np.repeat(row, sizes) * width + key_of[above])
        row, here = code // width, order[code % width]
        codes.append(code)
        ups.append(np.full(len(code), len(ups), np.int32))
    codes.append(np.arange(len(nodes)) * width + num)
    ups.append(np.zeros(len(nodes), np.int32))
    # An ancestor is met first on the shortest way up, and np.unique keeps what stands first.
    code, first = np.unique(np.concatenate(codes), return_index=True)
    starts = np.zeros(num, np.int64)
    starts[nodes] = np.searchsorted(code, np.arange(len(nodes)) * width)
    return Closure(
        start_of_node=starts,
        keys=(code % width).astype(np.int32),
        up=np.concatenate(ups)[first],
        order=order,
    )


def with_ancestors(ancestry: Ancestry, marked: NDArray[np.bool_]) -> Ints:
    """The nodes that are marked and all their ancestors, ascending; `marked`: (num_nodes,)."""
    reached, rows = marked.copy(), ancestry.parents
    for start, end in reversed(ancestry.slices):
        hit = np.repeat(reached[start:end], rows.counts[start:end])
        reached[rows.values[rows.offsets[start] : rows.offsets[end]][hit]] = True
    return np.flatnonzero(reached).astype(np.int32)


def pair_table(ancestry: Ancestry, members: Ints, own: Ints, step: int, none: int) -> Ints:
    """A value for every pair of some nodes that follows from those of their parents.

    Of a node and another that does not lie under it, it is the least over the node's parents, plus
    `step`: for what they have in common, the one has by way of a parent. With step 1 and 0 for a
    node and itself these are distances; with step 0 and the places in an order, the first common
    ancestor in it.

    Args:
        ancestry: the taxonomy under a policy.
        members: shape (n,), ascending, with all their ancestors.
        own: shape (n,): the value of a node and itself, unless its parents have a lower one.
        step: what one edge adds.
        none: above all values that two nodes with a common ancestor can have.

    Returns:
        Shape (n, n), symmetric; two nodes without a common ancestor have `none` or more.
    """
    rows, place = ancestry.parents, np.zeros(len(ancestry.head), np.int64)
    place[members] = np.arange(len(members))
    table = np.full((len(members), len(members)), none, np.int32)
    np.fill_diagonal(table, own)
    bounds = np.searchsorted(members, np.array(ancestry.slices, np.int64).reshape(-1, 2))
    for start, end in bounds.tolist():
        nodes = members[start:end]
        counts = rows.counts[nodes]
        slots = []
        for slot in range(int(counts.max(initial=0))):
            here = np.flatnonzero(counts > slot)
            slots.append((here, place[rows.values[rows.offsets[nodes[here]] + slot]]))
        table[start:end, :start] = _least(table[:, :start], slots, end - start, none) + step
        table[:start, start:end] = table[start:end, :start].T
        # Two of one rank: the column of the second, which was just written, is asked at the
        # parents of the first.
        inside = _least(table[:, start:end], slots, end - start, none) + step
        np.fill_diagonal(inside, np.minimum(inside.diagonal(), own[start:end]))
        table[start:end, start:end] = inside
    return table


def _least(table: Ints, slots: list[tuple[Places, Places]], num: int, none: int) -> Ints:
    """The least row over the parents of each of `num` nodes; a slot: (which have it, parents)."""
    least = np.full((num, table.shape[1]), none, np.int32)
    for slot, (here, above_them) in enumerate(slots):
        if slot == 0:
            least[here] = table[above_them]
        else:
            least[here] = np.minimum(least[here], table[above_them])
    return least
