"""Whether headers and label members are as the layout says, thousands at once: pure functions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from granctl.shards.source.headerfields import octal
from granctl.shards.tar import BLOCK, headers
from granctl.shards.verify.layout import LabelHeads, Layout, ShardRows

FIRST_BYTES = 16
"""Bytes of an image that tell its format."""
HEAD_BYTES = BLOCK + FIRST_BYTES
MOST_ODD = 200
"""Odd `.json` members of a shard that are kept to be quoted; all of them are counted."""

NO_JSON, OTHER_LABEL, OTHER_CLASSES = 1, 2, 4
"""What may be wrong with a `.json` member."""

EXTENSIONS = ("jpg", "png", "webp")
_MAGICS = (
    ((0, b"\xff\xd8\xff"),),
    ((0, b"\x89PNG\r\n\x1a\n"),),
    ((0, b"RIFF"), (8, b"WEBP")),
)
_UNKNOWN = -1
_SPACES = np.uint64(0x2020202020202020)


@dataclass(frozen=True, kw_only=True, eq=False)
class Gathered:
    """What one pass read around the images of some rows; what lies behind that is left over."""

    heads: bytearray
    """`HEAD_BYTES` a row: the header of the image, and its beginning."""
    pads: bytearray
    """The padding of all images, one after another."""
    tails: bytearray
    """`.cls` and `.json` of all rows with their headers, one after another."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Verdicts:
    """What was found, row by row; all arrays are (n,)."""

    sound: NDArray[np.bool_]
    """The bytes of the image have their checksum."""
    framed: NDArray[np.bool_]
    """Headers and padding are what granctl writes: so each member is where the index says."""
    misnamed: NDArray[np.bool_]
    """The image's extension is another than its content's."""
    cls: NDArray[np.int64]
    """The number in `.cls`; -1 where there is none."""
    json: NDArray[np.uint8]
    """`NO_JSON`, `OTHER_LABEL`, `OTHER_CLASSES`; 0 where all is as it should be."""
    odd: dict[int, Any] = field(default_factory=dict)
    """Row -> what an odd `.json` holds, or, as text, why it is none; for the first of them."""

    @classmethod
    def joined(cls, pieces: Sequence[Verdicts]) -> Verdicts:
        """Rows one after another."""
        odd: dict[int, Any] = {}
        begin = 0
        for piece in pieces:
            odd |= {begin + row: value for row, value in piece.odd.items()}
            begin += len(piece.sound)

        def joined(name: str, kind: type) -> NDArray[Any]:
            return np.concatenate([np.zeros(0, kind), *(getattr(piece, name) for piece in pieces)])

        return cls(
            sound=joined("sound", np.bool_),
            framed=joined("framed", np.bool_),
            misnamed=joined("misnamed", np.bool_),
            cls=joined("cls", np.int64),
            json=joined("json", np.uint8),
            odd=dict(list(odd.items())[:MOST_ODD]),
        )


def judged(
    rows: ShardRows, layout: Layout, sound: NDArray[np.bool_], got: Gathered, known: LabelHeads
) -> Verdicts:
    """The verdicts of some rows, from the bytes around their images."""
    n = len(rows)
    both = np.frombuffer(got.heads, dtype=np.uint8, count=n * HEAD_BYTES).reshape(n, HEAD_BYTES)
    heads, firsts = both[:, :BLOCK], both[:, BLOCK:]
    said, meant = _named(heads), _by_content(firsts)
    framed = _padded_with_zeros(got.pads, layout.pads)
    kinds = np.where(meant == _UNKNOWN, said, meant)
    for kind, extension in enumerate(EXTENSIONS):
        ours = np.flatnonzero(kinds == kind)
        framed[ours] &= _written(heads[ours], rows.keys[ours], extension, rows.sizes[ours])
    framed &= kinds != _UNKNOWN
    verdicts = Verdicts(
        sound=sound,
        framed=framed,
        misnamed=(said != meant) & (meant != _UNKNOWN) & sound,
        cls=np.full(n, -1, dtype=np.int64),
        json=np.zeros(n, dtype=np.uint8),
    )
    tail_sizes = layout.tail_sizes
    tails = np.frombuffer(got.tails, dtype=np.uint8, count=int(tail_sizes.sum()))
    begins = np.cumsum(tail_sizes) - tail_sizes
    for size in np.unique(tail_sizes).tolist():
        ours = np.flatnonzero(tail_sizes == size)
        if len(ours) == n:
            block = tails.reshape(n, size)
        else:
            block = np.stack([tails[at : at + size] for at in begins[ours].tolist()])
        _judge_labels(rows, ours, block, known, verdicts)
    return verdicts


def _padded_with_zeros(pads: bytearray, lengths: NDArray[np.int64]) -> NDArray[np.bool_]:
    zeros = np.ones(len(lengths), dtype=np.bool_)
    found = np.frombuffer(pads, dtype=np.uint8, count=int(lengths.sum()))
    if found.any():
        zeros[np.repeat(np.arange(len(lengths)), lengths)[found != 0]] = False
    return zeros


def _named(heads: NDArray[np.uint8]) -> NDArray[np.int8]:
    """The extension in each header's name, as its place in `EXTENSIONS`."""
    found = np.full(len(heads), _UNKNOWN, dtype=np.int8)
    for kind, extension in enumerate(EXTENSIONS):
        wanted = np.frombuffer(f".{extension}\0".encode(), dtype=np.uint8)
        found[(heads[:, 9 : 9 + len(wanted)] == wanted).all(axis=1)] = kind
    return found


