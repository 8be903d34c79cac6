"""A source behind URLs, copied into the cache: whole files, gone on with, told when they change."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from granctl.alone import making_alone
from granctl.errors import BadUrlError, MissingInputError, OutputNotWritableError
from granctl.files import fsync_path, make_folder, read_json, write_json, writing
from granctl.progress import Progress
from granctl.shards.index import INDEX_NAME, ShardSet
from granctl.shards.remote.fetch import Fetcher, stream
from granctl.shards.remote.objects import objects_of
from granctl.shards.remote.remotespec import RemoteSpec
from granctl.shards.source.opening import expanded
from granctl.workspace import MANIFEST_NAME

FILE_SUFFIXES = (".tar", ".parquet", ".csv", ".tsv")
_BESIDE = ("labels.txt", "synsets.txt", "classes.txt", "classnames.txt")
_PART = ".part"
_KNOWN = ".fetched.json"
_COPY_BYTES = 1 << 22


def fetched_source(
    url: str, progress: Progress, spec: RemoteSpec | None = None
) -> tuple[Path, tuple[str, ...]]:
    """A local copy of what a URL means: its folder or file, and the files that a pattern named.

    The URL is that of a shard set, of one file, or of several (`https://host/a-{000..146}.tar`).
    A build reads its source in the order of its own shards and in several processes, so a copy on
    disk is read once over the network instead of many times. It lies in the cache, is gone on with
    after any end, and a file is fetched again when its version (ETag) or size is another one.

    Raises:
        MissingInputError: there is no such file.
        BadUrlError: it is neither a shard set nor a file that is read.
        OutputNotWritableError: the disk has no room for it.
        GranctlError: the server refuses or does not answer.
    """
    spec = spec or RemoteSpec.from_environment()
    urls = expanded(url)
    if len(urls) == 1 and not url.partition("?")[0].lower().endswith(FILE_SUFFIXES):
        return _fetched_set(url, progress, spec), ()
    base, _, query = url.partition("?")
    names = [one.partition("?")[0].rpartition("/")[2] for one in urls]
    folder_url = base.rpartition("/")[0]
    if "{" in folder_url:
        raise BadUrlError(url, "a pattern {000..146} may stand in the file's name only")
    fetcher = _fetcher(f"{folder_url}?{query}" if query else folder_url, progress, spec)
    folder = _folder(spec, fetcher)
    _fetch(fetcher, folder, names, _BESIDE, progress)
    return (folder, tuple(names)) if len(names) > 1 else (folder / names[0], ())


def _fetched_set(url: str, progress: Progress, spec: RemoteSpec) -> Path:
    shards = ShardSet.open(url)
    fetcher = _fetcher(url, progress, spec)
    folder = _folder(spec, fetcher)
    _fetch(fetcher, folder, [*shards.shard_names, INDEX_NAME, MANIFEST_NAME], (), progress)
    return folder


def _fetcher(url: str, progress: Progress, spec: RemoteSpec) -> Fetcher:
    return Fetcher(objects_of(url, spec), spec, progress.note)


def _folder(spec: RemoteSpec, fetcher: Fetcher) -> Path:
    where = fetcher.objects.where
    digest = hashlib.sha256(where.encode()).hexdigest()[:12]
    folder = spec.cache / "sources" / f"{where.rpartition('/')[2] or 'files'}-{digest}"
    make_folder(folder)
    return folder


def _fetch(
    fetcher: Fetcher,
    folder: Path,
    names: Sequence[str],
    optional: Sequence[str],
    progress: Progress,
) -> None:
    """Makes the folder have these files as the server has them now."""
    with making_alone(folder, progress):
        now = {name: _state(fetcher, name) for name in names}
        for name in optional:
            with suppress(MissingInputError):
                now[name] = _state(fetcher, name)
        known = read_json(folder / _KNOWN) if (folder / _KNOWN).is_file() else {}
        for name, state in now.items():
            if known.get(name) != state:
                (folder / name).unlink(missing_ok=True)
                (folder / f"{name}{_PART}").unlink(missing_ok=True)
        write_json(folder / _KNOWN, {**known, **now})
        missing = {n: int(size) for n, (size, _) in now.items() if not (folder / n).is_file()}
        _check_space(folder, missing)
        progress.start("fetching the source", -(-sum(missing.values()) // 1_000_000), "MB")
        try:
            for name, size in missing.items():
                _copy(fetcher, folder / name, size, progress)
        finally:
            progress.finish()


def _state(fetcher: Fetcher, name: str) -> list[int | str]:
    """Bytes and version of a file, as JSON keeps them."""
    try:
        _, total = fetcher.span(name, 0, 1, None)
    except FileNotFoundError as error:
        url = f"{fetcher.objects.where}/{name}"
        raise MissingInputError("source", url, "check the URL") from error
    return [total, fetcher.version(name)]


def _check_space(folder: Path, missing: dict[str, int]) -> None:
    there = sum((folder / f"{n}{_PART}").stat().st_size for n in missing if _has_part(folder, n))
    needed, free = sum(missing.values()) - there, shutil.disk_usage(folder).free
    if needed > free:
        reason = f"{needed / 1e6:,.0f} MB are needed and {free / 1e6:,.0f} MB are free"
        raise OutputNotWritableError(folder, f"{reason} ($GRANCTL_CACHE names another place)")


def _has_part(folder: Path, name: str) -> bool:
    return (folder / f"{name}{_PART}").is_file()


def _copy(fetcher: Fetcher, path: Path, size: int, progress: Progress) -> None:
    """One file: goes on at the end of what is there of it."""
    part = path.with_name(path.name + _PART)
    with writing(path), part.open("ab") as file:
        told = done = min(file.tell(), size)
        os.truncate(part, done)
        progress.advance(done // 1_000_000)
        while done < size:
            with stream(fetcher, path.name, size, begin=done) as remote:
                while data := remote.read(_COPY_BYTES):
                    file.write(data)
                    done += len(data)
                    progress.advance(done // 1_000_000 - told // 1_000_000)
                    told = done
    with writing(path):
        fsync_path(part)
        os.replace(part, path)
        fsync_path(path.parent)
