"""Which source a name or a path means."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from granctl.errors import MissingInputError, SourceLayoutError
from granctl.shards.folders import FolderSource
from granctl.shards.index import ShardSet
from granctl.shards.listing import SPLITS, Source
from granctl.shards.parquet import ParquetSource
from granctl.workspace import MANIFEST_NAME, Workspace, embedded

EMBEDDED = "embedded"


def open_source(workspace: Workspace, name_or_path: str) -> Source:
    """Opens `embedded`, a data set of `granctl data add`, or a folder; a name goes before a folder.

    A folder is laid out as CLASS/IMAGE, as SPLIT/CLASS/IMAGE, or holds Parquet files whose names
    end in -train.parquet, -val.parquet or -test.parquet.

    Raises:
        UnknownDataError: a word that names neither a data set nor a folder.
        MissingInputError: a path that does not exist.
        SourceLayoutError: it is laid out otherwise.
        NoImagesError: there is no image in it.
        UnsafeLinkError: a link in it leads out of it.
    """
    if name_or_path == EMBEDDED:
        return ParquetSource(embedded("images"), EMBEDDED)
    if name_or_path in workspace.data_names():
        root, name = workspace.data_folder(name_or_path), name_or_path
    else:
        root = Path(name_or_path).expanduser()
        if not root.exists():
            if os.sep in name_or_path or name_or_path.startswith((".", "~")):
                raise MissingInputError("source", root, "check the path")
            workspace.data_folder(name_or_path)  # raises UnknownDataError with its mend
        name = root.resolve().name
    if not root.is_dir():
        raise SourceLayoutError(root, "it is a file, and a folder was expected")
    if any(root.glob("*.parquet")):
        return ParquetSource(root, name)
    return FolderSource(root, name)


def count_images(workspace: Workspace, name: str) -> dict[str, Any]:
    """Labels and images of a data set in each split, by names alone; nothing is decoded.

    The fields: name, path, form (`shards` or `source`), labels, images, splits (split -> images)
    and others (files that are no images).

    Raises:
        UnknownDataError: nobody registered it.
        UserError: its folder is no source, as in `open_source`.
    """
    if name != EMBEDDED and (workspace.data_folder(name) / MANIFEST_NAME).is_file():
        shards = ShardSet.open(workspace.data_folder(name))
        splits = {split: shards.num_images(split) for split in shards.splits}
        path, form, labels, others = shards.root, "shards", shards.labels, 0
    else:
        source = open_source(workspace, name)
        listing = source.listing
        counts = np.bincount(listing.split_of, minlength=len(SPLITS)).tolist()
        splits = {split: num for split, num in zip(SPLITS, counts, strict=True) if num}
        path, form, labels = source.root, "source", listing.labels
        others = listing.num_others + listing.num_outside
    return {
        "name": name,
        "path": str(path),
        "form": form,
        "labels": len(labels),
        "images": sum(splits.values()),
        "splits": splits,
        "others": others,
    }
