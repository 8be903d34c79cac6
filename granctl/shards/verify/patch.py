"""Mending a shard from its index: headers, padding and label members, where images are sound.

The index says key, label and size of each image, the manifest the classes of each label; only the
name of an image's source stands in the shard alone, so a `.json` whose source cannot be read any
more is beyond this.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np

from granctl.shards.build.audit import extension_of
from granctl.shards.tar import BLOCK, END_BYTES, header, json_source, label_members
from granctl.shards.verify.facts import ShardFacts
from granctl.shards.verify.judge import FIRST_BYTES

_MARK = b',"source":'
"""Stands before the source, whatever became of the label; quotes inside a text are escaped."""
Patch = tuple[int, bytes]
"""Where, and what stands there."""


def patches_of(facts: ShardFacts, path: Path) -> list[Patch] | None:
    """What must be written over a shard so that it is as listed; None: that cannot make it so.

    Raises:
        OSError: the shard cannot be read.
    """
    scan, rows = facts.scan, facts.rows
    if scan is None or rows is None or facts.num_bytes != facts.listed_bytes:
        return None
    if scan.num_rows != len(rows) or not scan.verdicts.sound.all():
        return None
    try:
        with path.open("rb") as file:
            found = [patch for row in _flawed(facts) for patch in _patches(facts, row, file)]
    except _BeyondError:
        return None
    if not scan.ends_well:
        found.append((path.stat().st_size - END_BYTES, bytes(END_BYTES)))
    return found


class _BeyondError(Exception):
    """A row cannot be mended from the index: caught in this module."""


def _flawed(facts: ShardFacts) -> Sequence[int]:
    """Rows around whose image something differs."""
    assert facts.scan is not None
    assert facts.known is not None
    assert facts.rows is not None
    said = facts.scan.verdicts
    wrong = ~said.framed | (said.json != 0) | (said.cls != facts.known.firsts[facts.rows.labels])
    found: list[int] = np.flatnonzero(wrong).tolist()
    return found


def _patches(facts: ShardFacts, row: int, file: BinaryIO) -> Iterator[Patch]:
    """The header of an image, and all that follows it.

    Raises:
        _BeyondError: the name of its source cannot be read any more, or does not fit.
    """
    rows, layout, known = facts.rows, facts.layout, facts.known
    assert rows is not None
    assert layout is not None
    assert known is not None
    at, size, label = int(rows.offsets[row]), int(rows.sizes[row]), int(rows.labels[row])
    tail_at = at + size + int(layout.pads[row])
    json_size = int(layout.json_sizes[row])
    extension = extension_of(_read_at(file, at, FIRST_BYTES))
    source = json_source(_read_at(file, tail_at + 3 * BLOCK, json_size), _MARK)
    if not extension or label < 0 or not known.classes[label] or source is None:
        raise _BeyondError
    try:
        json.loads(source[:-1])
    except (ValueError, RecursionError) as error:
        raise _BeyondError from error
    payload = (known.heads[label] + source).ljust(json_size)
    if len(payload) > json_size:
        raise _BeyondError
    first = b"%d" % known.classes[label][0]
    (tail,) = label_members(rows.keys[row : row + 1], [first], [payload])
    yield at - BLOCK, header(f"{facts.key(row)}.{extension}", size)
    yield at + size, bytes(tail_at - at - size) + tail


def _read_at(file: BinaryIO, at: int, size: int) -> bytes:
    file.seek(at)
    return file.read(size)
