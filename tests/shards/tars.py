"""Tars for the tests, made by Python's tarfile or byte by byte where they must be wrong."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

from granctl.shards.source.headers import Members, scan_tar


def tar_bytes(
    files: Mapping[str, bytes], form: int = tarfile.USTAR_FORMAT, *extra: tarfile.TarInfo
) -> bytes:
    """A tar of these files, then of members without content such as links."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(content), 1_300_000_000
            tar.addfile(info, io.BytesIO(content))
        for info in extra:
            tar.addfile(info)
    return buffer.getvalue()


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    """A member without content: a link, a device ..."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def scanned(path: Path, content: bytes) -> Members:
    """What the header pass finds in a tar of these bytes."""
    path.write_bytes(content)
    with path.open("rb") as file:
        return scan_tar(file.fileno(), 0, len(content))
