"""Whether bytes are an image that will decode later: by content, whatever the file is called."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

MAX_PIXELS = 100_000_000
"""More pixels than this are a decompression bomb."""


@dataclass(frozen=True, slots=True)
class Audit:
    """What was found: a good image with its size, or a problem."""

    extension: str
    """png, jpg or webp by content; empty where it is none of them."""
    width: int
    height: int
    problem: str
    """One line for people; empty for a good image."""


def _bad(problem: str, extension: str = "", width: int = 0, height: int = 0) -> Audit:
    return Audit(extension, width, height, problem)


def extension_of(content: bytes) -> str:
    """png, jpg or webp by the first bytes; empty for anything else."""
    if content.startswith(b"\xff\xd8\xff"):
        return "jpg"
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "webp"
    return ""


@contextmanager
def quiet_decoder() -> Iterator[None]:
    """Pillow's warnings (large image, odd EXIF) are no news here: `audit` decides by itself."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\..*")
        yield


def audit(content: bytes) -> Audit:
    """Decodes an image once, in full; any failure becomes a problem, none an exception."""
    from PIL import Image, UnidentifiedImageError

    if not content:
        return _bad("the file is empty")
    extension = extension_of(content)
    if not extension:
        return _bad("not a JPEG, PNG or WebP image")
    width = height = 0
    form = {"jpg": "JPEG", "png": "PNG", "webp": "WEBP"}[extension]
    try:
        with Image.open(io.BytesIO(content), formats=(form,)) as image:
            width, height = image.size
            if width * height > MAX_PIXELS:
                problem = f"{width} x {height} pixels, more than {MAX_PIXELS:,}"
                return _bad(problem, extension, width, height)
            image.load()
    # A decoder that meets hostile bytes raises nearly anything: OSError, SyntaxError, ValueError,
    # struct.error, IndexError, DecompressionBombError, MemoryError.
    except Exception as error:
        # Pillow puts the address of our buffer into its message: it would differ in each run.
        said = "cannot identify image" if isinstance(error, UnidentifiedImageError) else error
        return _bad(f"does not decode: {said}", extension, width, height)
    return Audit(extension, width, height, "")
