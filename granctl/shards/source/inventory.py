"""The image files of a source before they have labels, and the source that labels make of them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from granctl.errors import NoImagesError, SourceLayoutError
from granctl.shards.names import Names
from granctl.shards.source.layout import OUTSIDE, Layout, used_labels
from granctl.shards.source.listing import Listing


class Reader(Protocol):
    """Where the bytes of an inventory are; it may be pickled, and used after a fork."""

    def read(self, row: int) -> bytes:
        """The bytes of one file.

        Raises:
            SourceChangedError: it is gone, or not what was listed.
            OSError: it cannot be read.
        """

    def read_soon(self, row: int) -> None:
        """Tells the system that a file will be read; nothing where that does not help."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Inventory:
    """Files that claim to be images, in an order that no file system decides; arrays are (n,)."""

    root: Path
    """For messages."""
    names: Names
    """Paths, parted by `/`; a tar that holds one class counts as a folder."""
    folders: Sequence[str]
    """Paths of the folders that hold them."""
    folder_of: NDArray[np.int32]
    """Index into `folders`."""
    sizes: NDArray[np.int64]
    stamps: NDArray[np.int64]
    """Times of change; they belong to the identity, as a touched file may be another image."""
    lies_at: NDArray[np.int64]
    """Rank by which reading is sequential."""
    reader: Reader
    tops: Mapping[str, bool]
    """Each folder at the top, and whether it holds folders."""
    content: str = ""
    """What else is known of the content, such as a hash of a file's ends."""
    num_others: int = 0
    rejected: tuple[tuple[str, str], ...] = ()

    def __len__(self) -> int:
        return len(self.sizes)


@dataclass(frozen=True, kw_only=True, eq=False)
class Labelled:
    """Which label and split each file of an inventory has; arrays are (n,)."""

    labels: Sequence[str]
    """Sorted."""
    label_of: NDArray[np.int32]
    """Index into `labels`, or `OUTSIDE`: the file is left out."""
    split_of: NDArray[np.int8]


def by_folder(inventory: Inventory, layout: Layout) -> Labelled:
    """Labels and splits of files from those of their folders."""
    folder_of = inventory.folder_of
    return Labelled(
        labels=layout.labels,
        label_of=layout.label_of[folder_of],
        split_of=layout.split_of[folder_of],
    )


class FileSource:
    """An inventory with labels."""

    def __init__(self, inventory: Inventory, name: str, labelled: Labelled) -> None:
        self.root, self.name = inventory.root, name
        inside = labelled.label_of != OUTSIDE
        if not inside.any():
            if len(inventory):
                problem = f"{len(inventory)} images, but none in a class folder"
                raise SourceLayoutError(self.root, problem)
            raise NoImagesError(self.root, inventory.num_others)
        self._reader = inventory.reader
        rows = np.flatnonzero(inside)
        everything = len(rows) == len(inside)
        chosen: NDArray[np.int64] | slice = slice(None) if everything else rows  # no copies
        self._row_of = None if everything else rows
        labels, label_of = used_labels(labelled.labels, labelled.label_of[chosen])
        self.listing = Listing(
            names=inventory.names if everything else inventory.names.take(rows),
            labels=labels,
            label_of=label_of,
            split_of=labelled.split_of[chosen],
            sizes=inventory.sizes[chosen],
            lies_at=inventory.lies_at[chosen],
            num_others=inventory.num_others,
            num_outside=len(inside) - len(rows),
            rejected=inventory.rejected,
        )
        known = inventory.stamps[chosen], inventory.content.encode()
        self.digest = listing_digest(self.listing, *known)

    def read(self, i: int) -> bytes:
        """The bytes of image `i`.

        Raises:
            SourceChangedError: it is gone or has another size than when it was listed.
            OSError: it cannot be read.
        """
        return self._reader.read(i if self._row_of is None else int(self._row_of[i]))

    def read_soon(self, i: int) -> None:
        """Tells the system that image `i` will be read."""
        self._reader.read_soon(i if self._row_of is None else int(self._row_of[i]))


def listing_digest(listing: Listing, *content: NDArray[np.int64] | bytes) -> str:
    """Sha256 over names, sizes, labels and splits, and over what is known of the content."""
    hasher = hashlib.sha256("\0".join(listing.labels).encode())
    names = listing.names
    data = names.data[names.offsets[0] : names.offsets[-1]]
    arrays = (data, names.byte_lengths, listing.sizes, listing.label_of, listing.split_of)
    for part in (*arrays, *content):
        hasher.update(part if isinstance(part, bytes) else np.ascontiguousarray(part).data)
    return hasher.hexdigest()
