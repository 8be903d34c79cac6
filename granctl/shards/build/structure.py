"""The structure of JPEG, PNG and WebP: size, oddities, cut-off tails; nothing is decoded.

Sources: ITU-T T.81 annex B (JPEG markers), the PNG specification (third edition) chapter 5, the
WebP container specification, and TIFF 6.0 for the orientation in EXIF.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from enum import IntFlag


class Remark(IntFlag):
    """What is worth knowing of an image that is good nevertheless."""

    PROGRESSIVE = 1
    """A progressive JPEG: 2.7 x as long to decode."""
    CMYK = 2
    """A JPEG of four components."""
    SIXTEEN_BIT = 4
    """A PNG of 16 bits a channel, which decoders cut to 8."""
    ROTATED = 8
    """EXIF says that it is to be turned or mirrored; most trainers do not."""
    MISNAMED = 16
    """The source's name has another extension than the content."""
    TRAILING = 32
    """Bytes behind the end of the image."""


@dataclass(frozen=True, slots=True)
class Structure:
    """What the structure says."""

    width: int
    height: int
    problem: str = ""
    """Empty where it is whole."""
    code: str = ""
    """`cut-off` or `damaged` with a problem."""
    remarks: int = 0
    """`Remark` flags."""
    doubtful: bool = False
    """Something that only decoding can settle."""
    scan_at: int = 0
    """Where the coded pixels of a sequential JPEG begin; 0 for others."""


_STANDALONE = frozenset({0x01, *range(0xD0, 0xD8)})
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
_SEQUENTIAL = frozenset({0xC0, 0xC1})
_COMMON = frozenset({0xC0, 0xC1, 0xC2})
"""Frames that every decoder reads: Huffman coded, not lossless, not hierarchical."""
END_OF_IMAGE = b"\xff\xd9"
_HOLE = bytes(1024)
"""So many zero bytes inside a scan are a hole in the file, or a flat picture: decoding tells."""


_WEBP_PICTURES = frozenset({b"VP8 ", b"VP8L", b"ANMF"})


def _cut(problem: str, width: int = 0, height: int = 0) -> Structure:
    return Structure(width, height, problem, "cut-off")


def _damaged(problem: str, width: int = 0, height: int = 0) -> Structure:
    return Structure(width, height, problem, "damaged")


def jpeg_structure(content: bytes) -> Structure:
    """Walks the markers up to the first scan, and looks for the end marker behind it."""
    at, size = 2, len(content)
    width = height = remarks = frame = 0
    doubtful = False
    while True:
        while at < size and content[at] == 0xFF and content[at + 1 : at + 2] == b"\xff":
            at += 1  # fill bytes
        if at + 4 > size:
            return _cut("it ends inside its headers", width, height)
        if content[at] != 0xFF:
            return _damaged(f"byte {at} is no marker", width, height)
        marker = content[at + 1]
        if marker in _STANDALONE:
            at += 2
            continue
        if marker == 0xD9:
            return _damaged("it ends before its first scan", width, height)
        length = int.from_bytes(content[at + 2 : at + 4], "big")
        if length < 2:
            return _damaged(f"a segment of {length} bytes at byte {at}", width, height)
        if at + 2 + length > size:
            return _cut("it ends inside its headers", width, height)
        if marker in _FRAMES:
            if length < 8:
                return _damaged(f"a frame header of {length} bytes")
            precision, height, width, components = struct.unpack_from(">BHHB", content, at + 4)
            frame = marker
            doubtful = marker not in _COMMON or precision != 8 or components not in (1, 3, 4)
            remarks |= Remark.PROGRESSIVE if marker in _PROGRESSIVE else 0
            remarks |= Remark.CMYK if components == 4 else 0
        elif marker == 0xE1 and content.startswith(b"Exif\0\0", at + 4):
            remarks |= Remark.ROTATED if _rotated(content[at + 10 : at + 2 + length]) else 0
        elif marker == 0xE2 and content.startswith(b"MPF\0", at + 4):
            remarks |= Remark.TRAILING  # further pictures behind this one, as phones write
        elif marker == 0xDA:
            break
        at += 2 + length
    if not width or not height:
        return _damaged("it has no frame header with a size before its first scan", width, height)
    at += 2 + length
    # From behind, for coded pixels are full of bytes that markers begin with.
    end = content.rfind(END_OF_IMAGE)
    if end < at:
        return _cut("it has no end marker", width, height)
    if end + 2 < size:
        remarks |= Remark.TRAILING
    doubtful = doubtful or _has_hole(content, at, end)
    scan_at = at if frame in _SEQUENTIAL else 0
    return Structure(width, height, remarks=remarks, doubtful=doubtful, scan_at=scan_at)


