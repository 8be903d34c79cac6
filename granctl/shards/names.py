"""Millions of names in two arrays: their UTF-8 bytes one after another, and where each begins."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import overload

import numpy as np
from numpy.typing import NDArray

_CHUNK = 1 << 18
"""Names that are handled at once: index arrays of a whole set would take gigabytes."""

_LONG_RUN = 16

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
        starts = np.flatnonzero(np.diff(indices, prepend=-2) != 1)
        if len(starts) * _LONG_RUN < len(indices):  # names that stand beside each other as well
            ends = np.append(starts[1:], len(indices))
            froms = self.offsets[indices[starts]].tolist()
            bounds = zip(offsets[starts].tolist(), offsets[ends].tolist(), froms, strict=True)
            for begin, end, first in bounds:
                data[begin:end] = self.data[first : first + end - begin]
            return Names(data, offsets)
        for first in range(0, len(indices), _CHUNK):
            ours = slice(first, first + _CHUNK)
            begin, end = offsets[first], offsets[min(first + _CHUNK, len(indices))]
            shift = self.offsets[indices[ours]] - offsets[:-1][ours]
            data[begin:end] = self.data[np.arange(begin, end) + np.repeat(shift, lengths[ours])]
        return Names(data, offsets)

    def under(self, folders: Names, folder_of: NDArray[np.int32]) -> Names:
        """Each name with its folder and a slash before it; shape (n,), index into `folders`."""
        prefixes = [f"{folder}/".encode() if folder else b"" for folder in folders]
        widths = np.array([len(prefix) for prefix in prefixes], dtype=np.int64)[folder_of]
        offsets = np.zeros(len(self) + 1, dtype=np.int64)
        np.cumsum(widths + self.byte_lengths, out=offsets[1:])
        data = np.empty(int(offsets[-1]), dtype=np.uint8)
        for ours, piece in self.chunks():
            counts = np.column_stack([widths[ours], piece.byte_lengths]).reshape(-1)
            own = np.repeat(np.tile([False, True], len(piece)), counts)
            out = data[offsets[ours.start] : offsets[ours.stop]]
            out[own] = piece.data
            places = folder_of[ours]
            starts = np.flatnonzero(np.diff(places, prepend=-1))
            runs = np.diff(np.append(starts, len(places))).tolist()
            pieces = [
                prefixes[i] * num for i, num in zip(places[starts].tolist(), runs, strict=True)
            ]
            out[~own] = np.frombuffer(b"".join(pieces), dtype=np.uint8)
        return Names(data, offsets)

    def last_words(self, lane: int = 0) -> NDArray[np.uint64]:
        """The last eight bytes of each name, or those `lane` times eight bytes before them.

        Returns:
            uint64, shape (n,): the name's last byte is the highest; zero bytes where it is shorter.
        """
        left = np.clip(self.byte_lengths - 8 * lane, 0, 8)
        data = np.concatenate([np.zeros(8, dtype=np.uint8), self.data])
        words = np.ndarray((len(data) - 7,), "<u8", data, 0, (1,))  # eight bytes from each on
        found = words[np.maximum(self.offsets[1:] - 8 * lane, 0)]
        shift = (8 * (8 - left)).clip(max=63).astype(np.uint64)
        found = found >> shift << shift
        found[left == 0] = 0
        return found

    def repeated(self) -> NDArray[np.bool_]:
        """Shape (n,): whether the same name stands again further on."""
        again = np.zeros(len(self), dtype=np.bool_)
        hashes = self._hashes()
        ordered = np.sort(hashes)
        if not (ordered[1:] == ordered[:-1]).any():
            return again
        order = np.argsort(hashes, kind="stable")
        ordered = hashes[order]
        alike = np.flatnonzero(ordered[1:] == ordered[:-1])
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
        hashes = self.byte_lengths.astype(np.uint64)
        for places, piece in self.chunks():
            lengths, mixed = piece.byte_lengths, hashes[places]
            for lane in range(-(-int(lengths.max(initial=0)) // 8)):
                words = (mixed ^ piece.last_words(lane)) * np.uint64(0x9E3779B97F4A7C15)
                mixed = np.where(lengths > 8 * lane, words ^ (words >> np.uint64(29)), mixed)
            hashes[places] = mixed
        return hashes
