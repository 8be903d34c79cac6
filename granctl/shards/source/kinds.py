"""What claims to be an image by its name; whether it is one is decided by its content, later."""

from __future__ import annotations

import os

import numpy as np
from numpy.typing import NDArray

from granctl.shards.names import Names

_ENDINGS = "avif bmp gif heic jfif jpe jpeg jpg pgm png ppm tif tiff webp"
IMAGE_SUFFIXES = frozenset(f".{ending}" for ending in _ENDINGS.split())


def _rare(suffix: str) -> tuple[bool, str]:
    return suffix not in {".jpeg", ".jpg", ".png"}, suffix


def claims_image(base: str) -> bool:
    """Whether a file of this name is taken for an image; hidden files are not."""
    return not base.startswith(".") and os.path.splitext(base)[1].lower() in IMAGE_SUFFIXES


def claim_images(names: Names) -> NDArray[np.bool_]:
    """The same of each path, shape (n,)."""
    claims = np.zeros(len(names), dtype=np.bool_)
    for places, piece in names.chunks():
        claims[places] = _claim(piece) & ~_hidden(piece)
    return claims


def _claim(names: Names) -> NDArray[np.bool_]:
    """Which names end as an image does, by their last eight bytes, letter case aside."""
    words = names.last_words()
    claims = np.zeros(len(names), dtype=np.bool_)
    open_ = np.arange(len(names))
    for suffix in sorted(IMAGE_SUFFIXES, key=_rare):
        code = np.uint64(int.from_bytes(suffix.encode(), "little"))
        letters = np.uint64(int.from_bytes(b"\0" + b"\x20" * (len(suffix) - 1), "little"))
        tails = words[open_] >> np.uint64(8 * (8 - len(suffix)))
        found = (tails | letters) == code
        claims[open_[found]] = True
        open_ = open_[~found]
    return claims


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
