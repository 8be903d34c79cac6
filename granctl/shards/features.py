"""What a model sees in each image: the Parquet file of `granctl embed`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from granctl.errors import ManifestMismatchError, MissingInputError
from granctl.provenance import plain
from granctl.shards.feature_file import META, Keys, content_hasher, pieces_of, write_features

SCHEMA = 1
HINT = "make it again with `granctl embed`"
ROWS_A_GROUP = 32_768
"""Rows that a reader must be able to hold at once."""


def head_of(
    *, digest: str, run_digest: str, shards_digest: str, split: str, record: Mapping[str, Any]
) -> dict[str, Any]:
    """What the file's metadata says, but for the digest of its content."""
    return {
        "schema": SCHEMA,
        "digest": digest,
        "run_digest": run_digest,
        "shards_digest": shards_digest,
        "split": split,
        "provenance": plain(record),
    }


@dataclass(frozen=True, kw_only=True, eq=False)
class Features:
    """One vector an image, in the order of the split's rows."""

    checksums: NDArray[np.bytes_]
    """Shape (n,), dtype S32: xxh3-128 of the image bytes in hex, as in the shard set's index."""
    labels: NDArray[np.str_]
    """Shape (n,): the label id of each image."""
    matrix: NDArray[np.float32]
    """Shape (n, d)."""
    run_digest: str
    """The run whose model made them."""
    shards_digest: str
    """Content digest of the shard set."""
    split: str
    digest: str
    """Identity: how they were made, from what."""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    """The record of `granctl.provenance`; no part of the identity."""

    def __post_init__(self) -> None:
        """Checks the shapes.

        Raises:
            ValueError: they differ in length, or the matrix is not float32 in two dimensions.
        """
        if self.matrix.ndim != 2 or self.matrix.dtype != np.float32:
            raise ValueError("the matrix must be float32 of shape (n, d)")
        if not len(self.checksums) == len(self.labels) == len(self.matrix):
            raise ValueError("checksums, labels and matrix differ in length")

    @property
    def content_digest(self) -> str:
        """Sha256 over the arrays: a file that was changed is found out."""
        hasher = content_hasher(self._keys, self.matrix.shape[1])
        hasher.update(np.ascontiguousarray(self.matrix, dtype="<f4").data)
        return str(hasher.hexdigest())

    @property
    def _keys(self) -> Keys:
        ids, label = np.unique(self.labels, return_inverse=True)
        splits = {self.split: len(self.labels)}
        return Keys(checksums=self.checksums, label=label, label_ids=ids.tolist(), splits=splits)

    def write(self, path: Path) -> None:
        """Writes the file whole, or not at all.

        Raises:
            OutputNotWritableError: no space, read-only, no permission.
        """
        write_features(
            path,
            pieces_of(self.matrix, ROWS_A_GROUP),
            keys=self._keys,
            dim=self.matrix.shape[1],
            dtype="float32",
            head=head_of(
                digest=self.digest,
                run_digest=self.run_digest,
                shards_digest=self.shards_digest,
                split=self.split,
                record=self.provenance,
            ),
        )

    @classmethod
    def read(cls, path: Path) -> Features:
        """Reads the file and checks its content against the digest that was written with it.

        Raises:
            MissingInputError: there is no such file.
            ManifestMismatchError: it holds no features, or was changed.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        if not path.is_file():
            raise MissingInputError("features", path, "make them with `granctl embed`")
        try:
            with pq.ParquetFile(path) as file:
                head = json.loads((file.metadata.metadata or {})[META])
                table = file.read()
            width = table.schema.field("features").type.list_size
            flat = table["features"].combine_chunks().values.to_numpy(zero_copy_only=False)
            found = cls(
                checksums=np.array(table["checksum"].to_pylist(), dtype="S32"),
                labels=np.array(table["label"].to_pylist(), dtype=np.str_),
                matrix=flat.reshape(-1, width).astype(np.float32, copy=False),
                run_digest=head["run_digest"],
                shards_digest=head["shards_digest"],
                split=head["split"],
                digest=head["digest"],
                provenance=head["provenance"],
            )
        except (pa.ArrowException, OSError, KeyError, ValueError, AttributeError) as error:
            raise ManifestMismatchError(path, f"not features ({error})", HINT) from error
        if found.content_digest != head["content_digest"]:
            raise ManifestMismatchError(path, "its content is not what was written", HINT)
        return found
