"""How URLs are read and written, as values: caches, requests in flight, tries."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from granctl.errors import BadOptionError

MIB = 1 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class RemoteSpec:
    """Limits of one process that reads or writes a URL."""

    cache: Path
    """Folder for manifests and indexes, and for images where `cache_bytes` allows."""
    cache_bytes: int = 0
    """Most bytes of images that the cache keeps, of all sets and processes together."""
    in_flight: int = 8
    """Most requests at a time."""
    ahead_bytes: int = 64 * MIB
    """Most bytes that are read ahead and not asked for yet."""
    request_bytes: int = 8 * MIB
    """Most bytes of one request of several images."""
    gap_bytes: int = 128 * 1024
    """Images that lie at most so far apart are read by one request: the bytes between are cheaper
    than another request (assumption: 100 MB/s and more than 2 ms a request)."""
    part_bytes: int = 16 * MIB
    """Bytes of a part of an upload; S3 wants at least 5 MiB and at most 10,000 parts."""
    tries: int = 8
    """Most tries of one request."""
    first_wait_s: float = 0.25
    """The wait before the second try is at most this; it doubles with each try."""
    longest_wait_s: float = 20.0
    timeout_s: float = 60.0
    """Longest silence of a server within a reply."""

    @classmethod
    def from_environment(cls) -> RemoteSpec:
        """The defaults, with $GRANCTL_CACHE (else ~/.cache/granctl) and $GRANCTL_CACHE_BYTES.

        Raises:
            BadOptionError: $GRANCTL_CACHE_BYTES is no number.
        """
        home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        cache = Path(os.environ.get("GRANCTL_CACHE") or Path(home) / "granctl")
        text = os.environ.get("GRANCTL_CACHE_BYTES") or "0"
        if not text.isdigit():
            hint = "give a number of bytes, such as 200000000000"
            raise BadOptionError("$GRANCTL_CACHE_BYTES", f"{text!r} is no number of bytes", hint)
        return cls(cache=cache.expanduser().absolute(), cache_bytes=int(text))
