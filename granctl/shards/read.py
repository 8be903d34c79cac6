"""Image bytes by their place in the index: random access without reading the tars around them."""

from __future__ import annotations

from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from granctl.errors import ManifestMismatchError
from granctl.shards.columns import numbers_of
from granctl.shards.index import Rows, ShardSet
from granctl.shards.indexfile import IndexGroups, texts


class ImageReader:
    """Reads single images of a shard set, wherever it lies; a context manager.

    Shards of a folder are mapped into memory; those behind a URL are read by ranges. A reader may
    be sent to another process: it then opens its own maps or connections.
    """

    def __init__(self, shardset: ShardSet) -> None:
        shards = [(shard["name"], shard["bytes"]) for shard in shardset.manifest["shards"]]
        self._bytes = shardset.store.shard_bytes(shards)

    def image(self, rows: Rows, i: int) -> bytes:
        """The encoded image (PNG, JPEG or WebP) of row `i`.

        Raises:
            ShardCorruptError: its shard is missing, or has another size than when it was made.
            RemoteDownError: the shards lie behind a URL that does not answer.
        """
        return self._bytes.read(int(rows.shard[i]), int(rows.offset[i]), int(rows.size[i]))

    def view(self, rows: Rows, i: int) -> memoryview | bytes:
        """The same bytes, not copied where the shard is mapped into memory; not to be written to.

        Raises:
            ShardCorruptError, RemoteDownError: as `image`.
        """
        return self._bytes.view(int(rows.shard[i]), int(rows.offset[i]), int(rows.size[i]))

    def prefetch(self, rows: Rows, images: NDArray[np.int64]) -> None:
        """Says which rows will be asked for next, each once, in about this order.

        Shards behind a URL are then read ahead, neighbours in one request; of those in a folder
        the kernel is told, which reads them together.
        """
        self._bytes.prefetch(rows.shard[images], rows.offset[images], rows.size[images])

    def warm(self, rows: Rows, images: NDArray[np.int64]) -> None:
        """Says which rows will be asked for before long, by any process of this machine.

        The kernel reads those of a folder into its cache; behind a URL nothing happens.
        """
        self._bytes.warm(rows.shard[images], rows.offset[images], rows.size[images])

    def close(self) -> None:
        """Gives maps and connections back."""
        self._bytes.close()

    def __enter__(self) -> ImageReader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def key_at(shards: ShardSet, rows: Rows, i: int) -> str:
    """The WebDataset key of row `i`; only the rows of its shard are read.

    Raises:
        ManifestMismatchError: the index is damaged, or has no such row.
    """
    found = IndexGroups(shards.index_path).rows(int(rows.shard[i]), ["key", "offset"])
    at = np.flatnonzero(numbers_of(found["offset"], np.int64) == rows.offset[i])
    if not len(at):
        problem = "it has another number of rows than a moment ago"
        hint = "make it again with `granctl shards build`"
        raise ManifestMismatchError(shards.index_path, problem, hint)
    return str(texts(found["key"])[int(at[0])])
