"""USTAR bytes: headers with a fixed owner, mode and time, and the layout of one sample.

A sample is three members beside each other, KEY.png (or jpg, webp), KEY.cls, KEY.json. Its bytes
depend on nothing but its content, so the same images give the same shard.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

BLOCK = 512
END_BYTES = 2 * BLOCK
"""Two zero blocks end a tar."""
NAME_BYTES = 100
"""Longest member name without a prefix."""

# Python's tarfile is not used: it writes PAX headers by default, and a header built from a
# template is what makes writing as fast as copying (shards-facts: 4 to 5 times ShardWriter).
_MODE = b"0000644\0"
_NUMBER = b"0000000\0"
_TIME = b"00000000000\0"
_BLANK_SUM = b"        "
_MAGIC = b"ustar\x0000"
_JSON_SLACK = 64
"""Spaces that a JSON member has at least, so that more classes fit in later."""


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


def member(name: str, content: bytes) -> bytes:
    """Header, content and padding of one member."""
    return header(name, len(content)) + content + bytes(padded(len(content)) - len(content))


def json_payload(label: str, classes: Sequence[int], source: str) -> bytes:
    """The `.json` member: an object padded with spaces to whole blocks, at least 64 of them.

    Longer labels or more classes can be patched in without moving what follows.
    """
    value = {"classes": list(classes), "label": label, "source": source}
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
    return text.ljust(padded(len(text) + _JSON_SLACK))


def sample(key: str, extension: str, image: bytes, first_class: int, payload: bytes) -> bytes:
    """The three members of one image; the image's own bytes begin at byte 512."""
    return (
        member(f"{key}.{extension}", image)
        + member(f"{key}.cls", b"%d" % first_class)
        + member(f"{key}.json", payload)
    )


def sample_bytes(image_size: int, json_size: int) -> int:
    """Bytes that `sample` gives for an image and a JSON member of these sizes."""
    return 3 * BLOCK + padded(image_size) + BLOCK + padded(json_size)