def _has_hole(content: bytes, begin: int, end: int) -> bool:
    """Whether `_HOLE` stands there; two bytes of it, half its length apart, are looked at first."""
    step = len(_HOLE) // 2
    return b"\0\0" in content[begin:end:step] and content.find(_HOLE, begin, end) >= 0


def _rotated(tiff: bytes) -> bool:
    """Whether the orientation in the first directory of EXIF is any but upright."""
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None or len(tiff) < 8:
        return False
    (at,) = struct.unpack_from(order + "I", tiff, 4)
    if at + 2 > len(tiff):
        return False
    (entries,) = struct.unpack_from(order + "H", tiff, at)
    for place in range(at + 2, min(at + 2 + 12 * entries, len(tiff) - 11), 12):
        tag, kind = struct.unpack_from(order + "HH", tiff, place)
        if tag == 0x0112 and kind == 3:
            (value,) = struct.unpack_from(order + "H", tiff, place + 8)
            return int(value) in range(2, 9)
    return False


def png_structure(content: bytes) -> Structure:
    """Walks all chunks and checks their sums; the last one is IEND."""
    at, size = 8, len(content)
    width = height = remarks = 0
    has_data = False
    while at + 12 <= size:
        length = int.from_bytes(content[at : at + 4], "big")
        kind, end = content[at + 4 : at + 8], at + 12 + length
        if end > size:
            return _cut(f"it ends inside its chunk {_word(kind)}", width, height)
        found = int.from_bytes(content[end - 4 : end], "big")
        if zlib.crc32(memoryview(content)[at + 4 : end - 4]) != found:
            return _damaged(f"the checksum of its chunk {_word(kind)} differs", width, height)
        if at == 8:
            if kind != b"IHDR" or length != 13:
                return _damaged("its first chunk is no header")
            width, height, depth = struct.unpack_from(">IIB", content, at + 8)
            remarks |= Remark.SIXTEEN_BIT if depth == 16 else 0
        has_data |= kind == b"IDAT"
        if kind == b"eXIf":
            remarks |= Remark.ROTATED if _rotated(content[at + 8 : end - 4]) else 0
        at = end
        if kind == b"IEND":
            if not has_data or not width or not height:
                return _damaged("it has no picture in it", width, height)
            return Structure(width, height, remarks=remarks | (Remark.TRAILING * (at < size)))
    return _cut("it has no end chunk", width, height)


def _word(kind: bytes) -> str:
    return kind.decode("ascii", "replace") if kind.isalpha() else repr(kind)


def webp_structure(content: bytes) -> Structure:
    """Reads the size in the first chunk (VP8, VP8L or VP8X), and walks the chunks of RIFF."""
    size = len(content)
    if size < 30:
        return _cut("it ends inside its headers")
    declared = int.from_bytes(content[4:8], "little") + 8
    kind, body = content[12:16], content[20:30]
    if kind == b"VP8X":
        width = 1 + int.from_bytes(body[4:7], "little")
        height = 1 + int.from_bytes(body[7:10], "little")
    elif kind == b"VP8L" and body[0] == 0x2F:
        bits = int.from_bytes(body[1:5], "little")
        width, height = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    elif kind == b"VP8 " and body[3:6] == b"\x9d\x01\x2a":
        width = int.from_bytes(body[6:8], "little") & 0x3FFF
        height = int.from_bytes(body[8:10], "little") & 0x3FFF
    else:
        return _damaged(f"its first chunk is {_word(kind)}")
    if not width or not height:
        return _damaged("it has no size")
    if declared > size:
        return _cut(f"it has {size} of {declared} bytes", width, height)
    remarks, has_picture, at = 0, False, 12
    while at + 8 <= declared:
        kind, length = content[at : at + 4], int.from_bytes(content[at + 4 : at + 8], "little")
        if at + 8 + length > declared:
            return _damaged(f"its chunk {_word(kind)} is longer than the file", width, height)
        if kind == b"EXIF":
            tiff = content[at + 8 : at + 8 + length].removeprefix(b"Exif\0\0")
            remarks |= Remark.ROTATED if _rotated(tiff) else 0
        has_picture |= kind in _WEBP_PICTURES
        at += 8 + length + length % 2
    if not has_picture:
        return _damaged("it has no picture in it", width, height)
    return Structure(width, height, remarks=remarks | (Remark.TRAILING * (declared < size - 1)))
