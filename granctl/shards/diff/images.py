"""The images of a set as arrays, read from its index shard by shard."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from granctl.errors import ManifestMismatchError
from granctl.progress import Progress
from granctl.shards.columns import mask_column
from granctl.shards.diff.matching import Images
from granctl.shards.index import ShardSet
from granctl.shards.indexfile import IndexGroups, label_numbers, texts
from granctl.shards.source.listing import SPLITS

_DIGITS = np.full(256, 255, dtype=np.uint8)
_DIGITS[np.frombuffer(b"0123456789abcdef", dtype=np.uint8)] = np.arange(16)
_CHECKSUM_CHARS = 32


class ImageList:
    """The images of one set, and the way back from one of them to its key."""

    def __init__(self, shards: ShardSet, number_of_label: Mapping[str, int]) -> None:
        """Nothing is read yet.

        Args:
            shards: the set.
            number_of_label: of all labels of both sets.
        """
        self._shards, self._number_of_label = shards, number_of_label
        self._ours = frozenset(shards.labels)
        self._groups = IndexGroups(shards.index_path)
        self._begins = np.zeros(1, dtype=np.int64)

    def read(self, progress: Progress) -> Images:
        """All images, in the order of the shards.

        Raises:
            ManifestMismatchError: the index is damaged.
        """
        total = sum(self._shards.num_images(split) for split in self._shards.splits)
        high, low = np.empty(total, dtype=np.uint64), np.empty(total, dtype=np.uint64)
        label, split = np.empty(total, dtype=np.int32), np.empty(total, dtype=np.int8)
        begins = [0]
        progress.start(f"reading {self._shards.name}", total, "images")
        for number, shard in enumerate(self._shards.manifest["shards"]):
            rows = self._rows(number, "checksum")
            place = slice(begins[-1], begins[-1] + rows.num_rows)
            if place.stop > total:
                break
            high[place], low[place] = self._halves(rows["checksum"])
            label[place] = self._labels(rows["label"])
            split[place] = SPLITS.index(shard["split"])
            begins.append(place.stop)
            progress.advance(rows.num_rows)
        progress.finish()
        self._begins = np.array(begins)
        if begins[-1] != total or len(begins) <= number:
            raise self._damaged(f"it has not the {total} rows that the manifest says")
        return Images(high=high, low=low, label=label, split=split)

    def key(self, image: int) -> str:
        """The key of one image."""
        shard = int(np.searchsorted(self._begins, image, side="right")) - 1
        row = image - int(self._begins[shard])
        return str(self._rows(shard, "key")["key"][row])

    def _rows(self, shard: int, column: str) -> Any:
        """Rows of a shard whose labels the set has: a view leaves labels out."""
        rows = self._groups.rows(shard, [column, "label"])
        if self._shards.base is None:
            return rows
        kept = np.array([label in self._ours for label in texts(rows["label"])], dtype=np.bool_)
        return rows.filter(mask_column(kept))

    def _labels(self, column: Any) -> NDArray[np.int32]:
        try:
            return label_numbers(column, self._number_of_label)
        except KeyError as error:
            raise self._damaged(f"label {error} is not in the manifest") from error

    def _halves(self, column: Any) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
        """The checksums, 32 hex digits each, as two numbers."""
        import pyarrow as pa

        try:
            flat = column.combine_chunks().cast(pa.binary(_CHECKSUM_CHARS))
        except pa.ArrowException as error:
            raise self._damaged(f"its checksums are none ({error})") from error
        if not len(flat):
            return np.zeros(0, dtype=np.uint64), np.zeros(0, dtype=np.uint64)
        first = flat.offset * _CHECKSUM_CHARS
        text = np.frombuffer(flat.buffers()[1], np.uint8, len(flat) * _CHECKSUM_CHARS, first)
        digits = _DIGITS[text].reshape(-1, _CHECKSUM_CHARS)
        if (digits > 15).any():
            raise self._damaged("its checksums are not hexadecimal")
        numbers = (digits[:, 0::2] << 4 | digits[:, 1::2]).view(">u8")
        return numbers[:, 0].astype(np.uint64), numbers[:, 1].astype(np.uint64)

    def _damaged(self, problem: str) -> ManifestMismatchError:
        hint = "make it again with `granctl shards build`"
        return ManifestMismatchError(self._shards.index_path, problem, hint)
