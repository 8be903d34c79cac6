"""Forests: the part of a taxonomy that carries labels, as a tree to draw, and each cut of it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from granctl.tree.labelmap import LabelMap
from granctl.tree.parents import Policy, parent_of
from granctl.tree.taxonomy import Taxonomy, below


@dataclass(kw_only=True, slots=True)
class Forest:
    """A tree for drawing: nodes in preorder, heavy subtrees first; node 0 is the root."""

    unit: str
    """What a weight counts: labels or images."""
    ids: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    """The other names of each node, by which it is found too: `domestic dog, Canis familiaris`."""
    glosses: list[str] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)
    weights: list[int] = field(default_factory=list)
    """What the node itself counts for; 0 for a node that only joins others."""

    def __len__(self) -> int:
        return len(self.ids)

    def add(self, node: str, texts: tuple[str, str, str], parent: int, weight: int) -> int:
        """Appends a node with its name, other names and gloss; returns its index."""
        name, others, gloss = texts
        self.ids.append(node)
        self.names.append(name)
        self.others.append(others)
        self.glosses.append(gloss)
        self.parents.append(parent)
        self.weights.append(weight)
        return len(self.ids) - 1

    def record(self) -> dict[str, Any]:
        """As JSON types."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, kw_only=True, slots=True)
class CutView:
    """One cut over one forest."""

    name: str
    forest: int
    class_of_node: list[int]
    """Class of each node that is a label (or a cluster); -1 for the others."""
    class_names: list[str]
    num_classes: int
    """Classes of the whole map, in this forest or not."""
    several: int
    """Labels with more than one class; the first is drawn."""

    def note(self) -> str:
        """What is shown of the cut, in a sentence or two."""
        shown = len(self.class_names)
        text = f"{self.name}: {shown:,} {'class' if shown == 1 else 'classes'}"
        text += f" shown of {self.num_classes:,}."
        if self.several:
            noun = "label" if self.several == 1 else "labels"
            text += f" {self.several:,} {noun} with several classes: coloured by the first."
        return text


@dataclass(frozen=True, kw_only=True, slots=True)
class Skeleton:
    """Where each node hangs in a drawing: every node below one parent."""

    taxonomy: Taxonomy | None
    """None: every label hangs below one made-up root."""
    parent: NDArray[np.int32]
    """Shape (num_nodes,): -1 for a root."""
    inside: NDArray[np.bool_]
    """Shape (num_nodes,): which nodes are drawn at all."""

    @classmethod
    def of(
        cls, taxonomy: Taxonomy | None, policy: Policy = "first", root: int | None = None
    ) -> Skeleton:
        """The skeleton under a policy with one parent a node; `root` shows only what is under it.

        Under a root a node whose chosen parent lies elsewhere hangs below its first parent that
        does not, so that everything under the root is there, once.
        """
        if taxonomy is None:
            return cls(taxonomy=None, parent=np.zeros(0, np.int32), inside=np.zeros(0, np.bool_))
        parent = parent_of(taxonomy, policy)
        inside = np.ones(len(taxonomy), np.bool_)
        if root is not None:
            inside = below(taxonomy, root)
            parent[root] = -1
            strays = np.flatnonzero(inside & (parent >= 0) & ~inside[parent])
            for node in strays.tolist():
                parent[node] = next(p for p in taxonomy.parents_of(node) if inside[p])
        return cls(taxonomy=taxonomy, parent=parent, inside=inside)

    def holds(self, node: str) -> bool:
        """Whether an id is drawn; one that the taxonomy lacks is, below a made-up root."""
        index = self.taxonomy.index_of.get(node) if self.taxonomy else None
        return index is None or bool(self.inside[index])

    def above(self, node: str) -> str | None:
        """The parent's id; None for a root, and for an id that the taxonomy lacks."""
        index = self.taxonomy.index_of.get(node) if self.taxonomy else None
        if self.taxonomy is None or index is None or self.parent[index] < 0:
            return None
        return self.taxonomy.ids[int(self.parent[index])]

    def texts(self, node: str, with_gloss: bool) -> tuple[str, str, str]:
        """Name, other names and gloss of an id."""
        index = self.taxonomy.index_of.get(node) if self.taxonomy else None
        if self.taxonomy is None or index is None:
            home, _, number = node.rpartition("/")
            in_tree = self.taxonomy is not None and home in self.taxonomy.index_of
            return f"{'cluster' if in_tree else home} {number}".strip(), "", ""
        name, *others = (text.replace("_", " ") for text in self.taxonomy.lemmas(index))
        return name, ", ".join(others), self.taxonomy.glosses[index] if with_gloss else ""


