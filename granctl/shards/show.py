"""What is in a shard set, for people: images a label and split, or one image."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from granctl.errors import ManifestMismatchError, NoSuchKeyError
from granctl.shards.index import ShardSet
from granctl.shards.tar import BLOCK, padded

Table = tuple[str, list[str], list[list[str]]]
"""Title, columns, rows."""


def describe(shards: ShardSet) -> dict[str, Any]:
    """The numbers of a shard set, as `granctl shards show --json` prints them."""
    splits = {
        split: {
            "images": shards.num_images(split),
            "bytes": shards.manifest["splits"][split]["image_bytes"],
            "label_counts": dict(zip(shards.labels, shards.label_counts[split], strict=True)),
        }
        for split in shards.splits
    }
    return {
        "kind": "shards",
        "schema": 1,
        "path": shards.where,
        "digest": shards.manifest["digest"],
        "content_digest": shards.digest,
        "images": sum(split["images"] for split in splits.values()),
        "labels": len(shards.labels),
        "classes": shards.manifest["classes"]["num_classes"],
        "shards": len(shards.shard_names),
        "bytes": sum(shard["bytes"] for shard in shards.manifest["shards"]),
        "bad_images": shards.manifest["bad_images"],
        "splits": splits,
    }


def label_table(shards: ShardSet, most: int = 40) -> Table:
    """Images a label and split; the labels after the first `most` are counted, not listed."""
    columns = ["label", *shards.splits]
    by_label = list(zip(*(shards.label_counts[split] for split in shards.splits), strict=True))
    rows = [
        [label, *(f"{num:,}" for num in nums)]
        for label, nums in zip(shards.labels[:most], by_label, strict=False)
    ]
    if len(shards.labels) > most:
        rest = [sum(nums) for nums in zip(*by_label[most:], strict=True)]
        rows.append([f"{len(shards.labels) - most} more labels", *(f"{num:,}" for num in rest)])
    rows.append(["images", *(f"{shards.num_images(split):,}" for split in shards.splits)])
    sizes = (shards.manifest["splits"][split]["image_bytes"] for split in shards.splits)
    rows.append(["megabytes", *(f"{size / 1e6:,.1f}" for size in sizes)])
    return shards.name, columns, rows


def describe_image(shards: ShardSet, key: str) -> dict[str, Any]:
    """The index row of one image, with what its `.json` says.

    Raises:
        NoSuchKeyError: the shard set has no such key.
        ManifestMismatchError: the index is damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = shards.index_path
    try:
        found = pq.read_table(path, filters=[("key", "==", key)]).to_pylist()
    except (pa.ArrowException, OSError) as error:
        hint = "make it again with `granctl shards build`"
        raise ManifestMismatchError(path, f"cannot be read ({error})", hint) from error
    if not found or found[0]["label"] not in shards.labels:  # a view leaves labels out
        raise NoSuchKeyError(shards.where, key)
    row: dict[str, Any] = found[0]
    sidecar = _sidecar(shards, row)
    if shards.base is not None:
        sidecar = _classes_of_view(shards, row["label"]) | {"source": sidecar["source"]}
    row["shard"] = shards.shard_names[row["shard"]]
    tar = f"{shards.store.where}/{row['shard']}"
    return {"kind": "image", "schema": 1, "path": tar, **row, **sidecar}


def _classes_of_view(shards: ShardSet, label: str) -> dict[str, Any]:
    """What `.json` would say of classes, had the view shards of its own."""
    number = shards.labels.index(label)
    also = shards.manifest.get("also", {})
    further = {f"classes_{name}": theirs["of_label"][number] for name, theirs in also.items()}
    return {"classes": shards.manifest["classes"]["of_label"][number], **further}


def _sidecar(shards: ShardSet, row: Mapping[str, Any]) -> dict[str, Any]:
    """Classes and source from the `.json` member, two members after the image."""
    header_at = row["offset"] + padded(row["size"]) + 2 * BLOCK
    record = shards.manifest["shards"][row["shard"]]
    opened = shards.store.shard_bytes([(record["name"], record["bytes"])])
    try:
        size = int(opened.read(0, header_at, BLOCK)[124:135], 8)
        value = json.loads(opened.read(0, header_at + BLOCK, size))
        further = {name: value[name] for name in value if name.startswith("classes_")}
        return {"classes": value["classes"], **further, "source": value["source"]}
    except (ValueError, KeyError) as error:
        hint = "make it again with `granctl shards build`"
        problem = f"{row['key']}.json is damaged ({error})"
        raise ManifestMismatchError(
            f"{shards.store.where}/{record['name']}", problem, hint
        ) from error
    finally:
        opened.close()


def image_table(record: Mapping[str, Any]) -> Table:
    """One image as a table of fields."""
    rows = [[name, str(value)] for name, value in record.items() if name not in ("kind", "schema")]
    return str(record["key"]), ["field", "value"], rows
