"""What a plain tar reader finds in a shard that is not as its index says."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Literal

from granctl.shards.source.headerfields import sum_holds
from granctl.shards.source.headers import CUT_OFF, NO_END, Members, scan_tar
from granctl.shards.source.kinds import IMAGE_SUFFIXES
from granctl.shards.tar import BLOCK, padded

Trouble = Literal["damaged", "unsafe", "cut-off", "no-end"]
LABEL_MEMBERS = ("cls", "json")


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """Members of one name up to the first dot, beside each other."""

    key: str
    extensions: tuple[str, ...]
    place: tuple[int, int] | None
    """Offset and size of the first image; None where there is none."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Walk:
    """The tar as its headers say."""

    groups: Sequence[Group]
    troubles: Sequence[tuple[Trouble, str, str]]
    """What is wrong, the member (empty: the tar itself), and the sentence."""
    gaps: Sequence[tuple[int, int]]
    """Stretches that begin with a damaged header and end where the index says a sample begins."""


def walk_shard(path: Path, begins: Sequence[int]) -> Walk:
    """Walks the headers of a tar; behind a damaged one it goes on at the next sample.

    Args:
        path: of the tar.
        begins: where samples begin, as the index says, in their order.

    Raises:
        OSError: it cannot be read.
    """
    groups: list[Group] = []
    troubles: list[tuple[Trouble, str, str]] = []
    gaps: list[tuple[int, int]] = []
    with path.open("rb", buffering=0) as file:
        size, begin = path.stat().st_size, 0
        while True:
            found = scan_tar(file.fileno(), begin, size)
            groups += _groups(found)
            named = [(_trouble(name, said), name, said) for name, said in found.rejected]
            troubles += named
            if not any(trouble == "damaged" for trouble, _, _ in named):
                break
            stopped = begin
            if len(found.offsets):
                stopped = int(found.offsets[-1]) + padded(int(found.sizes[-1]))
            again = _next_sample(file.fileno(), begins, stopped)
            gaps.append((stopped, again or size))
            if again is None:
                break
            begin = again
    return Walk(groups=groups, troubles=list(dict.fromkeys(troubles)), gaps=gaps)


def _trouble(name: str, said: str) -> Trouble:
    if said == NO_END:
        return "no-end"
    if said == CUT_OFF:
        return "cut-off"
    return "unsafe" if name else "damaged"


def _next_sample(handle: int, begins: Sequence[int], stopped: int) -> int | None:
    """The next place of a sample behind `stopped` where a header stands; None: there is none."""
    for begin in begins[bisect_right(begins, stopped) :]:
        head = os.pread(handle, BLOCK, begin)
        if len(head) < BLOCK:
            return None
        if sum_holds(head):
            return begin
    return None


def _groups(found: Members) -> Iterator[Group]:
    rows = zip(found.names, found.offsets.tolist(), found.sizes.tolist(), strict=True)
    for key, members in groupby(rows, lambda row: _key(row[0])):
        ours = list(members)
        extensions = tuple(name[len(key) + 1 :].lower() for name, _, _ in ours)
        images = [
            (at, size)
            for (_, at, size), extension in zip(ours, extensions, strict=True)
            if f".{extension}" in IMAGE_SUFFIXES
        ]
        yield Group(key=key, extensions=extensions, place=images[0] if images else None)


def _key(name: str) -> str:
    """As WebDataset cuts names: the folder and what stands before the first dot."""
    folder, slash, base = name.rpartition("/")
    return folder + slash + base.partition(".")[0]
