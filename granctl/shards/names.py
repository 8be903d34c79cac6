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
        for _, piece in self.chunks():
            blob = piece.data.tobytes()
            for begin, end in pairwise(piece.offsets.tolist()):
                yield blob[begin:end].decode()

    def chunks(self) -> Iterator[tuple[slice, Names]]:
        """The places and the names of each quarter of a million, whose data begin at 0: views."""
        for first in range(0, len(self), _CHUNK):
            bounds = self.offsets[first : first + _CHUNK + 1]
            piece = Names(self.data[bounds[0] : bounds[-1]], bounds - bounds[0])
            yield slice(first, first + len(piece)), piece

    @property
    def byte_lengths(self) -> NDArray[np.int64]:
        """Shape (n,): UTF-8 bytes of each name."""
        return np.diff(self.offsets)

    @property
    def json_lengths(self) -> NDArray[np.int64]:
        """Shape (n,): bytes of each name as a JSON string (ensure_ascii=False), quotes left out."""
        lengths = self.byte_lengths
        for places, piece in self.chunks():
            extra = _JSON_EXTRA[piece.data]
            if extra.any():
                sums = np.concatenate([[0], np.cumsum(extra)])
                lengths[places] += np.diff(sums[piece.offsets])
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

    def under(self, folders: Names, folder_of: NDArray[np.int32]) -> Names:
        """Each name with its folder and a slash before it; shape (n,), index into `folders`."""
        widths = folders.byte_lengths
        slash = (widths > 0).astype(np.int64)
        before = (widths + slash)[folder_of]
        offsets = np.zeros(len(self) + 1, dtype=np.int64)
        np.cumsum(before + self.byte_lengths, out=offsets[1:])
        data = np.full(int(offsets[-1]), ord("/"), dtype=np.uint8)
        for ours, piece in self.chunks():
            begins = offsets[:-1][ours]
            for source, first, width, at in (
                (folders.data, folders.offsets[:-1][folder_of[ours]], widths[folder_of[ours]], 0),
                (piece.data, piece.offsets[:-1], piece.byte_lengths, before[ours]),
            ):
                ends = np.cumsum(width)
                inside = np.arange(ends[-1]) - np.repeat(ends - width, width)
                data[np.repeat(begins + at, width) + inside] = source[
                    np.repeat(first, width) + inside
                ]
        return Names(data, offsets)

    def repeated(self) -> NDArray[np.bool_]:
        """Shape (n,): whether the same name stands again further on."""
        again = np.zeros(len(self), dtype=np.bool_)
        hashes = self._hashes()
        order = np.argsort(hashes, kind="stable")
        alike = np.flatnonzero(hashes[order][1:] == hashes[order][:-1])
        suspects = np.unique(np.concatenate([order[alike], order[alike + 1]]))
        last: dict[str, int] = {}
        for place in suspects.tolist():
            name = self[place]
            if name in last:
                again[last[name]] = True
            last[name] = place
        return again

    def _hashes(self) -> NDArray[np.uint64]:
        """Shape (n,): equal for equal names, nearly always different for others."""
        hashes = np.zeros(len(self), dtype=np.uint64)
        for places, piece in self.chunks():
            lengths = piece.byte_lengths
            inside = np.arange(len(piece.data)) - np.repeat(piece.offsets[:-1], lengths)
            values = (piece.data + np.uint64(1)) * _weights(int(lengths.max(initial=0)))[inside]
            sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(values, dtype=np.uint64)])
            hashes[places] = sums[piece.offsets[1:]] - sums[piece.offsets[:-1]]
        return hashes


def _weights(num: int) -> NDArray[np.uint64]:
    """Odd pseudo-random numbers, one a place in a name."""
    values = np.arange(1, num + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    return (values ^ (values >> np.uint64(27))) | np.uint64(1)
