"""What kind of source lies at a path: decided by names and the first members."""

from __future__ import annotations

import os
import tarfile
from itertools import islice
from pathlib import Path

from granctl.errors import CompressedSourceError, SourceLayoutError
from granctl.files import read_json
from granctl.shards.source.hubparquet import parquet_files
from granctl.shards.source.imagenet1k import data_root, official_tars, truth_file
from granctl.shards.source.imagenetv2 import is_imagenetv2
from granctl.shards.source.inaturalist import annotation_files
from granctl.shards.source.kinds import IMAGE_SUFFIXES
from granctl.shards.source.opening import SourceKind, tars_below
from granctl.workspace import MANIFEST_NAME

_COMPRESSED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst", ".zip", ".7z", ".rar")


def detected(path: Path, files: tuple[str, ...] = ()) -> SourceKind:
    """The kind of source that lies at a path.

    Raises:
        CompressedSourceError: a compressed archive, or a folder with nothing else to read.
        SourceLayoutError: a file that is no source.
    """
    if files:
        return _kind_of_tar(path / files[0]) if files[0].endswith(".tar") else "parquet"
    if path.is_file():
        return _kind_of_file(path)
    if _is_shard_set(path):
        return "shards"
    if parquet_files(path):
        return "parquet"
    if annotation_files(path) and _is_coco(path / annotation_files(path)[0]):
        return "inat"
    if official_tars(path) or data_root(path) != path or _has_flat_val(path):
        return "imagenet1k"
    if is_imagenetv2(path):
        return "imagenetv2"
    folders_hold_images = _holds_images(path)
    tars = [] if folders_hold_images else tars_below(path)
    if tars:
        return _kind_of_tar(path / tars[0])
    archives = [entry for entry in sorted(path.iterdir()) if entry.name.endswith(_COMPRESSED)]
    if archives and not folders_hold_images:
        raise CompressedSourceError(archives[0], _unpacking(archives[0]))
    return "folders"


def _kind_of_file(path: Path) -> SourceKind:
    ending = path.suffix.lower()
    if path.name.lower().endswith(_COMPRESSED):
        raise CompressedSourceError(path, _unpacking(path))
    if ending in (".csv", ".tsv"):
        return "csv"
    if ending == ".parquet":
        return "parquet"
    if ending == ".tar":
        return "imagenetv2" if is_imagenetv2(path) else _kind_of_tar(path)
    raise SourceLayoutError(path, "it is a file, and a folder, .tar, .parquet or .csv was expected")


def _unpacking(path: Path) -> str:
    name = path.name
    if name.endswith((".tar.gz", ".tgz")):
        return f"decompress it once: `gzip -dc {name} > {name.split('.', 1)[0]}.tar`"
    return "unpack it, or decompress it to a .tar, once"


def _is_shard_set(path: Path) -> bool:
    manifest = path / MANIFEST_NAME
    return manifest.is_file() and read_json(manifest).get("kind") == "shards"


def _is_coco(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(4096)
    return any(word in head for word in (b'"info"', b'"images"', b'"annotations"', b'"categories"'))


def _has_flat_val(path: Path) -> bool:
    """Training images by class and validation images in one folder, with a file of labels."""
    folders = {entry.name.lower(): entry for entry in path.iterdir() if entry.is_dir()}
    val = folders.get("val")
    if val is None or "train" not in folders or truth_file(path) is None:
        return False
    return any(_claims(entry) for entry in islice(val.iterdir(), 8)) or (val / "images").is_dir()


def _holds_images(path: Path) -> bool:
    """Whether an image lies in one of the first folders, up to three folders down."""
    level = [path]
    for _ in range(4):
        inner: list[Path] = []
        for folder in level[:8]:
            with os.scandir(folder) as entries:
                for entry in islice(entries, 4096):
                    if entry.is_dir() and not entry.name.startswith("."):
                        inner.append(Path(entry.path))
                    elif folder != path and _claims(Path(entry.path)):
                        return True
        level = inner
    return False


def _claims(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")


def _kind_of_tar(path: Path) -> SourceKind:
    """Shards if labels stand beside images in the first members, else tars of classes."""
    try:
        with tarfile.open(path, "r:") as tar:
            names = [member.name for member in islice(tar, 32) if member.isfile()]
    except (tarfile.TarError, OSError, ValueError):
        return "tars"
    stems = {name.split(".", 1)[0] for name in names if name.endswith((".cls", ".json"))}
    paired = any(name.split(".", 1)[0] in stems and _claims(Path(name)) for name in names)
    return "webdataset" if paired else "tars"
