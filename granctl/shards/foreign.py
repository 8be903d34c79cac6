"""The indexes that other readers want beside WebDataset tars: timm, wids, DALI, open_clip.

_info.json              timm's reader_wds: shards and samples of each split
wids-<split>.json       wids.ShardListDataset: shards with samples and bytes (wids-shard-index-v1)
sizes.json              open_clip's webdataset reader: samples of each shard
<shard>.idx             DALI's fn.readers.webdataset (granctl/shards/dali.py)

Whoever makes shards writes them too; `granctl shards export` makes them again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from granctl.errors import BadOptionError, NoTarsError, ShardCorruptError
from granctl.files import write_json
from granctl.progress import Progress
from granctl.shards.columns import numbers_of
from granctl.shards.dali import dali_path, read_for_dali
from granctl.shards.index import ShardSet
from granctl.shards.indexfile import IndexGroups
from granctl.shards.store import Folder

Form = Literal["timm", "wids", "dali", "open-clip"]
FORMS: tuple[Form, ...] = get_args(Form)
_OF_SETS: tuple[Form, ...] = ("timm", "wids", "open-clip")


def export_indexes(
    shards: ShardSet, forms: Sequence[str], progress: Progress, *, md5: bool = False
) -> dict[str, Any]:
    """Writes indexes for other readers beside the tars of a shard set.

    Each is replaced as a whole; nothing else of the set changes.

    Args:
        shards: lies in a folder.
        forms: names of `FORMS`, or `all`.
        progress: is told of the shards that are read.
        md5: adds the MD5 of each shard to the index of wids, which reads every byte.

    Returns:
        What `--json` prints.

    Raises:
        BadOptionError: the shard set does not lie in a folder of this machine.
        NoTarsError: it is a view: other readers know only what stands in the tars.
        ShardCorruptError: a shard is not as the index says (dali, md5).
        OutputNotWritableError: the folder cannot be written.
    """
    if shards.base is not None:
        raise NoTarsError("indexes for other readers", shards.where, shards.base.where)
    if not isinstance(shards.store, Folder):
        hint = "write them where the set was built, then `granctl shards upload` sends them too"
        raise BadOptionError("--indexes", f"{shards.where} is no folder", hint)
    folder = shards.store.root
    chosen: list[Form] = [form for form in FORMS if form in forms or "all" in forms]
    written = write_set_indexes(folder, shards.manifest, chosen, md5=md5)
    if "dali" in chosen:
        written += _write_dali(shards, folder, progress)
    return {
        "kind": "shard-indexes",
        "schema": 1,
        "path": shards.where,
        "digest": shards.manifest["digest"],
        "made": True,
        "content_digest": shards.digest,
        "indexes": chosen,
        "files": [path.name for path in written],
    }


def write_set_indexes(
    folder: Path,
    manifest: Mapping[str, Any],
    forms: Sequence[Form] = _OF_SETS,
    *,
    md5: bool = False,
) -> list[Path]:
    """Writes those indexes that say of a whole set what its manifest says; returns their paths.

    Raises:
        ShardCorruptError: a shard is missing (md5).
        OutputNotWritableError: the folder cannot be written.
    """
    told: dict[str, Any] = {}
    if "timm" in forms:
        told["_info.json"] = {"splits": dict(_timm_splits(manifest))}
    if "wids" in forms:
        for split in manifest["splits"]:
            told[f"wids-{split}.json"] = _wids_index(folder, manifest, split, md5)
    if "open-clip" in forms:
        told["sizes.json"] = {shard["name"]: shard["images"] for shard in manifest["shards"]}
    for name, value in told.items():
        write_json(folder / name, value)
    return [folder / name for name in told]


def _shards_of(manifest: Mapping[str, Any], split: str) -> list[dict[str, Any]]:
    """The manifest's records of the shards of a split that have images."""
    return [s for s in manifest["shards"] if s["split"] == split and s["images"]]


def _timm_splits(manifest: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for split, counts in manifest["splits"].items():
        ours = _shards_of(manifest, split)
        record = {
            "name": split,
            "num_samples": counts["images"],
            "filenames": [shard["name"] for shard in ours],
            "shard_lengths": [shard["images"] for shard in ours],
        }
        yield split, record


def _wids_index(folder: Path, manifest: Mapping[str, Any], split: str, md5: bool) -> dict[str, Any]:
    listed = []
    for shard in _shards_of(manifest, split):
        record = {"url": shard["name"], "nsamples": shard["images"], "filesize": shard["bytes"]}
        if md5:
            record["md5sum"] = _md5(folder / shard["name"])
        listed.append(record)
    return {
        "__kind__": "wids-shard-index-v1",
        "wids_version": 1,
        "name": f"{manifest['source']}-{split}",
        "shardlist": listed,
    }


def _md5(tar: Path) -> str:
    try:
        with tar.open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    except FileNotFoundError as error:
        raise ShardCorruptError(tar, "it is missing") from error


def _write_dali(shards: ShardSet, folder: Path, progress: Progress) -> list[Path]:
    groups, written = IndexGroups(shards.index_path), []
    progress.start("indexing for DALI", groups.num_rows, "images")
    try:
        for number in groups.shards:
            tar = folder / shards.shard_names[number]
            offsets = numbers_of(groups.rows(number, ["offset"])["offset"], np.int64)
            read_for_dali(tar, offsets)
            written.append(dali_path(tar))
            progress.advance(len(offsets))
    finally:
        progress.finish()
    return written
