"""The indexes that other readers want beside WebDataset tars: timm, wids, DALI, open_clip.

_info.json              timm's reader_wds: shards and samples of each split
wids-<split>.json       wids.ShardListDataset: shards with samples and bytes (wids-shard-index-v1)
<shard>.idx             DALI's fn.readers.webdataset: places of all members (wds2idx, v1.2)
sizes.json              open_clip's webdataset reader: samples of each shard
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from granctl.errors import BadOptionError, ManifestMismatchError, NoTarsError, ShardCorruptError
from granctl.files import write_bytes, write_json
from granctl.progress import Progress
from granctl.shards.index import ShardSet
from granctl.shards.store import Folder
from granctl.shards.tar import BLOCK, padded

Form = Literal["timm", "wids", "dali", "open-clip"]
FORMS: tuple[Form, ...] = get_args(Form)
_READ_BYTES = 1 << 22
_MEMBERS = 3


def export_indexes(
    shards: ShardSet, forms: Sequence[str], progress: Progress, *, md5: bool = False
) -> dict[str, Any]:
    """Writes the indexes of the named readers (or `all`); returns what `--json` prints.

    Raises:
        GranctlError: as `write_indexes`.
    """
    chosen = [form for form in FORMS if form in forms or "all" in forms]
    written = write_indexes(shards, chosen, progress, md5=md5)
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


def write_indexes(
    shards: ShardSet, forms: Sequence[Form], progress: Progress, *, md5: bool = False
) -> list[Path]:
    """Writes indexes for other readers beside the tars of a shard set; returns their paths.

    Each is replaced as a whole; nothing else of the set changes. `md5` adds the MD5 of each shard
    to the index of wids, which reads every byte.

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
    written: list[Path] = []
    if "timm" in forms:
        write_json(folder / "_info.json", _timm_info(shards))
        written.append(folder / "_info.json")
    if "wids" in forms:
        for split in shards.splits:
            path = folder / f"wids-{split}.json"
            write_json(path, _wids_index(shards, split, md5))
            written.append(path)
    if "open-clip" in forms:
        sizes = {shard["name"]: shard["images"] for shard in shards.manifest["shards"]}
        write_json(folder / "sizes.json", sizes)
        written.append(folder / "sizes.json")
    if "dali" in forms:
        written += _write_dali(shards, folder, progress)
    return written


def _shards_of(shards: ShardSet, split: str) -> list[dict[str, Any]]:
    """The manifest's records of the shards of a split that have images."""
    return [s for s in shards.manifest["shards"] if s["split"] == split and s["images"]]


def _timm_info(shards: ShardSet) -> dict[str, Any]:
    splits = {}
    for split in shards.splits:
        ours = _shards_of(shards, split)
        splits[split] = {
            "name": split,
            "num_samples": shards.num_images(split),
            "filenames": [shard["name"] for shard in ours],
            "shard_lengths": [shard["images"] for shard in ours],
        }
    return {"splits": splits}


def _wids_index(shards: ShardSet, split: str, md5: bool) -> dict[str, Any]:
    listed = []
    for shard in _shards_of(shards, split):
        record = {"url": shard["name"], "nsamples": shard["images"], "filesize": shard["bytes"]}
        if md5:
            record["md5sum"] = _md5(shards, shard["name"])
        listed.append(record)
    return {
        "__kind__": "wids-shard-index-v1",
        "wids_version": 1,
        "name": f"{shards.name}-{split}",
        "shardlist": listed,
    }


def _md5(shards: ShardSet, name: str) -> str:
    hasher = hashlib.md5(usedforsecurity=False)
    with shards.store.open(name) as file:
        while data := file.read(_READ_BYTES):
            hasher.update(data)
    return hasher.hexdigest()


# --- DALI ---------------------------------------------------------------------------------------


def _write_dali(shards: ShardSet, folder: Path, progress: Progress) -> list[Path]:
    written = []
    records = shards.manifest["shards"]
    progress.start("indexing for DALI", sum(record["images"] for record in records), "images")
    try:
        for shard, rows in _rows_of_shards(shards):
            path = folder / f"{Path(records[shard]['name']).stem}.idx"
            lines = _dali_lines(folder / records[shard]["name"], rows)
            head = f"v1.2 {len(rows)}\n"
            write_bytes(path, (head + "".join(lines)).encode("ascii"))
            written.append(path)
            progress.advance(len(rows))
    finally:
        progress.finish()
    return written


def _rows_of_shards(shards: ShardSet) -> Iterator[tuple[int, list[tuple[int, str]]]]:
    """Each shard that has images: its number, and (offset, key) of its images in their order."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = shards.index_path
    try:
        with pq.ParquetFile(path) as file:
            for group in range(file.num_row_groups):  # one a shard
                table = file.read_row_group(group, columns=["shard", "offset", "key"])
                if table.num_rows:
                    offsets = table["offset"].to_pylist()
                    rows = list(zip(offsets, table["key"].to_pylist(), strict=True))
                    yield table["shard"][0].as_py(), rows
    except (pa.ArrowException, OSError, KeyError) as error:
        hint = "make it again with `granctl shards build`"
        raise ManifestMismatchError(path, f"cannot be read ({error})", hint) from error


def _dali_lines(path: Path, rows: Sequence[tuple[int, str]]) -> Iterator[str]:
    """A line a sample: `EXTENSION OFFSET SIZE NAME` of each of its members, in their order."""
    with path.open("rb") as file:
        for offset, key in rows:
            at, fields = offset - BLOCK, []
            for _ in range(_MEMBERS):
                file.seek(at)
                name, size = _member(file.read(BLOCK), path, at)
                stem, _, extension = name.partition(".")
                if stem != key:
                    raise ShardCorruptError(path, f"byte {at} has {name}, not a member of {key}")
                fields.append(f"{extension} {at + BLOCK} {size} {name}")
                at += BLOCK + padded(size)
            yield " ".join(fields) + "\n"


def _member(header: bytes, path: Path, at: int) -> tuple[str, int]:
    try:
        name = header[:100].rstrip(b"\0").decode("ascii")
        return name, int(header[124:136].rstrip(b"\0 "), 8)
    except (ValueError, IndexError) as error:
        raise ShardCorruptError(path, f"there is no tar header at byte {at}") from error