def draw_forests(
    maps: Sequence[tuple[str, LabelMap]],
    weights: Mapping[str, int] | None,
    skeleton: Skeleton,
    *,
    unit: str = "labels",
    most_glosses: int,
) -> tuple[list[Forest], list[CutView]]:
    """One forest of labels that all label-keyed maps share, one of clusters an image-keyed map.

    Args:
        maps: name and map of each cut, in the order of the views.
        weights: label -> what it counts for; None: no forest of labels.
        skeleton: where the nodes hang; what it leaves out is not drawn.
        unit: what the weights count.
        most_glosses: a larger forest goes without glosses, which would be most of its bytes.
    """
    forests: list[Forest] = []
    views: dict[str, CutView] = {}
    if weights is not None:
        forests.append(grow(weights, {}, skeleton, unit, most_glosses))
        by_label = [(name, m) for name, m in maps if m.keyed_by == "label"]
        views = {name: _view_of_labels(name, m, forests[0]) for name, m in by_label}
    for name, label_map in maps:
        if label_map.keyed_by == "image":
            sizes = Counter(label_map.class_ids[c] for c in label_map.classes.tolist())
            homes = {node: node.rpartition("/")[0] for node in sizes if "/" in node}
            forests.append(grow(sizes, homes, skeleton, "images", most_glosses))
            views[name] = _view_of_clusters(name, label_map, forests[-1], len(forests) - 1)
    return forests, [views[name] for name, _ in maps]


def grow(
    weights: Mapping[str, int],
    homes: Mapping[str, str],
    skeleton: Skeleton,
    unit: str,
    most_glosses: int,
) -> Forest:
    """The tree over `weights` (id -> count) and all ancestors, heavy subtrees first.

    `homes` gives ids that are no nodes of the taxonomy (clusters) the node they hang below.
    """
    kept = {n: w for n, w in weights.items() if skeleton.holds(homes.get(n, n))}
    above = _ancestors(kept, homes, skeleton.above)
    children: dict[str | None, list[str]] = defaultdict(list)
    for node, parent in above.items():
        children[parent].append(node)
    total = _totals(kept, above, children)
    forest = Forest(unit=unit)
    with_gloss = len(above) <= most_glosses
    roots = sorted(children[None], key=lambda n: (total[n], n))
    top = -1 if len(roots) == 1 else forest.add("", ("all labels", "", ""), -1, 0)
    stack = [(root, top) for root in roots]
    while stack:
        node, parent_index = stack.pop()
        texts = skeleton.texts(node, with_gloss)
        index = forest.add(node, texts, parent_index, kept.get(node, 0))
        ordered = sorted(children.get(node, ()), key=lambda n: (total[n], n))
        stack += [(child, index) for child in ordered]
    return forest


def _ancestors(
    nodes: Collection[str], homes: Mapping[str, str], up: Callable[[str], str | None]
) -> dict[str, str | None]:
    """Node -> parent, for the nodes and all that lies above them."""
    above: dict[str, str | None] = {}
    waiting = [*nodes]
    while waiting:
        node = waiting.pop()
        if node not in above:
            above[node] = homes.get(node) or up(node)
            waiting += [parent] if (parent := above[node]) else []
    return above


def _totals(
    weights: Mapping[str, int],
    above: Mapping[str, str | None],
    children: Mapping[str | None, list[str]],
) -> dict[str, int]:
    """Node -> what it and everything below it count for."""
    order: list[str] = []
    level = children.get(None, [])
    while level:
        order += level
        level = [child for node in level for child in children.get(node, ())]
    total = {**dict.fromkeys(above, 0), **weights}
    for node in reversed(order):
        if (parent := above[node]) is not None:
            total[parent] += total[node]
    return total


def _view_of_labels(name: str, labels: LabelMap, forest: Forest) -> CutView:
    classes, several = [], 0
    for node, weight in zip(forest.ids, forest.weights, strict=True):
        own = labels.classes_of(node).tolist() if weight and node in labels.index_of else []
        classes.append(own[0] if own else -1)
        several += len(own) > 1
    return _view(name, labels, 0, classes, several)


def _view_of_clusters(name: str, labels: LabelMap, forest: Forest, index: int) -> CutView:
    position = {node: i for i, node in enumerate(labels.class_ids)}
    nodes = zip(forest.ids, forest.weights, strict=True)
    return _view(name, labels, index, [position[n] if w else -1 for n, w in nodes], 0)


def _view(name: str, labels: LabelMap, forest: int, classes: list[int], several: int) -> CutView:
    """A view whose classes are numbered among those that are drawn."""
    used = {c: i for i, c in enumerate(sorted(set(classes) - {-1}))}
    return CutView(
        name=name,
        forest=forest,
        class_of_node=[used.get(c, -1) for c in classes],
        class_names=[labels.class_names[c] for c in used],
        num_classes=labels.num_classes,
        several=several,
    )
