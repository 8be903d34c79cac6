"""What a cut says of itself: how many classes, how large, how nested."""

from __future__ import annotations

from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from granctl.tree.cuts import depth_cut, level_cut
from granctl.tree.labelmap import LabelMap
from granctl.tree.lists import LabelList
from granctl.tree.parents import SINGLE_POLICIES, above, depth_of, height_of, parent_of, parent_rows
from granctl.tree.taxonomy import HYPERNYM, INSTANCE, Taxonomy


def describe(
    label_map: LabelMap, taxonomy: Taxonomy, images: NDArray[np.int64] | None = None
) -> dict[str, Any]:
    """Facts about a label map, as JSON types.

    classes: how many. labels: how many the map knows (images, if it is keyed by image).
    multi_label: labels with several classes. dropped: labels with none. nested: classes that lie
    above another class; see `num_nested`. singletons: classes of one label. largest: the class of
    most labels. at_root_frac: the fraction of labels that carry a root of the taxonomy.
    labels_per_class and images_per_class: see `spread`; an image counts in each of its classes;
    null where images are not known. A map that is keyed by image knows its images itself.

    Args:
        label_map: the map.
        taxonomy: what its classes are nodes of.
        images: shape (len(label_map.labels),), images of each label; None: not known.
    """
    per_label = np.diff(label_map.offsets)
    sizes = class_sizes(label_map)
    by_images = images_of_classes(label_map, images)
    return {
        "classes": label_map.num_classes,
        "labels": len(label_map.labels),
        "multi_label": int((per_label > 1).sum()),
        "dropped": int((per_label == 0).sum()),
        "policy": label_map.params.get("policy"),
        "nested": num_nested(label_map, taxonomy),
        "singletons": int((sizes == 1).sum()),
        "largest": _largest(label_map, sizes.tolist()),
        "at_root_frac": _at_root_frac(label_map, taxonomy),
        "labels_per_class": spread(sizes),
        "images_per_class": None if by_images is None else spread(by_images),
        "method": label_map.method,
        "keyed_by": label_map.keyed_by,
        "list": label_map.params.get("list"),
        "params": dict(label_map.params),
        "inputs": dict(label_map.inputs),
    }


def class_sizes(label_map: LabelMap) -> NDArray[np.int64]:
    """Shape (num_classes,): labels of each class (images, if the map is keyed by image)."""
    return np.bincount(label_map.classes, minlength=label_map.num_classes).astype(np.int64)


def images_of_classes(
    label_map: LabelMap, images: NDArray[np.int64] | None
) -> NDArray[np.int64] | None:
    """Shape (num_classes,): images of each class; None: not known.

    `images`: shape (len(label_map.labels),), or None.
    """
    if label_map.keyed_by == "image":
        return class_sizes(label_map)
    if images is None:
        return None
    found = np.zeros(label_map.num_classes, np.int64)
    np.add.at(found, label_map.classes, np.repeat(images, np.diff(label_map.offsets)))
    return found


def spread(sizes: NDArray[np.int64]) -> dict[str, Any] | None:
    """How evenly sizes lie, as JSON types; null for no sizes.

    total, mean, empty (sizes of 0). min, q25, median, q75, max: the least size that at least so
    large a share of the classes does not exceed, so always a size that occurs. gini: 0 for equal
    sizes, towards 1 where one class has all; the mean absolute difference of two classes over
    twice the mean. effective: exp(H) with H the entropy of the shares in nats (Hill's number of
    order 1, Hill 1973): so many equal classes would have that entropy; null where all are 0.
    bins: how many sizes are 1, 2 to 3, 4 to 7 and so on.

    Example:
        >>> found = spread(np.array([1, 1, 6]))
        >>> found["median"], round(found["gini"], 3), round(found["effective"], 2)
        (1, 0.417, 2.09)
    """
    num, total = len(sizes), int(sizes.sum())
    if not num:
        return None
    ordered = np.sort(sizes)
    at = {"min": 0.0, "q25": 0.25, "median": 0.5, "q75": 0.75, "max": 1.0}
    quantiles = {name: int(ordered[max(ceil(q * num), 1) - 1]) for name, q in at.items()}
    shares = ordered[ordered > 0] / max(total, 1)
    rank = np.arange(1, num + 1)
    gini = 2 * float((rank * (ordered / max(total, 1))).sum()) / num - (num + 1) / num
    return {
        "total": total,
        "mean": total / num,
        "empty": int((ordered == 0).sum()),
        **quantiles,
        "gini": max(gini, 0.0) if total else None,
        "effective": float(np.exp(-(shares * np.log(shares)).sum())) if total else None,
        "bins": _bins(ordered),
    }


