"""The taxonomy: an immutable DAG of nodes in topological order, parents in file order."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import overload

import numpy as np
from numpy.typing import NDArray

HYPERNYM = 0
"""Relation of an edge: the child is a kind of the parent (`@` in WordNet)."""
INSTANCE = 1
"""Relation of an edge: the child is an instance of the parent (`@i` in WordNet)."""

BETWEEN_NODES = "\x1e"
BETWEEN_LEMMAS = "\x1f"


class LazyText(Sequence[str]):
    """One text a node, decoded when it is asked for; `read` checks the whole against its digest."""

    def __init__(self, read: Callable[[], bytes], num: int, digest: str) -> None:
        self._read = read
        self._num = num
        self.digest = digest

    @classmethod
    def of(cls, texts: Sequence[str]) -> LazyText:
        """Texts that are in memory already."""
        content = BETWEEN_NODES.join(texts).encode()
        return cls(lambda: content, len(texts), hashlib.sha256(content).hexdigest())

    def encoded(self) -> bytes:
        """All texts as one piece, as they stand in the file."""
        return self._read()

    @cached_property
    def _pieces(self) -> tuple[bytes, NDArray[np.int64]]:
        """The whole and where each text begins; the last number is one beyond the end.

        Few commands want more than some hundred of 82,115 texts, and decoding all takes longer
        than the cut that wants them.
        """
        whole = self.encoded()
        breaks = np.flatnonzero(np.frombuffer(whole, np.uint8) == ord(BETWEEN_NODES))
        return whole, np.concatenate([[0], breaks + 1, [len(whole) + 1]])

    def __len__(self) -> int:
        return self._num

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(self._num))]
        if not -self._num <= index < self._num:
            raise IndexError(index)
        whole, starts = self._pieces
        place = index % self._num
        return whole[starts[place] : starts[place + 1] - 1].decode()

    def __iter__(self) -> Iterator[str]:
        return iter(self._pieces[0].decode().split(BETWEEN_NODES) if self._num else ())


@dataclass(frozen=True, kw_only=True, eq=False)
class Taxonomy:
    """Nodes numbered so that every parent comes before its children.

    Nodes stand in order of rank (edges on the longest path from a root), and within a rank in
    file order, so one rank is one slice and a walk over ranks is a short loop over arrays. The
    parents of node i are `parents[parent_offsets[i]:parent_offsets[i + 1]]`, in file order.
    """

    source: str
    """What it is, for people: `WordNet 3.0 nouns`."""
    ids: tuple[str, ...]
    """One id a node (wnid), unique."""
    rank_starts: NDArray[np.int32]
    """Shape (num_ranks + 1,): the nodes of rank r are rank_starts[r]:rank_starts[r + 1]."""
    parent_offsets: NDArray[np.int32]
    """Shape (num_nodes + 1,)."""
    parents: NDArray[np.int32]
    """Shape (num_edges,): node indices."""
    relations: NDArray[np.uint8]
    """Shape (num_edges,): HYPERNYM or INSTANCE."""
    lemma_texts: LazyText
    """All names of a node, between them BETWEEN_LEMMAS; the first is the one to show."""
    glosses: LazyText
    """What a node means, in a sentence."""
    inputs: dict[str, str] = field(default_factory=dict)
    """Role -> digest of what it was read from."""

    def __post_init__(self) -> None:
        """Checks the invariants and freezes the arrays.

        Raises:
            ValueError: they do not hold.
        """
        num, starts, offsets = len(self.ids), self.rank_starts, self.parent_offsets
        if starts[0] != 0 or starts[-1] != num or (np.diff(starts) <= 0).any():
            raise ValueError("the ranks do not fit the nodes")
        if offsets.shape != (num + 1,) or offsets[0] != 0 or (np.diff(offsets) < 0).any():
            raise ValueError("parent_offsets do not fit the nodes")
        if not (offsets[-1] == len(self.parents) == len(self.relations)):
            raise ValueError("parents and relations do not fit parent_offsets")
        self._check_ranks()
        for array in (starts, offsets, self.parents, self.relations):
            array.setflags(write=False)

    def _check_ranks(self) -> None:
        rank, num_roots = self.rank_of, int(self.rank_starts[1]) if len(self.ids) else 0
        counts = np.diff(self.parent_offsets)
        if counts[:num_roots].any() or not counts[num_roots:].all():
            raise ValueError("exactly the nodes of rank 0 have no parent")
        if len(self.parents):
            highest = np.maximum.reduceat(rank[self.parents], self.parent_offsets[num_roots:-1])
            if (highest + 1 != rank[num_roots:]).any():
                raise ValueError("a node is not one rank below its lowest parent")

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def rank_of(self) -> NDArray[np.int32]:
        """Shape (num_nodes,): edges on the longest path from a root."""
        sizes = np.diff(self.rank_starts)
        return np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)

    @cached_property
    def index_of(self) -> dict[str, int]:
        """Id -> node index."""
        return dict(zip(self.ids, range(len(self.ids)), strict=True))

    @cached_property
    def digest(self) -> str:
        """Identity: sha256 over ids, edges, relations and texts; not over where it came from."""
        hasher = hashlib.sha256()
        hasher.update("\n".join(self.ids).encode())
        for array in (self.rank_starts, self.parent_offsets, self.parents):
            hasher.update(array.astype("<i4", copy=False).tobytes())
        hasher.update(self.relations.tobytes())
        hasher.update(f"{self.lemma_texts.digest} {self.glosses.digest}".encode())
        return hasher.hexdigest()

    @cached_property
    def roots(self) -> range:
        """The nodes without a parent of any relation."""
        return range(int(self.rank_starts[1]))

    def parents_of(self, node: int) -> NDArray[np.int32]:
        """The parents of one node over both relations, in file order."""
        return self.parents[self.parent_offsets[node] : self.parent_offsets[node + 1]]

    def lemmas(self, node: int) -> list[str]:
        """All names of a node, the one to show first."""
        return self.lemma_texts[node].split(BETWEEN_LEMMAS)

    def name(self, node: int) -> str:
        """The name of a node that people are shown."""
        return self.lemma_texts[node].partition(BETWEEN_LEMMAS)[0]

    def names(self, nodes: Sequence[int]) -> list[str]:
        """The names of many nodes; `name` of each."""
        # One by one takes 2 us each, all 82,115 of WordNet at once 20 ms, and then nothing.
        if 16 * len(nodes) > len(self) or "_every_name" in vars(self):
            every = self._every_name
            return [every[node] for node in nodes]
        texts = self.lemma_texts
        return [texts[node].partition(BETWEEN_LEMMAS)[0] for node in nodes]

    @cached_property
    def _every_name(self) -> list[str]:
        return [text.partition(BETWEEN_LEMMAS)[0] for text in list(self.lemma_texts)]

    @cached_property
    def child_edges(self) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """CSR of children over both relations, each list in order of node index."""
        order = np.argsort(self.parents, kind="stable")
        children = np.repeat(np.arange(len(self), dtype=np.int32), np.diff(self.parent_offsets))
        counts = np.bincount(self.parents, minlength=len(self))
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
        return offsets, children[order]

    def children_of(self, node: int) -> NDArray[np.int32]:
        """The children of one node over both relations."""
        offsets, children = self.child_edges
        return children[offsets[node] : offsets[node + 1]]


def below(taxonomy: Taxonomy, node: int) -> NDArray[np.bool_]:
    """Which nodes lie at or under `node`, over both relations; shape (num_nodes,)."""
    reached, offsets = np.zeros(len(taxonomy), bool), taxonomy.parent_offsets
    reached[node] = True
    for start, end in rank_slices(taxonomy):
        hit = reached[taxonomy.parents[offsets[start] : offsets[end]]]
        reached[start:end] |= np.logical_or.reduceat(hit, offsets[start:end] - offsets[start])
    return reached


def rank_slices(taxonomy: Taxonomy) -> Iterator[tuple[int, int]]:
    """(start, end) of each rank below the roots, from the top."""
    starts = taxonomy.rank_starts.tolist()
    yield from pairwise(starts[1:])


@dataclass(frozen=True, slots=True)
class Node:
    """One node as a reader finds it, before it has a place in a taxonomy."""

    id: str
    parents: tuple[tuple[str, int], ...]
    """(id of the parent, relation), in file order."""
    lemmas: tuple[str, ...]
    gloss: str = ""
