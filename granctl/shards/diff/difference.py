"""What differs between two shard sets, as one record."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from granctl.progress import Progress
from granctl.shards.diff.images import ImageList
from granctl.shards.diff.matching import Images, Matching, matched, num_moved
from granctl.shards.index import ShardSet
from granctl.shards.source.listing import SPLITS
from granctl.shards.store import Folder

_READ_BYTES = 1 << 22
_KINDS = ("only_a", "only_b", "label", "split")


def diff_shards(
    a: ShardSet, b: ShardSet, progress: Progress, *, names: int = 3, read_bytes: bool = False
) -> dict[str, Any]:
    """What `granctl shards diff --json` prints.

    Images are the same when their checksums are. Where both sets have one content digest, which
    says images, labels, splits and order, no index is read.

    Args:
        a: the one set.
        b: the other.
        progress: is told how far the reading is.
        names: of each kind of difference, so many are named.
        read_bytes: compare the shards byte by byte, which reads both.

    Raises:
        ManifestMismatchError: an index is damaged.
        ShardCorruptError: a shard is missing.
    """
    labels = sorted({*a.labels, *b.labels})
    digests = [one.manifest.get("content_digest") for one in (a, b)]
    if digests[0] is not None and digests[0] == digests[1]:
        found = _of_equal_content(a)
    else:
        found = _of_images(a, b, labels, progress, names)
    in_both = found.pop("in_both")
    classes, examples = _classes(a, b, in_both, names)
    record: dict[str, Any] = {
        "kind": "shards-diff",
        "schema": 1,
        "a": _side(a),
        "b": _side(b),
        "images": found["images"],
        "changed": {**found["changed"], **classes},
        "labels": {
            "only_a": sorted({*a.labels} - {*b.labels}),
            "only_b": sorted({*b.labels} - {*a.labels}),
        },
        "shards": _shards(a, b, progress, names, read_bytes=read_bytes),
        "examples": {**found["examples"], "classes": examples},
    }
    changed = record["changed"]
    counts = [changed[name] for name in ("label", "split", "order", "classes")]
    counts += [*changed["also"].values(), record["images"]["only_a"], record["images"]["only_b"]]
    record["same"] = not any(counts) and record["shards"]["same"] is not False
    return record


def _side(shards: ShardSet) -> dict[str, Any]:
    return {
        "path": shards.where,
        "digest": shards.manifest["digest"],
        "images": sum(shards.num_images(split) for split in shards.splits),
        "labels": len(shards.labels),
        "classes": shards.manifest["classes"]["num_classes"],
        "view_of": None if shards.base is None else shards.base.where,
    }


# --- images -------------------------------------------------------------------------------------


def _of_equal_content(a: ShardSet) -> dict[str, Any]:
    counts = np.array([a.label_counts[split] for split in a.splits]).sum(axis=0)
    return {
        "images": {"both": int(counts.sum()), "only_a": 0, "only_b": 0},
        "changed": {"label": 0, "split": 0, "order": 0},
        "examples": {kind: [] for kind in _KINDS},
        "in_both": dict(zip(a.labels, counts.tolist(), strict=True)),
    }


def _of_images(
    a: ShardSet, b: ShardSet, labels: Sequence[str], progress: Progress, names: int
) -> dict[str, Any]:
    number_of_label = {label: i for i, label in enumerate(labels)}
    lists = ImageList(a, number_of_label), ImageList(b, number_of_label)
    images = lists[0].read(progress), lists[1].read(progress)
    found = matched(*images)
    label_a, label_b = images[0].label[found.a], images[1].label[found.b]
    other_label = label_a != label_b
    other_split = images[0].split[found.a] != images[1].split[found.b]
    in_both = np.bincount(label_a[~other_label], minlength=len(labels)).tolist()
    name = _Namer(lists, images, labels)
    return {
        "images": {
            "both": len(found.a),
            "only_a": len(found.only_a),
            "only_b": len(found.only_b),
        },
        "changed": {
            "label": int(other_label.sum()),
            "split": int(other_split.sum()),
            "order": num_moved(found, *images),
        },
        "examples": {
            "only_a": [{"a": name(0, i)} for i in found.only_a[:names].tolist()],
            "only_b": [{"b": name(1, i)} for i in found.only_b[:names].tolist()],
            "label": name.pairs(found, other_label, names),
            "split": name.pairs(found, other_split, names),
        },
        "in_both": dict(zip(labels, in_both, strict=True)),
    }


class _Namer:
    """Images as people name them: SPLIT/LABEL/KEY."""

    def __init__(
        self, lists: Sequence[ImageList], images: Sequence[Images], labels: Sequence[str]
    ) -> None:
        self._lists, self._images, self._labels = lists, images, labels

    def __call__(self, side: int, image: int) -> str:
        ours = self._images[side]
        split, label = SPLITS[ours.split[image]], self._labels[ours.label[image]]
        return f"{split}/{label}/{self._lists[side].key(image)}"

    def pairs(self, found: Matching, which: NDArray[np.bool_], most: int) -> list[dict[str, str]]:
        """The first pairs of a mask."""
        pairs = zip(found.a[which][:most].tolist(), found.b[which][:most].tolist(), strict=True)
        return [{"a": self(0, i), "b": self(1, j)} for i, j in pairs]


# --- classes ------------------------------------------------------------------------------------


def _classes(
    a: ShardSet, b: ShardSet, in_both: Mapping[str, int], names: int
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Images in both, under one label, whose classes differ; and the first such labels."""
    ours, theirs = _class_of(a, a.manifest["classes"]), _class_of(b, b.manifest["classes"])
    changed = [label for label in ours if label in theirs and ours[label] != theirs[label]]
    also_a, also_b = a.manifest.get("also", {}), b.manifest.get("also", {})
    also = {}
    for name in sorted({*also_a, *also_b}):
        one, other = _class_of(a, also_a.get(name)), _class_of(b, also_b.get(name))
        apart = (n for label, n in in_both.items() if one.get(label) != other.get(label))
        also[name] = sum(apart)
    counts = {
        "classes": sum(in_both[label] for label in changed),
        "labels_of_other_classes": len(changed),
        "also": also,
    }
    examples = [
        {"label": label, "a": ours[label], "b": theirs[label], "images": in_both[label]}
        for label in changed[:names]
    ]
    return counts, examples


