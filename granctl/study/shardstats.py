"""What a shard set says of itself: images a label and a class, and what they are like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from granctl.shards.build.structure import Remark
from granctl.shards.census import (
    Census,
    describe_images,
    images_of_classes,
    images_of_labels,
)
from granctl.shards.index import ShardSet
from granctl.tree.stats import spread


def describe(shards: ShardSet, found: dict[str, Census]) -> dict[str, Any]:
    """The same, of what was read already."""
    classes = shards.manifest["classes"]
    splits = {}
    for split, census in found.items():
        of_labels = images_of_labels(census, len(shards.labels))
        of_classes = images_of_classes(of_labels, classes)
        splits[split] = {
            "images": len(census),
            "labels": int((of_labels > 0).sum()),
            "classes": int((of_classes > 0).sum()),
            "largest": _one_label(shards.labels, of_labels, int(of_labels.argmax())),
            "smallest": _one_label(shards.labels, of_labels, int(of_labels.argmin())),
            "images_per_label": spread(of_labels),
            "images_per_class": spread(of_classes),
            **describe_images(census),
        }
    return {
        "kind": "shard-statistics",
        "schema": 1,
        "path": shards.where,
        "digest": shards.manifest["digest"],
        "made": False,
        "content_digest": shards.digest,
        "images": sum(len(census) for census in found.values()),
        "labels": len(shards.labels),
        "classes": classes["num_classes"],
        "splits": splits,
    }


def _one_label(
    labels: Sequence[str], images: NDArray[np.int64], label: int
) -> dict[str, str | int]:
    return {"label": labels[label], "images": int(images[label])}


def fact_rows(record: Mapping[str, Any]) -> list[list[str]]:
    """What is worth a line in a table: a name, and a value a split."""
    splits = record["splits"].values()
    rows: list[tuple[str, list[str]]] = [
        ("images", [f"{s['images']:,}" for s in splits]),
        ("labels with images", [f"{s['labels']:,}" for s in splits]),
        ("images a label: median", [f"{s['images_per_label']['median']:,}" for s in splits]),
        ("images a label: least, most", [_range(s["images_per_label"]) for s in splits]),
        ("labels, if they were even", [_effective(s["images_per_label"]) for s in splits]),
        ("Gini of labels", [f"{s['images_per_label']['gini']:.3f}" for s in splits]),
    ]
    if any(s["images_per_class"] != s["images_per_label"] for s in splits):
        rows += [
            ("classes with images", [f"{s['classes']:,}" for s in splits]),
            ("images a class: median", [f"{s['images_per_class']['median']:,}" for s in splits]),
            ("images a class: least, most", [_range(s["images_per_class"]) for s in splits]),
            ("classes, if they were even", [_effective(s["images_per_class"]) for s in splits]),
            ("Gini of classes", [f"{s['images_per_class']['gini']:.3f}" for s in splits]),
        ]
    rows += [
        ("megabytes", [f"{s['bytes']['total'] / 1e6:,.1f}" for s in splits]),
        ("kilobytes an image: median", [f"{s['bytes']['median'] / 1e3:,.1f}" for s in splits]),
        ("kilobytes an image: 5 to 95 %", [_between(s["bytes"], 1e3) for s in splits]),
        ("width: 5 to 95 %", [_between(s["width"]) for s in splits]),
        ("height: 5 to 95 %", [_between(s["height"]) for s in splits]),
        ("short side: median", [f"{s['short_side']['median']:,}" for s in splits]),
        ("megapixels an image: mean", [f"{s['pixels'] / s['images'] / 1e6:,.3f}" for s in splits]),
    ]
    remarks = [str(one.name).lower() for one in Remark]
    for name in remarks:
        if any(name in s["remarks"] for s in splits):
            rows.append(
                (name.replace("_", " "), [f"{s['remarks'].get(name, 0):,}" for s in splits])
            )
    return [[name, *values] for name, values in rows]


def _effective(spread: Mapping[str, Any]) -> str:
    return f"{spread['effective']:,.1f}"


def _between(summary: Mapping[str, Any], unit: float = 1) -> str:
    digits = 1 if unit > 1 else 0
    return f"{summary['q05'] / unit:,.{digits}f} to {summary['q95'] / unit:,.{digits}f}"


def _range(spread: Mapping[str, Any]) -> str:
    return f"{spread['min']:,} to {spread['max']:,}"


def bar_rows(record: Mapping[str, Any]) -> list[tuple[str, list[tuple[str, int]]]]:
    """Of the first split: how many classes have so many images, how many images so short a side.

    Returns a title each, and names with numbers.
    """
    split, found = next(iter(record["splits"].items()))
    even = found["images_per_class"] == found["images_per_label"]
    what = "label" if even else "class"
    plural = "labels" if even else "classes"
    sizes = [(_bin(b), b["classes"]) for b in found["images_per_class"]["bins"]]
    sides = [(_bin(b), b["images"]) for b in found["short_sides"]]
    return [
        (f"{split}: images a {what} ({plural})", sizes),
        (f"{split}: short side in pixels (images)", sides),
    ]


def _bin(found: Mapping[str, int | None]) -> str:
    low, high = found["from"], found["to"]
    if high is None:
        return f"{low:,} up"
    return f"{low:,}" if low == high else f"{low:,}-{high:,}"
