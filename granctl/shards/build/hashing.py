"""Checksums and perceptual hashes of a source's images: one pass over the bytes, kept."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import xxhash
from numpy.typing import NDArray

from granctl.progress import Progress
from granctl.shards.arraycache import cache_path, load_arrays, save_arrays
from granctl.shards.build.perceptual import difference_hash
from granctl.shards.source.listing import Source
from granctl.workspace import Workspace

_SCHEMA = 1
_CHUNK = 1024
_SAVE_SECONDS = 120
_FEW = 4096
"""Fewer images than this are not worth the start of other processes."""


def content_hashes(
    workspace: Workspace,
    source: Source,
    chosen: NDArray[np.bool_],
    progress: Progress,
    *,
    near: bool,
) -> tuple[NDArray[np.uint64], NDArray[np.uint64] | None]:
    """Checksums, and perceptual hashes where `near`, of the chosen images.

    Bytes can only be the same where sizes are, so other images are not read for checksums. What
    was hashed is kept in the workspace under the source's digest and the images that were chosen;
    a pass that is stopped goes on from what it last kept, two minutes ago at most.

    Args:
        workspace: keeps the hashes.
        source: where the images are.
        chosen: bool, shape (n,).
        progress: is told how far the pass is.
        near: whether perceptual hashes are asked for, which decodes every image.

    Returns:
        uint64, shape (n, 2): the xxh3-128 of the bytes, (0, 0) where it was not needed or cannot
        be read; and uint64, shape (n,), or None.
    """
    picked = xxhash.xxh3_64_hexdigest(np.packbits(chosen).tobytes())
    path = cache_path(workspace, "hashes", f"{source.digest} {picked} {near}")
    listing = source.listing
    asked = np.flatnonzero(chosen if near else chosen & _shared(listing.sizes, chosen))
    known = load_arrays(path)
    if known is not None and known[0] == {"schema": _SCHEMA}:
        words, done = known[1]["words"].copy(), known[1]["done"].copy()
    else:
        words, done = np.zeros((len(listing), 3), np.uint64), np.zeros(len(listing), np.bool_)
    missing = asked[~done[asked]]
    missing = missing[np.argsort(listing.lies_at[missing])]
    if len(missing):
        progress.start("looking for duplicates", len(missing), "images")
        saved = time.monotonic()
        try:
            for ours, found in _answers(
                source, missing[np.argsort(listing.lies_at[missing])], near
            ):
                words[ours], done[ours] = found, True
                progress.advance(len(ours))
                if time.monotonic() - saved > _SAVE_SECONDS:
                    save_arrays(path, {"schema": _SCHEMA}, {"words": words, "done": done})
                    saved = time.monotonic()
        finally:
            progress.finish()
        save_arrays(path, {"schema": _SCHEMA}, {"words": words, "done": done})
    return words[:, :2], words[:, 2] if near else None


def _shared(sizes: NDArray[np.int64], chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which images have a size that another chosen image has."""
    values, size_of = np.unique(sizes, return_inverse=True)
    counts = np.bincount(size_of[chosen], minlength=len(values))
    shared: NDArray[np.bool_] = counts[size_of] > 1
    return shared


def _answers(
    source: Source, asked: NDArray[np.int64], near: bool
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.uint64]]]:
    """Images and their hashes, shape (m, 3), piece by piece; decoding is shared among processes."""
    pieces = [asked[first : first + _CHUNK] for first in range(0, len(asked), _CHUNK)]
    workers = len(os.sched_getaffinity(0))
    if not near or workers < 2 or len(asked) < _FEW:
        for piece in pieces:
            yield piece, _hashed(source, piece, near=near)
        return
    context = get_context("spawn")
    with ProcessPoolExecutor(workers, context, _begin, (source,)) as pool:
        yield from zip(pieces, pool.map(_in_worker, pieces), strict=True)


_OPENED: list[Source] = []
"""The source of a worker process."""


def _begin(source: Source) -> None:
    _OPENED[:] = [source]


def _in_worker(piece: NDArray[np.int64]) -> NDArray[np.uint64]:
    return _hashed(_OPENED[0], piece, near=True)


def _hashed(source: Source, piece: NDArray[np.int64], *, near: bool) -> NDArray[np.uint64]:
    """Two words of checksum and one of perceptual hash for each image."""
    found = np.zeros((len(piece), 3), dtype=np.uint64)
    for row, i in enumerate(piece.tolist()):
        try:
            content = source.read(i)
        except OSError:  # the build will name it as a bad image
            continue
        total = xxhash.xxh3_128_intdigest(content)
        found[row, 0], found[row, 1] = total >> 64, total & (1 << 64) - 1
        if near:
            found[row, 2] = difference_hash(content)
    return found
