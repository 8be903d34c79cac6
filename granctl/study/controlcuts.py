"""Control cuts: random classes of the sizes of a cut or of equal sizes, and one class an image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from granctl.errors import BadOptionError
from granctl.shards.index import ShardSet
from granctl.study.cutplan import CutPlan, Fields
from granctl.study.cutspec import CutSpec
from granctl.study.imagecuts import SPLIT, Given, Keys, Superclasses, label_names
from granctl.tree.cluster import shares
from granctl.tree.controls import dealt, shuffled, take_rows
from granctl.tree.keep import chosen_labels
from granctl.tree.labelmap import LabelMap
from granctl.tree.parents import Rows
from granctl.tree.taxonomy import Taxonomy


def random_plan(spec: CutSpec, taxonomy: Taxonomy) -> CutPlan:
    """The plan of random classes: of the sizes of `spec.like`, or `spec.classes` of equal sizes.

    Without shards, labels are dealt out; with shards, every image of the train split is, so that
    two images of one label can fall into different classes (the paper's random class ids). With
    `spec.within` no class crosses one of that map.

    Raises:
        BadOptionError: neither or both of like and classes.
        GranctlError: an input is missing or damaged.
    """
    like = None if spec.like is None else Given.read(spec.like, "--like")
    within = None if spec.within is None else Given.read(spec.within, "--within")
    shards = None if spec.shards is None else ShardSet.open(spec.shards)
    source = like or within
    params: dict[str, Any] = {"seed": spec.seed}
    inputs: dict[str, str] = {}
    if source is not None:
        params["list"] = source.label_map.params.get("list")
    if shards is not None:
        params["split"], inputs["shards"] = SPLIT, shards.digest
        keys = Keys.of_images(shards)
    elif source is not None:
        keys = Keys.of_map(source.label_map, source.path)
    else:
        listed = chosen_labels(spec.list, taxonomy, spec.taxonomy)
        params["list"], inputs["list"] = listed.name, listed.digest
        keys = Keys.of_labels(listed.ids, Path(listed.name))
    if like is not None:
        params["like"], inputs["like"] = like.name, like.label_map.digest
    else:
        params["classes"] = spec.classes
    if within is not None:
        params["within"], inputs["within"] = within.name, within.label_map.digest

    def compute(fields: Fields) -> LabelMap:
        groups = Superclasses.of(within, keys, "random")
        rng = np.random.default_rng(spec.seed)
        if like is None:
            return _of_equal_sizes(keys, groups, spec.classes or 0, rng, fields)
        return _like(like, keys, None if within is None else groups, rng, fields)

    return CutPlan(
        method="random", params=params, inputs=inputs, keyed_by=keys.keyed_by, compute=compute
    )


def _of_equal_sizes(
    keys: Keys, groups: Superclasses, classes: int, rng: np.random.Generator, fields: Fields
) -> LabelMap:
    num_of_each = shares(groups.sizes, classes, f"{keys.keyed_by}s")
    sub = dealt(groups.index[groups.index >= 0], num_of_each, rng)
    class_of, ids = groups.split(sub, num_of_each)
    names = [f"random {j}" for num in num_of_each.tolist() for j in range(num)]
    return LabelMap.from_single(
        keys.ids,
        class_of,
        class_ids=ids,
        class_names=groups.names_with(names, num_of_each),
        **fields,
    )


def _like(
    like: Given, keys: Keys, groups: Superclasses | None, rng: np.random.Generator, fields: Fields
) -> LabelMap:
    cut = take_rows(Rows(like.label_map.offsets, like.label_map.classes), like.rows_of(keys))
    ids, names = list[str](), list[str]()
    if groups is None:
        cut = shuffled(cut, rng)
    else:
        # A key that --within drops has no superclass to be dealt inside of.
        cut = take_rows(cut, np.where(groups.index >= 0, np.arange(len(keys.ids)), -1))
        cut = shuffled(cut, rng, groups.index)
    # Classes that no key has are left out: sizes are those of the labels, or images, there are.
    present, classes = np.unique(cut.values, return_inverse=True)
    if groups is None:
        ids = names = [f"random/{i}" for i in range(len(present))]
    else:
        of_class = _superclass_of_class(cut, classes, groups, like)
        for s, j in zip(of_class.tolist(), _places(of_class).tolist(), strict=True):
            ids.append(f"{groups.ids[s]}/{j}")
            names.append(f"{groups.names[s]}: random {j}")
    return LabelMap(
        labels=tuple(keys.ids),
        offsets=cut.offsets,
        classes=classes.astype(np.int32),
        class_ids=tuple(ids),
        class_names=tuple(names),
        **fields,
    )


def _superclass_of_class(
    cut: Rows, classes: NDArray[np.int64], groups: Superclasses, like: Given
) -> NDArray[np.int64]:
    """The one superclass that each class lies in.

    Raises:
        BadOptionError: a class of `--like` lies in several.
    """
    superclass = groups.index[cut.row_of_value]
    num = int(classes.max(initial=-1)) + 1
    low, high = np.full(num, len(groups.ids)), np.full(num, -1)
    np.minimum.at(low, classes, superclass)
    np.maximum.at(high, classes, superclass)
    crossing = np.flatnonzero(low != high)
    if len(crossing):
        first = crossing[0]
        problem = f"{len(crossing)} of its {num} classes lie in several classes of --within; one of"
        problem += f" them in {groups.ids[low[first]]} and {groups.ids[high[first]]}"
        hint = "copy a cut that is finer than --within, or give --classes N instead"
        raise BadOptionError(like.option, problem, hint)
    return low


def _places(of_class: NDArray[np.int64]) -> NDArray[np.int64]:
    """The how-manieth class of its superclass each class is."""
    order = np.argsort(of_class, kind="stable")
    sizes = np.bincount(of_class)
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return place


def each_image_plan(spec: CutSpec, taxonomy: Taxonomy) -> CutPlan:
    """The plan of one class an image of the train split; its id is the checksum of the image."""
    if spec.shards is None:
        raise ValueError("spec.check() does not let it be missing")
    shards = ShardSet.open(spec.shards)

    def compute(fields: Fields) -> LabelMap:
        keys = Keys.of_images(shards)
        names = np.array(label_names(taxonomy, keys.label_ids), object)[keys.label_index]
        number = _places(keys.label_index.astype(np.int64)) + 1
        return LabelMap.from_single(
            keys.ids,
            np.arange(len(keys.ids)),
            class_ids=tuple(keys.ids),
            class_names=tuple(f"{n} {i}" for n, i in zip(names, number.tolist(), strict=True)),
            **fields,
        )

    return CutPlan(
        method="per-image",
        params={"split": SPLIT},
        inputs={"shards": shards.digest, "taxonomy": taxonomy.digest},
        keyed_by="image",
        compute=compute,
    )