def _class_of(shards: ShardSet, record: Mapping[str, Any] | None) -> dict[str, list[int]]:
    return dict(zip(shards.labels, record["of_label"], strict=True)) if record else {}


# --- shards -------------------------------------------------------------------------------------


def _shards(
    a: ShardSet, b: ShardSet, progress: Progress, names: int, *, read_bytes: bool
) -> dict[str, Any]:
    """Whether the tars are the same, and how that was found out; None: it was not looked for."""
    ours, theirs = (
        {shard["name"]: shard["bytes"] for shard in one.manifest["shards"]} for one in (a, b)
    )
    if _place(a) == _place(b):
        return {"same": True, "compared": "place", "differ": 0, "first": []}
    apart = sorted(name for name in {*ours, *theirs} if ours.get(name) != theirs.get(name))
    if not read_bytes:
        same = False if apart else None
        return {"same": same, "compared": "sizes", "differ": len(apart), "first": apart[:names]}
    common = [name for name in ours if ours[name] == theirs.get(name)]
    progress.start("comparing shards", -(-sum(ours[n] for n in common) // 1_000_000), "MB")
    for name in common:
        with a.store.open(name) as one, b.store.open(name) as other:
            if not _same_bytes(one, other):
                apart.append(name)
        progress.advance(ours[name] // 1_000_000)
    progress.finish()
    differ = {"differ": len(apart), "first": sorted(apart)[:names]}
    return {"same": not apart, "compared": "bytes", **differ}


def _place(shards: ShardSet) -> str:
    """Where the tars lie, however it was written."""
    store = shards.store
    return os.path.realpath(store.root) if isinstance(store, Folder) else store.where


def _same_bytes(one: BinaryIO, other: BinaryIO) -> bool:
    while True:
        ours, theirs = one.read(_READ_BYTES), other.read(_READ_BYTES)
        if ours != theirs:
            return False
        if not ours:
            return True
