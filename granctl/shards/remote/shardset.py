"""A shard set behind a URL: its manifest and index through a cache, its shards by ranges."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from granctl.errors import MissingInputError, RemoteChangedError
from granctl.files import read_json, replacing, write_bytes, write_json
from granctl.provenance import short
from granctl.shards.remote.fetch import Fetcher, silent, stream
from granctl.shards.remote.objects import objects_of
from granctl.shards.remote.readahead import RemoteShards
from granctl.shards.remote.remotespec import RemoteSpec
from granctl.shards.remote.retry import Tell
from granctl.workspace import MANIFEST_NAME

T = TypeVar("T")
_HINT = "check the URL: it is that of the folder with manifest.json"


def open_remote(url: str, spec: RemoteSpec | None = None, tell: Tell = silent) -> RemoteStore:
    """The store behind a URL; nothing is asked for yet.

    Raises:
        BadUrlError: it is no URL that is read.
        MissingExtraError: it is an s3 URL and boto3 is not installed.
    """
    spec = spec or RemoteSpec.from_environment()
    return RemoteStore(Fetcher(objects_of(url, spec), spec, tell))


class RemoteStore:
    """The files of one shard set behind a URL.

    The cache is keyed by content: `<cache>/sets/<digest of manifest.json>/` holds the manifest, the
    index and, if so wished, images. A version (ETag) that the server confirms saves the transfer.
    """

    def __init__(self, fetcher: Fetcher) -> None:
        self._fetcher = fetcher

    @property
    def where(self) -> str:
        """The URL, without password."""
        return self._fetcher.objects.where

    def file(self, name: str) -> Path:
        """A file of the set in the cache; fetched where it is not there yet.

        Raises:
            MissingInputError: there is no such file.
            RemoteChangedError: the set was changed at this moment.
            GranctlError: the server refuses or does not answer.
        """
        path = self._folder / name
        if not path.is_file():
            with replacing(path) as temporary, temporary.open("wb") as file:
                with self.open(name) as remote:
                    shutil.copyfileobj(remote, file, 1 << 20)
                if self._current_manifest() != (self._folder / MANIFEST_NAME).read_bytes():
                    problem = "the shard set was changed while its index was fetched"
                    raise RemoteChangedError(self.where, problem)
        return path

    def open(self, name: str) -> BinaryIO:
        """A file from its beginning onwards, read ahead by a few requests.

        Raises:
            MissingInputError: there is no such file.
            GranctlError: the server refuses or does not answer.
        """
        return self._found(name, lambda: stream(self._fetcher, name))

    def sizes(self) -> Mapping[str, int] | None:
        """Name -> bytes of the files directly below the URL; None for http, which has no list."""
        return self._fetcher.retried("", self._fetcher.objects.sizes)

    def shard_bytes(self, shards: Sequence[tuple[str, int]]) -> RemoteShards:
        """Random access to shards, each given by its name and bytes."""
        return RemoteShards(self._fetcher, shards, self._folder)

    @cached_property
    def _folder(self) -> Path:
        """The set's folder in the cache, with the manifest that the URL has now."""
        content = self._current_manifest()
        digest = hashlib.sha256(content).hexdigest()
        folder = self._fetcher.spec.cache / "sets" / digest[:32]
        if not (folder / MANIFEST_NAME).is_file():
            write_bytes(folder / MANIFEST_NAME, content)
        return folder

    def _current_manifest(self) -> bytes:
        """The manifest that the URL has now; one that is known already is only asked about."""
        cache = self._fetcher.spec.cache
        known = cache / "urls" / f"{short(hashlib.sha256(self.where.encode()).hexdigest())}.json"
        record = read_json(known) if known.is_file() else {}
        kept = cache / "sets" / str(record.get("set", "")) / MANIFEST_NAME
        version = str(record.get("version", "")) if kept.is_file() else ""
        found = self._found(MANIFEST_NAME, lambda: self._fetcher.whole(MANIFEST_NAME, version))
        if found is None:
            return kept.read_bytes()
        content, version = found
        digest = hashlib.sha256(content).hexdigest()[:32]
        write_bytes(cache / "sets" / digest / MANIFEST_NAME, content)
        write_json(known, {"url": self.where, "version": version, "set": digest})
        return content

    def _found(self, name: str, call: Callable[[], T]) -> T:
        try:
            return call()
        except FileNotFoundError as error:
            url = f"{self.where}/{name}"
            raise MissingInputError("file of a shard set", url, _HINT) from error

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__.copy()
