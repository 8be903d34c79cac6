"""What the page's icicle shows: the part of the taxonomy that has images, and each cut of it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from granctl.errors import GranctlError
from granctl.files import read_json
from granctl.provenance import short
from granctl.study.results import Result
from granctl.tree.labelmap import LabelMap
from granctl.workspace import SPEC_NAME, Workspace

if TYPE_CHECKING:
    from granctl.tree.taxonomy import Taxonomy

MOST_GLOSSES = 4000
"""A larger tree goes without glosses: they would be most of the page's bytes."""


@dataclass(kw_only=True, slots=True)
class Forest:
    """A tree for drawing: nodes in an order where every parent comes first; node 0 is the root."""

    unit: str
    """What a weight counts: labels or images."""
    ids: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    glosses: list[str] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)
    weights: list[int] = field(default_factory=list)
    """What the node itself counts for; 1 for a label, 0 for a node that only joins others."""

    def add(self, node: str, name: str, gloss: str, parent: int, weight: int) -> int:
        """Appends a node; returns its index."""
        for column, value in (
            (self.ids, node),
            (self.names, name),
            (self.glosses, gloss),
            (self.parents, parent),
            (self.weights, weight),
        ):
            column.append(value)  # type: ignore[arg-type]
        return len(self.ids) - 1


