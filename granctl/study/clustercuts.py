"""Cuts by features: clusters of labels (by the means of their images) or of single images."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from granctl.errors import BadOptionError, FeaturesMismatchError, NoFeaturesError, listing
from granctl.progress import Progress
from granctl.shards.feature_stream import FeatureStream
from granctl.shards.index import ShardSet
from granctl.study.cutplan import CutPlan, Fields
from granctl.study.cutspec import CutSpec
from granctl.study.imagecuts import SPLIT, Given, Keys, Superclasses, label_names
from granctl.tree.cluster import (
    commonest_labels,
    kmeans_within,
    linked_within,
    nearest_labels,
    shares,
)
from granctl.tree.keep import chosen_labels
from granctl.tree.kmeans import Chunks, Groups, streamed_kmeans
from granctl.tree.labelmap import KeyedBy, LabelMap
from granctl.tree.linkage import Linkage
from granctl.tree.taxonomy import Taxonomy

HELD_BYTES = 512 << 20
"""Features up to this size are read once and held; larger ones are read again for every pass."""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Asked:
    """Clusters that are asked for, with all that they are made from."""

    spec: CutSpec
    features: FeatureStream
    within: Given | None
    taxonomy: Taxonomy
    progress: Progress

    @property
    def num_classes(self) -> int:
        if self.spec.classes is None:
            raise ValueError("spec.check() does not let it be missing")
        return self.spec.classes


def cluster_plan(spec: CutSpec, taxonomy: Taxonomy, progress: Progress) -> CutPlan:
    """The plan of clusters by features, inside each class of `spec.within` or of everything.

    With a shard set its train images are clustered one by one; without, labels are, each as the
    mean of its images.

    Raises:
        GranctlError: an input is missing or damaged.
    """
    if spec.features is None:
        raise ValueError("spec.check() does not let it be missing")
    asked = _Asked(
        spec=spec,
        features=FeatureStream.open(spec.features),
        within=None if spec.within is None else Given.read(spec.within, "--within"),
        taxonomy=taxonomy,
        progress=progress,
    )
    within, num = asked.within, asked.num_classes
    params: dict[str, Any] = {"classes": num, "within": None if within is None else within.name}
    params["list"] = None if within is None else within.label_map.params.get("list")
    if spec.method == "kmeans":
        params["seed"] = spec.seed
    # The taxonomy gives the clusters their names.
    inputs = {"features": asked.features.digest, "taxonomy": taxonomy.digest}
    if within is not None:
        inputs["within"] = within.label_map.digest
    more = _images_plan(asked) if spec.shards is not None else _labels_plan(asked)
    return CutPlan(
        method=spec.method,
        params=params | more.params,
        inputs=inputs | more.inputs,
        keyed_by=more.keyed_by,
        compute=more.compute,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Part:
    """What labels and images do not share in a plan."""

    keyed_by: KeyedBy
    params: dict[str, Any]
    inputs: dict[str, str]
    compute: Callable[[Fields], LabelMap]


def _fresh(asked: _Asked, keys: Keys) -> tuple[Superclasses, NDArray[np.int64], NDArray[np.int64]]:
    """Superclasses of the keys; clusters of each; the superclass of each key that has one."""
    groups = Superclasses.of(asked.within, keys, asked.spec.method)
    num_of_each = shares(groups.sizes, asked.num_classes, f"{keys.keyed_by}s")
    return groups, num_of_each, groups.index[groups.index >= 0]


# --- images ---------------------------------------------------------------------------------------


def _images_plan(asked: _Asked) -> _Part:
    if asked.spec.shards is None:
        raise ValueError("images are those of a shard set")
    shards = ShardSet.open(asked.spec.shards)

    def compute(fields: Fields) -> LabelMap:
        keys = Keys.of_images(shards)
        groups, num_of_each, superclass = _fresh(asked, keys)
        kept = np.flatnonzero(groups.index >= 0)
        chunks = chunks_of(asked.features, np.array(keys.ids, "S32"), kept)
        split = Groups(of_row=superclass, num_clusters=num_of_each)
        cluster = streamed_kmeans(chunks, split, asked.spec.seed, asked.progress).cluster
        class_of, ids = groups.split(cluster, num_of_each)
        of_label = label_names(asked.taxonomy, keys.label_ids)
        called = commonest_labels(keys.label_index[kept], class_of[kept], of_label)
        names = groups.names_with(called, num_of_each)
        return LabelMap.from_single(keys.ids, class_of, class_ids=ids, class_names=names, **fields)

    return _Part(
        keyed_by="image",
        params={"split": SPLIT},
        inputs={"shards": shards.digest},
        compute=compute,
    )


def chunks_of(
    features: FeatureStream, checksums: NDArray[np.bytes_], kept: NDArray[np.int64]
) -> Chunks:
    """The features of the images that are kept, numbered from 0 in the order of `kept`.

    Raises:
        FeaturesMismatchError: some images have none.
        GranctlError: the file is damaged, or a number in it is not finite.
    """
    number = _numbers(features, checksums)
    has = np.zeros(len(checksums), bool)
    has[number[number >= 0]] = True
    if not has.all():
        num = int((~has).sum())
        problem = f"it lacks {num} of the {len(has)} images of the shard set's train split"
        raise FeaturesMismatchError(features.path, problem)
    of_kept = np.full(len(checksums) + 1, -1, np.int64)
    of_kept[kept] = np.arange(len(kept))
    row = of_kept[number]  # the number -1 takes the last, which is -1
    is_held = len(kept) * features.dim * 4 <= HELD_BYTES
    held = np.empty((len(kept) if is_held else 0, features.dim), np.float32)
    for start, matrix in features.checked_pieces():
        if is_held:
            at = row[start : start + len(matrix)]
            held[at[at >= 0]] = matrix[at >= 0]

    def chunks() -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        if is_held:
            yield np.arange(len(held)), held
            return
        for start, matrix in features.pieces():
            at = row[start : start + len(matrix)]
            yield at[at >= 0], matrix[at >= 0]

    return chunks


def _numbers(features: FeatureStream, checksums: NDArray[np.bytes_]) -> NDArray[np.int64]:
    """Shape (rows of the file,): the image that a row describes; -1: none, or described before."""
    theirs, first = np.unique(features.checksums, return_index=True)
    order = np.argsort(checksums)
    place = np.minimum(np.searchsorted(checksums[order], theirs), len(checksums) - 1)
    image = order[place]
    number = np.full(features.num_rows, -1, np.int64)
    number[first] = np.where(checksums[image] == theirs, image, -1)
    return number


# --- labels ---------------------------------------------------------------------------------------


def _labels_plan(asked: _Asked) -> _Part:
    spec, params, inputs = asked.spec, {"of": "labels"}, dict[str, str]()
    if len(asked.features.splits) > 1:
        problem = f"{asked.features.path} holds {' and '.join(asked.features.splits)}: labels would"
        hint = "embed one split: `granctl embed --split train`"
        raise BadOptionError("--features", f"{problem} be clustered by held-out images too", hint)
    listed = None
    if spec.list is not None:
        listed = chosen_labels(spec.list, asked.taxonomy, spec.taxonomy)
        params["list"], inputs["list"] = listed.name, listed.digest
    elif asked.within is None:
        params["list"] = "of the features"

    def compute(fields: Fields) -> LabelMap:
        ids = _labels_with_features(asked, None if listed is None else listed.ids)
        keys = Keys.of_labels(ids, asked.features.path)
        groups, num_of_each, superclass = _fresh(asked, keys)
        matrix = _means(
            asked.features, [i for i, s in zip(ids, groups.index, strict=True) if s >= 0]
        )
        if spec.method == "kmeans":
            cluster = kmeans_within(matrix, superclass, num_of_each, spec.seed, asked.progress)
        else:
            method: Linkage = "ward" if spec.method == "ward" else "average"
            cluster = linked_within(matrix, superclass, num_of_each, method, asked.progress)
        class_of, class_ids = groups.split(cluster, num_of_each)
        kept = np.flatnonzero(groups.index >= 0)
        of_label = label_names(asked.taxonomy, [ids[i] for i in kept.tolist()])
        names = groups.names_with(nearest_labels(matrix, class_of[kept], of_label), num_of_each)
        return LabelMap.from_single(ids, class_of, class_ids=class_ids, class_names=names, **fields)

    return _Part(keyed_by="label", params=params, inputs=inputs, compute=compute)


def _labels_with_features(asked: _Asked, listed: Sequence[str] | None) -> Sequence[str]:
    """The labels to cluster: those of the list, or all that have features, in the map's order.

    Raises:
        FeaturesMismatchError: labels of the list, or all of the map, have no features.
        LabelsNotInMapError: the features have labels that the map lacks.
    """
    has = set(asked.features.label_ids)
    path = asked.features.path
    if listed is not None:
        bare = [i for i in listed if i not in has]
        if bare:
            raise NoFeaturesError(path, bare, len(listed))
        return listed
    if asked.within is None:
        return asked.features.label_ids
    within = asked.within.label_map
    if within.keyed_by == "image":
        problem = "it is keyed by image, and labels are to be clustered"
        raise BadOptionError("--within", problem, "add --per-image to cluster images")
    ids = [i for i in within.labels if i in has]
    bare = [i for i in within.labels if i not in has]
    if not ids:
        raise NoFeaturesError(path, bare, len(bare))
    if len(ids) < len(has):
        keys = Keys.of_labels(asked.features.label_ids, path)
        asked.within.rows_of(keys)  # raises
    if bare:
        what = f"{len(bare)} labels of --within have no features and are left out"
        asked.progress.note(f"{what}: {listing(bare)}")
    return ids


def _means(features: FeatureStream, ids: Sequence[str]) -> NDArray[np.float32]:
    """The mean of the features of each label's images, shape (len(ids), dim)."""
    place = {label: i for i, label in enumerate(features.label_ids)}
    return features.label_means()[[place[i] for i in ids]]
