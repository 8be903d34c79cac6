"""Image bytes by their place in the index: random access without reading the tars around them."""

from __future__ import annotations

from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from granctl.shards.index import Rows, ShardSet


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

    def prefetch(self, rows: Rows, images: NDArray[np.int64]) -> None:
        """Says which rows will be asked for next, each once, in about this order.

        Shards behind a URL are then read ahead, neighbours in one request; in a folder nothing
        happens.
        """
        self._bytes.prefetch(rows.shard[images], rows.offset[images], rows.size[images])

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
