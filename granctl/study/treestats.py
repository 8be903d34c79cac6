"""What a cut says of itself, what a taxonomy could give, and how two label lists differ."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from granctl.errors import BadOptionError
from granctl.study.cuts import open_taxonomy
from granctl.study.labelimages import KnownImages, aligned, known_images
from granctl.tree.cuts import nodes_of_labels
from granctl.tree.keep import chosen_labels
from granctl.tree.labelmap import LabelMap
from granctl.tree.lists import LabelList, load_list
from granctl.tree.stats import apart, describe, describe_taxonomy
from granctl.tree.store import embedded_wordnet_path
from granctl.tree.taxonomy import Taxonomy


@dataclass(frozen=True, kw_only=True, slots=True)
class StatsSpec:
    """What is described: a cut, or a taxonomy with a label list."""

    cut: Path | None = None
    """A label map; None: the taxonomy and the list."""
    list: str | None = None
    """A label list; with a cut, one with counts that say the images of its labels."""
    counts: Path | None = None
    """A file of label, tab, images."""
    shards: Path | None = None
    """A shard set; its train split counts."""
    target: str | None = None
    """A label list each of whose labels is a class of a target; which of them stay apart?"""
    taxonomy: Path | None = None
    """None: the embedded WordNet 3.0."""

    def check(self) -> None:
        """Checks that nothing asks about a cut where none is given.

        Raises:
            BadOptionError: names the option.
        """
        for name in ("counts", "shards", "target"):
            if self.cut is None and getattr(self, name) is not None:
                hint = "say which: `granctl tree stats CUT`"
                raise BadOptionError(f"--{name}", "it is about a label map", hint)


def statistics(spec: StatsSpec) -> dict[str, Any]:
    """Facts about a label map, or about the taxonomy and a list over it.

    Raises:
        BadOptionError: options that contradict each other.
        GranctlError: an input is missing or damaged.
    """
    spec.check()
    taxonomy = open_taxonomy(spec.taxonomy)
    if spec.cut is not None:
        return _of_cut(spec, LabelMap.read(spec.cut), taxonomy)
    label_list = chosen_labels(spec.list, taxonomy, spec.taxonomy)
    nodes = nodes_of_labels(taxonomy, label_list.ids, label_list.name)
    where = str(spec.taxonomy or embedded_wordnet_path())
    head = {"kind": "taxonomy", "path": where, "digest": taxonomy.digest, "made": False}
    facts = {"list": label_list.name, **describe_taxonomy(taxonomy, nodes)}
    return {**head, "schema": 1, **facts}


def _of_cut(spec: StatsSpec, label_map: LabelMap, taxonomy: Taxonomy) -> dict[str, Any]:
    head = {"kind": "label-map", "path": str(spec.cut), "digest": label_map.digest}
    known = _images_of_rows(spec, label_map)
    of_label = None if known is None else known.of_label
    facts = describe(label_map, taxonomy, of_label)
    facts["images"] = None if known is None else dict(known.origin)
    if spec.target is not None:
        facts["target"] = apart(label_map, load_list(spec.target))
    return {**head, "made": False, "schema": 1, **facts}


def _images_of_rows(spec: StatsSpec, label_map: LabelMap) -> KnownImages | None:
    """The images of each label of a map; None: nothing was given that says."""
    given = [name for name in ("counts", "shards", "list") if getattr(spec, name) is not None]
    if given and label_map.keyed_by == "image":
        hint = f"leave --{given[0]} out"
        raise BadOptionError(f"--{given[0]}", "the map knows its images itself", hint)
    labels = LabelList(name=str(label_map.params.get("list")), ids=label_map.labels)
    if spec.list is None:
        return known_images(labels, spec.counts, spec.shards)
    from_list = known_images(load_list(spec.list))
    if from_list is None:
        problem = "with a cut it says how many images a label has, and this one has no counts"
        raise BadOptionError("--list", problem, "leave --list out, or give --counts or --shards")
    if spec.counts or spec.shards:
        raise BadOptionError("--list", "its counts and others are given", "give one of them")
    images = dict(zip(load_list(spec.list).ids, from_list.of_label.tolist(), strict=True))
    return KnownImages(of_label=aligned(label_map.labels, images), origin=from_list.origin)


def difference(a: str, b: str, taxonomy_path: Path | None) -> dict[str, Any]:
    """What two label lists share, what only one has, and whether their numbers mean the same.

    Raises:
        UnknownListError: there is no such list.
        BadLabelListError: it has faults.
    """
    taxonomy = open_taxonomy(taxonomy_path)
    lists = (load_list(a), load_list(b))
    index_of = [{label: i for i, label in enumerate(found.ids)} for found in lists]
    both = index_of[0].keys() & index_of[1].keys()
    only = [[i for i in found.ids if i not in both] for found in lists]
    relation = {
        (False, False): "equal",
        (False, True): "a-inside-b",
        (True, False): "b-inside-a",
        (True, True): "overlap" if both else "apart",
    }[bool(only[0]), bool(only[1])]
    heads = [{"name": i.name, "labels": len(i.ids), "digest": i.digest} for i in lists]
    return {
        "kind": "list-difference",
        "schema": 1,
        "made": False,
        "a": heads[0],
        "b": heads[1],
        "relation": relation,
        "both": len(both),
        "same_index": sum(index_of[0][i] == index_of[1][i] for i in both),
        "other_counts": _other_counts(*lists),
        "only_a": [_named(i, taxonomy) for i in only[0]],
        "only_b": [_named(i, taxonomy) for i in only[1]],
    }


def _other_counts(a: LabelList, b: LabelList) -> int | None:
    """Labels in both whose counts differ; None: one of the lists has no counts."""
    if a.counts is None or b.counts is None:
        return None
    of_a = dict(zip(a.ids, a.counts, strict=True))
    return sum(of_a.get(i, n) != n for i, n in zip(b.ids, b.counts, strict=True))


def _named(label: str, taxonomy: Taxonomy) -> dict[str, str | None]:
    node = taxonomy.index_of.get(label)
    return {"id": label, "name": None if node is None else taxonomy.name(node)}
