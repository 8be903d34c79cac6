"""Small pictures of images for people to look at: upright, RGB, WebP."""

from __future__ import annotations

import io

SIDE = 160
"""Pixels of the longer side: sharp at 96 on screens of high density, and about 4 KB."""
_QUALITY = 72


def thumbnail(content: bytes, side: int = SIDE) -> tuple[bytes, int, int] | None:
    """A WebP of at most `side` pixels a side, its width and its height; None: no decoding."""
    from PIL import Image, ImageOps

    try:
        with Image.open(io.BytesIO(content)) as opened:
            opened.draft("RGB", (2 * side, 2 * side))
            image = ImageOps.exif_transpose(opened)
            if image.mode.startswith("I"):
                image = image.point(lambda value: value / 256)  # 16 bits; `convert` would clip
            image = image.convert("RGBA" if "A" in image.mode else "RGB")
            image.thumbnail((side, side), Image.Resampling.BICUBIC, reducing_gap=2.0)
            out = io.BytesIO()
            image.save(out, "WEBP", quality=_QUALITY, method=4)
            return out.getvalue(), image.width, image.height
    except Exception:  # a decoder that meets hostile bytes raises nearly anything
        return None
