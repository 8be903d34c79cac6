"""Lowest common hypernyms and tree distances on a DAG, for millions of pairs of nodes at once.

A node is its own ancestor here. Of two nodes:

- a *common ancestor* is an ancestor of both, along the parents that a policy follows;
- *the lowest common hypernym* is the common ancestor of greatest depth, of equals the one with the
  lowest node index. Depth counts edges on the longest path from a root (`by="longest"`) or on the
  shortest (`by="shortest"`). By the longest path no common ancestor lies under it;
- the *distance* is the fewest edges up from the one to any common ancestor and down to the other.
  On a DAG that need not be the lowest common hypernym.

How it is fast and still exact: nodes with one parent form a forest. Where two nodes lie in one of
its trees, every other common ancestor is above their ancestor in that tree, which a sparse table
over the preorder finds in two look-ups (in WordNet half of the pairs of labels; with a
single-parent policy all). Where they do not, every common ancestor lies above a node with several
parents, so each of the two can be replaced by the nearest such place above it, its gate. Gates are
few: for many pairs a table over all of them is filled from the top, for less the two lists of
ancestors, deepest first, are walked until they meet, all pairs in step.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from granctl.tree.ancestry import (
    Ancestry,
    Closure,
    closure_of,
    deepest_first,
    pair_table,
    with_ancestors,
)
from granctl.tree.parents import Rows

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
_FAR = 1 << 30


@dataclass(frozen=True, kw_only=True, slots=True)
class Meeting:
    """Where two nodes meet, for each of P pairs."""

    node: Nodes
    """Shape (P,): the lowest common hypernym, or NONE."""
    edges: Nodes
    """Shape (P,): fewest edges from the one up to it and down to the other; 0 where NONE."""


def lowest_common_hypernym(
    ancestry: Ancestry, a: ArrayLike, b: ArrayLike, by: By = "longest"
) -> Nodes:
    """The common ancestor of greatest depth of each pair; of equals the lowest node index.

    Args:
        ancestry: of `granctl.tree.ancestry.ancestry_of`.
        a: shape (P,), node indices; a single index is compared with all of `b`.
        b: shape (P,), node indices.
        by: the path that depth is counted on.

    Returns:
        Shape (P,): node indices; NONE where the two have no common ancestor.

    Raises:
        ValueError: the shapes do not fit, or an index is out of range.

    Example:
        >>> from granctl.tree.ancestry import ancestry_of
        >>> from granctl.tree.store import embedded_wordnet
        >>> wordnet = embedded_wordnet()
        >>> dog, cat = wordnet.index_of["n02084071"], wordnet.index_of["n02121620"]
        >>> wordnet.name(lowest_common_hypernym(ancestry_of(wordnet), dog, cat)[0])
        'carnivore'
    """
    first, second = _checked(ancestry, a, b)
    together = _together(ancestry, first, second, by)
    node = _in_trees(ancestry, first, second, together)
    gates = _gates_of(ancestry, first, second, np.flatnonzero(~together), by)
    members = _worth_a_table(ancestry, gates)
    if members is None:
        distinct = _distinct(gates)
        node[gates.pairs] = _meet_gates(ancestry, distinct, by).node[distinct.row]
        return node
    order = deepest_first(ancestry, by)
    place_of = np.empty(len(order), np.int32)
    place_of[order] = np.arange(len(order), dtype=np.int32)
    table = pair_table(ancestry, members, place_of[members], 0, len(order))
    node[gates.pairs] = np.append(order, np.int32(NONE))[_looked_up(table, members, gates)]
    return node


def lowest_common_hypernyms(
    ancestry: Ancestry, a: ArrayLike, b: ArrayLike, by: By = "longest"
) -> Rows:
    """All common ancestors of the greatest depth, a row a pair, by node index.

    This is what nltk's `lowest_common_hypernyms` gives. Arguments and faults as above.
    """
    first, second = _checked(ancestry, a, b)
    deepest = lowest_common_hypernym(ancestry, first, second, by)
    depth = ancestry.depth(by)
    pairs, nodes = [np.empty(0, np.int64)], [np.empty(0, np.int32)]
    for pair, node, _ in _all_common(ancestry, first, second, by):
        ties = depth[node] == depth[deepest[pair]]
        pairs.append(pair[ties])
        nodes.append(node[ties])
    pair, node = np.concatenate(pairs), np.concatenate(nodes)
    order = np.lexsort((node, pair))
    counts = np.bincount(pair, minlength=len(first))
    return Rows(np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), node[order])


def tree_distance(ancestry: Ancestry, a: ArrayLike, b: ArrayLike) -> Nodes:
    """Fewest edges up from `a` to a common ancestor and down to `b`; shape (P,), or NONE.

    nltk calls it `shortest_path_distance`. Arguments and faults as `lowest_common_hypernym`.

    Example:
        >>> from granctl.tree.ancestry import ancestry_of
        >>> from granctl.tree.store import embedded_wordnet
        >>> wordnet = embedded_wordnet()
        >>> dog, cat = wordnet.index_of["n02084071"], wordnet.index_of["n02121620"]
        >>> tree_distance(ancestry_of(wordnet), dog, [dog, cat]).tolist()
        [0, 4]
    """
    first, second = _checked(ancestry, a, b)
    together = ancestry.head[first] == ancestry.head[second]
    node = _in_trees(ancestry, first, second, together)
    distance = _edges_in_trees(ancestry, first, second, node)
    gates = _gates_of(ancestry, first, second, np.flatnonzero(~together), "longest")
    members = _worth_a_table(ancestry, gates)
    if members is None:
        distinct = _distinct(gates)
        best = np.full(len(distinct.a), _FAR, np.int32)
        for pair, _, edges in _all_common(ancestry, distinct.a, distinct.b, "longest"):
            best[pair] = np.minimum(best[pair], edges)
        found = best[distinct.row]
    else:
        table = pair_table(ancestry, members, np.zeros(len(members), np.int32), 1, _FAR)
        found = _looked_up(table, members, gates)
    up = _edges_to_gates(ancestry, first, second, gates)
    distance[gates.pairs] = np.where(found >= _FAR, NONE, found + up)
    return distance


def path_similarity(ancestry: Ancestry, a: ArrayLike, b: ArrayLike) -> NDArray[np.float64]:
    """1 / (1 + distance); 0 where there is no common ancestor (Rada et al., 1989; as in nltk)."""
    distance = tree_distance(ancestry, a, b)
    return np.where(distance == NONE, 0.0, 1.0 / (1.0 + np.maximum(distance, 0)))


def wu_palmer(
    ancestry: Ancestry, a: ArrayLike, b: ArrayLike, by: By = "longest"
) -> NDArray[np.float64]:
    """2 N3 / (N1 + N2 + 2 N3) of Wu and Palmer (1994); 0 where there is no common ancestor.

    N1 and N2 are the fewest edges from each node up to the lowest common hypernym, N3 the nodes
    from the root down to it, by the path of `by`. (nltk chooses the hypernym by its shortest
    path and counts N3 on its longest; on a tree all of these are one.)
    """
    met = meet(ancestry, a, b, by)
    depth = np.where(met.node == NONE, 0, ancestry.depth(by)[met.node] + 1)
    return 2.0 * depth / np.maximum(met.edges + 2.0 * depth, 1.0)


def meet(ancestry: Ancestry, a: ArrayLike, b: ArrayLike, by: By = "longest") -> Meeting:
    """The lowest common hypernym of each pair and how far apart they are by way of it.

    Arguments and faults as `lowest_common_hypernym`.
    """
    first, second = _checked(ancestry, a, b)
    together = _together(ancestry, first, second, by)
    node = _in_trees(ancestry, first, second, together)
    edges = _edges_in_trees(ancestry, first, second, node)
    gates = _gates_of(ancestry, first, second, np.flatnonzero(~together), by)
    distinct = _distinct(gates)
    met = _meet_gates(ancestry, distinct, by)
    node[gates.pairs] = met.node[distinct.row]
    up = _edges_to_gates(ancestry, first, second, gates)
    found = met.node[distinct.row] != NONE
    edges[gates.pairs] = np.where(found, met.edges[distinct.row] + up, 0)
    return Meeting(node=node, edges=edges)


def _checked(ancestry: Ancestry, a: ArrayLike, b: ArrayLike) -> tuple[Nodes, Nodes]:
    given = (np.atleast_1d(np.asarray(a)), np.atleast_1d(np.asarray(b)))
    pairs = []
    for nodes in np.broadcast_arrays(*given):
        if nodes.ndim != 1 or not (np.issubdtype(nodes.dtype, np.integer) or not len(nodes)):
            raise ValueError("node indices are one row of integers")
        if len(nodes) and not 0 <= nodes.min() <= nodes.max() < len(ancestry.head):
            raise ValueError(f"a node index is not in 0..{len(ancestry.head) - 1}")
        pairs.append(nodes.astype(np.int32))
    return pairs[0], pairs[1]


def _steps(num: int) -> Iterator[slice]:
    return (slice(i, min(i + _PAIRS_AT_ONCE, num)) for i in range(0, num, _PAIRS_AT_ONCE))


# --- pairs inside one tree of the forest ----------------------------------------------------------


def _together(ancestry: Ancestry, a: Nodes, b: Nodes, by: By) -> NDArray[np.bool_]:
    """Which pairs have their lowest common hypernym in the tree of the forest they are both in."""
    head = ancestry.head[a]
    together: NDArray[np.bool_] = head == ancestry.head[b]
    if by == "shortest":
        # Above a node with several parents there can be one with a longer shortest path.
        together &= (ancestry.parents.counts == 0)[head]
    return together


def _in_trees(ancestry: Ancestry, a: Nodes, b: Nodes, together: NDArray[np.bool_]) -> Nodes:
    """Where `together`: the lowest common ancestor in the tree; elsewhere NONE."""
    node = np.full(len(a), NONE, np.int32)
    for step in _steps(len(a)):
        if together[step].all():
            node[step] = ancestry.in_one_tree(a[step], b[step])
        else:
            pairs = step.start + np.flatnonzero(together[step])
            node[pairs] = ancestry.in_one_tree(a[pairs], b[pairs])
    return node


def _edges_in_trees(ancestry: Ancestry, a: Nodes, b: Nodes, node: Nodes) -> Nodes:
    """Edges between pairs that meet at `node` in one tree; 0 where NONE."""
    edges, depth = np.empty(len(a), np.int32), ancestry.longest
    for step in _steps(len(a)):
        up = depth[a[step]] + depth[b[step]] - 2 * depth[node[step]]
        edges[step] = np.where(node[step] == NONE, 0, up)
    return edges


# --- pairs in two trees of the forest -------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class _Gates:
    """The gates that take the place of some pairs of nodes."""

    pairs: NDArray[np.int64]
    """Shape (Q,): the pairs that are meant, as indices."""
    a: Nodes
    """Shape (Q,): the gate of the one node."""
    b: Nodes
    """Shape (Q,): the gate of the other."""
    marked: NDArray[np.bool_]
    """Shape (num_nodes,): which nodes are gates of these pairs."""


def _gates_of(ancestry: Ancestry, a: Nodes, b: Nodes, pairs: NDArray[np.int64], by: By) -> _Gates:
    gate_a, gate_b = np.empty((2, len(pairs)), np.int32)
    marked = np.zeros(len(ancestry.head), bool)
    for step in _steps(len(pairs)):
        nodes_a, nodes_b = a[pairs[step]], b[pairs[step]]
        up_a, up_b = ancestry.gate[nodes_a], ancestry.gate[nodes_b]
        if (
            by == "shortest"
        ):  # only then two nodes of one tree come here; they may meet below a gate
            same = ancestry.head[nodes_a] == ancestry.head[nodes_b]
            up_a, up_b = np.where(same, nodes_a, up_a), np.where(same, nodes_b, up_b)
        gate_a[step], gate_b[step] = up_a, up_b
        marked[up_a] = True
        marked[up_b] = True
    return _Gates(pairs=pairs, a=gate_a, b=gate_b, marked=marked)


def _edges_to_gates(ancestry: Ancestry, a: Nodes, b: Nodes, gates: _Gates) -> Nodes:
    """Shape (Q,): edges from the two nodes of each pair up to their gates, together."""
    edges, depth = np.empty(len(gates.pairs), np.int32), ancestry.longest
    for step in _steps(len(edges)):
        pairs = gates.pairs[step]
        up_a = depth[a[pairs]] - depth[gates.a[step]]
        edges[step] = up_a + depth[b[pairs]] - depth[gates.b[step]]
    return edges


def _worth_a_table(ancestry: Ancestry, gates: _Gates) -> Nodes | None:
    """The gates and their ancestors, if a table over all pairs of them costs less than a walk."""
    members = with_ancestors(ancestry, gates.marked)
    is_worth = len(members) ** 2 <= min(_TABLE_LIMIT, _PAYS_PER_PAIR * len(gates.pairs))
    return members if is_worth else None


def _looked_up(table: Nodes, members: Nodes, gates: _Gates) -> Nodes:
    """The value of each pair in a table over `members`."""
    place = np.zeros(len(gates.marked), np.int32)
    place[members] = np.arange(len(members), dtype=np.int32)
    flat, width, found = table.ravel(), np.int32(len(members)), np.empty_like(gates.a)
    for step in _steps(len(found)):
        found[step] = flat[place[gates.a[step]] * width + place[gates.b[step]]]
    return found


@dataclass(frozen=True, kw_only=True, slots=True)
class _Distinct:
    """The distinct pairs of gates."""

    a: Nodes
    """Shape (R,): the one with the lower index."""
    b: Nodes
    """Shape (R,): the other."""
    row: NDArray[np.int64]
    """Shape (Q,): which of them each pair of nodes comes down to."""


def _distinct(gates: _Gates) -> _Distinct:
    marked, place = np.flatnonzero(gates.marked).astype(np.int32), np.cumsum(gates.marked) - 1
    low, high = np.minimum(gates.a, gates.b), np.maximum(gates.a, gates.b)
    codes, row = np.unique(place[low] * len(marked) + place[high], return_inverse=True)
    first, second = np.divmod(codes, max(len(marked), 1))
    return _Distinct(a=marked[first], b=marked[second], row=row)


def _meet_gates(ancestry: Ancestry, gates: _Distinct, by: By) -> Meeting:
    """Where the distinct pairs of gates meet."""
    node = np.full(len(gates.a), NONE, np.int32)
    edges = np.zeros(len(gates.a), np.int32)
    closure = _closure_of_pairs(ancestry, gates.a, gates.b, by)
    for step in _steps(len(node)):
        for pair, place_a, place_b in _walk(closure, gates.a[step], gates.b[step], only_first=True):
            node[step.start + pair] = closure.node(place_a)
            edges[step.start + pair] = closure.up[place_a] + closure.up[place_b]
    return Meeting(node=node, edges=edges)


def _closure_of_pairs(ancestry: Ancestry, a: Nodes, b: Nodes, by: By) -> Closure:
    concerned = np.zeros(len(ancestry.head), bool)
    concerned[a] = True
    concerned[b] = True
    return closure_of(ancestry, np.flatnonzero(concerned).astype(np.int32), by)


def _all_common(
    ancestry: Ancestry, a: Nodes, b: Nodes, by: By
) -> Iterator[tuple[NDArray[np.int64], Nodes, Nodes]]:
    """(pair, common ancestor, edges up from both together); a pair at most once a turn."""
    closure = _closure_of_pairs(ancestry, a, b, by)
    for step in _steps(len(a)):
        for pair, place_a, place_b in _walk(closure, a[step], b[step], only_first=False):
            edges = closure.up[place_a] + closure.up[place_b]
            yield step.start + pair, closure.node(place_a), edges


def _walk(
    closure: Closure, a: Nodes, b: Nodes, *, only_first: bool
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
