"""One file to one object of S3: at once or in parts, and never a part for the whole."""

from __future__ import annotations

import base64
import hashlib
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import xxhash

from granctl.errors import RemoteDeniedError, SourceChangedError
from granctl.shards.remote.fetch import Fetcher
from granctl.shards.remote.objects_s3 import S3Objects

CHECKSUM = "granctl-xxh3-128"
"""Name of the object's metadata with the xxh3-128 of its bytes, 32 hex digits."""
MOST_PARTS = 10_000
_READ_BYTES = 1 << 22


class StoppedError(Exception):
    """Another file of the upload failed; never seen outside, as that failure is raised."""


def put_file(
    fetcher: Fetcher,
    path: Path,
    size_there: int | None,
    sent: Callable[[int], None],
    stop: threading.Event,
) -> bool:
    """Makes the object of a file's name have its content; False where it had it already.

    The object appears when all of its bytes arrived: S3 joins parts only on completion. Each
    request carries the MD5 of its bytes, so that the server refuses what was changed on the way.

    Args:
        fetcher: of S3 objects.
        path: the file.
        size_there: bytes of the object that is there, None for no such object.
        sent: told the bytes of each part that is there.
        stop: set when the upload is given up.

    Raises:
        SourceChangedError: the file changed while it was sent.
        RemoteDownError, UserError: the server does not answer, or refuses.
    """
    objects = fetcher.objects
    if not isinstance(objects, S3Objects):
        raise TypeError("only objects of S3 can be written")
    size, checksum = path.stat().st_size, _checksum(path, stop)
    if size == size_there and checksum_there(fetcher, path.name) == checksum:
        sent(size)
        return False
    with path.open("rb") as file:
        one = _Put(fetcher, objects, path, {CHECKSUM: checksum}, sent, stop)
        if size <= fetcher.spec.part_bytes:
            one.at_once(file.fileno(), size)
        else:
            one.in_parts(file.fileno(), size, checksum)
    return True


def checksum_there(fetcher: Fetcher, name: str) -> str | None:
    """The checksum in an object's metadata, None where there is none or no object."""
    objects = fetcher.objects
    if not isinstance(objects, S3Objects):
        raise TypeError("only objects of S3 have metadata")
    try:
        key = objects.key(name)
        head = fetcher.retried(
            name, lambda: objects.call("head_object", Bucket=objects.bucket, Key=key)
        )
    except FileNotFoundError:
        return None
    return head.get("Metadata", {}).get(CHECKSUM)  # type: ignore[no-any-return]


def part_size(size: int, wished: int) -> int:
    """Bytes of each part but the last: as wished, or more so that 10,000 parts are enough."""
    return max(wished, -(-size // MOST_PARTS))


class _Put:
    def __init__(
        self,
        fetcher: Fetcher,
        objects: S3Objects,
        path: Path,
        metadata: dict[str, str],
        sent: Callable[[int], None],
        stop: threading.Event,
    ) -> None:
        self._fetcher, self._objects, self._path = fetcher, objects, path
        self._metadata, self._sent, self._stop = metadata, sent, stop
        self._at = {"Bucket": objects.bucket, "Key": objects.key(path.name)}

    def at_once(self, handle: int, size: int) -> None:
        body = self._read(handle, 0, size)
        self._call("put_object", Body=body, ContentMD5=_md5(body), Metadata=self._metadata)
        self._sent(size)

    def in_parts(self, handle: int, size: int, checksum: str) -> None:
        upload = self._call("create_multipart_upload", Metadata=self._metadata)["UploadId"]
        step = part_size(size, self._fetcher.spec.part_bytes)
        try:
            parts = []
            for number, begin in enumerate(range(0, size, step), start=1):
                body = self._read(handle, begin, min(step, size - begin))
                answer = self._call(
                    "upload_part",
                    UploadId=upload,
                    PartNumber=number,
                    Body=body,
                    ContentMD5=_md5(body),
                )
                parts.append({"PartNumber": number, "ETag": answer["ETag"]})
                self._sent(len(body))
            self._complete(upload, parts, checksum)
        except FileNotFoundError as error:
            hint = "let one upload go at a time; the same command goes on"
            problem = "its unfinished upload was removed, perhaps by another upload to this URL"
            where = f"{self._objects.where}/{self._path.name}"
            raise RemoteDeniedError(where, problem, hint) from error
        except BaseException:
            # Else the next upload does it: parts that nobody completes are paid for.
            with suppress(Exception):
                self._objects.call("abort_multipart_upload", UploadId=upload, **self._at)
            raise

    def _complete(self, upload: str, parts: list[dict[str, Any]], checksum: str) -> None:
        """Joins the parts.

        Raises:
            FileNotFoundError: the upload is gone, and not because it was completed.
        """
        try:
            self._call(
                "complete_multipart_upload", UploadId=upload, MultipartUpload={"Parts": parts}
            )
        except FileNotFoundError:
            # The answer of a completion was lost, and asking again finds no such upload.
            if checksum_there(self._fetcher, self._path.name) != checksum:
                raise

    def _call(self, operation: str, **asked: Any) -> Any:
        if self._stop.is_set():
            raise StoppedError
        return self._fetcher.retried(
            self._path.name, lambda: self._objects.call(operation, **self._at, **asked)
        )

    def _read(self, handle: int, begin: int, size: int) -> bytes:
        body = os.pread(handle, size, begin)
        if len(body) != size:
            raise SourceChangedError(self._path, f"it ends at byte {begin + len(body)}")
        return body


def _checksum(path: Path, stop: threading.Event) -> str:
    hasher = xxhash.xxh3_128()
    with path.open("rb") as file:
        while data := file.read(_READ_BYTES):
            if stop.is_set():
                raise StoppedError
            hasher.update(data)
    return hasher.hexdigest()


def _md5(body: bytes) -> str:
    return base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
