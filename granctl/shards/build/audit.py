"""Whether bytes are an image that will decode later: by content, whatever the file is called."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from granctl.shards.build.structure import (
    END_OF_IMAGE,
    Remark,
    Structure,
    jpeg_structure,
    png_structure,
    webp_structure,
)

MAX_PIXELS = 100_000_000
"""More pixels than this are a decompression bomb."""
Depth = Literal["structure", "decode"]
"""How far an image is looked at: its structure (at the speed of copying), or every pixel."""

_START_OF_SCAN = b"\xff\xda"
_MORE_THAN_ENOUGH = bytes(16)
"""A decoder looks up to eight bytes ahead of the last pixel (measured: 0 to 8)."""
_LAST_BYTES = 8
"""Whole files need all but the last byte (measured); some encoders put a few behind the pixels."""

_WALKS = {"jpg": jpeg_structure, "png": png_structure, "webp": webp_structure}
_FORMS = {"jpg": "JPEG", "png": "PNG", "webp": "WEBP"}
_SUFFIXES = {"jpg": (".jpg", ".jpeg", ".jpe", ".jfif"), "png": (".png",), "webp": (".webp",)}
_SAID = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff")
"""How names end that say a format."""


@dataclass(frozen=True, slots=True)
class Audit:
    """What was found: a good image with its size, or a problem."""

    extension: str
    """png, jpg or webp by content; empty where it is none of them."""
    width: int
    height: int
    problem: str = ""
    """One line for people; empty for a good image."""
    code: str = ""
    """empty, unreadable, format, cut-off, damaged or bomb; empty for a good image."""
    remarks: int = 0
    """`Remark` flags of a good image."""


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


def audit(content: bytes, name: str = "", depth: Depth = "structure") -> Audit:
    """Looks at an image; any failure becomes a problem, none an exception.

    The structure finds what is cut off, damaged in its headers or (PNG) anywhere, and too large.
    What no decoder takes is found by `decode` alone, and so is a JPEG whose data ends too early;
    one with a hole of zeros in its coded pixels is decoded in any case. A flipped bit in the coded
    pixels of JPEG or WebP mostly goes unnoticed: they have no checksum.

    Args:
        content: the bytes.
        name: of the file, for `MISNAMED`.
        depth: how far.
    """
    if not content:
        return Audit("", 0, 0, "the file is empty", "empty")
    extension = extension_of(content)
    if not extension:
        return Audit("", 0, 0, "not a JPEG, PNG or WebP image", "format")
    found = _WALKS[extension](content)
    if found.problem:
        return Audit(extension, found.width, found.height, found.problem, found.code)
    if found.width * found.height > MAX_PIXELS:
        problem = f"{found.width} x {found.height} pixels, more than {MAX_PIXELS:,}"
        return Audit(extension, found.width, found.height, problem, "bomb")
    looked = depth == "decode" or found.doubtful
    if looked and (problem := _undecodable(content, extension, found)):
        return Audit(extension, found.width, found.height, problem, "damaged")
    return Audit(extension, found.width, found.height, remarks=_remarks(found, extension, name))


def _remarks(found: Structure, extension: str, name: str) -> int:
    said = name.lower()  # an image of a table or a packed file may have no such name
    misnamed = said.endswith(_SAID) and not said.endswith(_SUFFIXES[extension])
    return int(found.remarks | (Remark.MISNAMED if misnamed else 0))


def _undecodable(content: bytes, extension: str, found: Structure) -> str:
    """Why Pillow does not decode it, or what it decodes cannot be right; empty for a good image.

    Pillow takes a JPEG whose data ends too early, or whose pixels end before its data: the decoder
    only warns, and Pillow does not pass that on. A hole of zeros in the file is such a case. So the
    coded pixels are decoded without the end marker: with a few zeros behind them that must succeed,
    and without their last bytes it must not.
    """
    begin = found.scan_at
    end = content.find(END_OF_IMAGE, begin)
    if not begin or content.find(_START_OF_SCAN, begin, end) >= 0:  # several scans need the marker
        return _decoding_problem(content, extension)
    coded = memoryview(content)[:end]
    if _decoding_problem(bytes(coded) + _MORE_THAN_ENOUGH, extension):
        return _decoding_problem(content, extension) or "its data ends before its pixels do"
    if found.doubtful and not _decoding_problem(bytes(coded[:-_LAST_BYTES]), extension):
        return "its pixels end before its data: bytes are lost or wrong"
    return ""


def _decoding_problem(content: bytes, extension: str) -> str:
    """Why Pillow does not decode it; empty where it does."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(content), formats=(_FORMS[extension],)) as image:
            image.load()
    # A decoder that meets hostile bytes raises nearly anything: OSError, SyntaxError, ValueError,
    # struct.error, IndexError, DecompressionBombError, MemoryError.
    except Exception as error:
        # Pillow puts the address of our buffer into its message: it would differ in each run.
        said = "cannot identify image" if isinstance(error, UnidentifiedImageError) else error
        return f"does not decode: {said}"
    return ""
