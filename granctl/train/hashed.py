"""Images of a shard set that look alike: hashes of all of them, kept; small pictures of a few.

A hash finds who might be the same image, and the pictures say who is: hashes of 64 bits alone
take many images of clothes on black for each other.
"""

from __future__ import annotations

import io
import os
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from granctl.progress import Progress
from granctl.shards.arraycache import cache_path, load_arrays, save_arrays
from granctl.shards.build.audit import quiet_decoder
from granctl.shards.build.duplicates import near_matches
from granctl.shards.build.perceptual import NO_HASH, difference_hash
from granctl.shards.index import Rows, ShardSet
from granctl.shards.read import ImageReader
from granctl.workspace import Workspace

NEAR_BITS = 4
"""Hashes of the same image differ in no more bits of 64 than this."""
NEAR_LEVELS = 3.0
"""Small pictures of the same image differ by no more grey levels of 255 (root mean square).

Measured: at most 0.9 for photos as JPEG of quality 50, or at 0.5, 0.7 and 2 times their size; at
least 3.8 between two shots of one fruit, and 6.5 between embedded training and test images."""
SIDE = 16
"""Pixels of a small picture."""
_CHUNK = 1024
_PAIRS = 1 << 16
_SCHEMA = 1
_SAVE_SECONDS = 120


def image_hashes(
    workspace: Workspace, shards: ShardSet, split: str, progress: Progress
) -> NDArray[np.uint64]:
    """The dHash of every image of a split; uint64, shape (n,), `NO_HASH` where there is none.

    They are kept in the workspace under the digest of the shard set's content; a pass that is
    stopped goes on from what it last kept, two minutes ago at most.

    Raises:
        ShardCorruptError: a shard is missing or damaged.
        RemoteDownError: the shards lie behind a URL that does not answer.
    """
    path, num = cache_path(workspace, "hashes", f"dhash {shards.digest} {split}"), 0
    rows = shards.rows(split)
    found = np.zeros(len(rows), dtype=np.uint64)
    kept = load_arrays(path)
    if kept is not None and kept[0].get("schema") == _SCHEMA:
        num = len(kept[1]["hashes"])
        found[:num] = kept[1]["hashes"]
    if num == len(rows):
        return found
    progress.start(f"hash {shards.name} {split}", len(rows), "images")
    progress.advance(num)
    saved = time.monotonic()
    try:
        with ImageReader(shards) as reader, ThreadPoolExecutor(_workers()) as pool:
            for begin in range(num, len(rows), _CHUNK):
                piece = np.arange(begin, min(begin + _CHUNK, len(rows)))
                reader.prefetch(rows, piece)
                contents = [reader.image(rows, i) for i in piece.tolist()]
                found[piece] = list(pool.map(difference_hash, contents))
                num += len(piece)
                progress.advance(len(piece))
                if time.monotonic() - saved > _SAVE_SECONDS:
                    save_arrays(path, {"schema": _SCHEMA}, {"hashes": found[:num]})
                    saved = time.monotonic()
    finally:
        save_arrays(path, {"schema": _SCHEMA}, {"hashes": found[:num]})
        progress.finish()
    return found


def looks_like(
    workspace: Workspace,
    ours: tuple[ShardSet, str],
    theirs: tuple[ShardSet, str],
    progress: Progress,
) -> NDArray[np.bool_]:
    """Which of our images are one of theirs, encoded anew or at another size; shape (n,).

    An image is one of theirs if a hash of theirs differs in at most `NEAR_BITS` bits and the small
    grey pictures differ by at most `NEAR_LEVELS` levels. Crops, turned and mirrored images are
    other images; images that are nearly one grey have no hash, and are nobody's.

    Args:
        workspace: keeps the hashes.
        ours: a shard set and its split of n images.
        theirs: another.
        progress: told how far the hashes are.
    """
    hash_of_ours = image_hashes(workspace, *ours, progress)
    hash_of_theirs = image_hashes(workspace, *theirs, progress)
    places = [np.flatnonzero(h != NO_HASH) for h in (hash_of_ours, hash_of_theirs)]
    alike = np.zeros(len(hash_of_ours), dtype=np.bool_)
    pictures = _Pictures(ours), _Pictures(theirs)
    for near in near_matches(hash_of_ours[places[0]], hash_of_theirs[places[1]], NEAR_BITS):
        pairs = np.column_stack([places[0][near[:, 0]], places[1][near[:, 1]]])
        for begin in range(0, len(pairs), _PAIRS):
            some = pairs[begin : begin + _PAIRS]
            some = some[~alike[some[:, 0]]]
            if len(some):
                far = _levels_apart(pictures[0].of(some[:, 0]), pictures[1].of(some[:, 1]))
                alike[some[far <= NEAR_LEVELS, 0]] = True
    for one in pictures:
        one.close()
    return alike


class _Pictures:
    """Small grey pictures of a split's images, made when they are asked for first."""

    def __init__(self, of: tuple[ShardSet, str]) -> None:
        shards, split = of
        self._rows, self._reader = shards.rows(split), ImageReader(shards)
        self._place = np.full(len(self._rows), -1, dtype=np.int64)
        self._made = np.empty((0, SIDE * SIDE), dtype=np.uint8)

    def of(self, images: NDArray[np.int64]) -> NDArray[np.uint8]:
        """uint8, shape (len(images), SIDE * SIDE)."""
        new = np.unique(images[self._place[images] < 0])
        if len(new):
            made = np.stack([_picture(self._reader, self._rows, i) for i in new.tolist()])
            self._place[new] = np.arange(len(new)) + len(self._made)
            self._made = np.concatenate([self._made, made])
        return self._made[self._place[images]]

    def close(self) -> None:
        self._reader.close()


def _picture(reader: ImageReader, rows: Rows, i: int) -> NDArray[np.uint8]:
    from PIL import Image

    with quiet_decoder(), Image.open(io.BytesIO(reader.image(rows, i))) as image:
        small = image.convert("L").resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    return np.asarray(small, dtype=np.uint8).reshape(-1)


def _levels_apart(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Root of the mean squared difference of pictures, in grey levels: shape (n,)."""
    apart = a.astype(np.float32) - b.astype(np.float32)
    found: NDArray[np.float64] = np.sqrt((apart * apart).mean(axis=1))
    return found


def _workers() -> int:
    return len(os.sched_getaffinity(0))
