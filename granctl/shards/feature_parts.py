"""Features on their way to one file: parts in a folder, each whole and checksummed, or not there.

<file>.parts/
  spec.json                     whose features they are; written first
  part-000012-<checksum>.npy    the rows of one part; the checksum is that of the numbers
The folder goes when the file is there.
"""

from __future__ import annotations

import io
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from granctl.errors import ManifestMismatchError
from granctl.files import write_bytes

_NAME = re.compile(r"part-(\d{6,})-([0-9a-f]{32})\.npy")


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """The rows of one part."""

    split: str
    begin: int
    """First row of the split."""
    end: int

    def __len__(self) -> int:
        return self.end - self.begin


def spans_of(splits: Mapping[str, int], rows: int) -> list[Span]:
    """Parts of so many rows; the last one of each split may have fewer.

    Example:
        >>> [(s.split, s.begin, s.end) for s in spans_of({"train": 5, "test": 2}, 4)]
        [('train', 0, 4), ('train', 4, 5), ('test', 0, 2)]
    """
    return [
        Span(split=split, begin=begin, end=min(begin + rows, num))
        for split, num in splits.items()
        for begin in range(0, num, rows)
    ]


class Parts:
    """The parts of one file that are there."""

    def __init__(self, folder: Path, spans: list[Span]) -> None:
        self._folder, self.spans = folder, spans

    def missing(self, numbers: Iterable[int]) -> list[int]:
        """Which of these parts are not there; one that is there and damaged is removed."""
        there = self._there()
        found = []
        for number in numbers:
            if number in there and self._read(number, there[number]) is None:
                there.pop(number).unlink(missing_ok=True)
            if number not in there:
                found.append(number)
        return found

    def keep(self, number: int, matrix: NDArray[Any]) -> None:
        """Writes a part, whole or not at all.

        Raises:
            OutputNotWritableError: no space, read-only, no permission.
        """
        matrix = np.ascontiguousarray(matrix)
        memory = io.BytesIO()
        np.save(memory, matrix, allow_pickle=False)
        name = f"part-{number:06d}-{_sum(matrix)}.npy"
        write_bytes(self._folder / name, memory.getvalue())

    def matrices(self) -> Iterator[NDArray[Any]]:
        """All parts in order, each checked.

        Raises:
            ManifestMismatchError: one is gone, or not what was written.
        """
        there = self._there()
        for number in range(len(self.spans)):
            path = there.get(number, self._folder / f"part-{number:06d}")
            matrix = self._read(number, path)
            if matrix is None:
                hint = "run the same command again: it makes this part anew"
                raise ManifestMismatchError(path, "a part that is gone or damaged", hint)
            yield matrix

    def done(self, rank: int) -> None:
        """One of several processes says that it has made its parts."""
        (self._folder / f"done-{rank}").touch()

    def not_done(self, size: int) -> list[int]:
        """Those of several processes, but for the first, that still work."""
        return [rank for rank in range(1, size) if not (self._folder / f"done-{rank}").exists()]

    def begin(self, rank: int) -> None:
        """Takes back what an earlier process of this rank said."""
        (self._folder / f"done-{rank}").unlink(missing_ok=True)

    def remove(self) -> None:
        """All of them, once the file is there."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _there(self) -> dict[int, Path]:
        found = ((_NAME.fullmatch(path.name), path) for path in sorted(self._folder.iterdir()))
        return {int(match[1]): path for match, path in found if match}

    def _read(self, number: int, path: Path) -> NDArray[Any] | None:
        """The rows of a part; None where it is not what was written."""
        match = _NAME.fullmatch(path.name)
        try:
            matrix: NDArray[Any] = np.load(path, allow_pickle=False)
        except (ValueError, EOFError, OSError):
            return None
        whole = match is not None and _sum(matrix) == match[2]
        return matrix if whole and len(matrix) == len(self.spans[number]) else None


def _sum(matrix: NDArray[Any]) -> str:
    return xxhash.xxh3_128(matrix.tobytes()).hexdigest()
