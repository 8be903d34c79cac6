"""What a source is: a listing of its images (names, labels, sizes), and bytes on request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

SPLITS = ("train", "val", "test")
"""Every split that a shard set may have, in the order in which it lists them."""
SPLIT_OF_FOLDER = {"train": "train", "val": "val", "validation": "val", "test": "test"}


@dataclass(frozen=True, kw_only=True, eq=False)
class Listing:
    """All images of a source, in its own order, which never depends on the file system's."""

    names: Sequence[str]
    """Where each image lies inside the source; unique."""
    labels: tuple[str, ...]
    """Label ids, sorted."""
    label_of: NDArray[np.int32]
    """Shape (n,): index into `labels`."""
    split_of: NDArray[np.int8]
    """Shape (n,): index into `SPLITS`."""
    sizes: NDArray[np.int64]
    """Shape (n,): bytes."""
    num_others: int = 0
    """Files that are no images."""
    num_outside: int = 0
    """Images that lie in no class folder; they are left out."""

    def __len__(self) -> int:
        return len(self.names)


class Source(Protocol):
    """A listing and the bytes behind it."""

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
