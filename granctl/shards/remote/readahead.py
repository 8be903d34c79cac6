"""Images of shards behind a URL: read ahead within a budget, kept in a cache on disk if wished."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict, deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from granctl.errors import ShardCorruptError
from granctl.shards.remote.bytecache import ByteCache
from granctl.shards.remote.fetch import Fetcher
from granctl.shards.remote.spans import Request, coalesced


class RemoteShards:
    """Random access to shards behind a URL; one reader, many requests in flight.

    Memory: at most `ahead_bytes` of what was asked for by `prefetch` and not read yet, and one
    request more. Nothing is lost by reading in another order, or by not reading at all what was
    prefetched: the oldest of it is dropped when its room is needed.
    """

    def __init__(self, fetcher: Fetcher, shards: Sequence[tuple[str, int]], folder: Path) -> None:
        self._fetcher, self._shards, self._folder = fetcher, tuple(shards), folder
        self._live: _Live | None = None

    def read(self, shard: int, offset: int, size: int) -> bytes:
        """`size` bytes from byte `offset` of a shard.

        Raises:
            ShardCorruptError: the shard is missing, or shorter than the span.
            RemoteChangedError: it is not the shard of the manifest.
            GranctlError: the server refuses or does not answer.
        """
        name, total = self._shards[shard]
        if offset + size > total:
            problem = f"an image ends at byte {offset + size}, past the end of the shard"
            raise ShardCorruptError(f"{self._fetcher.objects.where}/{name}", problem)
        return self._here().read(shard, offset, size)

    def view(self, shard: int, offset: int, size: int) -> bytes:
        """The same as `read`."""
        return self.read(shard, offset, size)

    def prefetch(
        self, shard: NDArray[np.int32], offset: NDArray[np.int64], size: NDArray[np.int32]
    ) -> None:
        """These spans, of shape (n,), will be read soon, each once, in about this order."""
        self._here().prefetch(shard, offset, size)

    def warm(
        self, shard: NDArray[np.int32], offset: NDArray[np.int64], size: NDArray[np.int32]
    ) -> None:
        """Nothing: what another process will read need not come to this one."""

    @property
    def held_bytes(self) -> int:
        """Bytes that are read ahead, or on their way, and not asked for yet."""
        return self._here().held_bytes

    def close(self) -> None:
        """Ends the requests that nobody waits for, and gives connections back."""
        live, self._live = self._live, None
        if live is not None and live.process == os.getpid():
            live.close()

    def _here(self) -> _Live:
        """The threads and tables of this process; those of a parent process are left alone."""
        if self._live is None or self._live.process != os.getpid():
            self._live = _Live(self._fetcher, self._shards, self._folder)
        return self._live

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_live": None}


class _Ahead:
    """A request of several images, its bytes once they are there, and which were not read yet."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.num_bytes = request.end - request.begin
        self.unread = {offset for offset, _ in request.spans}
        self.future: Future[memoryview] | None = None


class _Live:
    """What one process has of a `RemoteShards`: threads, requests, the cache on disk."""

    def __init__(self, fetcher: Fetcher, shards: tuple[tuple[str, int], ...], folder: Path) -> None:
        self.process = os.getpid()
        self.held_bytes = 0
        self._fetcher, self._shards, self._spec = fetcher, shards, fetcher.spec
        self._cache = ByteCache(fetcher.spec, folder, [name for name, _ in shards])
        self._pool = ThreadPoolExecutor(self._spec.in_flight, thread_name_prefix="granctl-read")
        self._lock = threading.Lock()
        self._of_span: dict[tuple[int, int], _Ahead] = {}
        self._waiting: deque[_Ahead] = deque()
        self._asked: OrderedDict[int, _Ahead] = OrderedDict()
        """Requests that were sent, by id, the oldest first."""

    def prefetch(
        self, shard: NDArray[np.int32], offset: NDArray[np.int64], size: NDArray[np.int32]
    ) -> None:
        new = [
            i
            for i, (s, at, num) in enumerate(
                zip(shard.tolist(), offset.tolist(), size.tolist(), strict=True)
            )
            if (s, at) not in self._of_span and not self._cache.has(s, at, num)
        ]
        requests = coalesced(
            shard[new],
            offset[new],
            size[new],
            gap_bytes=self._spec.gap_bytes,
            request_bytes=min(self._spec.request_bytes, self._spec.ahead_bytes),
        )
        with self._lock:
            for request in requests:
                ahead = _Ahead(request)
                self._waiting.append(ahead)
                self._of_span |= {(request.shard, at): ahead for at in ahead.unread}
            self._send()

    def read(self, shard: int, offset: int, size: int) -> bytes:
        with self._lock:
            ahead = self._of_span.pop((shard, offset), None)
            if ahead is not None and ahead.future is None:
                self._waiting.remove(ahead)
                self._make_room(ahead.num_bytes)
                self._submit(ahead)
        if ahead is None or ahead.future is None:
            cached = self._cache.get(shard, offset, size)
            return cached if cached is not None else bytes(self._alone(shard, offset, size))
        try:
            data = ahead.future.result()
            begin = offset - ahead.request.begin
            return bytes(data[begin : begin + size])
        finally:
            with self._lock:
                ahead.unread.discard(offset)
                if not ahead.unread:
                    self._forget(ahead)
                self._send()

    def close(self) -> None:
        with self._lock:
            self._waiting.clear()
            self._of_span.clear()
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._cache.close()

    # --- with the lock held -------------------------------------------------------------------

    def _send(self) -> None:
        """Sends what waits, as far as the budget goes."""
        while self._waiting:
            num_bytes = self._waiting[0].num_bytes
            if self._asked and self.held_bytes + num_bytes > self._spec.ahead_bytes:
                return
            self._submit(self._waiting.popleft())

    def _submit(self, ahead: _Ahead) -> None:
        self.held_bytes += ahead.num_bytes
        self._asked[id(ahead)] = ahead
        ahead.future = self._pool.submit(self._fetched, ahead.request)

    def _make_room(self, num_bytes: int) -> None:
        """Drops what was read ahead longest ago and never asked for."""
        while self._asked and self.held_bytes + num_bytes > self._spec.ahead_bytes:
            oldest = next(iter(self._asked.values()))
            for offset in oldest.unread:
                self._of_span.pop((oldest.request.shard, offset), None)
            self._forget(oldest)

    def _forget(self, ahead: _Ahead) -> None:
        if self._asked.pop(id(ahead), None) is not None:
            self.held_bytes -= ahead.num_bytes
            if ahead.future is not None:
                ahead.future.cancel()

    # --- in the threads -----------------------------------------------------------------------

    def _alone(self, shard: int, offset: int, size: int) -> memoryview:
        return self._fetched(Request(shard, offset, offset + size, ((offset, size),)))

    def _fetched(self, request: Request) -> memoryview:
        name, total = self._shards[request.shard]
        try:
            got, _ = self._fetcher.span(name, request.begin, request.end, total)
        except FileNotFoundError as error:
            url = f"{self._fetcher.objects.where}/{name}"
            raise ShardCorruptError(url, "it is missing") from error
        data = memoryview(got)
        self._cache.put(
            request.shard,
            [
                (at, data[at - request.begin : at - request.begin + size])
                for at, size in request.spans
            ],
        )
        return data
