"""Pairs of nodes in two trees of the forest: their gates, and where those meet.

See granctl/tree/distance.py for what a gate is and why it may take a node's place.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from granctl.tree.ancestry import Ancestry, Closure, Places, closure_of, with_ancestors

By = Literal["longest", "shortest"]
"""Which path from a root a node's depth is counted on."""
Nodes = NDArray[np.int32]

NONE = -1
"""Stands for the lowest common hypernym, or the distance, of two nodes with no common ancestor."""
_PAIRS_AT_ONCE = 1 << 16
"""Pairs in one step: what is computed on the way stays in the processor's cache."""
_TABLE_LIMIT = 1 << 24
"""Entries of a table over all pairs of gates (64 MiB); above it, distinct pairs are walked."""
_PAYS_PER_PAIR = 16
"""A table of at most so many entries a pair costs less than walking (measured on WordNet)."""
FAR = 1 << 30
"""Above every distance."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Meeting:
    """Where two nodes meet, for each of P pairs."""

    node: Nodes
    """Shape (P,): the lowest common hypernym, or NONE."""
    edges: Nodes
    """Shape (P,): fewest edges from the one up to it and down to the other; 0 where NONE."""


def steps(num: int) -> Iterator[slice]:
    """Slices over `num` pairs, in order."""
    return (slice(i, min(i + _PAIRS_AT_ONCE, num)) for i in range(0, num, _PAIRS_AT_ONCE))


@dataclass(frozen=True, kw_only=True, slots=True)
class Gates:
    """The gates that take the place of some pairs of nodes."""

    pairs: NDArray[np.int64]
    """Shape (Q,): the pairs that are meant, as indices."""
    a: Places
    """Shape (Q,): the gate of the one node."""
    b: Places
    """Shape (Q,): the gate of the other."""
    marked: NDArray[np.bool_]
    """Shape (num_nodes,): which nodes are gates of these pairs."""


def gates_of(ancestry: Ancestry, a: Places, b: Places, pairs: NDArray[np.int64], by: By) -> Gates:
    """The gates of those of the pairs (a, b) that `pairs` names by index."""
    gate_a, gate_b = np.empty((2, len(pairs)), np.int64)
    marked = np.zeros(len(ancestry.head), bool)
    for step in steps(len(pairs)):
        nodes_a, nodes_b = a[pairs[step]], b[pairs[step]]
        up_a, up_b = ancestry.gate[nodes_a], ancestry.gate[nodes_b]
        if by == "shortest":
            # Only so do two nodes of one tree come here, and they may meet below a gate.
            same = ancestry.head[nodes_a] == ancestry.head[nodes_b]
            up_a, up_b = np.where(same, nodes_a, up_a), np.where(same, nodes_b, up_b)
        gate_a[step], gate_b[step] = up_a, up_b
        marked[up_a] = True
        marked[up_b] = True
    return Gates(pairs=pairs, a=gate_a, b=gate_b, marked=marked)


def edges_to_gates(ancestry: Ancestry, a: Places, b: Places, gates: Gates) -> Nodes:
    """Shape (Q,): edges from the two nodes of each pair up to their gates, together."""
    edges, depth = np.empty(len(gates.pairs), np.int32), ancestry.longest
    for step in steps(len(edges)):
        pairs = gates.pairs[step]
        up_a = depth[a[pairs]] - depth[gates.a[step]]
        edges[step] = up_a + depth[b[pairs]] - depth[gates.b[step]]
    return edges


def worth_a_table(ancestry: Ancestry, gates: Gates) -> Nodes | None:
    """The gates and their ancestors, if a table over all pairs of them costs less than a walk."""
    members = with_ancestors(ancestry, gates.marked)
    is_worth = len(members) ** 2 <= min(_TABLE_LIMIT, _PAYS_PER_PAIR * len(gates.pairs))
    return members if is_worth else None


def looked_up(table: Nodes, members: Nodes, gates: Gates) -> Nodes:
    """The value of each pair in a table over `members`."""
    place = np.zeros(len(gates.marked), np.int64)
    place[members] = np.arange(len(members))
    flat, width, found = table.ravel(), len(members), np.empty(len(gates.a), np.int32)
    for step in steps(len(found)):
        found[step] = flat[place[gates.a[step]] * width + place[gates.b[step]]]
    return found


@dataclass(frozen=True, kw_only=True, slots=True)
class Distinct:
    """The distinct pairs of gates."""

    a: Places
    """Shape (R,): the one with the lower index."""
    b: Places
    """Shape (R,): the other."""
    row: NDArray[np.int64]
    """Shape (Q,): which of them each pair of nodes comes down to."""


def distinct_pairs(gates: Gates) -> Distinct:
    """The pairs of gates that differ; a pair and its reverse are one."""
    marked, place = np.flatnonzero(gates.marked), np.cumsum(gates.marked) - 1
    low, high = np.minimum(gates.a, gates.b), np.maximum(gates.a, gates.b)
    codes, row = np.unique(place[low] * len(marked) + place[high], return_inverse=True)
    first, second = np.divmod(codes, max(len(marked), 1))
    return Distinct(a=marked[first], b=marked[second], row=row)


def meet_pairs(ancestry: Ancestry, gates: Distinct, by: By) -> Meeting:
    """Where the distinct pairs of gates meet."""
    node = np.full(len(gates.a), NONE, np.int32)
    edges = np.zeros(len(gates.a), np.int32)
    closure = _closure_of_pairs(ancestry, gates.a, gates.b, by)
    for step in steps(len(node)):
        for pair, place_a, place_b in _walk(closure, gates.a[step], gates.b[step], only_first=True):
            node[step.start + pair] = closure.node(place_a)
            edges[step.start + pair] = closure.up[place_a] + closure.up[place_b]
    return Meeting(node=node, edges=edges)


def _closure_of_pairs(ancestry: Ancestry, a: Places, b: Places, by: By) -> Closure:
    concerned = np.zeros(len(ancestry.head), bool)
    concerned[a] = True
    concerned[b] = True
    return closure_of(ancestry, np.flatnonzero(concerned).astype(np.int32), by)


def all_common(
    ancestry: Ancestry, a: Places, b: Places, by: By
) -> Iterator[tuple[NDArray[np.int64], Nodes, Nodes]]:
    """(pair, common ancestor, edges up from both together); a pair at most once a turn."""
    closure = _closure_of_pairs(ancestry, a, b, by)
    for step in steps(len(a)):
        for pair, place_a, place_b in _walk(closure, a[step], b[step], only_first=False):
            edges = closure.up[place_a] + closure.up[place_b]
            yield step.start + pair, closure.node(place_a), edges


def _walk(
    closure: Closure, a: Places, b: Places, *, only_first: bool
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]]:
    """Walks two lists of ancestors a pair, deepest first; yields (pair, place in a's, in b's).

    The lists are in one order, so the list that is behind goes on; each ends with a mark that
    lies behind every node, where a pair that has not met before meets at last.
    """
    pair = np.arange(len(a))
    place_a, place_b = closure.start_of_node[a], closure.start_of_node[b]
    while len(pair):
        key_a, key_b = closure.keys[place_a], closure.keys[place_b]
        meets = key_a == key_b
        if meets.any():
            at_end = key_a == closure.end
            real = meets & ~at_end
            yield pair[real], place_a[real], place_b[real]
            going = ~meets if only_first else ~(meets & at_end)
            pair, place_a, place_b = pair[going], place_a[going], place_b[going]
            key_a, key_b = key_a[going], key_b[going]
        place_a = place_a + (key_a <= key_b)
        place_b = place_b + (key_b <= key_a)