def _bins(ordered: NDArray[np.int64]) -> list[dict[str, int]]:
    """How many sizes are 0, 1, 2 to 3, 4 to 7 ..., from the first bin in use to the last."""
    top = int(ordered[-1]).bit_length()
    bounds = [0, *(1 << k for k in range(top + 1))]
    counts = np.diff(np.searchsorted(ordered, bounds)).tolist()
    first = next(i for i, num in enumerate(counts) if num)
    pairs = zip(bounds[first:-1], bounds[first + 1 :], counts[first:], strict=True)
    return [{"from": low, "to": high - 1, "classes": num} for low, high, num in pairs]


def apart(label_map: LabelMap, target: LabelList) -> dict[str, Any]:
    """How many classes of a target, each one label, stay apart under the map, as JSON types.

    Two labels stay apart when their sets of classes differ. `known`: labels of the target that
    the map knows; `dropped`: those of them without a class, which do not count; `apart`: distinct
    sets among the others.
    """
    from granctl.tree.crosstab import group_labels  # a cut that is only made does without it

    rows = [label_map.index_of[i] for i in target.ids if i in label_map.index_of]
    group = group_labels(label_map).of_label[np.array(rows, np.int64)]
    with_class = group[group >= 0]
    return {
        "list": target.name,
        "labels": len(target.ids),
        "known": len(rows),
        "dropped": len(rows) - len(with_class),
        "apart": int((np.bincount(with_class) > 0).sum()),
    }


def num_nested(label_map: LabelMap, taxonomy: Taxonomy) -> int:
    """How many classes lie above another class; classes that are no nodes are not nested.

    A policy of one parent makes a tree, and the nesting is the one in that tree; otherwise, and
    for `most-images`, whose tree only the images tell, by any edge of either relation.
    """
    policy = label_map.params.get("policy")
    nodes = _class_nodes(label_map, taxonomy)
    marked = np.zeros(len(taxonomy), bool)
    marked[nodes[nodes >= 0]] = True
    rows = parent_rows(taxonomy, policy if policy in SINGLE_POLICIES else "all-with-instances")
    return int((above(taxonomy, rows, marked) & marked).sum())


def _class_nodes(label_map: LabelMap, taxonomy: Taxonomy) -> NDArray[np.int64]:
    index_of = taxonomy.index_of
    return np.array([index_of.get(i, -1) for i in label_map.class_ids], np.int64)


def _largest(label_map: LabelMap, sizes: list[int]) -> dict[str, Any] | None:
    if not sizes:
        return None
    # Of equals the first.
    index = max(range(len(sizes)), key=lambda i: (sizes[i], -i))
    name = label_map.class_names[index]
    return {"id": label_map.class_ids[index], "name": name, "labels": sizes[index]}


def _at_root_frac(label_map: LabelMap, taxonomy: Taxonomy) -> float:
    if not len(label_map.labels):
        return 0.0
    nodes = _class_nodes(label_map, taxonomy)
    is_root = (nodes >= 0) & (nodes < len(taxonomy.roots))
    row_of_class = np.repeat(np.arange(len(label_map.labels)), np.diff(label_map.offsets))
    # bincount, for numpy.unique loads numpy.ma here, which takes longer than the cut itself.
    hits = np.bincount(row_of_class[is_root[label_map.classes]])
    return int((hits > 0).sum()) / len(label_map.labels)


def describe_taxonomy(taxonomy: Taxonomy, labels: NDArray[np.int32]) -> dict[str, Any]:
    """Facts about a taxonomy and a label list over it, as JSON types.

    inner_labels: labels above another label. several_parents: labels with more than one parent
    over both relations. levels: classes after k steps up under `all`, k = 0, 1, ... depths:
    classes at each depth under `first`, shallow labels kept.

    Args:
        taxonomy: the tree.
        labels: shape (num_labels,), node indices.
    """
    is_label = np.zeros(len(taxonomy), bool)
    is_label[labels] = True
    num_parents = np.diff(taxonomy.parent_offsets)
    every, paper = (parent_rows(taxonomy, p) for p in ("all-with-instances", "all"))
    top_level = int(height_of(taxonomy, paper)[labels].max())
    top_depth = int(depth_of(taxonomy, parent_of(taxonomy, "first"))[labels].max())
    levels = [level_cut(taxonomy, labels, k) for k in range(top_level + 1)]
    depths = [depth_cut(taxonomy, labels, d) for d in range(top_depth + 1)]
    return {
        "source": taxonomy.source,
        "nodes": len(taxonomy),
        "hypernym_edges": int((taxonomy.relations == HYPERNYM).sum()),
        "instance_edges": int((taxonomy.relations == INSTANCE).sum()),
        "roots": [taxonomy.ids[r] for r in taxonomy.roots][:10],
        "labels": len(labels),
        "inner_labels": int((above(taxonomy, every, is_label) & is_label).sum()),
        "several_parents": int((num_parents[labels] > 1).sum()),
        "levels": [len(np.unique(cut.values)) for cut in levels],
        "depths": [len(np.unique(cut.values)) for cut in depths],
    }
