"""Features read piece by piece, for sets that are larger than memory."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from granctl.errors import FeaturesNotFiniteError, ManifestMismatchError, MissingInputError
from granctl.shards.feature_file import META
from granctl.shards.features import HINT

ROWS_A_PIECE = 16_384


@dataclass(frozen=True, kw_only=True, eq=False)
class FeatureStream:
    """The Parquet file of `granctl embed`, opened; the matrix is read when it is asked for.

    Example:
        stream = FeatureStream.open(Path("features.parquet"))
        for start, matrix in stream.pieces():
            labels = stream.label_index[start : start + len(matrix)]
    """

    path: Path
    head: Mapping[str, Any]
    """What stands in the file's metadata: digest, content_digest, split ..."""
    num_rows: int
    dim: int

    @classmethod
    def open(cls, path: Path) -> FeatureStream:
        """Reads the head of the file only.

        Raises:
            MissingInputError: there is no such file.
            ManifestMismatchError: it holds no features.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        if not path.is_file():
            raise MissingInputError("features", path, "make them with `granctl embed`")
        try:
            with pq.ParquetFile(path) as file:
                head = json.loads((file.metadata.metadata or {})[META])
                dim = file.schema_arrow.field("features").type.list_size
                head = {"digest": head["digest"], "content_digest": head["content_digest"], **head}
                return cls(path=path, head=head, num_rows=file.metadata.num_rows, dim=dim)
        except (pa.ArrowException, OSError, KeyError, ValueError, AttributeError) as error:
            raise ManifestMismatchError(path, f"not features ({error})", HINT) from error

    @property
    def digest(self) -> str:
        """Identity: how they were made, from what."""
        return str(self.head["digest"])

    @property
    def splits(self) -> tuple[str, ...]:
        """Those whose images the file holds, in the order of its rows."""
        return tuple(str(self.head["split"]).split("+"))

    @cached_property
    def checksums(self) -> NDArray[np.bytes_]:
        """Shape (n,), dtype S32: xxh3-128 of the image bytes in hex.

        Raises:
            ManifestMismatchError: the file is damaged.
        """
        return np.concatenate(
            [
                np.zeros(0, "S32"),
                *(np.array(p.to_pylist(), "S32") for p in self._column("checksum")),
            ]
        )

    @cached_property
    def label_ids(self) -> tuple[str, ...]:
        """The labels that occur, sorted."""
        return self._labels[0]

    @cached_property
    def label_index(self) -> NDArray[np.int32]:
        """Shape (n,): index into `label_ids`."""
        return self._labels[1]

    @cached_property
    def _labels(self) -> tuple[tuple[str, ...], NDArray[np.int32]]:
        index_of: dict[str, int] = {}
        parts = [np.zeros(0, np.int32)]
        for piece in self._column("label"):
            coded = piece.dictionary_encode()
            place = [index_of.setdefault(i, len(index_of)) for i in coded.dictionary.to_pylist()]
            parts.append(np.array(place, np.int32)[coded.indices.to_numpy()])
        ids = sorted(index_of)
        number = np.empty(len(ids), np.int32)
        number[[index_of[i] for i in ids]] = np.arange(len(ids), dtype=np.int32)
        return tuple(ids), number[np.concatenate(parts)]

    def pieces(self) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """The matrix from its first row to its last: (first row, (b, dim)) a piece.

        Raises:
            ManifestMismatchError: the file is damaged.
        """
        start = 0
        for flat in self._column("features"):
            numbers = flat.flatten().to_numpy(zero_copy_only=False)
            matrix = numbers.reshape(-1, self.dim).astype(np.float32, copy=False)
            yield start, matrix
            start += len(matrix)

    def checked_pieces(self) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """As `pieces`, and checks on the way what `Features.read` checks, and every number.

        Raises:
            ManifestMismatchError: at the end: the content is not what was written.
            FeaturesNotFiniteError: a row holds NaN or infinity.
        """
        hasher = hashlib.sha256(str((self.num_rows, self.dim)).encode())
        hasher.update(self.checksums.tobytes())
        for first in range(0, self.num_rows, ROWS_A_PIECE):
            part = self.label_index[first : first + ROWS_A_PIECE].tolist()
            joined = "\0".join(self.label_ids[i] for i in part)
            hasher.update(("\0" * (first > 0) + joined).encode())
        for start, matrix in self.pieces():
            hasher.update(np.ascontiguousarray(matrix.astype("<f4", copy=False)).data)
            # A sum is finite unless a number is not, or the sum overflows: then look closer.
            if not np.isfinite(matrix.sum()):
                self._check_finite(start, matrix)
            yield start, matrix
        if hasher.hexdigest() != self.head["content_digest"]:
            problem = "its content is not what was written"
            raise ManifestMismatchError(self.path, problem, HINT)

    def label_means(self) -> NDArray[np.float32]:
        """Shape (len(label_ids), dim): the mean over the images of each label; sums in float64.

        Raises:
            GranctlError: as `checked_pieces`.
        """
        sums = np.zeros((len(self.label_ids), self.dim))
        for start, matrix in self.checked_pieces():
            label = self.label_index[start : start + len(matrix)]
            order = np.argsort(label, kind="stable")
            present, first = np.unique(label[order], return_index=True)
            sums[present] += np.add.reduceat(matrix[order], first, axis=0, dtype=np.float64)
        images = np.bincount(self.label_index, minlength=len(self.label_ids))
        return (sums / images[:, None]).astype(np.float32)

    def _check_finite(self, start: int, matrix: NDArray[np.float32]) -> None:
        bad = np.flatnonzero(~np.isfinite(matrix).all(1))
        if len(bad):
            rows = [start + int(i) for i in bad[:3]]
            images = [f"{self.checksums[r].decode()} (row {r})" for r in rows]
            raise FeaturesNotFiniteError(self.path, len(bad), images)

    def _column(self, name: str) -> Iterator[Any]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            # Without these two pyarrow holds whole row groups, of up to a million rows, in memory.
            with pq.ParquetFile(self.path, pre_buffer=False, buffer_size=1 << 20) as file:
                for batch in file.iter_batches(ROWS_A_PIECE, columns=[name], use_threads=False):
                    yield batch.column(0)
        except (pa.ArrowException, OSError, KeyError) as error:
            raise ManifestMismatchError(self.path, f"cannot be read ({error})", HINT) from error