def _by_content(firsts: NDArray[np.uint8]) -> NDArray[np.int8]:
    """The same by the first bytes of each image."""
    found = np.full(len(firsts), _UNKNOWN, dtype=np.int8)
    for kind, magics in enumerate(_MAGICS):
        fits = np.ones(len(firsts), dtype=np.bool_)
        for at, magic in magics:
            wanted = np.frombuffer(magic, dtype=np.uint8)
            fits &= (firsts[:, at : at + len(wanted)] == wanted).all(axis=1)
        found[fits] = kind
    return found


def _written(
    found: NDArray[np.uint8], keys: NDArray[np.int64], extension: str, sizes: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Which headers are those that granctl writes."""
    same: NDArray[np.bool_] = (found == headers(keys, extension, sizes)).all(axis=1)
    return same


def _judge_labels(
    rows: ShardRows,
    ours: NDArray[np.int64],
    tails: NDArray[np.uint8],
    known: LabelHeads,
    verdicts: Verdicts,
) -> None:
    """Judges `.cls` and `.json` of rows whose tails are equally long."""
    keys, labels = rows.keys[ours], rows.labels[ours]
    cls_heads, cls_blocks = tails[:, :BLOCK], tails[:, BLOCK : 2 * BLOCK]
    json_heads, texts = tails[:, 2 * BLOCK : 3 * BLOCK], tails[:, 3 * BLOCK :]
    cls_sizes = octal(cls_heads[:, 124:135])
    json_sizes = np.full(len(ours), texts.shape[1], dtype=np.int64)
    in_block = (cls_sizes > 0) & (cls_sizes <= BLOCK)
    framed = in_block & _written(cls_heads, keys, "cls", np.where(in_block, cls_sizes, 0))
    verdicts.framed[ours] &= framed & _written(json_heads, keys, "json", json_sizes)
    verdicts.cls[ours] = _numbers(cls_blocks, cls_sizes)
    plain = _plainly(texts, labels, known)
    for i in np.flatnonzero(~plain).tolist():
        row = int(ours[i])
        flaws, value = _read(texts[i].tobytes(), int(labels[i]), known)
        verdicts.json[row] = flaws
        if flaws and len(verdicts.odd) < MOST_ODD:
            verdicts.odd[row] = value


def _numbers(blocks: NDArray[np.uint8], sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """The decimal number that fills the first `sizes` bytes of each block; -1 where none does."""
    digits = blocks[:, :10]
    inside = np.logical_and.accumulate((digits >= ord("0")) & (digits <= ord("9")), axis=1)
    lengths = inside.sum(axis=1)
    numbers = np.zeros(len(blocks), dtype=np.int64)
    for place in range(digits.shape[1]):
        shifted = 10 * numbers + digits[:, place] - ord("0")
        numbers = np.where(inside[:, place], shifted, numbers)
    whole = (lengths > 0) & (lengths == sizes) & (np.count_nonzero(blocks, axis=1) == lengths)
    return np.where(whole, numbers, -1)


def _plainly(
    texts: NDArray[np.uint8], labels: NDArray[np.int64], known: LabelHeads
) -> NDArray[np.bool_]:
    """Which `.json` are the head of their label and a source without escapes, as most are.

    Args:
        texts: shape (n, size).
        labels: shape (n,).
        known: the heads.
    """
    texts = texts[:, : _used(texts)]  # most of a block is spaces
    n, size = texts.shape
    width = min(known.table.shape[1], size)
    lengths = np.where(labels >= 0, known.lengths[labels], 0)
    at = np.arange(size)
    same = texts[:, :width] == known.table[labels, :width]
    same |= at[:width] >= lengths[:, None]
    plain = (lengths > 0) & (lengths <= width) & same.all(axis=1)
    last = size - 1 - (texts[:, ::-1] != ord(" ")).argmax(axis=1)
    rows = np.arange(n)
    plain &= (last > lengths + 1) & (texts[rows, last] == ord("}"))
    plain &= (texts[rows, last - 1] == ord('"')) & (texts[rows, lengths % size] == ord('"'))
    odd = (texts < ord(" ")) | (texts == ord('"')) | (texts == ord("\\")) | (texts >= 128)
    odd &= (at > lengths[:, None]) & (at < (last - 1)[:, None])
    found: NDArray[np.bool_] = plain & ~odd.any(axis=1)
    return found


def _used(texts: NDArray[np.uint8]) -> int:
    """Bytes up to the last that is no space in any of them, rounded up to eight."""
    words = texts.view(np.uint64) != _SPACES
    used = np.flatnonzero(words.any(axis=0))
    return 8 * (int(used[-1]) + 1) if len(used) else 8


def _read(text: bytes, label: int, known: LabelHeads) -> tuple[int, Any]:
    """What is wrong with a `.json`, and what it holds, or why it is none."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        return NO_JSON, f"it is not JSON ({error})"
    if not isinstance(value, dict):
        return NO_JSON, "it is no object"
    missing = [name for name in ("classes", "label", "source") if name not in value]
    if missing:
        return NO_JSON, f"it has no field {', '.join(missing)}"
    flaws = 0
    if label < 0 or value["label"] != known.labels[label]:
        flaws |= OTHER_LABEL
    elif {**value, "source": ""} != json.loads(known.heads[label] + b'""}'):
        flaws |= OTHER_CLASSES
    return flaws, value
