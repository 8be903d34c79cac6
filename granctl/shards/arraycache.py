"""Arrays in one file beside a JSON head: mapped when read, and whole or not there at all."""

from __future__ import annotations

import hashlib
import json
import mmap
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from granctl.errors import OutputNotWritableError
from granctl.files import replacing
from granctl.workspace import Workspace

_MAGIC = b"granctl1"
_ALIGN = 64
_SUM_BYTES = 16

Arrays = dict[str, NDArray[Any]]


def cache_path(workspace: Workspace, what: str, key: str) -> Path:
    """Where the cache of something lies: `<workspace>/cache/<what>/<digest of the key>.bin`."""
    digest = hashlib.sha256(key.encode()).hexdigest()
    return workspace.root / "cache" / what / f"{digest[:24]}.bin"


def save_arrays(path: Path, head: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Writes head and arrays; where the workspace cannot be written there is no cache."""
    with suppress(OutputNotWritableError):
        write_arrays(path, head, arrays)


def write_arrays(path: Path, head: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Writes head and arrays.

    Raises:
        OutputNotWritableError: no space, read-only, no permission.
    """
    places, at = {}, 0
    for name, array in arrays.items():
        places[name] = [array.dtype.str, list(array.shape), at]
        at += -(-array.nbytes // _ALIGN) * _ALIGN
    text = json.dumps({"head": dict(head), "arrays": places}).encode()
    text = text.ljust(-(-(len(text) + 16) // _ALIGN) * _ALIGN - 16)
    hasher = xxhash.xxh3_128()
    with replacing(path) as temporary, temporary.open("wb") as out:
        for piece in (_MAGIC, len(text).to_bytes(8, "little"), text):
            hasher.update(piece)
            out.write(piece)
        for array in arrays.values():
            content = np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
            padding = bytes(-array.nbytes % _ALIGN)
            for part in (content, padding):
                hasher.update(part)
                out.write(part)
        out.write(hasher.digest())


def load_arrays(path: Path) -> tuple[dict[str, Any], Arrays] | None:
    """Head and arrays as they were saved, or None where there are none, or they are damaged.

    The arrays are read-only views of the mapped file.
    """
    try:
        with path.open("rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError):  # ValueError: an empty file cannot be mapped
        return None
    view = memoryview(mapped)
    if len(view) < 16 + _SUM_BYTES or view[:8] != _MAGIC:
        return None
    if xxhash.xxh3_128_digest(view[:-_SUM_BYTES]) != view[-_SUM_BYTES:]:
        return None
    begin = 16 + int.from_bytes(view[8:16], "little")
    record = json.loads(bytes(view[16:begin]))
    arrays = {}
    for name, (dtype, shape, at) in record["arrays"].items():
        count = int(np.prod(shape))
        flat = np.frombuffer(view, dtype=np.dtype(dtype), count=count, offset=begin + at)
        arrays[name] = flat.reshape(shape)
    return record["head"], arrays
