"""index.parquet written shard by shard, and what is counted on the way; read shard by shard."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from granctl.errors import ManifestMismatchError
from granctl.files import replacing
from granctl.shards.build.structure import Remark
from granctl.shards.columns import bytes_of, coded_column, column_of, numbers_of, repeated_text

_TEXTS = "dictionary<values=string, indices=int32, ordered=0>"
COLUMN_TYPES = {
    "shard": "int32",
    "offset": "int64",
    "size": "int32",
    "key": "string",
    "label": _TEXTS,
    "label_index": "int32",
    "checksum": "string",
    "split": _TEXTS,
    "width": "int32",
    "height": "int32",
    "remarks": "uint8",
}
"""Of the columns of every index, as Arrow writes them."""
_NUMBERS = ("shard", "offset", "size", "label_index")
"""What a reader of images needs. 14 million rows of these columns are read in 0.2 s as they stand
here, and in 0.5 s where they are compressed."""
_REPEATED = ("label", "split", "width", "height", "remarks")
_DISTINCT = ("key", "checksum")
_FORM: Mapping[str, Any] = {
    "compression": dict.fromkeys(_NUMBERS, "NONE") | dict.fromkeys(_REPEATED + _DISTINCT, "ZSTD"),
    "use_dictionary": list(_REPEATED),
    "column_encoding": {"offset": "DELTA_BINARY_PACKED"},
}
_AT_ONCE = 64
"""Row groups that are read together: fewer would leave processors idle."""
_HINT = "make it again with `granctl shards build`"


def texts(column: Any) -> list[str]:
    """The texts of an Arrow column, plain or a dictionary.

    By way of their bytes: `to_pylist` makes an object of Arrow's for each text first, which takes
    four to ten times as long, and `to_numpy` loads pandas.
    """
    import pyarrow as pa

    starts, data = bytes_of(column.cast(pa.string()))
    blob = data[starts[0] : starts[-1]].tobytes()
    bounds = pairwise((starts - starts[0]).tolist())
    if blob.isascii():
        text = blob.decode()
        return [text[begin:end] for begin, end in bounds]
    return [blob[begin:end].decode() for begin, end in bounds]


def label_numbers(column: Any, number_of_label: Mapping[str, int]) -> NDArray[np.int32]:
    """The number of each label of the index's column: shape (n,).

    Raises:
        KeyError: it has a label without one.
    """
    label = column.unify_dictionaries().combine_chunks()
    numbers = np.array(
        [number_of_label[name] for name in label.dictionary.to_pylist()], dtype=np.int32
    )
    found: NDArray[np.int32] = numbers[numbers_of(label.indices, np.int32)]
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

        num = rows.num_rows
        names = texts(rows["label"])
        self._hasher.update(split, rows["label"], rows["checksum"])
        numbers = np.array([self._number_of_label[name] for name in names], dtype=np.int32)
        self._count(split, numbers, numbers_of(rows["size"], np.int32))
        flags = numbers_of(rows["remarks"], np.uint8)
        self._remarks.update({one: int((flags & one != 0).sum()) for one in Remark})
        columns = {
            "shard": column_of(np.full(num, len(self._images), dtype=np.int32)),
            **{name: rows[name] for name in ("offset", "size", "key")},
            "label": coded_column(names),
            "label_index": column_of(numbers),
            "checksum": rows["checksum"],
            "split": coded_column([split] * num),
            **{name: rows[name] for name in ("width", "height", "remarks")},
        }
        table = pa.table(columns)
        self._writer = self._writer or pq.ParquetWriter(self._path, table.schema, **_FORM)
        self._writer.write_table(table)
        self._images.append(num)

    def _count(self, split: str, numbers: NDArray[np.int32], sizes: NDArray[np.int32]) -> None:
        zeros = np.zeros(len(self._labels), dtype=np.int64)
        images, num_bytes = self._counts.setdefault(split, (zeros, zeros.copy()))
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


@contextmanager
def _checked(path: Path) -> Iterator[None]:
    """Raises ManifestMismatchError where what is read is no index."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        raise ManifestMismatchError(path, f"cannot be read ({error})", _HINT) from error


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
        with _checked(path), pq.ParquetFile(path) as file:
            _check_columns(file)
            self._metadata = file.metadata
            for group in range(file.num_row_groups):
                for shard in _only_value(file, group, "shard"):
                    self._groups.setdefault(int(shard), []).append(group)

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
        with _checked(self.path), pq.ParquetFile(self.path, metadata=self._metadata) as file:
            return _without_gaps(file.read_row_groups(groups, columns=columns, use_threads=False))


def rows_of_split(path: Path, split: str, columns: Sequence[str]) -> Iterator[Any]:
    """The rows of one split in their order, some shards at a time: pyarrow tables.

    Raises:
        ManifestMismatchError: the index is damaged.
    """
    import pyarrow.parquet as pq

    with _checked(path):
        file = pq.ParquetFile(path)
    with file:
        with _checked(path):
            _check_columns(file)
            every = range(file.num_row_groups)
            groups = [group for group in every if split in _only_value(file, group, "split")]
        for first in range(0, len(groups), _AT_ONCE):
            with _checked(path):
                found = file.read_row_groups(groups[first : first + _AT_ONCE], list(columns))
                _without_gaps(found)
            yield found


def _check_columns(file: Any) -> None:
    """Raises ValueError where an opened index is of another form."""
    if {field.name: str(field.type) for field in file.schema_arrow} != COLUMN_TYPES:
        raise ValueError("its columns are others than granctl writes")


def _without_gaps(rows: Any) -> Any:
    """The rows.

    Raises:
        ValueError: some lack a value.
    """
    if any(column.null_count for column in rows.columns):
        raise ValueError("rows have gaps")
    return rows


def _only_value(file: Any, group: int, column: str) -> list[Any]:
    """What all rows of a row group have in a column; nothing where it has no rows.

    Raises:
        ValueError: they have several values.
    """
    found = file.metadata.row_group(group)
    if not found.num_rows:
        return []
    said = found.column(file.schema_arrow.names.index(column)).statistics
    if said is not None and said.has_min_max:
        values = {said.min, said.max}
    else:
        values = set(file.read_row_group(group, [column])[column].to_pylist())
    if len(values) > 1:
        raise ValueError(f"row group {group} holds rows of several values of {column}")
    return list(values)
