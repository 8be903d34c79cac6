"""Small generated images for the tests: no data set is needed to build shards."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

FORM_OF_SUFFIX = {".png": "PNG", ".jpg": "JPEG", ".webp": "WEBP"}
LABELS = ("n00000001", "n00000002", "n00000003", "n00000004", "n00000005", "n00000006")


def encoded(number: int, suffix: str = ".png", size: int = 12) -> bytes:
    """An image of `size` x `size + 4` pixels whose content follows from `number`."""
    pixels = np.random.default_rng(number).integers(0, 256, (size, size + 4, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, FORM_OF_SUFFIX[suffix])
    return buffer.getvalue()


def write_source(root: Path, *, splits: bool = True) -> Path:
    """24 images in 6 classes: 3 to train and 1 to test on in each, or 4 in one split.

    root/train/n00000001/a.png  b.jpg  c.webp        root/n00000001/a.png  b.jpg  c.webp  d.png
    root/test/n00000001/d.png                  or
    ...   n00000006                                  ...
    """
    for i, label in enumerate(LABELS):
        for j, name in enumerate(("a.png", "b.jpg", "c.webp", "d.png")):
            split = ("train", "train", "train", "test")[j] if splits else "."
            path = root / split / label / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encoded(4 * i + j, path.suffix))
    return root
