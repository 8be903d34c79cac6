"""What manifest.json of a shard set says of classes, and what it must say to be believed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from granctl.shards.source.listing import SPLITS

_TAR = re.compile(r"[^/\\\0]+\.tar")
"""A shard lies beside its manifest: a name with a slash could lead anywhere."""


def classes_record(
    digest: str | None, list_name: str | None, num_classes: int, of_label: Sequence[Sequence[int]]
) -> dict[str, Any]:
    """What a manifest says of the numbers in `.cls` and `.json`.

    Args:
        digest: of the label map; None: each label is a class.
        list_name: the label list that the map is over.
        num_classes: that the map knows.
        of_label: the classes of each label of the manifest, the first one first.
    """
    return {
        "labels_digest": digest,
        "list": list_name,
        "num_classes": num_classes,
        "of_label": [list(classes) for classes in of_label],
    }


def manifest_faults(manifest: Mapping[str, Any]) -> list[str]:
    """All that is missing or of a wrong type, each with its place; empty for a good one."""
    return list(_faults(manifest))


def _faults(manifest: Mapping[str, Any]) -> Iterator[str]:
    yield from _text_faults("", manifest, ("digest", "source"))
    if "view" not in manifest:
        yield from _text_faults("", manifest, ("content_digest",))
    elif not isinstance(manifest["view"], dict):
        yield "view is no object"
    else:
        yield from _text_faults("view.", manifest["view"], ("path", "beside", "content_digest"))
    if not _is_count(manifest.get("bad_images")):
        yield "bad_images is no count"
    labels = manifest.get("labels")
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        yield "labels is no list of texts"
        labels = []
    yield from _classes_faults("classes", manifest.get("classes"), len(labels))
    also = manifest.get("also", {})
    if not isinstance(also, dict):
        yield "also is no object"
        also = {}
    for name, classes in also.items():
        yield from _classes_faults(f"also.{name}", classes, len(labels))
    yield from _shard_faults(manifest.get("shards"))
    yield from _split_faults(manifest.get("splits"), len(labels))


def _text_faults(where: str, record: Mapping[str, Any], names: Sequence[str]) -> Iterator[str]:
    for name in names:
        if not isinstance(record.get(name), str) or "\0" in record[name]:
            yield f"{where}{name} is no text"


def _classes_faults(where: str, classes: Any, num_labels: int) -> Iterator[str]:
    if not isinstance(classes, dict) or not _is_count(classes.get("num_classes")):
        yield f"{where}.num_classes is no count"
        return
    of_label = classes.get("of_label")
    if not isinstance(of_label, list) or len(of_label) != num_labels:
        yield f"{where}.of_label is no list of the classes of each of {num_labels} labels"
    elif not all(isinstance(ours, list) and all(map(_is_count, ours)) for ours in of_label):
        yield f"{where}.of_label has classes that are no numbers"


def _shard_faults(shards: Any) -> Iterator[str]:
    if not isinstance(shards, list):
        yield "shards is no list"
        return
    for i, shard in enumerate(shards):
        if not isinstance(shard, dict):
            yield f"shards[{i}] is no object"
            continue
        name = shard.get("name")
        if not isinstance(name, str) or not _TAR.fullmatch(name):
            yield f"shards[{i}].name is no file name of a tar"
        if shard.get("split") not in SPLITS:
            yield f"shards[{i}].split is none of {', '.join(SPLITS)}"
        for field in ("images", "bytes"):
            if not _is_count(shard.get(field)):
                yield f"shards[{i}].{field} is no count"


def _split_faults(splits: Any, num_labels: int) -> Iterator[str]:
    if not isinstance(splits, dict):
        yield "splits is no object"
        return
    for name, split in splits.items():
        if name not in SPLITS or not isinstance(split, dict):
            yield f"splits.{name} is no split"
            continue
        for field in ("images", "image_bytes"):
            if not _is_count(split.get(field)):
                yield f"splits.{name}.{field} is no count"
        for field, total in (("label_counts", "images"), ("label_bytes", "image_bytes")):
            counts = split.get(field)
            if not isinstance(counts, list) or not all(map(_is_count, counts)):
                yield f"splits.{name}.{field} is no list of counts"
            elif len(counts) != num_labels:
                yield f"splits.{name}.{field} has {len(counts)} entries for {num_labels} labels"
            elif sum(counts) != split.get(total):
                yield f"splits.{name}.{field} sum to {sum(counts)}, which is not its {total}"


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
