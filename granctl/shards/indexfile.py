"""index.parquet written shard by shard, and what is counted on the way; read shard by shard."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from granctl.errors import ManifestMismatchError
from granctl.files import replacing
from granctl.shards.build.structure import Remark
from granctl.shards.columns import repeated_text

_TEXTS = "dictionary<values=string, indices=int32, ordered=0>"
COLUMN_TYPES = {
    "shard": "int32",
    "offset": "int64",
    "size": "int32",
    "key": "string",
    "label": _TEXTS,
    "checksum": "string",
    "split": _TEXTS,
    "width": "int32",
    "height": "int32",
    "remarks": "uint8",
}
"""Of the columns of every index, as Arrow writes them."""
_HINT = "make it again with `granctl shards build`"


def texts(column: Any) -> list[str]:
    """The texts of an Arrow column, plain or a dictionary.

    By way of numpy: `to_pylist` makes an object of Arrow's for each text first, which takes four
    to ten times as long.
    """
    import pyarrow as pa

    found: list[str] = column.cast(pa.string()).to_numpy().tolist()
    return found


def label_numbers(column: Any, number_of_label: Mapping[str, int]) -> NDArray[np.int32]:
    """The number of each label of the index's column: shape (n,).

    Raises:
        KeyError: it has a label without one.
    """
    label = column.unify_dictionaries().combine_chunks()
    numbers = [number_of_label[name] for name in label.dictionary.to_pylist()]
    found: NDArray[np.int32] = np.array(numbers, dtype=np.int32)[label.indices.to_numpy()]
    return found


class ContentHasher:
    """The content digest of a shard set: the same images, labels, splits, order.

    It is the sha256 over the labels and, of each image in the order of the index, its split, its
    label and its checksum.
    """

    def __init__(self, labels: Sequence[str]) -> None:
        self._hasher = hashlib.sha256("\0".join(labels).encode())

    def update(self, split: str, labels: Any, checksums: Any) -> None:
        """The next images; all are of one split.

        Args:
            split: of them.
            labels: pyarrow strings, or a dictionary of them.
            checksums: pyarrow strings.
        """
        import pyarrow as pa
        import pyarrow.compute as pc

        # Joined by pyarrow: a loop over 14 million images takes a minute.
        before, between = (repeated_text(text, len(labels)) for text in (f"\n{split}", "\0"))
        parts = (before, labels.cast(pa.string()), checksums, between)
        joined = pc.binary_join_element_wise(*parts)
        for piece in getattr(joined, "chunks", [joined]):
            _, offsets, data = piece.buffers()
            ends = np.frombuffer(offsets, dtype=np.int32)[
                piece.offset : piece.offset + len(piece) + 1
            ]
            if data is not None:
                self._hasher.update(memoryview(data)[ends[0] : ends[-1]])

    def hexdigest(self) -> str:
        """Of all images so far."""
        return self._hasher.hexdigest()


@dataclass(slots=True)
class IndexCounts:
    """What was counted while an index was written."""

    content_digest: str = ""
    images: list[int] = field(default_factory=list)
    """Of each shard."""
    splits: dict[str, Any] = field(default_factory=dict)
    """Of each split that has images: `images`, `image_bytes`, and a label `label_counts` and
    `label_bytes`."""
    remarks: dict[str, int] = field(default_factory=dict)


class IndexWriter:
    """Writes an index, a row group a shard."""

    def __init__(self, path: Path, labels: Sequence[str]) -> None:
        self._path, self._labels = path, labels
        self._number_of_label = {label: i for i, label in enumerate(labels)}
        self._hasher = ContentHasher(labels)
        self._counts: dict[str, tuple[NDArray[np.int64], NDArray[np.int64]]] = {}
        self._remarks = Counter[Remark]()
        self._images: list[int] = []
        self._writer: Any = None

    def add(self, split: str, rows: Any) -> None:
        """Adds the rows of the next shard.

        Args:
            split: of all of them.
            rows: pyarrow table with offset, size, key, label, checksum, width, height, remarks.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        dictionary = pa.dictionary(pa.int32(), pa.string())
        num = rows.num_rows
        names = texts(rows["label"])
        self._hasher.update(split, rows["label"], rows["checksum"])
        self._count(split, names, rows["size"].to_numpy())
        flags = rows["remarks"].to_numpy()
        self._remarks.update({one: int((flags & one != 0).sum()) for one in Remark})
        columns = {
            "shard": pa.array(np.full(num, len(self._images), dtype=np.int32)),
            **{name: rows[name] for name in ("offset", "size", "key")},
            "label": pa.array(names, pa.string()).cast(dictionary),
            "checksum": rows["checksum"],
            "split": pa.array([split] * num, pa.string()).cast(dictionary),
            **{name: rows[name] for name in ("width", "height", "remarks")},
        }
        table = pa.table(columns)
        self._writer = self._writer or pq.ParquetWriter(
            self._path, table.schema, compression="zstd"
        )
        self._writer.write_table(table)
        self._images.append(num)

    def _count(self, split: str, names: Sequence[str], sizes: NDArray[np.int32]) -> None:
        zeros = np.zeros(len(self._labels), dtype=np.int64)
        images, num_bytes = self._counts.setdefault(split, (zeros, zeros.copy()))
        numbers = np.array([self._number_of_label[name] for name in names], dtype=np.int64)
        np.add.at(images, numbers, 1)
        np.add.at(num_bytes, numbers, sizes.astype(np.int64))

    def close(self) -> None:
        """Ends the file."""
        if self._writer is not None:
            self._writer.close()

    def counts(self) -> IndexCounts:
        """What was counted so far."""
        splits = {
            name: {
                "images": int(images.sum()),
                "image_bytes": int(num_bytes.sum()),
                "label_counts": images.tolist(),
                "label_bytes": num_bytes.tolist(),
            }
            for name, (images, num_bytes) in self._counts.items()
            if images.any()
        }
        remarks = {str(one.name).lower(): num for one, num in self._remarks.items() if num}
        digest = self._hasher.hexdigest()
        return IndexCounts(digest, list(self._images), splits, remarks)


