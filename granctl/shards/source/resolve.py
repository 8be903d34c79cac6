"""Which source a name or a path means: what lies there decides, or `--source-kind` does."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from granctl.errors import (
    BadOptionError,
    MissingInputError,
    NoImagesError,
    SourceKindError,
    listing,
)
from granctl.progress import Progress, Silent
from granctl.shards.journal import check_no_journal
from granctl.shards.remote.download import fetched_source
from granctl.shards.source.detect import detected
from granctl.shards.source.folders import folder_inventory
from granctl.shards.source.hubparquet import open_hub_parquet, parquet_files
from granctl.shards.source.imagenet1k import open_imagenet1k
from granctl.shards.source.imagenetv2 import open_imagenetv2
from granctl.shards.source.inaturalist import open_inaturalist
from granctl.shards.source.inventory import FileSource, by_folder
from granctl.shards.source.knownsets import known_as, registered_name
from granctl.shards.source.layout import laid_out, splits_of_tops
from granctl.shards.source.listing import Source
from granctl.shards.source.opening import KINDS, Opening, SourceKind, expanded, tars_below
from granctl.shards.source.parquet import ParquetSource, is_indexed
from granctl.shards.source.pathlist import open_pathlist
from granctl.shards.source.shardsource import open_shard_set
from granctl.shards.source.tarsource import tar_inventory
from granctl.shards.source.webdataset import open_webdataset
from granctl.shards.store import url_of
from granctl.workspace import Workspace, embedded

EMBEDDED = "embedded"
_EXPECTED: Mapping[SourceKind, str] = {
    "folders": "a folder of class folders",
    "tars": "one .tar a class, a .tar of them, or a .tar of class folders",
    "imagenet1k": "train/ and val/, or the ILSVRC2012 tars, with the labels of flat val images",
    "imagenetv2": "folders of classes named 0 to 999, or a .tar of them",
    "inat": "train.json or val.json beside the folders of images",
    "webdataset": ".tar shards with KEY.jpg and KEY.cls or KEY.json",
    "shards": "a shard set of `granctl shards build`",
    "parquet": ".parquet files with the columns image and label",
    "csv": "a .csv or .tsv file with the columns path and label",
}


def open_source(
    workspace: Workspace,
    name_or_path: str,
    *,
    kind: SourceKind | None = None,
    known: Collection[str] | None = None,
    progress: Progress | None = None,
) -> Source:
    """Opens `embedded`, a data set of `granctl data add`, a folder, a file, or `a-{000..146}.tar`.

    A URL of files or of a shard set (`s3://`, `https://`) is copied into the cache first.

    Args:
        workspace: where names are registered, and where what headers say is kept.
        name_or_path: a name goes before a folder of the same name.
        kind: what it is; None: what lies there decides.
        known: labels of a label list: the deepest folder that is one of them is the class.
        progress: is told how far the pass over headers is.

    Raises:
        UnknownDataError: a word that names neither a data set nor a folder.
        MissingInputError: a path that does not exist.
        BadOptionError: there is no such kind.
        SourceKindError: it is not of that kind.
        CompressedSourceError: it is a compressed archive.
        SourceLayoutError: it is laid out otherwise.
        NoImagesError: there is no image in it.
        UnsafeLinkError: a link in it leads out of it.
        RelabelUnfinishedError: it is a shard set that is half relabelled in place.
    """
    if kind is not None and kind not in KINDS:
        raise BadOptionError(
            "--source-kind", f"{kind!r} is none", f"give one of {', '.join(KINDS)}"
        )
    if name_or_path == EMBEDDED:
        return ParquetSource(embedded("images"), EMBEDDED)
    progress = progress or Silent()
    name = registered_name(workspace, name_or_path)
    path, files = _located(workspace, name, progress)
    check_no_journal(path)
    registered = name in workspace.data_names()
    opening = Opening(
        workspace=workspace,
        path=path,
        files=files,
        name=name if registered else _plain_name(path),
        known=known,
        progress=progress,
        numbered=_numbered(workspace, name) if registered else (),
    )
    found = kind or detected(path, files)
    return _OPENERS[_as_numbered(found, opening)](opening)


def open_as(workspace: Workspace, name: str, path: Path, progress: Progress) -> Source:
    """Opens what lies at a path as the data set of that name, whether or not it is registered.

    Raises:
        UserError: it is no source, as in `open_source`.
    """
    check_no_journal(path)
    opening = Opening(
        workspace=workspace,
        path=path,
        name=name,
        known=None,
        progress=progress,
        numbered=_numbered(workspace, name),
    )
    return _OPENERS[_as_numbered(detected(path), opening)](opening)


def _numbered(workspace: Workspace, name: str) -> tuple[str, ...]:
    """The labels that the numbers of a data set's folders count; empty where they are names."""
    facts = known_as(workspace, name)
    return facts.labels(facts.numbered) if facts and facts.numbered else ()


