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

import numpy as np
from numpy.typing import ArrayLike, NDArray

from granctl.tree.ancestry import Ancestry, Places, deepest_first, pair_table
from granctl.tree.gates import (
    FAR,
    NONE,
    By,
    Meeting,
    Nodes,
    all_common,
    distinct_pairs,
    edges_to_gates,
    gates_of,
    looked_up,
    meet_pairs,
    steps,
    worth_a_table,
)
from granctl.tree.parents import Rows


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
    gates = gates_of(ancestry, first, second, np.flatnonzero(~together), by)
    members = worth_a_table(ancestry, gates)
    if members is None:
        distinct = distinct_pairs(gates)
        node[gates.pairs] = meet_pairs(ancestry, distinct, by).node[distinct.row]
        return node
    order = deepest_first(ancestry, by)
    place_of = np.empty(len(order), np.int32)
    place_of[order] = np.arange(len(order), dtype=np.int32)
    table = pair_table(ancestry, members, place_of[members], 0, len(order))
    node[gates.pairs] = np.append(order, np.int32(NONE))[looked_up(table, members, gates)]
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
    for pair, node, _ in all_common(ancestry, first, second, by):
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
    gates = gates_of(ancestry, first, second, np.flatnonzero(~together), "longest")
    members = worth_a_table(ancestry, gates)
    if members is None:
        distinct = distinct_pairs(gates)
        best = np.full(len(distinct.a), FAR, np.int32)
        for pair, _, edges in all_common(ancestry, distinct.a, distinct.b, "longest"):
            best[pair] = np.minimum(best[pair], edges)
        found = best[distinct.row]
    else:
        table = pair_table(ancestry, members, np.zeros(len(members), np.int32), 1, FAR)
        found = looked_up(table, members, gates)
    up = edges_to_gates(ancestry, first, second, gates)
    distance[gates.pairs] = np.where(found >= FAR, NONE, found + up)
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
    gates = gates_of(ancestry, first, second, np.flatnonzero(~together), by)
    distinct = distinct_pairs(gates)
    met = meet_pairs(ancestry, distinct, by)
    node[gates.pairs] = met.node[distinct.row]
    up = edges_to_gates(ancestry, first, second, gates)
    found = met.node[distinct.row] != NONE
    edges[gates.pairs] = np.where(found, met.edges[distinct.row] + up, 0)
    return Meeting(node=node, edges=edges)


def _checked(ancestry: Ancestry, a: ArrayLike, b: ArrayLike) -> tuple[Places, Places]:
    given = (np.atleast_1d(np.asarray(a)), np.atleast_1d(np.asarray(b)))
    pairs = []
    for nodes in np.broadcast_arrays(*given):
        if nodes.ndim != 1 or not (np.issubdtype(nodes.dtype, np.integer) or not len(nodes)):
            raise ValueError("node indices are one row of integers")
        if len(nodes) and not 0 <= nodes.min() <= nodes.max() < len(ancestry.head):
            raise ValueError(f"a node index is not in 0..{len(ancestry.head) - 1}")
        pairs.append(nodes.astype(np.int64))
    return pairs[0], pairs[1]


# --- pairs inside one tree of the forest ----------------------------------------------------------


def _together(ancestry: Ancestry, a: Places, b: Places, by: By) -> NDArray[np.bool_]:
    """Which pairs have their lowest common hypernym in the tree of the forest they are both in."""
    head = ancestry.head[a]
    together: NDArray[np.bool_] = head == ancestry.head[b]
    if by == "shortest":
        # Above a node with several parents there can be one with a longer shortest path.
        together &= (ancestry.parents.counts == 0)[head]
    return together


def _in_trees(ancestry: Ancestry, a: Places, b: Places, together: NDArray[np.bool_]) -> Nodes:
    """Where `together`: the lowest common ancestor in the tree; elsewhere NONE."""
    node = np.full(len(a), NONE, np.int32)
    for step in steps(len(a)):
        if together[step].all():
            node[step] = ancestry.in_one_tree(a[step], b[step])
        else:
            pairs = step.start + np.flatnonzero(together[step])
            node[pairs] = ancestry.in_one_tree(a[pairs], b[pairs])
    return node


def _edges_in_trees(ancestry: Ancestry, a: Places, b: Places, node: Nodes) -> Nodes:
    """Edges between pairs that meet at `node` in one tree; 0 where NONE."""
    edges, depth = np.empty(len(a), np.int32), ancestry.longest
    for step in steps(len(a)):
        up = depth[a[step]] + depth[b[step]] - 2 * depth[node[step]]
        edges[step] = np.where(node[step] == NONE, 0, up)
    return edges
