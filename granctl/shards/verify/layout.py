"""Where every byte of a shard belongs, as the index and the manifest say: pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from granctl.shards.columns import bytes_of, numbers_of, places_of
from granctl.shards.tar import BLOCK, END_BYTES, KEY_DIGITS, json_head

_LONGEST_JSON = 1 << 24
"""A `.json` member longer than this is no label but a gap in the index."""
_LONGEST_HEAD = 1024
"""Longer heads of `.json` members are compared one by one: a table of them would be large."""

_SUM_BYTES = 16

COLUMNS = ("offset", "size", "key", "label", "checksum")


@dataclass(frozen=True, kw_only=True, eq=False)
class ShardRows:
    """The images of one shard in the order of the index; all arrays are (n,)."""

    offsets: NDArray[np.int64]
    """First byte of each image."""
    sizes: NDArray[np.int64]
    keys: NDArray[np.int64]
    """As numbers; -1 where a key is none of nine digits."""
    labels: NDArray[np.int64]
    """Index into the manifest's labels; -1 where it has no such label."""
    sums: NDArray[np.uint8]
    """Shape (n, 16): the xxh3-128 of each image."""

    @classmethod
    def none(cls) -> ShardRows:
        """Of a shard without images."""
        empty = np.zeros(0, dtype=np.int64)
        sums = np.zeros((0, 16), dtype=np.uint8)
        return cls(offsets=empty, sizes=empty, keys=empty, labels=empty, sums=sums)

    def __len__(self) -> int:
        return len(self.offsets)

    def slice(self, ours: slice) -> ShardRows:
        """Some rows beside each other."""
        return ShardRows(
            offsets=self.offsets[ours],
            sizes=self.sizes[ours],
            keys=self.keys[ours],
            labels=self.labels[ours],
            sums=self.sums[ours],
        )


def shard_rows(table: Any, labels: Any) -> ShardRows:
    """The rows of a pyarrow table with the columns `COLUMNS`.

    Args:
        table: of one shard.
        labels: the manifest's labels, as `text_column` makes them.

    Raises:
        ValueError: a column has gaps, another type, or what is no checksum.
    """
    return ShardRows(
        offsets=numbers_of(table["offset"], np.int64),
        sizes=numbers_of(table["size"], np.int32).astype(np.int64),
        keys=_key_numbers(*bytes_of(table["key"])),
        labels=places_of(table["label"], labels).astype(np.int64),
        sums=_hex_rows(*bytes_of(table["checksum"])),
    )


def _key_numbers(offsets: NDArray[np.int32], data: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Keys of nine digits as numbers; -1 for others."""
    lengths = np.diff(offsets)
    found = np.full(len(lengths), -1, dtype=np.int64)
    ours = np.flatnonzero(lengths == KEY_DIGITS)
    digits = data[offsets[ours][:, None] + np.arange(KEY_DIGITS)] - np.uint8(ord("0"))
    plain = (digits <= 9).all(axis=1)
    found[ours[plain]] = digits[plain].astype(np.int64) @ 10 ** np.arange(KEY_DIGITS)[::-1]
    return found


def _hex_rows(offsets: NDArray[np.int32], data: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The 16 bytes that each text of 32 hex digits says; shape (n, 16).

    Raises:
        ValueError: one of them is no such text.
    """
    if (np.diff(offsets) != 2 * _SUM_BYTES).any():
        raise ValueError("a checksum has not 32 digits")
    digits = data[offsets[0] : offsets[-1]].tobytes().decode("ascii", "replace")
    return np.frombuffer(bytes.fromhex(digits), dtype=np.uint8).reshape(-1, _SUM_BYTES)


@dataclass(frozen=True, kw_only=True, eq=False)
class Layout:
    """Where samples lie; arrays of shape (n,)."""

    begins: NDArray[np.int64]
    """First byte of each image's header."""
    ends: NDArray[np.int64]
    """Behind its `.json` member."""
    json_sizes: NDArray[np.int64]
    pads: NDArray[np.int64]
    """Zero bytes behind each image."""

    def __len__(self) -> int:
        return len(self.begins)

    @property
    def tail_sizes(self) -> NDArray[np.int64]:
        """Bytes of `.cls` and `.json` with their headers."""
        return self.json_sizes + 3 * BLOCK

    def slice(self, ours: slice) -> Layout:
        """Some rows beside each other."""
        return Layout(
            begins=self.begins[ours],
            ends=self.ends[ours],
            json_sizes=self.json_sizes[ours],
            pads=self.pads[ours],
        )


def layout_of(rows: ShardRows, num_bytes: int) -> Layout | None:
    """The layout that index and size of a shard imply; None: they contradict each other.

    Samples lie one behind the other from byte 0 on, each an image, a `.cls` of one block and a
    `.json` of whole blocks, and two blocks end the tar; so places and sizes of images say all.
    """
    begins = rows.offsets - BLOCK
    ends = np.append(begins[1:], num_bytes - END_BYTES) if len(rows) else begins
    pads = -rows.sizes % BLOCK
    json_sizes = ends - rows.offsets - rows.sizes - pads - 3 * BLOCK
    starts = int(begins[0]) if len(rows) else num_bytes - END_BYTES
    fits = (json_sizes >= BLOCK) & (json_sizes <= _LONGEST_JSON) & (json_sizes % BLOCK == 0)
    if starts or not (fits & (rows.sizes > 0) & (rows.keys >= 0)).all():
        return None
    return Layout(begins=begins, ends=ends, json_sizes=json_sizes, pads=pads)


@dataclass(frozen=True, kw_only=True, eq=False)
class LabelHeads:
    """What `.cls` and `.json` of an image of each label say, as the manifest has it."""

    labels: Sequence[str]
    classes: Sequence[tuple[int, ...]]
    """Of each label, the first one first."""
    heads: Sequence[bytes]
    """The `.json` of each label as far as its source."""
    table: NDArray[np.uint8]
    """Shape (labels, w): the heads that are not too long, padded with zeros."""
    lengths: NDArray[np.int64]
    """Shape (labels,): their bytes; 0 for those that are too long."""
    firsts: NDArray[np.int64]
    """Shape (labels,): the first class; -1 where there is none."""
    num_classes: int

    @classmethod
    def of(cls, manifest: Mapping[str, Any]) -> LabelHeads:
        """Of a manifest that was checked."""
        labels = manifest["labels"]
        classes = [tuple(ours) for ours in manifest["classes"]["of_label"]]
        also = {name: one["of_label"] for name, one in manifest.get("also", {}).items()}
        heads = [
            json_head(label, ours, {name: one[i] for name, one in also.items()})
            for i, (label, ours) in enumerate(zip(labels, classes, strict=True))
        ]
        lengths = np.array([len(h) if len(h) <= _LONGEST_HEAD else 0 for h in heads], np.int64)
        width = int(lengths.max(initial=0))
        blob = b"".join(
            h.ljust(width, b"\0") if n else bytes(width)
            for h, n in zip(heads, lengths, strict=True)
        )
        return cls(
            labels=labels,
            classes=classes,
            heads=heads,
            table=np.frombuffer(blob, dtype=np.uint8).reshape(len(heads), width),
            lengths=lengths,
            firsts=np.array([ours[0] if ours else -1 for ours in classes], dtype=np.int64),
            num_classes=int(manifest["classes"]["num_classes"]),
        )
