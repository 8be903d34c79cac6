"""Small pictures of images for people to look at: upright, in a page or in a terminal."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIDE = 160
"""Pixels of the longer side: sharp at 96 on screens of high density, and about 4 KB."""
_QUALITY = 72


def thumbnail(content: bytes, side: int = SIDE) -> tuple[bytes, int, int] | None:
    """A WebP of at most `side` pixels a side, its width and its height; None: no decoding."""
    try:
        image = _small(content, (side, side))
        out = io.BytesIO()
        image.save(out, "WEBP", quality=_QUALITY, method=4)
        return out.getvalue(), image.width, image.height
    except Exception:  # a decoder that meets hostile bytes raises nearly anything
        return None


def pixels_of(content: bytes, most: tuple[int, int]) -> NDArray[np.uint8] | None:
    """The image within so many columns and rows of pixels, black where it is clear.

    Returns uint8, shape (height, width, 3), height even; None: no decoding.
    """
    try:
        small = np.asarray(_small(content, most).convert("RGB"))
    except Exception:  # as above
        return None
    return np.concatenate([small, np.zeros((len(small) % 2, *small.shape[1:]), dtype=np.uint8)])


def _small(content: bytes, most: tuple[int, int]) -> Any:
    """A PIL image, upright, RGB or RGBA, within a size."""
    from PIL import Image, ImageOps

    with Image.open(io.BytesIO(content)) as opened:
        opened.draft("RGB", (2 * most[0], 2 * most[1]))
        image = ImageOps.exif_transpose(opened)
        if image.mode.startswith("I"):
            image = image.point(lambda value: value / 256)  # 16 bits; `convert` would clip
        image = image.convert("RGBA" if "A" in image.mode else "RGB")
        image.thumbnail(most, Image.Resampling.BICUBIC, reducing_gap=2.0)
        return image
