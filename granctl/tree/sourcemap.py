"""Which classes of a source cover each class of a target, by the hierarchy: 21k to 1k, say.

A target label that the source knows is covered by the source's classes of that very label. Any
other is covered by those of the nearest node above or below it that the source knows, as a label or
as a class. So of the 1,000 labels of ImageNet-1k 999 are labels of ImageNet-21k, and the
thousandth, teddy (n04399382), is covered from above.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from granctl.tree.labelmap import LabelMap
from granctl.tree.store import embedded_wordnet
from granctl.tree.taxonomy import Taxonomy

How = Literal["same", "ancestor", "descendant", "none"]
"""`same`: the label itself. `ancestor`: what covers it is coarser. `descendant`: what covers it is
only a part of it. `none`: nothing above or below it is known to the source."""
_WEAKER: tuple[How, ...] = ("same", "ancestor", "descendant", "none")
_MOST_NAMED = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Way:
    """How one target label is covered."""

    label: str
    how: How
    by: str | None
    """The node of the source: the label itself, or the nearest above or below."""
    edges: int
    """Between the two."""
    classes: tuple[int, ...]
    """Of the source."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Cover:
    """How the classes of a target are covered; lists have an entry a class of the target."""

    target: LabelMap
    ways: tuple[tuple[Way, ...], ...]
    """Of the labels of each class."""
    num_source: int
    """Classes that the source has."""

    @cached_property
    def how(self) -> tuple[How, ...]:
        """The weakest of the ways of a class's labels; `none` for a class without labels."""
        return tuple(
            max((way.how for way in ways), key=_WEAKER.index, default="none") for ways in self.ways
        )

    @property
    def counts(self) -> dict[str, int]:
        """Classes of the target by how they are covered."""
        return {how: self.how.count(how) for how in _WEAKER}

    @property
    def classes(self) -> list[frozenset[int]]:
        """The source classes of each target class; empty for one that is not covered."""
        return [frozenset(c for way in ways for c in way.classes) for ways in self.ways]

    def record(self) -> dict[str, Any]:
        """The numbers, and the labels that the source does not know, the first 20 of them."""
        sets = [found for found in self.classes if found]
        others = [way for ways in self.ways for way in ways if way.how != "same"]
        return {
            "classes": len(self.ways),
            **self.counts,
            "source_classes": len(frozenset().union(*sets)),
            "source_classes_total": self.num_source,
            "apart": len(set(sets)),
            "not_same": [
                {"label": way.label, "how": way.how, "by": way.by, "edges": way.edges}
                for way in others[:_MOST_NAMED]
            ],
            "num_not_same": len(others),
        }


def covered(taxonomy: Taxonomy, source: LabelMap, target: LabelMap) -> Cover:
    """Which source classes cover each target class.

    The nearest is by fewest edges over `@` and `@i`; of equals, one above goes before one below,
    and then the order of the file decides.

    Args:
        taxonomy: the hierarchy of both; labels that it lacks are covered by themselves alone.
        source: keyed by label.
        target: keyed by label.
    """
    known = _known(source)
    way_of = {label: _way(taxonomy, known, label) for label in target.labels}
    ways: list[list[Way]] = [[] for _ in range(target.num_classes)]
    label_of_entry = np.repeat(np.arange(len(target.labels)), np.diff(target.offsets))
    for label, number in zip(label_of_entry.tolist(), target.classes.tolist(), strict=True):
        ways[number].append(way_of[target.labels[label]])
    return Cover(
        target=target, ways=tuple(tuple(some) for some in ways), num_source=source.num_classes
    )


def source_map(source: LabelMap, target: LabelMap) -> dict[str, Any] | None:
    """The record of how a target's classes are covered, by the embedded WordNet.

    None where one of the two is a map of single images: those have no place in a hierarchy.
    """
    if "image" in (source.keyed_by, target.keyed_by):
        return None
    return covered(embedded_wordnet(), source, target).record()


def _known(source: LabelMap) -> dict[str, tuple[int, ...]]:
    """Node -> source classes: of its labels that have any, and each class's own node."""
    found: dict[str, tuple[int, ...]] = {name: (i,) for i, name in enumerate(source.class_ids)}
    bounds = source.offsets.tolist()
    classes = source.classes.tolist()
    for i, label in enumerate(source.labels):
        if bounds[i] < bounds[i + 1]:
            found[label] = tuple(classes[bounds[i] : bounds[i + 1]])
    return found


def _way(taxonomy: Taxonomy, known: Mapping[str, tuple[int, ...]], label: str) -> Way:
    if label in known:
        return Way(label=label, how="same", by=label, edges=0, classes=known[label])
    none = Way(label=label, how="none", by=None, edges=0, classes=())
    if label not in taxonomy.index_of:
        return none
    node = taxonomy.index_of[label]
    found = []
    ways: tuple[tuple[How, Any], ...] = (
        ("ancestor", taxonomy.parents_of),
        ("descendant", taxonomy.children_of),
    )
    for how, neighbours in ways:
        nearest = _nearest(taxonomy.ids, known, node, neighbours)
        if nearest is not None:
            edges, by = nearest
            found.append(Way(label=label, how=how, by=by, edges=edges, classes=known[by]))
    return min(found, key=lambda way: way.edges, default=none)


def _nearest(
    ids: Sequence[str], known: Mapping[str, tuple[int, ...]], node: int, neighbours: Any
) -> tuple[int, str] | None:
    for edges, layer in enumerate(_layers(node, neighbours), 1):
        for at in layer:
            if ids[at] in known:
                return edges, ids[at]
    return None


def _layers(node: int, neighbours: Any) -> Iterator[list[int]]:
    """Nodes one edge away, two edges away and so on, each once."""
    seen, layer = {node}, [node]
    while layer:
        layer = list(dict.fromkeys(n for at in layer for n in neighbours(at).tolist()))
        layer = [n for n in layer if n not in seen]
        seen.update(layer)
        if layer:
            yield layer
