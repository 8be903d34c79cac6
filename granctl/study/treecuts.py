"""Plans of the cuts that a taxonomy and a label list decide, aware of images where known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from granctl.errors import BadOptionError, NotCoveredError
from granctl.study.cutplan import CutPlan, Fields
from granctl.study.cutspec import CutSpec
from granctl.study.labelimages import KnownImages, known_images
from granctl.tree.cuts import (
    depth_cut,
    label_map_of,
    leaf_cut,
    level_cut,
    nodes_cut,
    nodes_of_labels,
)
from granctl.tree.keep import chosen_labels
from granctl.tree.labelmap import LabelMap
from granctl.tree.lists import LabelList
from granctl.tree.parents import MOST_IMAGES, Policy, Rows
from granctl.tree.taxonomy import Taxonomy

Nodes = NDArray[np.int32]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Asked:
    """A cut of the tree, with all that it is made from."""

    spec: CutSpec
    taxonomy: Taxonomy
    label_list: LabelList
    policy: Policy
    images: KnownImages | None

    def followed(self, nodes: Nodes) -> tuple[Policy, NDArray[np.int64] | None]:
        """The policy, and the images of each node where it looks at them."""
        if self.policy != MOST_IMAGES:
            return self.policy, None
        of_node = np.zeros(len(self.taxonomy), np.int64)
        of_node[nodes] = self.weights()
        return self.policy, of_node

    def weights(self) -> NDArray[np.int64]:
        """Images of each label; `tree_plan` has made sure that they are known."""
        if self.images is None:
            raise ValueError("images are not known")
        return self.images.of_label


@dataclass(frozen=True, kw_only=True, slots=True)
class _Way:
    """How to cut: the labels' nodes to rows; and what of it belongs to the identity."""

    cut: Callable[[Nodes], Rows]
    params: dict[str, Any]
    inputs: dict[str, str] = field(default_factory=dict)
    wants_images: str | None = None
    """The option that cannot do without images."""


def tree_plan(spec: CutSpec, taxonomy: Taxonomy) -> tuple[CutPlan, KnownImages | None]:
    """The plan of a cut of the tree, and the images of its labels, where they are known.

    Raises:
        BadOptionError: the cut wants images and nothing says how many a label has.
        GranctlError: an input is missing or damaged.
    """
    label_list = chosen_labels(spec.list, taxonomy, spec.taxonomy)
    asked = _Asked(
        spec=spec,
        taxonomy=taxonomy,
        label_list=label_list,
        policy=spec.policy or ("all" if spec.method == "level" else "first"),
        images=known_images(label_list, spec.counts, spec.shards),
    )
    # At level 0 no parent is followed, so that no policy makes a difference.
    method = "leaf" if spec.method == "level" and not spec.level else spec.method
    way = _WAYS[method](asked)
    params = {"list": label_list.name, **way.params}
    wants_images = way.wants_images
    if method != "leaf":
        params["policy"] = asked.policy
        if asked.policy == MOST_IMAGES:
            wants_images = "--policy most-images"
    inputs = {"taxonomy": taxonomy.digest, "list": label_list.digest, **way.inputs}
    if wants_images and asked.images is None:
        hint = "give --counts FILE, --shards SET, or a --list with counts"
        raise BadOptionError(wants_images, "nothing says how many images a label has", hint)
    if wants_images and asked.images is not None:
        inputs |= asked.images.inputs

    def compute(fields: Fields) -> LabelMap:
        cut = way.cut(nodes_of_labels(taxonomy, label_list.ids, label_list.name))
        return label_map_of(taxonomy, label_list.ids, cut, **fields)

    plan = CutPlan(method=method, params=params, inputs=inputs, keyed_by="label", compute=compute)
    return plan, asked.images


def _leaves(_: _Asked) -> _Way:
    return _Way(cut=leaf_cut, params={})


def _by_depth(asked: _Asked) -> _Way:
    depth, shallow = asked.spec.depth or 0, asked.spec.shallow or "keep"

    def cut(nodes: Nodes) -> Rows:
        policy, images = asked.followed(nodes)
        return depth_cut(asked.taxonomy, nodes, depth, policy, shallow, images)

    return _Way(cut=cut, params={"depth": depth, "shallow": shallow})


def _by_level(asked: _Asked) -> _Way:
    level = asked.spec.level or 0

    def cut(nodes: Nodes) -> Rows:
        return level_cut(asked.taxonomy, nodes, level, *asked.followed(nodes))

    return _Way(cut=cut, params={"level": level})


def _by_classes(asked: _Asked, *, balanced: bool) -> _Way:
    num = asked.spec.classes or 0
    by = asked.spec.by or ("labels" if asked.images is None else "images")

    def cut(nodes: Nodes) -> Rows:
        from granctl.tree.labeltree import label_tree
        from granctl.tree.partition import balanced_cut, greedy_splits

        tree = label_tree(asked.taxonomy, nodes, *asked.followed(nodes))
        weight = asked.weights() if by == "images" else None
        if balanced:
            return balanced_cut(tree, num, weight)
        return greedy_splits(tree, weight).cut(num)

    wants_images = "--by images" if by == "images" else None
    return _Way(cut=cut, params={"classes": num, "by": by}, wants_images=wants_images)


def _by_min_images(asked: _Asked) -> _Way:
    fewest = asked.spec.min_images or 1

    def cut(nodes: Nodes) -> Rows:
        from granctl.tree.labeltree import label_tree
        from granctl.tree.partition import min_images_cut

        tree = label_tree(asked.taxonomy, nodes, *asked.followed(nodes), "--min-images")
        return min_images_cut(tree, asked.weights(), fewest, asked.taxonomy.ids)

    return _Way(cut=cut, params={"min_images": fewest}, wants_images="--min-images")


def _by_nodes(asked: _Asked) -> _Way:
    from granctl.tree.nodesfile import read_nodes

    path, shallow = asked.spec.nodes, asked.spec.shallow
    if path is None:
        raise ValueError("spec.check() does not let it be missing")
    chosen = read_nodes(path, asked.taxonomy)

    def cut(nodes: Nodes) -> Rows:
        policy, images = asked.followed(nodes)
        pairs = [(line.node, line.depth) for line in chosen.lines]
        rows, is_bare = nodes_cut(asked.taxonomy, nodes, pairs, policy, shallow or "keep", images)
        if shallow is None and is_bare.any():
            missing = [asked.label_list.ids[i] for i in np.flatnonzero(is_bare).tolist()]
            raise NotCoveredError(path, missing, asked.label_list.name)
        return rows

    params = {"nodes": chosen.name, "shallow": shallow or "refuse"}
    return _Way(cut=cut, params=params, inputs={"nodes": chosen.digest})


_WAYS: dict[str, Callable[[_Asked], _Way]] = {
    "leaf": _leaves,
    "depth": _by_depth,
    "level": _by_level,
    "classes": partial(_by_classes, balanced=False),
    "balanced": partial(_by_classes, balanced=True),
    "min-images": _by_min_images,
    "nodes": _by_nodes,
}
TREE_METHODS = tuple(_WAYS)
"""Cuts that the taxonomy and the label list decide."""
