"""What manifest.json of a shard set must say before anything believes it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from granctl.shards.source.listing import SPLITS

_TAR = re.compile(r"[^/\\\0]+\.tar")
"""A shard lies beside its manifest: a name with a slash could lead anywhere."""


def manifest_faults(manifest: Mapping[str, Any]) -> list[str]:
    """All that is missing or of a wrong type, each with its place; empty for a good one."""
    return list(_faults(manifest))


def _faults(manifest: Mapping[str, Any]) -> Iterator[str]:
    for name in ("digest", "content_digest", "source"):
        if not isinstance(manifest.get(name), str):
            yield f"{name} is no text"
    if not _is_count(manifest.get("bad_images")):
        yield "bad_images is no count"
    labels = manifest.get("labels")
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        yield "labels is no list of texts"
        labels = []
    classes = manifest.get("classes")
    if not isinstance(classes, dict) or not _is_count(classes.get("num_classes")):
        yield "classes.num_classes is no count"
    yield from _shard_faults(manifest.get("shards"))
    yield from _split_faults(manifest.get("splits"), len(labels))


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
        counts = split.get("label_counts")
        if not isinstance(counts, list) or not all(map(_is_count, counts)):
            yield f"splits.{name}.label_counts is no list of counts"
        elif len(counts) != num_labels:
            yield f"splits.{name}.label_counts has {len(counts)} entries for {num_labels} labels"
        elif sum(counts) != split.get("images"):
            yield f"splits.{name}.label_counts sum to {sum(counts)}, which is not its images"


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