@contextmanager
def writing_index(path: Path, labels: Sequence[str]) -> Iterator[IndexWriter]:
    """An index that is there as a whole, once all shards were added.

    Raises:
        OutputNotWritableError: no space, read-only, no permission.
    """
    with replacing(path) as temporary:
        writer = IndexWriter(temporary, labels)
        try:
            yield writer
        finally:
            writer.close()


class IndexGroups:
    """Rows of an index shard by shard, so that memory holds those of one shard alone."""

    def __init__(self, path: Path) -> None:
        """Reads where the rows of each shard lie.

        Raises:
            ManifestMismatchError: the index is damaged.
        """
        import pyarrow.parquet as pq

        self.path = path
        self._groups: dict[int, list[int]] = {}
        with self._checked(), pq.ParquetFile(path) as file:
            types = {field.name: str(field.type) for field in file.schema_arrow}
            if types != COLUMN_TYPES:
                raise ValueError("its columns are others than granctl writes")
            self._metadata = file.metadata
            for group in range(file.num_row_groups):
                shard = _shard_of(file, group)
                if shard is not None:
                    self._groups.setdefault(shard, []).append(group)

    @property
    def num_rows(self) -> int:
        """Of all shards."""
        return int(self._metadata.num_rows)

    @property
    def shards(self) -> list[int]:
        """Numbers of the shards that have rows, sorted."""
        return sorted(self._groups)

    def rows(self, shard: int, columns: Sequence[str] | None = None) -> Any:
        """The rows of one shard: a pyarrow table.

        Raises:
            ManifestMismatchError: the index is damaged.
        """
        import pyarrow.parquet as pq

        groups = self._groups.get(shard, [])
        # Opened for each shard: worker processes must not share a place in a file.
        with self._checked(), pq.ParquetFile(self.path, metadata=self._metadata) as file:
            rows = file.read_row_groups(groups, columns=columns, use_threads=False)
            if any(column.null_count for column in rows.columns):
                raise ValueError(f"the rows of shard {shard} have gaps")
            return rows

    @contextmanager
    def _checked(self) -> Iterator[None]:
        import pyarrow as pa

        try:
            yield
        except (pa.ArrowException, OSError, KeyError, ValueError) as error:
            raise ManifestMismatchError(self.path, f"cannot be read ({error})", _HINT) from error


def _shard_of(file: Any, group: int) -> int | None:
    """The shard whose rows a row group holds; None where it is empty.

    Raises:
        ValueError: it holds rows of several.
    """
    found = file.metadata.row_group(group)
    if not found.num_rows:
        return None
    said = found.column(file.schema_arrow.names.index("shard")).statistics
    if said is not None and said.has_min_max:
        least, most = said.min, said.max
    else:
        column = file.read_row_group(group, ["shard"])["shard"].to_numpy()
        least, most = column.min(), column.max()
    if least != most:
        raise ValueError(f"row group {group} holds rows of several shards")
    return int(least)
