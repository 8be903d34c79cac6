"""Fields of tar headers, thousands at once: names, numbers, checksums; and PAX records."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from granctl.shards.names import Names
from granctl.shards.tar import NAME_BYTES

_EVEN_BYTES = np.uint64(0x00FF00FF00FF00FF)


def size_in(head: bytes) -> int:
    """The size that a header says: octal, base-256 (GNU), or -1 where it is no number."""
    field = head[124:136]
    if field[0] & 0x80:
        return int.from_bytes(field[1:], "big") if field[0] == 0x80 else -1
    try:
        return int(field.strip(b" \0") or b"0", 8)
    except ValueError:
        return -1


def pax_records(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Key and value of each record that is well formed, up to the first that is not."""
    at = 0
    while at < len(content):
        digits = content[at : at + 20].split(b" ", 1)[0]
        if not digits.isdigit() or int(digits) <= len(digits) + 1:
            return
        record = content[at + len(digits) + 1 : at + int(digits)]
        key, equals, value = record.partition(b"=")
        if equals:
            yield key, value.removesuffix(b"\n")
        at += int(digits)


def sums_hold(heads: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which headers, uint8 of shape (m, 512), have the checksum that they say."""
    words = heads.view(np.uint64)
    # Four lanes of sixteen bits, of the even bytes and of the odd: 64 * 2 * 255 stays below 65,536.
    even = (words & _EVEN_BYTES).sum(axis=1)
    odd = (words >> np.uint64(8) & _EVEN_BYTES).sum(axis=1)
    total = (even + odd).view(np.uint16).reshape(-1, 4).sum(axis=1, dtype=np.int64)
    field = heads[:, 148:156]
    found = total - field.sum(axis=1, dtype=np.int64) + 8 * ord(" ")
    holds: NDArray[np.bool_] = found == octal(field[:, :6])
    for i in np.flatnonzero(~holds).tolist():
        holds[i] = sum_holds(heads[i].tobytes())
    return holds


def sum_holds(head: bytes) -> bool:
    """The same for one header; bytes may have been summed as signed numbers, as Sun's tar did."""
    try:
        said = int(head[148:156].split(b"\0", 1)[0].strip() or b"x", 8)
    except ValueError:
        return False
    rest = head[:148] + b" " * 8 + head[156:]
    return said in (sum(rest), sum(rest) - 256 * sum(letter > 127 for letter in rest))


def octal(digits: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Fields of octal digits, shape (m, d), as numbers; -1 where a byte is none."""
    values = digits - np.uint8(ord("0"))
    powers = 8.0 ** np.arange(digits.shape[1] - 1, -1, -1)
    numbers = (values.astype(np.float64) @ powers).astype(np.int64)
    bad = (values > 7).any(axis=1)
    return np.where(bad, -1, numbers) if bad.any() else numbers


def names_in(heads: NDArray[np.uint8], named: dict[int, bytes]) -> Names | list[bytes]:
    """Names cut out at once where all are short, plain and safe, else one by one."""
    prefixed = (heads[:, 345] != 0) & (heads[:, 262] == 0) & (heads[:, 257] == ord("u"))
    if not named and not prefixed.any():
        used = np.flatnonzero(heads[:, :NAME_BYTES].any(axis=0))
        short = np.ascontiguousarray(heads[:, : used[-1] + 1 if len(used) else 1])
        before, after = short[:, :-1] == ord("/"), short[:, 1:]
        odd = (before & ((after == ord(".")) | (after == ord("/")))).any() or (short > 126).any()
        if not odd and not np.isin(short[:, 0], (0, ord("."), ord("/"))).any():
            inside = short != 0
            ends = inside.sum(axis=1)
            if (inside[:, 1:] <= inside[:, :-1]).all():
                return Names(short[inside], np.concatenate([[0], np.cumsum(ends)]))
    return [named.get(i) or name_in(heads[i].tobytes()) for i in range(len(heads))]


def name_in(head: bytes) -> bytes:
    """The name that one header says, with its prefix where it is USTAR's."""
    name = head[:NAME_BYTES].split(b"\0", 1)[0]
    if head[257:263] == b"ustar\0" and head[345]:
        name = head[345:500].split(b"\0", 1)[0] + b"/" + name
    return name


def safe_name(name: bytes) -> bytes:
    """The name as a plain relative UTF-8 path; empty where it leads out, or is none."""
    if name.startswith(b"/") or b"\0" in name:
        return b""
    parts = [part for part in name.split(b"/") if part not in (b"", b".")]
    if b".." in parts:
        return b""
    return as_text(b"/".join(parts)).encode()


def as_text(name: bytes) -> str:
    r"""A name for people and identities: bytes that are not UTF-8 become \xNN."""
    return name.decode("utf-8", "backslashreplace")
