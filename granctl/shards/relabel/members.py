"""The `.cls` and `.json` members of a shard by its index: where they lie, and what they become."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from granctl.errors import ShardCorruptError
from granctl.shards.columns import numbers_of
from granctl.shards.indexfile import label_numbers, texts
from granctl.shards.relabel.relabelling import Relabelling
from granctl.shards.tar import (
    BLOCK,
    END_BYTES,
    MOST_KEYS,
    json_head,
    json_mark,
    json_padded,
    json_source,
    label_members,
    size_in,
)

CHUNK = 1 << 14
"""Images whose members are worked on at once: 32 MB, whatever a shard holds."""
_HEADS = 3 * BLOCK
"""Of a tail without the content of its `.json`: two headers and the class."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Members:
    """The images of one shard, or some of them, in its order; arrays of shape (n,).

    The bytes of a sample are its image with header and padding, and then the tail: `.cls` and
    `.json` with theirs.
    """

    keys: NDArray[np.int64]
    labels: NDArray[np.int32]
    """Number of the label of the base."""
    begins: NDArray[np.int64]
    """First byte of the sample."""
    tails: NDArray[np.int64]
    """First byte of its tail."""
    ends: NDArray[np.int64]
    """First byte behind it."""

    def __len__(self) -> int:
        return len(self.keys)

    def part(self, which: Any) -> Members:
        """Those of a slice or a mask."""
        return Members(
            keys=self.keys[which],
            labels=self.labels[which],
            begins=self.begins[which],
            tails=self.tails[which],
            ends=self.ends[which],
        )

    def parts(self) -> Iterator[Members]:
        """All of them, `CHUNK` after `CHUNK`."""
        return (self.part(slice(i, i + CHUNK)) for i in range(0, len(self), CHUNK))

    @property
    def json_sizes(self) -> NDArray[np.int64]:
        """Bytes of the `.json` members."""
        return self.ends - self.tails - _HEADS


def members_of(
    path: str, rows: Any, number_of_label: Mapping[str, int], record: Mapping[str, Any]
) -> Members:
    """The samples of a shard, from its rows of the index and its size alone.

    Args:
        path: of the shard, for messages.
        rows: pyarrow table with offset, size, key, label.
        number_of_label: of the base.
        record: of the shard in the manifest: `images`, `bytes`.

    Raises:
        ShardCorruptError: the rows do not fit to each other and to the shard.
    """
    end = record["bytes"] - END_BYTES
    begins = numbers_of(rows["offset"], np.int64) - BLOCK
    sizes = numbers_of(rows["size"], np.int32).astype(np.int64)
    bounds = np.append(begins, end)
    tails = begins + BLOCK + -(-sizes // BLOCK) * BLOCK
    contents = bounds[1:] - tails - _HEADS
    wrong = (
        (sizes < 0) | (begins < 0) | (begins > end) | (contents < BLOCK) | (contents % BLOCK > 0)
    )
    if len(begins) != record["images"] or bounds[0] != 0 or wrong.any():
        raise ShardCorruptError(path, "its index does not fit to it")
    try:
        keys = np.array(texts(rows["key"]), dtype=np.str_).astype(np.int64)
        if len(keys) and not 0 <= int(keys.min()) <= int(keys.max()) < MOST_KEYS:
            raise ValueError("a number of more than nine digits")
    except ValueError as error:
        problem = f"its index has a key that granctl did not write ({error})"
        raise ShardCorruptError(path, problem) from error
    labels = labels_of(path, rows, number_of_label)
    return Members(keys=keys, labels=labels, begins=begins, tails=tails, ends=bounds[1:])


def labels_of(path: str, rows: Any, number_of_label: Mapping[str, int]) -> NDArray[np.int32]:
    """The number of each row's label: shape (n,).

    Raises:
        ShardCorruptError: the index has a label that the manifest does not know.
    """
    try:
        return label_numbers(rows["label"], number_of_label)
    except KeyError as error:
        problem = f"its index has the label {error}, which is not in the manifest"
        raise ShardCorruptError(path, problem) from error


def read_tails(path: str, handle: int, members: Members) -> list[bytes]:
    """The tail of each sample.

    Raises:
        ShardCorruptError: the file ends before.
    """
    tails, sizes = members.tails.tolist(), (members.ends - members.tails).tolist()
    found = [os.pread(handle, size, at) for at, size in zip(tails, sizes, strict=True)]
    if any(len(tail) != size for tail, size in zip(found, sizes, strict=True)):
        raise ShardCorruptError(path, "it ends inside of a sample")
    return found


class Labelling:
    """What every tail becomes under the classes of a relabelling."""

    def __init__(self, relabelling: Relabelling) -> None:
        labels = relabelling.base.labels
        also = [
            {name: theirs[i] for name, theirs in relabelling.also.items()}
            for i in range(len(labels))
        ]
        self.heads = [
            json_head(label, classes, further)
            for label, classes, further in zip(labels, relabelling.classes, also, strict=True)
        ]
        self._firsts = [b"%d" % classes[0] if classes else b"" for classes in relabelling.classes]
        self._marks = [json_mark(label) for label in labels]

    def sources(self, path: str, members: Members, tails: Sequence[bytes]) -> list[bytes]:
        """Where each image came from, as its `.json` says: the one thing that no map knows.

        Raises:
            ShardCorruptError: a tail is not that of the index's key and label.
        """
        found = []
        sizes, at = members.json_sizes.tolist(), members.tails.tolist()
        numbers = zip(members.keys.tolist(), members.labels.tolist(), sizes, at, strict=True)
        for tail, (key, label, size, place) in zip(tails, numbers, strict=True):
            source = json_source(tail[_HEADS:], self._marks[label])
            is_cls = tail.startswith(b"%09d.cls\0" % key)
            is_json = tail.startswith(b"%09d.json\0" % key, 2 * BLOCK)
            if source is None or not is_cls or not is_json or size_in(tail[2 * BLOCK :]) != size:
                raise ShardCorruptError(path, f"byte {place} has no .cls and .json of {key:09d}")
            found.append(source)
        return found

    def texts(self, members: Members, sources: Sequence[bytes]) -> list[bytes]:
        """The content of each `.json` without the spaces at its end."""
        labels = members.labels.tolist()
        return [self.heads[n] + source for n, source in zip(labels, sources, strict=True)]

    def new_tails(self, members: Members, sources: Sequence[bytes]) -> list[bytes]:
        """The tail of each sample as a build would write it."""
        return self._tails(members, [json_padded(text) for text in self.texts(members, sources)])

    def fitting_tails(self, members: Members, sources: Sequence[bytes]) -> list[bytes]:
        """The tail of each sample with as many bytes as it has, into which it fits."""
        sizes = members.json_sizes.tolist()
        texts = self.texts(members, sources)
        return self._tails(members, [text.ljust(n) for text, n in zip(texts, sizes, strict=True)])

    def _tails(self, members: Members, payloads: Sequence[bytes]) -> list[bytes]:
        firsts = [self._firsts[label] for label in members.labels.tolist()]
        return label_members(members.keys, firsts, payloads)
