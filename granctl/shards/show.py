"""What is in a shard set, for people: images a label and split, or one image."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import xxhash

from granctl.errors import NoSuchKeyError, ShardCorruptError
from granctl.shards.build.audit import extension_of
from granctl.shards.build.structure import Remark
from granctl.shards.index import ShardSet
from granctl.shards.indexfile import IndexGroups
from granctl.shards.store import ShardBytes
from granctl.shards.tar import BLOCK, padded, size_in

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
    """All that is known of one image: its row of the index, its `.json`, what its bytes say.

    `problems` has a sentence for each thing that is not as the index says.

    Raises:
        NoSuchKeyError: the shard set has no such key.
        ManifestMismatchError: the index is damaged.
        ShardCorruptError: its shard is missing, or has another size.
    """
    row = _row(shards, key)
    record = shards.manifest["shards"][row["shard"]]
    opened = shards.store.shard_bytes([(record["name"], record["bytes"])])
    try:
        content = opened.read(0, row["offset"], row["size"])
        sidecar, problems = _sidecar(shards, row, opened)
    finally:
        opened.close()
    if xxhash.xxh3_128_hexdigest(content) != row["checksum"]:
        problems.append("its bytes have another checksum than the index")
    flags = row.pop("remarks")
    del row["label_index"]
    return {
        "kind": "image",
        "schema": 1,
        "path": f"{shards.store.where}/{record['name']}",
        **row,
        "shard": record["name"],
        "format": extension_of(content) or "unknown",
        "remarks": [str(one.name).lower() for one in Remark if flags & one],
        **sidecar,
        "problems": problems,
    }


def image_bytes(shards: ShardSet, record: Mapping[str, Any]) -> bytes:
    """The image that `describe_image` describes, as it was in its source.

    Raises:
        ShardCorruptError: its shard is missing, or has another size.
    """
    number = shards.shard_names.index(record["shard"])
    opened = shards.store.shard_bytes(
        [(record["shard"], shards.manifest["shards"][number]["bytes"])]
    )
    try:
        return opened.read(0, record["offset"], record["size"])
    finally:
        opened.close()


def _row(shards: ShardSet, key: str) -> dict[str, Any]:
    """The row of the index with this key; only the column of keys is read to find it.

    Raises:
        NoSuchKeyError: there is none.
        ManifestMismatchError: the index is damaged.
    """
    import pyarrow.compute as pc

    groups = IndexGroups(shards.index_path)
    for number in groups.shards:
        place = pc.index(groups.rows(number, ["key"])["key"], key).as_py()
        if place >= 0:
            found: dict[str, Any] = groups.rows(number).slice(place, 1).to_pylist()[0]
            if found["label"] in shards.labels:  # a view leaves labels out
                return found
    raise NoSuchKeyError(shards.where, key)


def _classes_of(shards: ShardSet, label: str) -> dict[str, Any]:
    """The classes of a label as the manifest has them: a view has no `.json` of its own."""
    number = shards.labels.index(label)
    also = shards.manifest.get("also", {})
    further = {f"classes_{name}": theirs["of_label"][number] for name, theirs in also.items()}
    return {"classes": shards.manifest["classes"]["of_label"][number], **further}


def _sidecar(
    shards: ShardSet, row: Mapping[str, Any], opened: ShardBytes
) -> tuple[dict[str, Any], list[str]]:
    """Classes and source from the `.json` member, two members after the image; and what is wrong.

    Classes of a view are those that it looks up.
    """
    header_at = row["offset"] + padded(row["size"]) + 2 * BLOCK
    classes = _classes_of(shards, row["label"])
    try:
        size = size_in(opened.read(0, header_at, BLOCK))
        value = json.loads(opened.read(0, header_at + BLOCK, size))
        said = {name: value[name] for name in value if name.startswith("classes")}
        if value["label"] != row["label"]:
            return {**classes, "source": value["source"]}, [".json says another label"]
        return {**(classes if shards.base else said), "source": value["source"]}, []
    except (ValueError, KeyError, TypeError, RecursionError, ShardCorruptError) as error:
        return {**classes, "source": None}, [f".json is damaged ({error})"]


def image_table(record: Mapping[str, Any]) -> Table:
    """One image as a table of fields."""
    rows = [
        [name.replace("_", " "), _shown(value)]
        for name, value in record.items()
        if name not in ("kind", "schema", "key") and value not in (None, [])
    ]
    return str(record["key"]), ["", ""], rows


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_shown(one) for one in value)
    return f"{value:,}" if isinstance(value, int) else str(value)
