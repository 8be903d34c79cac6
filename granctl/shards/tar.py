"""USTAR bytes: headers with a fixed owner, mode and time, and the layout of one sample.

A sample is three members beside each other, KEY.png (or jpg, webp), KEY.cls, KEY.json. Its bytes
depend on nothing but its content, so the same images give the same shard. Beyond the image it
takes three headers, a block for the class, a block or more for the JSON, and on average half a
block of padding: 2.8 KB for a JSON of one block.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

BLOCK = 512
END_BYTES = 2 * BLOCK
"""Two zero blocks end a tar."""
NAME_BYTES = 100
"""Longest member name without a prefix."""
KEY_DIGITS = 9
MOST_KEYS = 10**KEY_DIGITS

# Python's tarfile is not used: it writes PAX headers by default, and a header built from a
# template is what makes writing as fast as copying (shards-facts: 4 to 5 times ShardWriter).
_MODE = b"0000644\0"
_NUMBER = b"0000000\0"
_TIME = b"00000000000\0"
_BLANK_SUM = b"        "
_MAGIC = b"ustar\x0000"
_SIZE_AT, _SUM_AT = 124, 148
SIZE_SPAN = (_SIZE_AT, _SIZE_AT + 11)
"""Where a header says the size of its member, in octal digits."""
JSON_SLACK = 64
"""Spaces that a JSON member has at least, so that more classes fit in later."""
_JSON = json.JSONEncoder(ensure_ascii=False)
"""Made once: `json.dumps` would make one for every image."""


def padded(size: int) -> int:
    """`size` rounded up to whole blocks."""
    return -(-size // BLOCK) * BLOCK


def header(name: str, size: int) -> bytes:
    """The 512 bytes before a member: a plain file, mode 644, owner 0, time 0.

    Raises:
        ValueError: the name is longer than 100 bytes.
    """
    encoded = name.encode()
    if len(encoded) > NAME_BYTES:
        raise ValueError(f"member name longer than {NAME_BYTES} bytes: {name!r}")
    before = encoded.ljust(NAME_BYTES, b"\0") + _MODE + _NUMBER + _NUMBER
    before += b"%011o\0" % size + _TIME
    after = b"0" + bytes(100) + _MAGIC + bytes(64) + _NUMBER + _NUMBER + bytes(155 + 12)
    checksum = sum(before) + sum(_BLANK_SUM) + sum(after)
    return before + b"%06o\0 " % checksum + after


def headers(keys: NDArray[np.int64], extension: str, sizes: NDArray[np.int64]) -> NDArray[np.uint8]:
    """The header of each member KEY.EXTENSION, as `header` gives it.

    Args:
        keys: int64, shape (n,), each in [0, 10^9).
        extension: without the dot.
        sizes: int64, shape (n,), each in [0, 8 GiB).

    Returns:
        uint8, shape (n, 512).

    Raises:
        ValueError: a key has more than nine digits.
    """
    if len(keys) and not 0 <= int(keys.min()) <= int(keys.max()) < MOST_KEYS:
        raise ValueError(f"keys are 0 to {MOST_KEYS - 1:,}")
    template = np.frombuffer(header(f"{'0' * KEY_DIGITS}.{extension}", 0), dtype=np.uint8)
    rows = np.tile(template, (len(keys), 1))
    rows[:, :KEY_DIGITS] = _digits(keys, 10 ** np.arange(KEY_DIGITS)[::-1], 10)
    rows[:, _SIZE_AT : _SIZE_AT + 11] = _digits(sizes, 8 ** np.arange(11)[::-1], 8)
    # The template's own sum, and what the digits add to its zeros: 20 of 512 bytes.
    sums = np.full(len(keys), int(template[_SUM_AT : _SUM_AT + 6].tobytes(), 8))
    for digits in (rows[:, :KEY_DIGITS], rows[:, _SIZE_AT : _SIZE_AT + 11]):
        sums += digits.sum(axis=1, dtype=np.int64) - ord("0") * digits.shape[1]
    rows[:, _SUM_AT : _SUM_AT + 6] = _digits(sums, 8 ** np.arange(6)[::-1], 8)
    return rows


def _digits(numbers: NDArray[np.int64], places: NDArray[np.int64], base: int) -> NDArray[np.uint8]:
    """The digits as ASCII; uint8, shape (n, len(places))."""
    return (numbers[:, None] // places % base + ord("0")).astype(np.uint8)


def size_in(header: bytes) -> int:
    """The size of a member, as a header that granctl wrote says it; -1 where it says none."""
    digits = header[slice(*SIZE_SPAN)]
    return int(digits, 8) if digits.isdigit() else -1


def member(name: str, content: bytes) -> bytes:
    """Header, content and padding of one member."""
    return header(name, len(content)) + content + bytes(padded(len(content)) - len(content))


def json_head(
    label: str, classes: Sequence[int], also: Mapping[str, Sequence[int]] | None = None
) -> bytes:
    """The `.json` member of an image of this label as far as its source, which comes last.

    Args:
        label: the finest.
        classes: all of them, the first one first.
        also: name -> classes of further label sets, which become fields `classes_NAME`.
    """
    further = {f"classes_{name}": list(theirs) for name, theirs in sorted((also or {}).items())}
    value = {"classes": list(classes), **further, "label": label, "source": ""}
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()[:-3]


def json_payload(head: bytes, source: str) -> bytes:
    """The `.json` member: an object padded with spaces to whole blocks, at least 64 of them.

    Longer labels or more classes can be patched in without moving what follows.
    """
    return json_padded(head + _JSON.encode(source).encode() + b"}")


def json_padded(text: bytes) -> bytes:
    """The text with as many spaces as a new `.json` member has."""
    return text.ljust(padded(len(text) + JSON_SLACK))


def json_mark(label: str) -> bytes:
    """What stands before the source in the `.json` member of every image of this label.

    The quotes of a text inside JSON are escaped, so it stands nowhere else.
    """
    return b'"label":' + json.dumps(label, ensure_ascii=False).encode() + b',"source":'


def json_source(payload: bytes, mark: bytes) -> bytes | None:
    """What follows the head in a `.json` member: its source as JSON and the closing brace.

    None: it is not of the form of `json_payload`, or of another label than that of the mark.
    """
    _, found, rest = payload.partition(mark)
    tail = rest.rstrip(b" ")
    return tail if found and len(tail) > 2 and tail[:1] == b'"' and tail[-2:] == b'"}' else None


def label_members(
    keys: NDArray[np.int64], firsts: Sequence[bytes], payloads: Sequence[bytes]
) -> list[bytes]:
    """What follows each image of a shard: `.cls` and `.json`, with headers and padding.

    Args:
        keys: int64, shape (n,).
        firsts: the first class of each image as text.
        payloads: its `json_payload`.
    """
    first_sizes = np.fromiter(map(len, firsts), np.int64, len(firsts))
    json_sizes = np.fromiter(map(len, payloads), np.int64, len(payloads))
    cls_heads, json_heads = headers(keys, "cls", first_sizes), headers(keys, "json", json_sizes)
    return [
        b"".join((cls_heads[i].data, first.ljust(BLOCK, b"\0"), json_heads[i].data, payload))
        for i, (first, payload) in enumerate(zip(firsts, payloads, strict=True))
    ]


def json_sizes(
    head_lengths: NDArray[np.int64], source_lengths: NDArray[np.int64]
) -> NDArray[np.int64]:
    """The size of each `json_payload`; int64, shape (n,).

    Args:
        head_lengths: int64, shape (n,): bytes of its `json_head`.
        source_lengths: int64, shape (n,): bytes of its source as a JSON string without quotes.
    """
    blocks = -(-(head_lengths + source_lengths + 3 + JSON_SLACK) // BLOCK)
    return blocks * BLOCK


def sample_bytes(
    image_sizes: NDArray[np.int64], json_sizes: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Bytes that a sample takes: three headers, the padded image, the class, the JSON."""
    return 4 * BLOCK + -(-image_sizes // BLOCK) * BLOCK + json_sizes
