"""A shard set of granctl as a source: for another order, split or size, without the originals."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from granctl.shards.index import ShardSet
from granctl.shards.names import Names
from granctl.shards.remote.download import fetched_source
from granctl.shards.source.handles import Handles
from granctl.shards.source.inventory import FileSource, Inventory, Labelled
from granctl.shards.source.listing import SPLITS
from granctl.shards.source.opening import Opening
from granctl.shards.source.tarsource import TarReader
from granctl.shards.store import Folder


def open_shard_set(opening: Opening) -> FileSource:
    """The images of a shard set with their finest labels, by its index; no header is read.

    Of a view these are the images that it does not leave out, read from the tars of its base.

    Raises:
        ManifestMismatchError: it is unfinished or damaged.
    """
    shards = ShardSet.open(opening.path)
    tars = _folder_of_tars(shards, opening)
    rows = {split: shards.rows(split) for split in shards.splits}
    keys = [key for split in shards.splits for key in shards.keys(split).tolist()]
    sums = [shards.checksums(split) for split in shards.splits]
    file_of = np.concatenate([found.shard for found in rows.values()]).astype(np.int32)
    stems = Names.of(name.removesuffix(".tar") for name in shards.shard_names)
    reader = TarReader(
        handles=Handles(tars),
        files=shards.shard_names,
        file_of=file_of,
        offsets=np.concatenate([found.offset for found in rows.values()]),
        sizes=np.concatenate([found.size for found in rows.values()]).astype(np.int64),
    )
    split_of = [np.full(len(rows[s]), SPLITS.index(s), dtype=np.int8) for s in shards.splits]
    inventory = Inventory(
        root=tars,
        names=Names.of(keys).under(stems, file_of),
        folders=list(stems),
        folder_of=file_of,
        sizes=reader.sizes,
        stamps=np.zeros(len(file_of), dtype=np.int64),
        lies_at=np.argsort(np.lexsort((reader.offsets, file_of))),
        reader=reader,
        tops={},
        content=hashlib.sha256(b"".join(found.tobytes() for found in sums)).hexdigest(),
    )
    labelled = Labelled(
        labels=shards.labels,
        label_of=np.concatenate([found.label for found in rows.values()]),
        split_of=np.concatenate(split_of),
    )
    return FileSource(inventory, opening.name, labelled)


def _folder_of_tars(shards: ShardSet, opening: Opening) -> Path:
    """Where the tars lie; those of a view of a URL are copied into the cache."""
    if isinstance(shards.store, Folder):
        return shards.store.root
    return fetched_source(shards.store.where, opening.progress)[0]
