"""Millions of names in two arrays: their UTF-8 bytes one after another, and where each begins."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import overload

import numpy as np
from numpy.typing import NDArray

_CHUNK = 1 << 18
"""Names that are handled at once: index arrays of a whole set would take gigabytes."""

# Bytes that a byte of a name adds inside a JSON string written with ensure_ascii=False.
_JSON_EXTRA = np.zeros(256, dtype=np.int64)
_JSON_EXTRA[:32] = 5
_JSON_EXTRA[[ord(letter) for letter in '"\\\b\f\n\r\t']] = 1


class Names(Sequence[str]):
    """A sequence of strings of about their own bytes and 8 more each; decoded when asked for.

    Args:
        data: uint8, the UTF-8 bytes of all names, one after another.
        offsets: int64, shape (n + 1,): name i is data[offsets[i]:offsets[i + 1]].
    """

    __slots__ = ("data", "offsets")

    def __init__(self, data: NDArray[np.uint8], offsets: NDArray[np.int64]) -> None:
        self.data = data
        self.offsets = offsets

    @classmethod
    def of(cls, names: Iterable[str]) -> Names:
        """Packs strings."""
        return cls.packed([name.encode() for name in names])

    @classmethod
    def packed(cls, names: Sequence[bytes]) -> Names:
        """Packs names that are UTF-8 already."""
        offsets = np.zeros(len(names) + 1, dtype=np.int64)
        np.cumsum(np.fromiter(map(len, names), np.int64, len(names)), out=offsets[1:])
        return cls(np.frombuffer(b"".join(names), dtype=np.uint8), offsets)

    @classmethod
    def joined(cls, pieces: Sequence[Names]) -> Names:
        """One sequence after another."""
        offsets = [np.zeros(1, dtype=np.int64)]
        end = 0
        for piece in pieces:
            begin = int(piece.offsets[0])
            offsets.append(piece.offsets[1:] - begin + end)
            end += int(piece.offsets[-1]) - begin
        blobs = [piece.data[piece.offsets[0] : piece.offsets[-1]] for piece in pieces]
        data = np.concatenate(blobs) if blobs else np.zeros(0, dtype=np.uint8)
        return cls(data, np.concatenate(offsets))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @overload
    def __getitem__(self, i: int) -> str: ...
    @overload
    def __getitem__(self, i: slice) -> Names: ...
    def __getitem__(self, i: int | slice) -> str | Names:
        if isinstance(i, slice):
            return self.take(np.arange(len(self))[i])
        place = range(len(self))[i]
        return self.data[self.offsets[place] : self.offsets[place + 1]].tobytes().decode()

    def __iter__(self) -> Iterator[str]:
        for first in range(0, len(self), _CHUNK):
            bounds = self.offsets[first : first + _CHUNK + 1].tolist()
            blob = self.data[bounds[0] : bounds[-1]].tobytes()
            at = bounds[0]
            for begin, end in pairwise(bounds):
                yield blob[begin - at : end - at].decode()

    @property
    def byte_lengths(self) -> NDArray[np.int64]:
        """Shape (n,): UTF-8 bytes of each name."""
        return np.diff(self.offsets)

    @property
    def json_lengths(self) -> NDArray[np.int64]:
        """Shape (n,): bytes of each name as a JSON string (ensure_ascii=False), quotes left out."""
        lengths = self.byte_lengths
        for first in range(0, len(self), _CHUNK):
            bounds = self.offsets[first : first + _CHUNK + 1]
            extra = _JSON_EXTRA[self.data[bounds[0] : bounds[-1]]]
            if extra.any():
                sums = np.concatenate([[0], np.cumsum(extra)])
                lengths[first : first + _CHUNK] += np.diff(sums[bounds - bounds[0]])
        return lengths

    def take(self, indices: NDArray[np.int64]) -> Names:
        """The names at these places, in this order; shape (m,), each in [0, n)."""
        lengths = self.byte_lengths[indices]
        offsets = np.zeros(len(indices) + 1, dtype=np.int64)
        np.cumsum(lengths, out=offsets[1:])
        data = np.empty(int(offsets[-1]), dtype=np.uint8)
        for first in range(0, len(indices), _CHUNK):
            ours = slice(first, first + _CHUNK)
            begin, end = offsets[first], offsets[min(first + _CHUNK, len(indices))]
            shift = self.offsets[indices[ours]] - offsets[:-1][ours]
            data[begin:end] = self.data[np.arange(begin, end) + np.repeat(shift, lengths[ours])]
        return Names(data, offsets)