@dataclass(frozen=True, kw_only=True, slots=True)
class CutView:
    """One cut over one forest."""

    name: str
    forest: int
    class_of_node: list[int]
    """Class of each node that is a label (or a cluster); -1 for the others."""
    class_names: list[str]
    several: int
    """Labels with more than one class; the first is drawn."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cut:
    """A label map that some results were pretrained on."""

    name: str
    labels: LabelMap
    seed: int
    num_maps: int
    """Maps of this name among the results: random and clustered cuts have one a seed."""


def find_cuts(
    workspace: Workspace, results: Sequence[Result]
) -> tuple[list[Cut], frozenset[str] | None]:
    """The label maps behind the results (one a cut, of the lowest seed) and the labels present.

    Both are looked for by digest in the workspace. A map that is gone is left out; the labels
    present are those of the runs' shard sets, None where any of them is gone.
    """
    by_cut: dict[str, list[Result]] = defaultdict(list)
    for result in sorted(results, key=lambda r: (r["seed"], r["digest"])):
        if result.get("source"):
            by_cut[result["source"]["cut"]].append(result)
    cuts: list[Cut] = []
    for name, group in by_cut.items():
        digests = {r["source"].get("labels_digest") for r in group}
        labels = _read_map(workspace, group[0])
        if labels is not None:
            cuts.append(Cut(name=name, labels=labels, seed=group[0]["seed"], num_maps=len(digests)))
    cuts.sort(key=lambda c: (c.labels.num_classes, c.name))
    return cuts, _labels_present(workspace, results)


def run_spec(result: Result) -> dict[str, Any]:
    """The spec.json of the run a result came from; empty where it is gone."""
    run = result.get("run")
    try:
        return read_json(Path(run) / SPEC_NAME) if run else {}
    except (OSError, GranctlError):
        return {}


def map_paths(workspace: Workspace, result: Result) -> list[Path]:
    """Where the label map of a result may lie in the workspace, by digest."""
    wanted = str(result["source"].get("labels_digest") or "unknown")
    return sorted(workspace.folder("label-map").glob(f"*-{short(wanted)}.parquet"))


def _read_map(workspace: Workspace, result: Result) -> LabelMap | None:
    for path in map_paths(workspace, result):
        try:
            found = LabelMap.read(path)
        except GranctlError:
            continue
        if found.digest == result["source"].get("labels_digest"):
            return found
    return None


def _labels_present(workspace: Workspace, results: Sequence[Result]) -> frozenset[str] | None:
    """The labels of the shard sets that the runs read, found by content digest."""
    from granctl.shards.index import ShardSet

    wanted = {_shards_digest(r) for r in results} - {None}
    present: set[str] = set()
    for folder in sorted(workspace.folder("shards").glob("*")):
        try:
            shards = ShardSet.open(folder)
        except (OSError, GranctlError):
            continue
        if shards.digest in wanted:
            wanted.discard(shards.digest)
            present.update(shards.labels)
    return None if wanted or not present else frozenset(present)


def _shards_digest(result: Result) -> str | None:
    if not result.get("source"):
        return None
    record = run_spec(result).get("provenance") or {}
    return str((record.get("inputs") or {}).get("shards", "unknown"))


def draw_forests(
    cuts: Sequence[Cut], present: Collection[str] | None, taxonomy: Taxonomy | None
) -> tuple[list[Forest], list[CutView]]:
    """One forest of labels that all label-keyed cuts share, one of clusters a clustered cut.

    Args:
        cuts: what to show.
        present: labels that have images; None shows every label of the maps.
        taxonomy: gives each node its first parent; None (or an id it lacks) hangs below the root.
    """
    by_label = [c for c in cuts if c.labels.keyed_by == "label"]
    forests: list[Forest] = []
    views: dict[str, CutView] = {}
    if by_label:
        known = {label for c in by_label for label in c.labels.labels}
        shown = known & set(present) if present is not None else known
        forests.append(grow(Counter(shown), {}, taxonomy, "labels"))
        views = {c.name: _view_of_labels(c, forests[0]) for c in by_label}
    for cut in cuts:
        if cut.labels.keyed_by == "image":
            forests.append(_forest_of_clusters(cut.labels, taxonomy))
            views[cut.name] = _view_of_clusters(cut, forests[-1], len(forests) - 1)
    return forests, [views[c.name] for c in cuts]


def grow(
    weights: Mapping[str, int], homes: Mapping[str, str], taxonomy: Taxonomy | None, unit: str
) -> Forest:
    """The tree over `weights` (id -> count) and all first-parent ancestors, heavy subtrees first.

    `homes` gives ids that are no nodes of the taxonomy (clusters) the node they hang below.
    """
    parent_of: dict[str, str | None] = {}
    waiting = [*weights, *homes.values()]
    while waiting:
        node = waiting.pop()
        if node not in parent_of:
            parent_of[node] = homes.get(node) or _first_parent(taxonomy, node)
            waiting += [parent] if (parent := parent_of[node]) else []
    children: dict[str | None, list[str]] = defaultdict(list)
    for node, parent in parent_of.items():
        children[parent].append(node)
    total = {**dict.fromkeys(parent_of, 0), **weights}
    for node in _deepest_first(children):
        if (above := parent_of[node]) is not None:
            total[above] += total[node]
    forest = Forest(unit=unit)
    glosses = len(parent_of) <= MOST_GLOSSES
    roots = children[None]
    if len(roots) == 1:
        stack = [(roots[0], -1)]
    else:
        top = forest.add("", "all labels", "", -1, 0)
        stack = [(root, top) for root in sorted(roots, key=lambda n: (total[n], n))]
    while stack:
        node, above_index = stack.pop()
        name, gloss = _texts(taxonomy, node, glosses)
        index = forest.add(node, name, gloss, above_index, weights.get(node, 0))
        ordered = sorted(children.get(node, ()), key=lambda n: (total[n], n))
        stack += [(child, index) for child in ordered]
    return forest


def _deepest_first(children: Mapping[str | None, list[str]]) -> list[str]:
    order: list[str] = []
    level = children[None]
    while level:
        order += level
        level = [child for node in level for child in children.get(node, ())]
    return order[::-1]


def _first_parent(taxonomy: Taxonomy | None, node: str) -> str | None:
    if taxonomy is None or (index := taxonomy.index_of.get(node)) is None:
        return None
    parents = taxonomy.parents_of(index)
    return taxonomy.ids[int(parents[0])] if len(parents) else None


def _texts(taxonomy: Taxonomy | None, node: str, with_gloss: bool) -> tuple[str, str]:
    index = taxonomy.index_of.get(node) if taxonomy else None
    if taxonomy is None or index is None:
        home, _, number = node.rpartition("/")
        in_tree = taxonomy is not None and home in taxonomy.index_of
        return f"{'cluster' if in_tree else home} {number}".strip(), ""
    return taxonomy.name(index).replace("_", " "), taxonomy.glosses[index] if with_gloss else ""


def _view_of_labels(cut: Cut, forest: Forest) -> CutView:
    labels, classes, several = cut.labels, [], 0
    for node, weight in zip(forest.ids, forest.weights, strict=True):
        own = labels.classes_of(node).tolist() if weight and node in labels.index_of else []
        classes.append(own[0] if own else -1)
        several += len(own) > 1
    used = {c: i for i, c in enumerate(sorted(set(classes) - {-1}))}
    return CutView(
        name=cut.name,
        forest=0,
        class_of_node=[used.get(c, -1) for c in classes],
        class_names=[labels.class_names[c] for c in used],
        several=several,
    )


def _forest_of_clusters(labels: LabelMap, taxonomy: Taxonomy | None) -> Forest:
    sizes = Counter(labels.class_ids[c] for c in labels.classes.tolist())
    homes = {node: node.rpartition("/")[0] for node in sizes if "/" in node}
    return grow(sizes, homes, taxonomy, "images")


def _view_of_clusters(cut: Cut, forest: Forest, index: int) -> CutView:
    position = {node: i for i, node in enumerate(cut.labels.class_ids)}
    classes = [position[n] if w else -1 for n, w in zip(forest.ids, forest.weights, strict=True)]
    used = {c: i for i, c in enumerate(sorted(set(classes) - {-1}))}
    return CutView(
        name=cut.name,
        forest=index,
        class_of_node=[used.get(c, -1) for c in classes],
        class_names=[cut.labels.class_names[c] for c in used],
        several=0,
    )
