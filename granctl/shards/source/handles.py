"""Bytes at a place of a file; the last files of each thread stay open, none is sent elsewhere."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path
from typing import Any

from granctl.errors import SourceChangedError

_MOST = 64


class Handles(threading.local):
    """Open files below a folder; safe in threads, after a fork, and in another process."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._opened: OrderedDict[str, int] = OrderedDict()

    def read(self, name: str, offset: int, size: int) -> bytes:
        """`size` bytes from byte `offset` of a file on.

        Raises:
            SourceChangedError: the file is gone or ends before.
            OSError: it cannot be read.
        """
        handle = self._handle(name)
        content = os.pread(handle, size, offset)
        while len(content) < size:  # a signal, or more than 2 GiB
            more = os.pread(handle, size - len(content), offset + len(content))
            if not more:
                problem = f"it ends at byte {offset + len(content)}, inside of what was listed"
                raise SourceChangedError(self.root / name, problem)
            content += more
        return content

    def read_soon(self, name: str, offset: int, size: int) -> None:
        """Lets the system begin to read this span; what is wrong with it is said by `read`."""
        with suppress(OSError, SourceChangedError):
            os.posix_fadvise(self._handle(name), offset, size, os.POSIX_FADV_WILLNEED)

    def _handle(self, name: str) -> int:
        handle = self._opened.get(name)
        if handle is None:
            return self._open(name)
        self._opened.move_to_end(name)
        return handle

    def _open(self, name: str) -> int:
        try:
            handle = os.open(self.root / name, os.O_RDONLY)
        except FileNotFoundError as error:
            raise SourceChangedError(self.root / name, "it is gone") from error
        self._opened[name] = handle
        if len(self._opened) > _MOST:
            os.close(self._opened.popitem(last=False)[1])
        return handle

    def close(self) -> None:
        """Closes what this thread opened."""
        for handle in self._opened.values():
            with suppress(OSError):
                os.close(handle)
        self._opened.clear()

    def __del__(self) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return Handles, (self.root,)
