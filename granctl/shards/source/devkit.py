"""The ILSVRC2012 development kit: its numbers of synsets, and the labels of validation images."""

from __future__ import annotations

import struct
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from granctl.errors import SourceLayoutError

DEVKIT_NAME = "ILSVRC2012_devkit_t12.tar.gz"
TRUTH_NAME = "ILSVRC2012_validation_ground_truth.txt"
META_NAME = "meta.mat"
_MOST_BYTES = 1 << 26

# MATLAB's level 5 MAT-file format (MathWorks, 2023): types of data and classes of arrays.
_COMPRESSED, _MATRIX = 15, 14
_FORMATS = {1: "b", 2: "B", 3: "h", 4: "H", 5: "i", 6: "I", 7: "f", 9: "d", 12: "q", 13: "Q"}
_STRUCT, _CHAR = 2, 4
_TEXT = {16: "utf-8", 17: "utf-16-le", 4: "utf-16-le"}


def devkit_labels(path: Path) -> list[str]:
    """The WordNet id of each validation image, in the order of the images' names.

    Args:
        path: the development kit as it is handed out, or its ground-truth file beside meta.mat.

    Raises:
        SourceLayoutError: it lacks one of its two files, or they do not fit.
    """
    if path.name == TRUTH_NAME:
        if not (path.parent / META_NAME).is_file():
            problem = f"it says numbers, and {META_NAME}, which says whose, is not beside it"
            raise SourceLayoutError(path, problem, f"put {DEVKIT_NAME} there, as it is handed out")
        return _labels(path, path.read_bytes(), (path.parent / META_NAME).read_bytes())
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(path) as tar:
            for member in tar:
                base = member.name.rpartition("/")[2]
                if base in (TRUTH_NAME, META_NAME) and member.isfile():
                    file = tar.extractfile(member)
                    found[base] = file.read(_MOST_BYTES) if file else b""
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise SourceLayoutError(path, f"cannot be read ({error})", "fetch it again") from error
    if len(found) < 2:
        raise SourceLayoutError(path, f"it lacks {TRUTH_NAME} or {META_NAME}", "fetch it again")
    return _labels(path, found[TRUTH_NAME], found[META_NAME])


def _labels(path: Path, truth: bytes, meta: bytes) -> list[str]:
    try:
        wnid_of = {int(s["ILSVRC2012_ID"]): str(s["WNID"]) for s in _synsets(meta)}
        return [wnid_of[int(line)] for line in truth.split()]
    except (KeyError, ValueError, TypeError, IndexError, struct.error, zlib.error) as error:
        problem = f"{META_NAME} and {TRUTH_NAME} do not fit ({type(error).__name__}: {error})"
        raise SourceLayoutError(path, problem, "fetch the development kit again") from error


def _synsets(meta: bytes) -> list[dict[str, Any]]:
    """The struct array `synsets` of meta.mat."""
    for kind, content in _elements(meta[128:]):
        if kind == _MATRIX:
            name, value = _matrix(content)
            if name == "synsets":
                return list(value)
    raise KeyError("synsets")


def _elements(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Type and bytes of each data element; compressed ones are opened."""
    at = 0
    while at + 8 <= len(content):
        kind, size = struct.unpack_from("<II", content, at)
        if kind >> 16:  # a small element: both numbers share four bytes, the data the next four
            yield kind & 0xFFFF, content[at + 4 : at + 4 + (kind >> 16)]
            at += 8
            continue
        body = content[at + 8 : at + 8 + size]
        if kind == _COMPRESSED:
            yield from _elements(zlib.decompressobj().decompress(body, _MOST_BYTES))
            at += 8 + size
        else:
            yield kind, body
            at += 8 + -(-size // 8) * 8


def _matrix(content: bytes) -> tuple[str, Any]:
    """Name and value of an array: text, a number, or the dicts of a struct array."""
    elements = _elements(content)
    array_class = next(elements)[1][0]
    next(elements)  # dimensions
    name = next(elements)[1].decode("ascii")
    if array_class == _STRUCT:
        width = struct.unpack("<i", next(elements)[1])[0]
        names = next(elements)[1]
        fields = [
            names[at : at + width].split(b"\0", 1)[0].decode("ascii")
            for at in range(0, len(names), width)
        ]
        values = [_matrix(body)[1] for _, body in elements]
        rows = range(0, len(values), len(fields))
        return name, [dict(zip(fields, values[i : i + len(fields)], strict=True)) for i in rows]
    kind, body = next(elements, (0, b""))
    if array_class == _CHAR:
        return name, body.decode(_TEXT.get(kind, "latin-1"))
    form = _FORMATS.get(kind)
    size = struct.calcsize(form) if form else 1
    numbers = struct.unpack(f"<{len(body) // size}{form}", body) if form else ()
    return name, numbers[0] if len(numbers) == 1 else list(numbers)
