"""Label maps that join a tree's cut with the images of a shard set: k-means and random classes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from granctl.errors import BadOptionError, FeaturesMismatchError, LabelsNotInMapError
from granctl.progress import Progress
from granctl.shards.features import Features
from granctl.shards.index import ShardSet
from granctl.study.cutplan import CutPlan, Fields
from granctl.tree.cluster import kmeans_within
from granctl.tree.controls import shuffled, take_rows
from granctl.tree.cutname import cut_name
from granctl.tree.labelmap import LabelMap
from granctl.tree.parents import Rows

SPLIT = "train"
"""Maps keyed by image are made to train on."""


def random_plan(like_path: Path, shards_path: Path | None, seed: int) -> CutPlan:
    """The plan of random classes with the sizes of another cut.

    Without shards, labels are dealt out anew; with shards, every image of the train split is, so
    that two images of one label can fall into different classes (the paper's random class ids).
    """
    like = LabelMap.read(like_path)
    name = cut_name(like.method, like.params)
    params: dict[str, Any] = {"like": name, "seed": seed, "list": like.params.get("list")}
    inputs = {"like": like.digest}
    shards = None if shards_path is None else ShardSet.open(shards_path)
    if shards is not None:
        inputs["shards"] = shards.digest
        params["split"] = SPLIT

    def compute(fields: Fields) -> LabelMap:
        labels: Sequence[str] = like.labels
        cut = Rows(like.offsets, like.classes)
        if shards is not None:
            labels, row = images_in(like, shards, "--like")
            cut = take_rows(cut, row)
        cut = shuffled(cut, np.random.default_rng(seed))
        # Classes that no image of the shards has are left out: sizes are those of the images.
        present, classes = np.unique(cut.values, return_inverse=True)
        names = tuple(f"random/{i}" for i in range(len(present)))
        return LabelMap(
            labels=tuple(labels),
            offsets=cut.offsets,
            classes=classes.astype(np.int32),
            class_ids=names,
            class_names=names,
            **fields,
        )

    return CutPlan(
        method="random",
        params=params,
        inputs=inputs,
        keyed_by=like.keyed_by if shards is None else "image",
        compute=compute,
    )


def kmeans_plan(
    within_path: Path,
    shards_path: Path,
    features_path: Path,
    num_classes: int,
    seed: int,
    progress: Progress,
) -> CutPlan:
    """The plan of k-means inside each class of another cut (the paper's aligned clusters)."""
    within, shards = LabelMap.read(within_path), ShardSet.open(shards_path)
    features = Features.read(features_path)
    params = {
        "classes": num_classes,
        "seed": seed,
        "within": cut_name(within.method, within.params),
        "split": SPLIT,
        "list": within.params.get("list"),
    }
    digests = {"within": within.digest, "shards": shards.digest, "features": features.digest}

    def compute(fields: Fields) -> LabelMap:
        checksums, row = images_in(within, shards, "--within")
        superclass = _one_class_each(within, row)
        kept = np.flatnonzero(superclass >= 0)
        matrix = _rows_of(features, features_path, checksums)[kept]
        present, compact = np.unique(superclass[kept], return_inverse=True)
        cluster = kmeans_within(matrix, compact, num_classes, seed, progress)
        sizes = np.array([cluster[compact == s].max() + 1 for s in range(len(present))])
        class_of = np.full(len(checksums), -1, np.int64)
        class_of[kept] = (np.cumsum(sizes) - sizes)[compact] + cluster
        pairs = [(s, j) for s, size in zip(present, sizes, strict=True) for j in range(size)]
        return LabelMap.from_single(
            checksums,
            class_of,
            class_ids=tuple(f"{within.class_ids[s]}/{j}" for s, j in pairs),
            class_names=tuple(f"{within.class_names[s]}/{j}" for s, j in pairs),
            **fields,
        )

    return CutPlan(
        method="kmeans", params=params, inputs=digests, keyed_by="image", compute=compute
    )


def images_in(
    label_map: LabelMap, shards: ShardSet, option: str
) -> tuple[list[str], NDArray[np.int64]]:
    """The train split's images, by checksum, and the row of the map that each falls under.

    Images whose bytes occur twice are one image: the first.

    Raises:
        LabelsNotInMapError: the map lacks a label or image of the shards; `option` named it.
    """
    raw = shards.checksums(SPLIT)
    _, first = np.unique(raw, return_index=True)
    first = np.sort(first)
    checksums = [c.decode() for c in raw[first].tolist()]
    if label_map.keyed_by == "image":
        row = np.array([label_map.index_of.get(c, -1) for c in checksums], np.int64)
        missing = [checksums[i] for i in np.flatnonzero(row < 0)]
    else:
        of_label = np.array([label_map.index_of.get(i, -1) for i in shards.labels], np.int64)
        row = of_label[shards.rows(SPLIT).label[first]]
        missing = [i for i, r in zip(shards.labels, of_label, strict=True) if r < 0]
    if (row < 0).any():
        list_name = str(label_map.params.get("list"))
        source = f"{option}: {shards.root}"
        raise LabelsNotInMapError(source, missing, int((row < 0).sum()), list_name)
    return checksums, row


def _one_class_each(within: LabelMap, row: NDArray[np.int64]) -> NDArray[np.int64]:
    counts = np.diff(within.offsets)
    several = np.unique(row[counts[row] > 1])
    if len(several):
        problem = f"it gives {len(several)} labels several classes, such as "
        problem += within.labels[several[0]]
        hint = "cut with a policy of one parent: `granctl tree cut --depth D`"
        raise BadOptionError("--within", problem, hint)
    padded = np.append(within.classes, np.int32(-1))
    place = np.where(counts > 0, within.offsets[:-1], len(within.classes))
    return padded[place].astype(np.int64)[row]


def _rows_of(features: Features, path: Path, checksums: list[str]) -> NDArray[np.float32]:
    row_of = {c.decode(): i for i, c in enumerate(features.checksums.tolist())}
    rows = np.array([row_of.get(c, -1) for c in checksums], np.int64)
    if (rows < 0).any():
        num = int((rows < 0).sum())
        problem = f"it lacks {num} of the {len(checksums)} images of the shard set's train split"
        raise FeaturesMismatchError(path, problem)
    return features.matrix[rows]
