"""Identity and origin: the digest of canonical JSON, and who made what from what."""

from __future__ import annotations

import hashlib
import json
import platform
import shlex
import sys
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from granctl import __version__

SHORT = 12
"""Hex digits of a digest in a file name: 48 bits, a clash by chance is out of reach."""


def plain(value: Any) -> Any:
    """`value` as JSON types: dataclasses become objects, paths strings, tuples arrays.

    Raises:
        TypeError: a value has no JSON form.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, Path):
        return str(value)
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"{type(value).__name__} has no JSON form: {value!r}")


def canonical_json(value: Any) -> bytes:
    """Sorted keys, no spaces, no NaN: equal values give equal bytes."""
    return json.dumps(
        plain(value), sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False
    ).encode()


def digest(value: Any) -> str:
    """Identity of a value: sha256 of its canonical JSON, 64 hex digits.

    Example:
        >>> digest({"b": 1, "a": [2]}) == digest({"a": [2], "b": 1})
        True
        >>> digest(["ab"]) == digest(["a", "b"])
        False
    """
    return hashlib.sha256(canonical_json(value)).hexdigest()


def short(full_digest: str) -> str:
    """The first 12 hex digits, as they stand in file names."""
    return full_digest[:SHORT]


def command_line() -> str:
    """The command of this process as one would type it."""
    name = Path(sys.argv[0]).name
    return shlex.join(["granctl" if name == "__main__.py" else name, *sys.argv[1:]])


def provenance(
    spec: Any, inputs: Mapping[str, str], *, with_command: bool = True
) -> dict[str, Any]:
    """Who made an artefact, how, from what.

    Holds no time and no host name, so that the same command gives the same bytes.

    Args:
        spec: what was asked.
        inputs: role -> digest of what was read.
        with_command: False where several commands lead to the same bytes.
    """
    command = {"command": command_line()} if with_command else {}
    return {
        "tool": "granctl",
        "version": __version__,
        "python": platform.python_version(),
        **command,
        "spec": plain(spec),
        "inputs": dict(inputs),
    }
