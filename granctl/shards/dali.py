"""The index that DALI wants beside each tar: where every member of every sample lies.

As DALI's own wds2idx writes it, v1.2: a line `v1.2 SAMPLES`, then one a sample with
`EXTENSION OFFSET SIZE NAME` of each of its members. Shards that are made get theirs while they
still lie in memory: read back later, three headers an image would be sought on the disk.
"""

from __future__ import annotations

import mmap
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from granctl.errors import ShardCorruptError
from granctl.files import write_bytes
from granctl.shards.tar import BLOCK, SIZE_SPAN

_NAME_BYTES = 16
"""A key, a dot and the longest extension; zeros follow."""
_MEMBERS = 3


def dali_path(tar: Path) -> Path:
    """Where the index of a shard lies."""
    return tar.with_suffix(".idx")


def write_dali_index(
    tar: Path, content: memoryview | mmap.mmap, offsets: NDArray[np.int64]
) -> None:
    """Writes the index of one shard beside it.

    Args:
        tar: the shard.
        content: its bytes; more may follow.
        offsets: int64, shape (n,): of its images, as index.parquet has them.

    Raises:
        ShardCorruptError: headers are not where the offsets say; nothing is written.
        OutputNotWritableError: the folder cannot be written.
    """
    view = np.frombuffer(content, dtype=np.uint8)
    at = offsets - BLOCK
    columns: list[list[str]] = []
    for _ in range(_MEMBERS):
        names, sizes = _members(tar, view, at)
        begins = at + BLOCK
        columns.append(
            [
                f"{name.partition('.')[2]} {begin} {size} {name}"
                for name, begin, size in zip(names, begins.tolist(), sizes.tolist(), strict=True)
            ]
        )
        at = begins + -(-sizes // BLOCK) * BLOCK
    lines = "".join(f"{' '.join(places)}\n" for places in zip(*columns, strict=True))
    write_bytes(dali_path(tar), f"v1.2 {len(offsets)}\n{lines}".encode("ascii"))


def read_for_dali(tar: Path, offsets: NDArray[np.int64]) -> None:
    """Writes the index of a shard that lies on the disk.

    Raises:
        ShardCorruptError, OutputNotWritableError: as `write_dali_index`.
    """
    try:
        with tar.open("rb") as file:
            if not file.seek(0, 2):
                raise ShardCorruptError(tar, "it is empty")
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except FileNotFoundError as error:
        raise ShardCorruptError(tar, "it is missing") from error
    # Not closed by hand: the array over it may not have gone yet.
    write_dali_index(tar, mapped, offsets)


def _members(
    tar: Path, view: NDArray[np.uint8], at: NDArray[np.int64]
) -> tuple[list[str], NDArray[np.int64]]:
    """Name and size of the member whose header begins at each place."""
    outside = (at < 0) | (at + BLOCK > len(view))
    if outside.any():
        raise ShardCorruptError(tar, f"there is no tar header at byte {at[outside.argmax()]}")
    names = view[at[:, None] + np.arange(_NAME_BYTES)].view(f"S{_NAME_BYTES}").ravel().tolist()
    digits = view[at[:, None] + np.arange(*SIZE_SPAN)].view(f"S{SIZE_SPAN[1] - SIZE_SPAN[0]}")
    told, sizes = list[str](), list[int]()
    for i, (name, size) in enumerate(zip(names, digits.ravel().tolist(), strict=True)):
        try:
            told.append(name.decode("ascii"))
            sizes.append(int(size, 8))
        except ValueError as error:
            raise ShardCorruptError(tar, f"there is no tar header at byte {at[i]}") from error
    return told, np.array(sizes, dtype=np.int64)
