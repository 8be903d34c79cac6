"""What claims to be an image by its name; whether it is one is decided by its content, later."""

from __future__ import annotations

import os

import numpy as np
from numpy.typing import NDArray

from granctl.shards.names import Names

_ENDINGS = "avif bmp gif heic jfif jpe jpeg jpg pgm png ppm tif tiff webp"
IMAGE_SUFFIXES = frozenset(f".{ending}" for ending in _ENDINGS.split())
_LONGEST = 6


def claims_image(base: str) -> bool:
    """Whether a file of this name is taken for an image; hidden files are not."""
    return not base.startswith(".") and os.path.splitext(base)[1].lower() in IMAGE_SUFFIXES


def claim_images(names: Names) -> NDArray[np.bool_]:
    """The same of each path, shape (n,): decided once for each ending that occurs."""
    claims = np.zeros(len(names), dtype=np.bool_)
    for places, piece in names.chunks():
        claims[places] = _claim(piece) & ~_hidden(piece)
    return claims


def _claim(names: Names) -> NDArray[np.bool_]:
    back = names.offsets[1:, None] + np.arange(-_LONGEST, 0)
    inside = back >= names.offsets[:-1, None]
    tails = np.where(inside, names.data[np.maximum(back, 0)], 0) if len(names.data) else inside
    codes = (tails.astype(np.int64) << (8 * np.arange(_LONGEST))).sum(axis=1)
    kinds, kind_of = np.unique(codes, return_inverse=True)
    said = [_ends_as_image(code.to_bytes(8, "little")[:_LONGEST]) for code in kinds.tolist()]
    found: NDArray[np.bool_] = np.array(said, dtype=np.bool_)[kind_of]
    return found


def _ends_as_image(tail: bytes) -> bool:
    return any(tail.lower().endswith(suffix.encode()) for suffix in IMAGE_SUFFIXES)


def _hidden(names: Names) -> NDArray[np.bool_]:
    """Which paths end in a name that begins with a dot, or lie in a folder that does."""
    data, filled = names.data, names.byte_lengths > 0
    hidden = np.zeros(len(names), dtype=np.bool_)
    hidden[filled] = data[names.offsets[:-1][filled]] == ord(".")
    inner = np.flatnonzero((data[:-1] == ord("/")) & (data[1:] == ord("."))) + 1
    if len(inner):
        owner = np.searchsorted(names.offsets, inner, side="right") - 1
        hidden[owner[inner > names.offsets[owner]]] = True
    return hidden
