"""What a source is: a listing of its images (names, labels, sizes), and bytes on request."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from granctl.shards.names import Names

SPLITS = ("train", "val", "test")
"""Every split that a shard set may have, in the order in which it lists them."""
SPLIT_OF_FOLDER = {"train": "train", "val": "val", "validation": "val", "test": "test"}


@dataclass(frozen=True, kw_only=True, eq=False)
class Listing:
    """All images of a source, in its own order, which never depends on the file system's.

    It is made of arrays, so that 14 million images take about 60 bytes each and their names.
    """

    names: Names
    """Where each image lies inside the source; unique."""
    labels: tuple[str, ...]
    """Label ids, sorted."""
    label_of: NDArray[np.int32]
    """Shape (n,): index into `labels`."""
    split_of: NDArray[np.int8]
    """Shape (n,): index into `SPLITS`."""
    sizes: NDArray[np.int64]
    """Shape (n,): bytes."""
    lies_at: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    """Shape (n,): rank by which reading is sequential on the disk (file, then offset); it decides
    nothing but speed. Left out, it is the order of the listing."""
    num_others: int = 0
    """Files that are no images."""
    num_outside: int = 0
    """Images that lie in no class folder; they are left out."""
    rejected: tuple[tuple[str, str], ...] = ()
    """Name and problem of what claims to be an image and is never read: links and devices inside
    a tar, names that lead out of it, members that the file's end cuts off."""

    def __post_init__(self) -> None:
        if len(self.lies_at) != len(self.names):
            object.__setattr__(self, "lies_at", np.arange(len(self.names), dtype=np.int64))

    def __len__(self) -> int:
        return len(self.names)


class Source(Protocol):
    """A listing and the bytes behind it; it may be pickled, and used after a fork."""

    name: str
    """For file names and messages; no part of any identity."""
    root: Path
    listing: Listing
    digest: str
    """What was listed: names, labels, sizes and times, or the content; never where it lies."""

    def read(self, i: int) -> bytes:
        """The bytes of image `i` of the listing.

        Raises:
            SourceChangedError: it is gone, or has another size than when it was listed.
            OSError: it cannot be read.
        """

    def read_soon(self, i: int) -> None:
        """Tells the system that image `i` will be read; nothing where that does not help."""
