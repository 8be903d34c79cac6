"""Images in Parquet files, as the embedded set is: columns image, label, index."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from granctl.errors import SourceLayoutError
from granctl.shards.columns import column_of, numbers_of, text_column
from granctl.shards.names import Names
from granctl.shards.source.listing import SPLIT_OF_FOLDER, SPLITS, Listing


class ParquetSource:
    """Parquet files with the columns image (encoded bytes), label (text), index (a number)."""

    def __init__(self, root: Path, name: str) -> None:
        import pyarrow as pa

        self.root, self.name = root, name
        files = sorted(root.glob("*.parquet"))
        hasher = hashlib.sha256()
        tables = []
        for path in files:
            content = path.read_bytes()
            hasher.update(f"{path.name}\0{len(content)}\0".encode() + content)
            tables.append(_image_table(path, content))
        self.digest = hasher.hexdigest()
        table = pa.concat_tables(tables)
        self._images = table["image"]
        labels = table["label"].to_pylist()
        names = tuple(sorted(set(labels)))
        index_of_label = {label: i for i, label in enumerate(names)}
        self.listing = Listing(
            names=Names.of(table["name"].to_pylist()),
            labels=names,
            label_of=np.array([index_of_label[label] for label in labels], dtype=np.int32),
            split_of=numbers_of(table["split"], np.int8),
            sizes=np.array([len(image) for image in self._images.to_pylist()], dtype=np.int64),
        )

    def read(self, i: int) -> bytes:
        """The bytes of image `i`."""
        return bytes(self._images[i].as_py())

    def read_soon(self, i: int) -> None:
        """Nothing: all images are in memory."""


def is_indexed(path: Path) -> bool:
    """Whether a Parquet file is of this form, by its columns and its name."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        names = set(pq.read_schema(path).names)
    except (pa.ArrowException, OSError):
        return False
    named = path.stem.rpartition("-")[2].lower() in SPLIT_OF_FOLDER
    return named and {"image", "label", "index"} <= names


def _image_table(path: Path, content: bytes) -> Any:
    """One Parquet file as columns image, label, name, split.

    Raises:
        SourceLayoutError: its name or its columns say no such thing.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder = SPLIT_OF_FOLDER.get(path.stem.rpartition("-")[2].lower())
    if folder is None:
        raise SourceLayoutError(path, "its name does not end in -train, -val or -test")
    try:
        with pq.ParquetFile(pa.BufferReader(content)) as file:
            table = file.read(["image", "label", "index"])
        places = [f"{path.stem}#{i}" for i in table["index"].to_pylist()]
    except (pa.ArrowException, OSError, KeyError) as error:
        raise SourceLayoutError(path, f"not Parquet with image, label, index ({error})") from error
    if len(set(places)) < len(places) or table["label"].null_count or table["image"].null_count:
        raise SourceLayoutError(path, "an index stands twice, or an image or label is missing")
    split = column_of(np.full(len(places), SPLITS.index(folder), dtype=np.int8))
    return pa.table(
        {
            "image": table["image"].cast(pa.large_binary()),
            "label": table["label"].cast(pa.string()),
            "name": text_column(places),
            "split": split,
        }
    )
