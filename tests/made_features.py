"""Small made-up features and cuts for the tests: no run is needed to cluster."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from generated_images import LABELS

from granctl.shards.feature_file import META
from granctl.shards.features import Features
from granctl.shards.index import ShardSet
from granctl.tree.labelmap import LabelMap


def write_features(
    path: Path, labels: Sequence[str], matrix: np.ndarray, checksums: Sequence[bytes] | None = None
) -> Path:
    """A features file; without checksums, made-up ones."""
    made_up = [f"{i:032x}".encode() for i in range(len(labels))]
    Features(
        checksums=np.array(made_up if checksums is None else checksums, "S32"),
        labels=np.array(labels),
        matrix=matrix.astype(np.float32),
        run_digest="0" * 64,
        shards_digest="2" * 64,
        split="train",
        digest="1" * 64,
    ).write(path)
    return path


def rewrite_features(path: Path, out: Path, **changes: Any) -> Path:
    """The file with columns replaced under the head that it had, as no program of ours does it."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        table, head = file.read(), file.metadata.metadata[META]
    for name, values in changes.items():
        table = table.set_column(table.column_names.index(name), name, values)
    pq.write_table(table.replace_schema_metadata({META: head}), out)
    return out


def write_features_of(path: Path, shards: ShardSet, leave_out: int = 0, dim: int = 4) -> Path:
    """Random features of the train split, not in the order of the shards: rows go by checksum."""
    checksums = shards.checksums("train")[leave_out:]
    labels = np.array(shards.labels)[shards.rows("train").label][leave_out:]
    matrix = np.random.default_rng(0).normal(size=(len(labels), dim))
    order = np.random.default_rng(1).permutation(len(labels))
    return write_features(path, labels[order].tolist(), matrix[order], checksums[order].tolist())


def write_within(path: Path, class_of: list[int], labels: tuple[str, ...] = LABELS) -> Path:
    """A map of the labels to the classes animal and thing; -1 drops a label."""
    names: Any = {"class_ids": ("a", "t"), "class_names": ("animal", "thing")}
    fields = {"method": "depth", "params": {"depth": 3, "list": "six"}, **names}
    LabelMap.from_single(labels, np.array(class_of), **fields).write(path)
    return path
