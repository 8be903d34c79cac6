"""Taxonomies, label lists, cuts and label maps: pure functions over immutable arrays.

The names below are the Python interface, shown with examples in docs/api-tree.md. Each is loaded
when it is first used, so that `import granctl.tree` itself loads nothing.

Example:
    >>> from granctl.tree import embedded_wordnet, load_list
    >>> len(embedded_wordnet()), len(load_list("21843").ids)
    (82115, 21843)
"""

# ruff: noqa: F401 - what is imported for type checkers is given out by __getattr__

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from granctl.tree.align import Alignment
    from granctl.tree.ancestry import Ancestry, ancestry_of
    from granctl.tree.build import build_taxonomy
    from granctl.tree.cluster import kmeans_within, linked_within, shares
    from granctl.tree.compare import Comparison, refines
    from granctl.tree.controls import dealt, shuffled
    from granctl.tree.crosstab import Crosstab, Pairing, cross, pair_labels
    from granctl.tree.cuts import (
        depth_cut,
        label_map_of,
        leaf_cut,
        level_cut,
        nodes_cut,
        nodes_of_labels,
    )
    from granctl.tree.distance import (
        lowest_common_hypernym,
        lowest_common_hypernyms,
        path_similarity,
        tree_distance,
        wu_palmer,
    )
    from granctl.tree.export_classes import lookup_table
    from granctl.tree.export_graph import to_networkx
    from granctl.tree.labelmap import LabelMap
    from granctl.tree.labeltree import LabelTree, label_tree
    from granctl.tree.linkage import Merges, merges
    from granctl.tree.lists import LabelList, load_list
    from granctl.tree.names import find, resolve
    from granctl.tree.parents import POLICIES, Policy, Rows, parent_of, parent_rows
    from granctl.tree.partition import Splits, balanced_cut, greedy_splits, min_images_cut
    from granctl.tree.stats import describe
    from granctl.tree.store import embedded_wordnet, load_taxonomy, save_taxonomy
    from granctl.tree.taxonomy import HYPERNYM, INSTANCE, Node, Taxonomy, below
    from granctl.tree.view import paths_up
    from granctl.tree.wordnet import read_wordnet

_NAMES_OF_MODULE = {
    "align": ("Alignment",),
    "ancestry": ("Ancestry", "ancestry_of"),
    "build": ("build_taxonomy",),
    "cluster": ("kmeans_within", "linked_within", "shares"),
    "compare": ("Comparison", "refines"),
    "controls": ("dealt", "shuffled"),
    "crosstab": ("Crosstab", "Pairing", "cross", "pair_labels"),
    "cuts": (
        "depth_cut",
        "label_map_of",
        "leaf_cut",
        "level_cut",
        "nodes_cut",
        "nodes_of_labels",
    ),
    "distance": (
        "lowest_common_hypernym",
        "lowest_common_hypernyms",
        "path_similarity",
        "tree_distance",
        "wu_palmer",
    ),
    "export_classes": ("lookup_table",),
    "export_graph": ("to_networkx",),
    "labelmap": ("LabelMap",),
    "labeltree": ("LabelTree", "label_tree"),
    "linkage": ("Merges", "merges"),
    "lists": ("LabelList", "load_list"),
    "names": ("find", "resolve"),
    "parents": ("POLICIES", "Policy", "Rows", "parent_of", "parent_rows"),
    "partition": ("Splits", "balanced_cut", "greedy_splits", "min_images_cut"),
    "stats": ("describe",),
    "store": ("embedded_wordnet", "load_taxonomy", "save_taxonomy"),
    "taxonomy": ("HYPERNYM", "INSTANCE", "Node", "Taxonomy", "below"),
    "view": ("paths_up",),
    "wordnet": ("read_wordnet",),
}
"""`compare` and `align` are not among them: those names are the modules that hold the functions."""

_MODULE_OF_NAME = {name: module for module, names in _NAMES_OF_MODULE.items() for name in names}

__all__ = list(_MODULE_OF_NAME)


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF_NAME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f"{__name__}.{_MODULE_OF_NAME[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULE_OF_NAME})
