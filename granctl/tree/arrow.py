"""Columns from and to NumPy by their buffers: pyarrow's own conversions load pandas (0.5 s)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def int_column(values: NDArray[np.integer]) -> Any:
    """An int32 column."""
    import pyarrow as pa

    buffer = pa.py_buffer(np.ascontiguousarray(values, np.int32))
    return pa.Array.from_buffers(pa.int32(), len(values), [None, buffer])


def text_column(texts: Sequence[str]) -> Any:
    """A string column."""
    import pyarrow as pa

    whole = "".join(texts)
    # Ids are ASCII, so that a text's length is that of its bytes.
    pieces: Sequence[str | bytes] = texts if whole.isascii() else [t.encode() for t in texts]
    ends = np.zeros(len(texts) + 1, np.int32)
    np.cumsum(np.fromiter(map(len, pieces), np.int32, len(texts)), out=ends[1:])
    return pa.StringArray.from_buffers(len(texts), pa.py_buffer(ends), pa.py_buffer(whole.encode()))


def list_column(offsets: NDArray[np.integer], values: NDArray[np.integer]) -> Any:
    """A column of lists of int32, from CSR."""
    import pyarrow as pa

    starts = pa.py_buffer(np.ascontiguousarray(offsets, np.int32))
    kind = pa.list_(pa.int32())
    children = [int_column(values)]
    return pa.Array.from_buffers(kind, len(offsets) - 1, [None, starts], children=children)


def csr_of(column: Any) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Offsets from 0 and values of a column of lists of int32 without nulls."""
    if not len(column):
        return np.zeros(1, np.int64), np.empty(0, np.int32)
    starts = _int32(column.buffers()[1], column.offset, len(column) + 1).astype(np.int64)
    values = column.values
    inside = _int32(values.buffers()[1], values.offset, len(values))
    return starts - starts[0], inside[starts[0] : starts[-1]].copy()


def _int32(buffer: Any, offset: int, num: int) -> NDArray[np.int32]:
    if not num:
        return np.empty(0, np.int32)
    return np.frombuffer(buffer, np.int32, count=num, offset=4 * offset)
