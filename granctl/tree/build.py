"""From the nodes that a reader found to a taxonomy; all faults are reported at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from granctl.errors import TaxonomyFaultsError
from granctl.tree.taxonomy import (
    BETWEEN_LEMMAS,
    BETWEEN_NODES,
    LazyText,
    Node,
    Taxonomy,
)


def build_taxonomy(
    nodes: Sequence[Node], source: str, inputs: dict[str, str] | None = None
) -> Taxonomy:
    """Puts nodes, given in any order, in topological order; `source` names them for people.

    Raises:
        TaxonomyFaultsError: duplicate ids, unknown parents, cycles, or no node at all.

    Example:
        >>> from granctl.tree.taxonomy import HYPERNYM, Node
        >>> dog = Node("dog", (("animal", HYPERNYM),), ("dog",))
        >>> build_taxonomy([dog, Node("animal", (), ("animal",))], "two nodes").ids
        ('animal', 'dog')
    """
    faults = _faults(nodes)
    if faults:
        raise TaxonomyFaultsError(source, faults)
    index_of = {node.id: i for i, node in enumerate(nodes)}
    counts = np.array([len(node.parents) for node in nodes], np.int64)
    targets = np.array([index_of[p] for node in nodes for p, _ in node.parents], np.int64)
    relations = np.array([r for node in nodes for _, r in node.parents], np.uint8)
    rank = _ranks(counts, targets)
    if (rank < 0).any():
        raise TaxonomyFaultsError(source, _cycles(nodes, rank))
    order = np.argsort(rank, kind="stable")
    place_of = np.empty(len(nodes), np.int32)
    place_of[order] = np.arange(len(nodes), dtype=np.int32)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    edges = np.concatenate([np.arange(offsets[i], offsets[i + 1]) for i in order])
    sorted_nodes = [nodes[i] for i in order]
    return Taxonomy(
        source=source,
        ids=tuple(node.id for node in sorted_nodes),
        rank_starts=np.concatenate([[0], np.cumsum(np.bincount(rank))]).astype(np.int32),
        parent_offsets=np.concatenate([[0], np.cumsum(counts[order])]).astype(np.int32),
        parents=place_of[targets[edges]] if len(edges) else np.empty(0, np.int32),
        relations=relations[edges] if len(edges) else relations,
        lemma_texts=LazyText.of([BETWEEN_LEMMAS.join(n.lemmas) for n in sorted_nodes]),
        glosses=LazyText.of([n.gloss for n in sorted_nodes]),
        inputs=inputs or {},
    )


def _faults(nodes: Sequence[Node]) -> list[str]:
    if not nodes:
        return ["it has no node"]
    known = Counter(node.id for node in nodes)
    faults = [f"{i}: {n} nodes have this id" for i, n in known.items() if n > 1]
    for node in nodes:
        named = [parent for parent, _ in node.parents]
        faults += [f"{node.id}: its parent {p} is not there" for p in named if p not in known]
        faults += [
            f"{node.id}: parent {p} is given twice" for p, n in Counter(named).items() if n > 1
        ]
        texts = (node.id, *node.lemmas, node.gloss)
        if not node.lemmas or any(BETWEEN_NODES in t or BETWEEN_LEMMAS in t for t in texts):
            faults.append(f"{node.id}: it has no name, or a text with a control character")
        if "\n" in node.id or not node.id:
            faults.append(f"{node.id!r}: an id must be one line")
    return faults


def _ranks(counts: NDArray[np.int64], targets: NDArray[np.int64]) -> NDArray[np.int64]:
    """Edges on the longest path from a root; -1 for nodes in or under a cycle."""
    children = np.repeat(np.arange(len(counts)), counts)
    order = np.argsort(targets, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(targets, minlength=len(counts)))])
    below = children[order]
    waiting, rank = counts.copy(), np.full(len(counts), -1)
    front, depth = np.flatnonzero(counts == 0), 0
    while len(front):
        rank[front] = depth
        depth += 1
        reached = np.concatenate([below[starts[i] : starts[i + 1]] for i in front])
        np.subtract.at(waiting, reached, 1)
        front = np.unique(reached[waiting[reached] == 0])
    return rank


def _cycles(nodes: Sequence[Node], rank: NDArray[np.int64]) -> list[str]:
    """One fault a cycle: the ids around it."""
    left = {node.id: node for node, r in zip(nodes, rank, strict=True) if r < 0}
    faults, seen = [], set[str]()
    for start in left:
        walk: list[str] = []
        here = start
        while here not in seen:
            seen.add(here)
            walk.append(here)
            here = next(p for p, _ in left[here].parents if p in left)
        if here in walk:
            ring = walk[walk.index(here) :]
            faults.append(f"{here}: a cycle, {' > '.join([*ring, here])}")
    return faults
