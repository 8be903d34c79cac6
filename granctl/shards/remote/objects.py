"""Files behind a URL, as any server gives them: whole or by a range of bytes, one try each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from granctl.errors import BadUrlError
from granctl.shards.remote.remotespec import RemoteSpec


class Body(Protocol):
    """The bytes of a reply as they come."""

    def read(self, num_bytes: int) -> bytes:
        """At most so many bytes; none at the end, which may come too early.

        Raises:
            PassingFaultError: the connection broke.
        """

    def close(self) -> None:
        """Gives the connection back, or closes it where bytes are left."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server says of a file before its bytes."""

    body: Body
    num_bytes: int
    """Bytes of the body, -1 where the server does not say."""
    total: int
    """Bytes of the whole file, -1 where the server does not say."""
    version: str
    """ETag, or the time of the last change; empty where the server says neither."""


class _NoBody:
    """No bytes."""

    def read(self, num_bytes: int) -> bytes:  # noqa: ARG002
        return b""

    def close(self) -> None:
        pass


def past_the_end(content_range: str) -> Reply:
    """What is answered for a range that begins after the last byte of a file (status 416)."""
    total = content_range.rpartition("/")[2]
    return Reply(_NoBody(), 0, int(total) if total.isdigit() else 0, "")


class Objects(Protocol):
    """The files below one URL; values only until the first request, so it pickles.

    Each call is one try. It raises PassingFaultError for what may pass and a GranctlError for what
    will not: RemoteDeniedError, NoSuchRemoteError (host, bucket), NoRangesError.
    """

    @property
    def where(self) -> str:
        """The URL without passwords."""

    def get(self, name: str, span: tuple[int, int] | None = None, unless: str = "") -> Reply | None:
        """A file, or its bytes from begin to end; None where its version is `unless`.

        Raises:
            FileNotFoundError: there is no such file.
        """

    def sizes(self) -> Mapping[str, int] | None:
        """Name -> bytes of the files directly below the URL; None where they cannot be listed."""


def objects_of(url: str, spec: RemoteSpec) -> Objects:
    """How the files below a URL are asked for.

    Raises:
        BadUrlError: the URL has no host or bucket.
        MissingExtraError: s3 is asked for and boto3 is not installed.
    """
    scheme, _, rest = url.partition("://")
    if not rest.split("/")[0]:
        raise BadUrlError(url, "it names no bucket" if scheme == "s3" else "it names no host")
    if scheme == "s3":
        from granctl.shards.remote.objects_s3 import S3Objects

        return S3Objects(url, spec)
    from granctl.shards.remote.objects_http import HttpObjects

    return HttpObjects(url, spec)
