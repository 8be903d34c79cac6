"""Where the files of a shard set lie: in a folder, mapped into memory, or behind a URL."""

from __future__ import annotations

import mmap
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray

from granctl.errors import MissingInputError, ShardCorruptError

_GAP_BYTES = 1 << 16
"""Between two spans that a disk reads as one: what lies between them costs less than a seek."""
_URL = re.compile(r"(s3|https?):/{1,2}(?=[^/])")


def url_of(path: Path | str) -> str | None:
    """The URL that is meant (`s3://`, `http://`, `https://`), or None for a path.

    pathlib drops one of the two slashes; a URL that went through a `Path` is mended here.
    """
    text = str(path)
    found = _URL.match(text)
    return f"{found[1]}://{text[found.end() :].rstrip('/')}" if found else None


class ShardBytes(Protocol):
    """Bytes of a set's shards by place.

    It may be sent to another process, or be there after a fork: it then opens what it needs anew.
    """

    def read(self, shard: int, offset: int, size: int) -> bytes:
        """`size` bytes from byte `offset` of a shard.

        Raises:
            ShardCorruptError: the shard is missing, or has another size than when it was made.
            RemoteDownError: it lies behind a URL that does not answer.
        """

    def view(self, shard: int, offset: int, size: int) -> memoryview | bytes:
        """The same bytes, without a copy where they lie in memory; not to be written to."""

    def prefetch(
        self, shard: NDArray[np.int32], offset: NDArray[np.int64], size: NDArray[np.int32]
    ) -> None:
        """These spans, all of shape (n,), will be read soon, each once, in about this order."""

    def warm(
        self, shard: NDArray[np.int32], offset: NDArray[np.int64], size: NDArray[np.int32]
    ) -> None:
        """These spans will be read before long, by this process or by another of the machine."""

    def close(self) -> None:
        """Gives maps and connections back."""


class Store(Protocol):
    """A place with the files of one shard set; values only, so it pickles."""

    @property
    def where(self) -> str:
        """The folder or the URL, as people write it."""

    def file(self, name: str) -> Path:
        """A local file with the content of a small file (the manifest, the index).

        Raises:
            MissingInputError: the place has no such file.
        """

    def open(self, name: str) -> BinaryIO:
        """A file to read from its beginning onwards.

        Raises:
            MissingInputError: the place has no such file.
        """

    def sizes(self) -> Mapping[str, int] | None:
        """Name -> bytes of every file of the place; None where it cannot be listed (http)."""

    def shard_bytes(self, shards: Sequence[tuple[str, int]]) -> ShardBytes:
        """Random access to shards, each given by its name and bytes."""


def store_of(path: Path | str) -> Store:
    """The store that a path or a URL means.

    Raises:
        BadOptionError: it is no URL that can be read.
    """
    url = url_of(path)
    if url is None:
        return Folder(Path(path))
    from granctl.shards.remote.shardset import open_remote

    return open_remote(url)


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of this machine."""

    root: Path

    @property
    def where(self) -> str:
        """The folder's path."""
        return str(self.root)

    def file(self, name: str) -> Path:
        """The file itself."""
        return self.root / name

    def open(self, name: str) -> BinaryIO:
        """The file, open for reading.

        Raises:
            MissingInputError: there is no such file.
        """
        try:
            return (self.root / name).open("rb")
        except FileNotFoundError as error:
            hint = "run the `granctl shards build` of the set again"
            raise MissingInputError("file of a shard set", self.root / name, hint) from error

    def sizes(self) -> Mapping[str, int]:
        """Name -> bytes of the files directly in the folder."""
        return {path.name: path.stat().st_size for path in self.root.iterdir() if path.is_file()}

    def shard_bytes(self, shards: Sequence[tuple[str, int]]) -> MappedShards:
        """The shards, each mapped into memory when it is first asked for."""
        return MappedShards(self.root, shards)


class MappedShards:
    """Shards of a folder, mapped into memory; the kernel loads what is touched."""

    def __init__(self, root: Path, shards: Sequence[tuple[str, int]]) -> None:
        self._root, self._shards = root, shards
        self._maps: dict[int, mmap.mmap] = {}

    def read(self, shard: int, offset: int, size: int) -> bytes:
        """`size` bytes from byte `offset` of a shard.

        Raises:
            ShardCorruptError: the shard is missing, or has another size than when it was made.
        """
        end = offset + size
        return self._map(shard, end)[offset:end]

    def view(self, shard: int, offset: int, size: int) -> memoryview:
        """The bytes in the map itself.

        Raises:
            ShardCorruptError: the shard is missing, or has another size than when it was made.
        """
        end = offset + size
        return memoryview(self._map(shard, end))[offset:end]

    def _map(self, shard: int, end: int) -> mmap.mmap:
        """A shard that has at least `end` bytes."""
        mapped = self._maps.get(shard)
        if mapped is None:
            mapped = self._maps[shard] = self._mapped(shard)
        if end > len(mapped):
            path = self._root / self._shards[shard][0]
            raise ShardCorruptError(path, f"an image ends at byte {end}, past the end of the shard")
        return mapped

    def prefetch(
        self, shard: NDArray[np.int32], offset: NDArray[np.int64], size: NDArray[np.int32]
    ) -> None:
        """Asks the kernel for all of them at once, so that a disk may choose their order."""
        if not len(offset):
            return
        order = np.lexsort((offset, shard))
        begin, end = offset[order], offset[order] + size[order]
        file = shard[order]
        apart = (np.diff(file) != 0) | (begin[1:] - end[:-1] > _GAP_BYTES)
        first = np.flatnonzero(np.concatenate([[True], apart]))
        last = np.concatenate([first[1:], [len(order)]]) - 1
        spans = zip(file[first].tolist(), begin[first].tolist(), end[last].tolist(), strict=True)
        for number, at, until in spans:
            page = at - at % mmap.PAGESIZE
            self._map(number, until).madvise(mmap.MADV_WILLNEED, page, until - page)

    def warm(
        self, shard: NDArray[np.int32], offset: NDArray[np.int64], size: NDArray[np.int32]
    ) -> None:
        """The same: what one process asked the kernel for is there for all."""
        self.prefetch(shard, offset, size)

    def close(self) -> None:
        """Gives the maps back; one that is still looked at goes with the last who does."""
        for mapped in self._maps.values():
            with suppress(BufferError):
                mapped.close()
        self._maps.clear()

    def _mapped(self, shard: int) -> mmap.mmap:
        name, expected = self._shards[shard]
        path = self._root / name
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

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_maps": {}}