def _as_numbered(kind: SourceKind, opening: Opening) -> SourceKind:
    return "imagenetv2" if opening.numbered and kind in ("folders", "tars") else kind


def _located(workspace: Workspace, text: str, progress: Progress) -> tuple[Path, tuple[str, ...]]:
    """The folder or file that is meant, and the files in it where a pattern names several."""
    if url_of(text) is not None:
        return fetched_source(text, progress)
    if text in workspace.data_names():
        return workspace.data_folder(text), ()
    names = expanded(text)
    if len(names) > 1:
        missing = [name for name in names if not Path(name).expanduser().is_file()]
        if missing:
            problem = f"{len(missing)} of {len(names)} files: {listing(missing)}"
            raise MissingInputError(
                "source", Path(text), f"check the pattern; missing are {problem}"
            )
        root = Path(names[0]).expanduser().parent
        return root, tuple(str(Path(name).expanduser().relative_to(root)) for name in names)
    path = Path(text).expanduser()
    if not path.exists():
        if os.sep in text or text.startswith((".", "~")):
            raise MissingInputError("source", path, "check the path")
        workspace.data_folder(text)  # raises UnknownDataError with its mend
    return path, ()


def _plain_name(path: Path) -> str:
    name = path.resolve().name
    return name.split(".", 1)[0] if path.is_file() else name


# --- a kind opened --------------------------------------------------------------------------------


def _open_folders(opening: Opening) -> FileSource:
    _expect(opening, "folders", opening.path.is_dir())
    inventory = folder_inventory(opening.path)
    if not len(inventory):
        raise NoImagesError(opening.path, inventory.num_others)
    splits = splits_of_tops(opening.path, inventory.tops)
    layout = laid_out(inventory.folders, splits, opening.known)
    return FileSource(inventory, opening.name, by_folder(inventory, layout))


def _open_tars(opening: Opening) -> FileSource:
    root, files = _tars(opening, "tars")
    inventory = tar_inventory(opening.workspace, root, files, opening.progress)
    splits = splits_of_tops(opening.path, inventory.tops)
    layout = laid_out(inventory.folders, splits, opening.known)
    return FileSource(inventory, opening.name, by_folder(inventory, layout))


def _open_webdataset(opening: Opening) -> FileSource:
    _tars(opening, "webdataset")
    return open_webdataset(opening)


def _tars(opening: Opening, kind: SourceKind) -> tuple[Path, list[str]]:
    if opening.path.is_file():
        _expect(opening, kind, opening.path.suffix.lower() == ".tar")
        return opening.path.parent, [opening.path.name]
    files = list(opening.files) or tars_below(opening.path)
    _expect(opening, kind, bool(files))
    return opening.path, files


def _open_parquet(opening: Opening) -> Source:
    root = opening.path if opening.path.is_dir() else opening.path.parent
    files = list(opening.files) or ([opening.path.name] if root != opening.path else [])
    _expect(opening, "parquet", bool(files or parquet_files(root)))
    if not files and all(is_indexed(root / file) for file in parquet_files(root)):
        return ParquetSource(root, opening.name)
    return open_hub_parquet(opening)


def _open_csv(opening: Opening) -> FileSource:
    _expect(opening, "csv", opening.path.is_file())
    return open_pathlist(opening)


def _open_shards(opening: Opening) -> FileSource:
    _expect(opening, "shards", opening.path.is_dir())
    return open_shard_set(opening)


def _open_imagenet1k(opening: Opening) -> FileSource:
    _expect(opening, "imagenet1k", opening.path.is_dir())
    return open_imagenet1k(opening)


def _open_inat(opening: Opening) -> FileSource:
    _expect(opening, "inat", opening.path.is_dir())
    return open_inaturalist(opening)


def _expect(opening: Opening, kind: SourceKind, fits: bool) -> None:
    """Raises SourceKindError, which names what was found, where the path is not of the kind."""
    if not fits:
        raise SourceKindError(opening.path, _found(opening.path), _EXPECTED[kind])


def _found(path: Path) -> str:
    """What lies at a path, in a few words."""
    if path.is_file():
        return f"a {path.suffix or 'plain'} file"
    entries = sorted(path.iterdir())
    folders = sum(entry.is_dir() for entry in entries)
    endings = sorted({e.suffix or "plain" for e in entries if not e.is_dir()})
    return f"{folders} folders and {len(entries) - folders} files ({listing(endings, 6) or 'none'})"


_OPENERS: Mapping[str, Callable[[Opening], Source]] = {
    "folders": _open_folders,
    "tars": _open_tars,
    "imagenet1k": _open_imagenet1k,
    "imagenetv2": open_imagenetv2,
    "inat": _open_inat,
    "webdataset": _open_webdataset,
    "shards": _open_shards,
    "parquet": _open_parquet,
    "csv": _open_csv,
}
