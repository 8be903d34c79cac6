"""A shard set to s3://: each file an object that is whole or not there, the manifest last."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from granctl.alone import making_alone
from granctl.errors import (
    BadUrlError,
    NoTarsError,
    RemoteDeniedError,
    RemoteExistsError,
    ShardCorruptError,
)
from granctl.files import read_json
from granctl.progress import Progress
from granctl.provenance import short
from granctl.shards.index import INDEX_NAME, ShardSet
from granctl.shards.remote.fetch import Fetcher
from granctl.shards.remote.objects_s3 import S3Objects
from granctl.shards.remote.put import put_file
from granctl.shards.remote.remotespec import RemoteSpec
from granctl.workspace import MANIFEST_NAME, SPEC_NAME

_TELL_S = 0.5


def upload_shards(
    folder: Path, url: str, progress: Progress, spec: RemoteSpec | None = None
) -> dict[str, Any]:
    """Copies a whole shard set to s3://BUCKET/PREFIX; goes on where an upload was stopped.

    spec.json is first and manifest.json last, as in a folder; an object appears when all of it
    arrived. Objects that are there are known by their size and the checksum in their metadata.
    What killed uploads left of multipart uploads to these keys is removed.

    Returns what `granctl shards upload --json` prints.

    Raises:
        BadUrlError: the URL is not of s3.
        ManifestMismatchError, ShardCorruptError: the local set is not whole.
        NoTarsError: it is a view.
        RemoteExistsError: other things lie below the URL.
        UserError: no such bucket, no credentials, no permission.
        RemoteDownError: the server did not answer, or not well, time after time.
    """
    if not url.startswith("s3://"):
        raise BadUrlError(url, "only s3:// can be written to")
    spec = spec or RemoteSpec.from_environment()
    shards = ShardSet.open(folder)
    if shards.base is not None:
        raise NoTarsError("upload", shards.where, shards.base.where)
    files = _files(shards)
    objects = S3Objects(url, spec)
    fetcher = Fetcher(objects, spec, progress.note)
    with making_alone(folder, progress):
        there = fetcher.retried("", objects.sizes)
        whole = _claim(fetcher, shards, there)
        made = not whole or any(there.get(name) != size for name, size in files.items())
        if made:
            needed = (INDEX_NAME, *shards.shard_names)
            if whole and any(there.get(name) != files[name] for name in needed):
                _remove_manifest(fetcher, objects)
            tidy = partial(_remove_unfinished, fetcher, objects, files, progress)
            tidy()
            _send(fetcher, folder, files, there, tidy, progress)
    return _record(shards, objects.where, files, made=made)


def _files(shards: ShardSet) -> dict[str, int]:
    """Name -> bytes of the files of a local set, in the order in which they are sent.

    Raises:
        ShardCorruptError: a shard is not as its manifest says.
    """
    found = {
        path.name: path.stat().st_size
        for path in sorted(shards.root.iterdir())
        if path.is_file() and not path.name.startswith(".")
    }
    tars = {shard["name"]: int(shard["bytes"]) for shard in shards.manifest["shards"]}
    for name, size in tars.items():
        if found.get(name) != size:
            problem = "it is missing" if name not in found else f"it has {found[name]} bytes"
            raise ShardCorruptError(shards.root / name, f"{problem}, not {size} as when made")
    others = {n: s for n, s in found.items() if not n.endswith(".tar") and n != MANIFEST_NAME}
    first = {SPEC_NAME: others.pop(SPEC_NAME)} if SPEC_NAME in others else {}
    return {**first, **tars, **others, MANIFEST_NAME: found[MANIFEST_NAME]}


def _claim(fetcher: Fetcher, shards: ShardSet, there: Mapping[str, int]) -> bool:
    """Whether the URL has this set's manifest; False for nothing, or this set unfinished.

    Raises:
        RemoteExistsError: it has something else.
    """
    where = fetcher.objects.where
    if MANIFEST_NAME in there:
        if _same(json.loads(_content(fetcher, MANIFEST_NAME)), shards.manifest):
            return True
        raise RemoteExistsError(where, "another shard set, or this one under other classes")
    if SPEC_NAME in there and (shards.root / SPEC_NAME).is_file():
        theirs = json.loads(_content(fetcher, SPEC_NAME)).get("digest")
        if theirs == read_json(shards.root / SPEC_NAME).get("digest"):
            return False
        raise RemoteExistsError(where, f"another artefact (digest {short(str(theirs))})")
    if there:
        raise RemoteExistsError(where, f"other objects ({next(iter(there))})")
    return False


def _content(fetcher: Fetcher, name: str) -> bytes:
    found = fetcher.whole(name)
    return found[0] if found else b"{}"


def _same(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> bool:
    """Whether two manifests describe the same bytes: who made them, and when, does not matter."""
    apart = {"provenance"}
    return {k: v for k, v in theirs.items() if k not in apart} == {
        k: v for k, v in ours.items() if k not in apart
    }


def _remove_manifest(fetcher: Fetcher, objects: S3Objects) -> None:
    """Parts of the set are gone, so that it may not be taken for whole while they are sent."""
    asked = {"Bucket": objects.bucket, "Key": objects.key(MANIFEST_NAME)}
    fetcher.retried(MANIFEST_NAME, partial(objects.call, "delete_object", **asked))


def _remove_unfinished(
    fetcher: Fetcher, objects: S3Objects, files: Mapping[str, int], progress: Progress
) -> None:
    """Ends multipart uploads that nobody will complete, as their parts cost.

    Killed processes leave some, and so does a lost answer: the upload is begun twice.
    """
    keys = {objects.key(name) for name in files}
    try:
        left = fetcher.retried("", objects.unfinished_uploads)
    except RemoteDeniedError:
        progress.note(
            f"{objects.where}: unfinished uploads may not be listed here, so none is ended"
        )
        return
    for key, upload in left:
        if key in keys:
            asked = {"Bucket": objects.bucket, "Key": key, "UploadId": upload}
            with suppress(FileNotFoundError):
                fetcher.retried("", partial(objects.call, "abort_multipart_upload", **asked))


def _send(
    fetcher: Fetcher,
    folder: Path,
    files: Mapping[str, int],
    there: Mapping[str, int],
    tidy: Callable[[], None],
    progress: Progress,
) -> None:
    """Sends what is missing: spec.json, then all but the manifest side by side, the manifest."""
    meter = _Meter(progress)
    progress.start("uploading", -(-sum(files.values()) // 1_000_000), "MB")
    names = list(files)
    middle = [name for name in names if name not in (SPEC_NAME, MANIFEST_NAME)]
    stop = threading.Event()

    def send(name: str) -> None:
        put_file(fetcher, folder / name, there.get(name), meter.sent, stop)

    try:
        if SPEC_NAME in files:
            send(SPEC_NAME)
        with ThreadPoolExecutor(fetcher.spec.in_flight, thread_name_prefix="granctl-put") as pool:
            sending = [pool.submit(send, name) for name in middle]
            try:
                _finish(sending, meter)
            finally:
                stop.set()
                pool.shutdown(wait=True, cancel_futures=True)
        stop.clear()
        tidy()
        _check_whole(fetcher, files)
        send(MANIFEST_NAME)
        meter.tell()
    finally:
        progress.finish()


def _finish(sending: list[Future[None]], meter: _Meter) -> None:
    """Waits for all, telling the progress; raises the first error."""
    left = set(sending)
    while left:
        done, left = wait(left, timeout=_TELL_S, return_when=FIRST_EXCEPTION)
        meter.tell()
        for future in done:
            future.result()


def _check_whole(fetcher: Fetcher, files: Mapping[str, int]) -> None:
    """Raises RemoteDeniedError where an object that was sent is not there, before the manifest."""
    there = fetcher.retried("", fetcher.objects.sizes) or {}
    for name, size in files.items():
        if name != MANIFEST_NAME and there.get(name) != size:
            raise RemoteDeniedError(
                f"{fetcher.objects.where}/{name}",
                f"it has {there.get(name, 'no')} bytes after {size} were sent",
                "does something else write or delete there? Then run the same command again",
            )


class _Meter:
    """Counts what threads have sent; one thread tells it, in whole megabytes."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._lock = threading.Lock()
        self._bytes = self._told = 0

    def sent(self, num_bytes: int) -> None:
        """So many bytes more are there."""
        with self._lock:
            self._bytes += num_bytes

    def tell(self) -> None:
        """Tells what was not told yet."""
        with self._lock:
            whole = -(-self._bytes // 1_000_000)
        self._progress.advance(whole - self._told)
        self._told = whole


def _record(shards: ShardSet, url: str, files: Mapping[str, int], *, made: bool) -> dict[str, Any]:
    return {
        "kind": "shards",
        "path": url,
        "digest": shards.manifest["digest"],
        "made": made,
        "schema": 1,
        "content_digest": shards.digest,
        "shards": len(shards.shard_names),
        "objects": len(files),
        "bytes": sum(files.values()),
    }
