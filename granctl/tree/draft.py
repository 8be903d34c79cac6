"""What a reader of a hierarchy found so far, and every fault of it, each with its place."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from granctl.errors import TaxonomyFaultsError, listing, near
from granctl.tree.build import build_taxonomy
from granctl.tree.taxonomy import HYPERNYM, Node, Taxonomy

Place = int | str
"""A line number, or a path inside a JSON file or below a folder."""

DEFAULT_ROOT = "root"
"""The made-up root over the kingdoms of a table and the topmost of nested folders."""

_UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_MOST_SUGGESTIONS = 20


@dataclass(frozen=True, kw_only=True)
class Imported:
    """A hierarchy as it was read."""

    taxonomy: Taxonomy
    labels: tuple[str, ...]
    """What images are labelled with, in the source's order; empty: the source does not say."""
    notes: tuple[str, ...] = ()
    """What was assumed, one sentence each, for the user."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong, and where."""

    place: Place
    text: str

    def __str__(self) -> str:
        return f"{shown(self.place)}: {self.text}"


def shown(place: Place) -> str:
    """A place as people read it: `line 7`, or the path itself."""
    return f"line {place}" if isinstance(place, int) else place


class Draft:
    """Nodes and edges, gathered in the source's order; faults wait until all is read.

    A node's own row is told by `node` or `new`, an edge by `edge`. A parent that no row is about is
    a root, unless some row declares a root: then it is unknown.

    Example:
        >>> draft = Draft("two lines")
        >>> draft.edge("dog", "animal", 1)
        >>> draft.edge("cat", "animal", 2)
        >>> imported = draft.finish(None, {})
        >>> imported.taxonomy.ids, imported.labels
        (('animal', 'dog', 'cat'), ('dog', 'cat'))
    """

    def __init__(self, source: str) -> None:
        self.source = source
        self.faults: list[Fault] = []
        self.notes: list[str] = []
        self._place_of: dict[str, Place] = {}
        self._name_of: dict[str, tuple[str, Place]] = {}
        self._parents_of: dict[str, dict[str, tuple[int, Place]]] = {}
        self._declared: set[str] = set()

    def __contains__(self, node: str) -> bool:
        return node in self._place_of

    def fault(self, place: Place, text: str) -> None:
        """Something is wrong at a place."""
        self.faults.append(Fault(place, text))

    def new(self, node: str, place: Place, name: str = "") -> None:
        """A node that must not have been met before."""
        if node in self._place_of:
            self.fault(place, f"{node} stood in {shown(self._place_of[node])} already")
        else:
            self.node(node, place, name)

    def node(self, node: str, place: Place, name: str = "") -> None:
        """A node and, where it is given, its name; it is a root unless an edge says otherwise."""
        self._declared.add(node)
        self._place_of.setdefault(node, place)
        self.name(node, place, name)

    def name(self, node: str, place: Place, name: str) -> None:
        """A name; two that differ are a fault."""
        known, where = self._name_of.setdefault(node, (name, place)) if name else ("", place)
        if name and name != known:
            self.fault(place, f"{node} is named {name!r}, but {known!r} in {shown(where)}")

    def edge(self, child: str, parent: str, place: Place, relation: int = HYPERNYM) -> None:
        """A parent of a node, after those that it has."""
        self._place_of.setdefault(parent, place)
        self._place_of.setdefault(child, place)
        parents = self._parents_of.setdefault(child, {})
        if parent in parents:
            where = shown(parents[parent][1])
            self.fault(place, f"{child} under {parent} stood in {where} already")
        parents.setdefault(parent, (relation, place))

    def finish(
        self, root: str | None, inputs: dict[str, str], labels: Sequence[str] | None = None
    ) -> Imported:
        """The taxonomy; several roots are joined under `root`, if it is given.

        `labels`: None takes the leaves, in the source's order.

        Raises:
            TaxonomyFaultsError: every fault of the source, each with its place.
        """
        roots = self._roots()
        self._check_texts()
        self._check_cycles()
        joined = self._joined(roots, root)
        if not self._place_of and not self.faults:
            self.fault(self.source, "it has no node")
        inner = {p for parents in self._parents_of.values() for p in parents}
        leaves = [n for n in self._place_of if n not in inner] if labels is None else list(labels)
        self._check_labels(leaves)
        if self.faults:
            ordered = sorted(self.faults, key=_line)
            raise TaxonomyFaultsError(self.source, [str(fault) for fault in ordered])
        nodes = [Node(joined, (), (joined,))] if joined is not None else []
        nodes += [self._built(node, joined) for node in self._place_of]
        taxonomy = build_taxonomy(nodes, self.source, inputs)
        return Imported(taxonomy=taxonomy, labels=tuple(leaves), notes=tuple(self.notes))

    def _built(self, node: str, joined: str | None) -> Node:
        parents = tuple((p, rel) for p, (rel, _) in self._parents_of.get(node, {}).items())
        if not parents and joined is not None:
            parents = ((joined, HYPERNYM),)
        return Node(node, parents, (self._name_of.get(node, (node, 0))[0],))

    def _roots(self) -> list[str]:
        """The nodes without a parent; if any is declared, the others are unknown parents."""
        roots = [node for node in self._place_of if node not in self._parents_of]
        declared = [node for node in roots if node in self._declared]
        if not declared:
            return roots
        unknown = set(roots) - set(declared)
        known = [node for node in self._place_of if node not in unknown]
        like = {node: near(node, known, 1) for node in sorted(unknown)[:_MOST_SUGGESTIONS]}
        for child, parents in self._parents_of.items():
            for parent, (_, place) in parents.items():
                if parent in unknown:
                    end = f"; did you mean {like[parent][0]}?" if like.get(parent) else ""
                    self.fault(place, f"the parent {parent} of {child} has no row of its own{end}")
        return declared

    def _joined(self, roots: list[str], root: str | None) -> str | None:
        """The id of the made-up root, or None where none is needed."""
        if len(roots) < 2:
            if root not in (None, DEFAULT_ROOT, *roots) and roots:
                self.notes.append(f"there is one root, {roots[0]}: --root {root} was not needed")
            return None
        if root is None:
            named = listing([f"{r} ({shown(self._place_of[r])})" for r in roots], 8)
            self.fault(
                self._place_of[roots[0]],
                f"{len(roots)} roots, where one is taken: {named}; join them with --root NAME",
            )
        elif root in self._place_of:
            text = f"{root} is a node already, so that no made-up root can be named so"
            self.fault(self._place_of[root], f"{text}; say --root ANOTHER")
        else:
            named = listing(roots, 8)
            self.notes.append(f"{len(roots)} roots are joined under a made-up one, {root}: {named}")
        return root

    def _check_texts(self) -> None:
        for text, place in {**dict(self._name_of.values()), **self._place_of}.items():
            if _UNFIT.search(text) or text != text.strip():
                self.fault(place, f"{text!a} holds a control character or a blank at an end")

    def _check_labels(self, labels: list[str]) -> None:
        for label in labels:
            if label.startswith("#"):
                place = self._place_of[label]
                self.fault(place, f"{label} begins like a comment of a label list; rename it")

    def _check_cycles(self) -> None:
        """One fault for each edge that closes a cycle: without these edges there is none."""
        on_walk: dict[str, int] = {}
        done: set[str] = set()
        for start in self._parents_of:
            if start in done:
                continue
            walk, steps = [start], [iter(self._parents_of[start].items())]
            on_walk[start] = 0
            while walk:
                step = next(steps[-1], None)
                if step is None:
                    steps.pop()
                    done.add(walk[-1])
                    del on_walk[walk.pop()]
                    continue
                parent, (_, place) = step
                if parent in on_walk:
                    ring = " > ".join([*walk[on_walk[parent] :], parent])
                    self.fault(place, f"{walk[-1]} under {parent} closes a cycle: {ring}")
                elif parent not in done:
                    on_walk[parent] = len(walk)
                    walk.append(parent)
                    steps.append(iter(self._parents_of.get(parent, {}).items()))


def _line(fault: Fault) -> int:
    return fault.place if isinstance(fault.place, int) else 0
