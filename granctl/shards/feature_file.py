"""The Parquet file of features, written part by part: memory is that of one part.

Columns, a row an image:
  checksum    string: xxh3-128 of the image's bytes in hex, as in the shard set's index
  label       string, by dictionary
  split       string, by dictionary: train, val or test; only where there are several
  features    fixed-size list of float32 or float16
The file's metadata has one JSON object under `granctl.features`: schema, digest, content_digest,
run_digest, shards_digest, split, provenance.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from granctl.files import replacing

META = b"granctl.features"
_ROWS_AT_ONCE = 16_384


@dataclass(frozen=True, kw_only=True, eq=False)
class Keys:
    """Which image each row is; n rows."""

    checksums: NDArray[np.bytes_]
    """Shape (n,), dtype S32."""
    label: NDArray[np.integer[Any]]
    """Shape (n,): index into `label_ids`."""
    label_ids: Sequence[str]
    splits: Mapping[str, int]
    """Images of each split; the rows are in this order."""

    def __len__(self) -> int:
        return len(self.checksums)

    def labels_of(self, begin: int, end: int) -> list[str]:
        """The labels of some rows."""
        return [self.label_ids[i] for i in self.label[begin:end].tolist()]

    def splits_of(self, begin: int, end: int) -> list[str]:
        """The splits of some rows."""
        found: list[str] = []
        first = 0
        for name, num in self.splits.items():
            found += [name] * max(0, min(end, first + num) - max(begin, first))
            first += num
        return found


def content_hasher(keys: Keys, dim: int) -> Any:
    """Sha256 of everything but the matrix, whose bytes (little-endian float32) follow."""
    hasher = hashlib.sha256(str((len(keys), dim)).encode())
    hasher.update(np.ascontiguousarray(keys.checksums.astype("S32", copy=False)).data)
    for begin in range(0, len(keys), _ROWS_AT_ONCE):
        joined = "\0".join(keys.labels_of(begin, begin + _ROWS_AT_ONCE))
        hasher.update(("\0" * (begin > 0) + joined).encode())
    return hasher


def write_features(
    path: Path,
    parts: Iterable[NDArray[Any]],
    *,
    keys: Keys,
    dim: int,
    dtype: str,
    head: Mapping[str, Any],
) -> None:
    """Writes the file whole, or not at all; each part is one row group.

    Args:
        path: of the file.
        parts: matrices of shape (b, dim), n rows in all.
        keys: of the rows.
        dim: numbers an image.
        dtype: float32 or float16.
        head: JSON for the file's metadata; the content digest is added.

    Raises:
        ValueError: the parts have more or fewer rows than there are keys.
        OutputNotWritableError: no space, read-only, no permission.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    hasher = content_hasher(keys, dim)
    schema = _schema(dim, dtype, several=len(keys.splits) > 1)
    # A dictionary of floats is tried and thrown away for every page.
    options: dict[str, Any] = {"compression": "zstd", "use_dictionary": ["label", "split"]}
    with replacing(path) as temporary, pq.ParquetWriter(temporary, schema, **options) as file:
        begin = 0
        for matrix in parts:
            hasher.update(np.ascontiguousarray(matrix, dtype="<f4").data)
            end = begin + len(matrix)
            columns = _columns(keys, begin, end, matrix, dim, schema)
            file.write_table(pa.table(columns, schema), row_group_size=max(len(matrix), 1))
            begin = end
        if begin != len(keys):
            raise ValueError(f"{begin} rows for {len(keys)} images")
        whole = {**head, "content_digest": hasher.hexdigest()}
        file.add_key_value_metadata({META: json.dumps(whole, sort_keys=True).encode()})


def _schema(dim: int, dtype: str, *, several: bool) -> Any:
    import pyarrow as pa

    word = pa.dictionary(pa.int32(), pa.string())
    number = pa.float16() if dtype == "float16" else pa.float32()
    split = [("split", word)] if several else []
    return pa.schema(
        [("checksum", pa.string()), ("label", word), *split, ("features", pa.list_(number, dim))]
    )


def _columns(
    keys: Keys, begin: int, end: int, matrix: NDArray[Any], dim: int, schema: Any
) -> dict[str, Any]:
    import pyarrow as pa

    number = schema.field("features").type.value_type
    flat = pa.array(np.ascontiguousarray(matrix).reshape(-1), number)
    columns = {
        "checksum": pa.array([c.decode() for c in keys.checksums[begin:end].tolist()], pa.string()),
        "label": _words(keys.labels_of(begin, end)),
        "features": pa.FixedSizeListArray.from_arrays(flat, dim),
    }
    if len(keys.splits) > 1:
        columns["split"] = _words(keys.splits_of(begin, end))
    return columns


def _words(texts: Sequence[str]) -> Any:
    import pyarrow as pa

    return pa.array(texts, pa.string()).dictionary_encode()


def pieces_of(matrix: NDArray[Any], rows: int) -> Iterator[NDArray[Any]]:
    """A matrix in parts of so many rows."""
    for begin in range(0, len(matrix), rows):
        yield matrix[begin : begin + rows]
