"""The end of a build: the index over all shards, the list of bad images, the manifest."""

from __future__ import annotations

import csv
import hashlib
import io
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from granctl.files import replacing, write_bytes
from granctl.provenance import provenance
from granctl.shards.index import INDEX_NAME, SCHEMA
from granctl.shards.listing import SPLITS, Source
from granctl.shards.pack import PARTS_NAME, Part
from granctl.workspace import finish_folder

BAD_NAME = "bad.csv"


def write_bad(folder: Path, source: Source, bad: Sequence[tuple[int, str]]) -> list[str]:
    """Writes bad.csv (name, problem), or removes it where nothing is bad; returns its lines."""
    rows = [(source.listing.names[i], problem) for i, problem in sorted(bad)]
    rows += source.listing.rejected
    if not rows:
        (folder / BAD_NAME).unlink(missing_ok=True)
        return []
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([("name", "problem"), *rows])
    write_bytes(folder / BAD_NAME, text.getvalue().encode())
    return [f"{name} ({problem})" for name, problem in rows]


def finish(
    folder: Path,
    parts: Sequence[Part],
    source: Source,
    split_of: NDArray[np.int8],
    head: Mapping[str, Any],
    identity: Mapping[str, Any],
    inputs: Mapping[str, str],
) -> dict[str, Any]:
    """Writes index.parquet and, last, manifest.json, which it returns.

    Args:
        folder: the shard set; every shard is whole.
        parts: of all shards, in order.
        source: where the images are from.
        split_of: shape (n,): the split of each image of the listing, -1 for none.
        head: fields that only the build knows: digest and classes.
        identity: what the digest was made of.
        inputs: role -> digest of what was read.
    """
    listing = source.listing
    present = np.unique(listing.label_of[split_of >= 0])
    labels = [listing.labels[i] for i in present.tolist()]
    content_digest = _write_index(folder / INDEX_NAME, parts, labels)
    manifest = {
        **head,
        "schema": SCHEMA,
        "kind": "shards",
        "content_digest": content_digest,
        "labels": labels,
        "splits": _splits_record(parts, labels),
        "shards": [
            {"name": p.name, "split": p.split, "images": p.table.num_rows, "bytes": p.num_bytes}
            for p in parts
        ],
        "bad_images": sum(len(part.bad) for part in parts) + len(listing.rejected),
        "source": source.name,
        "seed": identity["seed"],
        "provenance": provenance(identity, inputs),
    }
    finish_folder(folder, manifest)
    shutil.rmtree(folder / PARTS_NAME, ignore_errors=True)
    return manifest


def _splits_record(parts: Sequence[Part], labels: Sequence[str]) -> dict[str, Any]:
    """Images, bytes and images a label of each split that has images."""
    record: dict[str, Any] = {}
    for split in SPLITS:
        ours = [part for part in parts if part.split == split and part.table.num_rows]
        if not ours:
            continue
        counts: Counter[str] = Counter()
        for part in ours:
            counts.update(part.table["label"].to_pylist())
        record[split] = {
            "images": sum(part.table.num_rows for part in ours),
            "image_bytes": sum(sum(part.table["size"].to_pylist()) for part in ours),
            "label_counts": [counts[label] for label in labels],
        }
    return record


def _write_index(path: Path, parts: Sequence[Part], labels: Sequence[str]) -> str:
    """Joins the parts into one Parquet file, a row group a shard; returns the content digest.

    The content digest is the sha256 over the labels and, of each image in order, its split, its
    label and its checksum.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    hasher = hashlib.sha256("\0".join(labels).encode())
    dictionary = pa.dictionary(pa.int32(), pa.string())
    writer = None
    with replacing(path) as temporary:
        for shard, part in enumerate(parts):
            rows = part.table
            for label, checksum in zip(
                rows["label"].to_pylist(), rows["checksum"].to_pylist(), strict=True
            ):
                hasher.update(f"\n{part.split}\0{label}\0{checksum}".encode())
            table = pa.table(
                {
                    "shard": pa.array(np.full(rows.num_rows, shard, dtype=np.int32)),
                    **{name: rows[name] for name in ("offset", "size", "key")},
                    "label": rows["label"].cast(dictionary),
                    "checksum": rows["checksum"],
                    "split": pa.array([part.split] * rows.num_rows, pa.string()).cast(dictionary),
                    **{name: rows[name] for name in ("width", "height")},
                }
            )
            writer = writer or pq.ParquetWriter(temporary, table.schema, compression="zstd")
            writer.write_table(table)
        if writer is not None:
            writer.close()
    return hasher.hexdigest()
