"""Bytes of files behind a URL, for certain: whole spans, tries again, files that may not change."""

from __future__ import annotations

import io
import random
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, BinaryIO, TypeVar

from granctl.errors import RemoteChangedError
from granctl.shards.remote.objects import Objects, Reply
from granctl.shards.remote.remotespec import RemoteSpec
from granctl.shards.remote.retry import PassingFaultError, Tell, retried

T = TypeVar("T")
_READ_BYTES = 1 << 20
STREAMS = 4
"""Requests at a time of one file that is read from its beginning onwards."""


def silent(_: str) -> None:
    """Tells nobody."""


class Fetcher:
    """Reads spans of files; used by many threads, and in another process once it is sent there.

    What went wrong and passed is told by `tell`; in another process, to nobody.
    """

    def __init__(self, objects: Objects, spec: RemoteSpec, tell: Tell = silent) -> None:
        self.objects, self.spec = objects, spec
        self._tell = tell
        self._versions: dict[str, str] = {}

    def span(self, name: str, begin: int, end: int, total: int | None) -> tuple[bytearray, int]:
        """Bytes begin to end of a file of `total` bytes, and its bytes (where None was given).

        What arrived before a connection was cut is not asked for again. A file of unknown size
        may end before `end`.

        Raises:
            FileNotFoundError: there is no such file.
            RemoteChangedError: it has another size than `total`, or changed between requests.
            RemoteDownError: no good answer in the tries of the spec.
            UserError: the server refuses, or knows no ranges.
        """
        got = bytearray()
        found = total if total is not None else -1

        def go() -> None:
            nonlocal found
            reply = self.objects.get(name, (begin + len(got), end))
            if reply is None:
                raise AssertionError("unreachable: no version was given")
            try:
                found = self._checked(name, reply, found)
                last = min(end, found) if total is None else end
                _fill(got, reply, last - begin)
            finally:
                reply.body.close()

        self.retried(name, go)
        return got, found

    def whole(self, name: str, unless: str = "") -> tuple[bytes, str] | None:
        """A small file in one request, and its version; None where that is `unless`.

        Raises:
            FileNotFoundError: there is no such file.
            RemoteDownError: no good answer in the tries of the spec.
            UserError: the server refuses.
        """

        def go() -> tuple[bytes, str] | None:
            reply = self.objects.get(name, unless=unless)
            if reply is None:
                return None
            got = bytearray()
            try:
                if reply.num_bytes >= 0:
                    _fill(got, reply, reply.num_bytes)
                else:
                    while data := reply.body.read(_READ_BYTES):
                        got += data
            finally:
                reply.body.close()
            return bytes(got), reply.version

        return self.retried(name, go)

    def version(self, name: str) -> str:
        """What the server called the version of a file that was read; empty where it said none."""
        return self._versions.get(name, "")

    def retried(self, name: str, call: Callable[[], T]) -> T:
        """What `call` returns, tried again after faults that may pass.

        Raises:
            RemoteDownError: no good answer in the tries of the spec.
        """
        # The system's randomness: two processes that were forked must not wait equally long.
        rng = random.SystemRandom()
        url = f"{self.objects.where}/{name}" if name else self.objects.where
        return retried(url, call, self.spec, self._tell, rng)

    def _checked(self, name: str, reply: Reply, total: int) -> int:
        """The file's bytes.

        Raises:
            RemoteChangedError: it is not the file that it was.
        """
        if total >= 0 and reply.total not in (-1, total):
            problem = f"it has {reply.total} bytes, not {total} as when made"
            raise RemoteChangedError(f"{self.objects.where}/{name}", problem)
        known = self._versions.setdefault(name, reply.version) if reply.version else ""
        if known != reply.version:
            problem = f"it was changed while it was read ({known} is now {reply.version})"
            raise RemoteChangedError(f"{self.objects.where}/{name}", problem)
        if total < 0 and reply.total < 0:
            raise PassingFaultError("the server does not say how long the file is")
        return total if total >= 0 else reply.total

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_tell": silent}


def _fill(got: bytearray, reply: Reply, num_bytes: int) -> None:
    """Reads until `got` has so many bytes.

    Raises:
        PassingFaultError: the body ended before.
    """
    while len(got) < num_bytes:
        data = reply.body.read(min(_READ_BYTES, num_bytes - len(got)))
        if not data:
            raise PassingFaultError(f"the reply ended {num_bytes - len(got)} bytes early")
        got += data


def stream(fetcher: Fetcher, name: str, total: int | None = None, *, begin: int = 0) -> BinaryIO:
    """A file to read from byte `begin` onwards, with requests in flight ahead of the reader.

    At most 5 requests' bytes are held at a time.

    Raises:
        FileNotFoundError: there is no such file.
        GranctlError: as `Fetcher.span`.
    """
    return io.BufferedReader(_Stream(fetcher, name, total, begin), _READ_BYTES)


class _Stream(io.RawIOBase):
    def __init__(self, fetcher: Fetcher, name: str, total: int | None, begin: int) -> None:
        super().__init__()
        self._fetcher, self._name = fetcher, name
        step = fetcher.spec.request_bytes
        first, self._total = fetcher.span(name, begin, begin + step, None)
        if total is not None and self._total != total:
            problem = f"it has {self._total} bytes, not {total} as when made"
            raise RemoteChangedError(f"{fetcher.objects.where}/{name}", problem)
        self._held = memoryview(first)
        self._next = begin + len(first)
        self._coming: deque[Future[tuple[bytearray, int]]] = deque()
        self._pool = ThreadPoolExecutor(STREAMS, thread_name_prefix="granctl-stream")
        self._ask()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._held and self._coming:
            self._held = memoryview(self._coming.popleft().result()[0])
            self._ask()
        num = min(len(buffer), len(self._held))
        buffer[:num] = self._held[:num]
        self._held = self._held[num:]
        return num

    def close(self) -> None:
        if not self.closed:
            self._pool.shutdown(wait=False, cancel_futures=True)
        super().close()

    def _ask(self) -> None:
        while self._next < self._total and len(self._coming) < STREAMS:
            end = min(self._next + self._fetcher.spec.request_bytes, self._total)
            self._coming.append(
                self._pool.submit(self._fetcher.span, self._name, self._next, end, self._total)
            )
            self._next = end
