"""Image bytes by their place in the index: random access without reading the tars around them."""

from __future__ import annotations

import mmap
from pathlib import Path
from types import TracebackType
from typing import Any

from granctl.errors import ShardCorruptError
from granctl.shards.index import Rows, ShardSet


class ImageReader:
    """Reads single images of a shard set; a context manager.

    Each shard is mapped into memory when it is first asked for; the kernel loads what is touched.
    It may be sent to another process: it then opens its own maps.
    """

    def __init__(self, shardset: ShardSet) -> None:
        self._root = shardset.root
        self._shards = [(shard["name"], shard["bytes"]) for shard in shardset.manifest["shards"]]
        self._maps: dict[int, mmap.mmap] = {}

    def image(self, rows: Rows, i: int) -> bytes:
        """The encoded image (PNG, JPEG or WebP) of row `i`.

        Raises:
            ShardCorruptError: its shard is missing, or has another size than when it was made.
        """
        shard = int(rows.shard[i])
        mapped = self._maps.get(shard)
        if mapped is None:
            mapped = self._maps[shard] = self._mapped(shard)
        begin = int(rows.offset[i])
        end = begin + int(rows.size[i])
        if end > len(mapped):
            path = self._root / self._shards[shard][0]
            raise ShardCorruptError(path, f"row {i} ends at byte {end}, past the end of the shard")
        return mapped[begin:end]

    def close(self) -> None:
        """Gives the maps back."""
        for mapped in self._maps.values():
            mapped.close()
        self._maps.clear()

    def _mapped(self, shard: int) -> mmap.mmap:
        name, expected = self._shards[shard]
        path = Path(self._root) / name
        try:
            with path.open("rb") as file:
                mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except FileNotFoundError as error:
            raise ShardCorruptError(path, "it is missing") from error
        except ValueError as error:  # an empty file cannot be mapped
            raise ShardCorruptError(path, "it is empty") from error
        if len(mapped) != expected:
            found = len(mapped)
            mapped.close()
            raise ShardCorruptError(path, f"it has {found} bytes, not {expected} as when made")
        return mapped

    def __enter__(self) -> ImageReader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_maps": {}}
