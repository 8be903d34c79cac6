"""Columns of an index from and to NumPy by their buffers.

pyarrow's own conversions, and its scalars, load pandas, which takes as long as reading a gigabyte.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def numbers_of(column: Any, kind: type) -> NDArray[Any]:
    """A column of numbers without gaps; a view of its memory.

    Args:
        column: of pyarrow, in chunks or not.
        kind: the NumPy type that it has.

    Raises:
        ValueError: it has gaps, or another type.
    """
    import pyarrow as pa

    array = _whole(column)
    if array.type != pa.from_numpy_dtype(kind):
        raise ValueError(f"a column is {array.type}, not {np.dtype(kind)}")
    width = np.dtype(kind).itemsize
    if not len(array):
        return np.zeros(0, dtype=kind)
    return np.frombuffer(array.buffers()[1], kind, count=len(array), offset=width * array.offset)


def bytes_of(column: Any) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
    """A column of texts without gaps: where each begins, shape (n + 1,), and the bytes of all.

    Raises:
        ValueError: it has gaps, or holds no texts.
    """
    import pyarrow as pa

    array = _whole(column)
    if array.type != pa.string():
        raise ValueError(f"a column is {array.type}, not string")
    if not len(array):
        return np.zeros(1, dtype=np.int32), np.zeros(0, dtype=np.uint8)
    _, starts, data = array.buffers()
    offsets = np.frombuffer(starts, np.int32, count=len(array) + 1, offset=4 * array.offset)
    return offsets, np.frombuffer(data or b"", np.uint8)


def column_of(values: NDArray[Any]) -> Any:
    """A pyarrow column of numbers, of the array's own type."""
    import pyarrow as pa

    buffer = pa.py_buffer(np.ascontiguousarray(values))
    return pa.Array.from_buffers(pa.from_numpy_dtype(values.dtype), len(values), [None, buffer])


def mask_column(values: NDArray[np.bool_]) -> Any:
    """A pyarrow column of booleans."""
    import pyarrow as pa

    bits = pa.py_buffer(np.packbits(values, bitorder="little"))
    return pa.Array.from_buffers(pa.bool_(), len(values), [None, bits])


def coded_column(values: Sequence[str]) -> Any:
    """A pyarrow dictionary of texts, which lists each where it is first seen."""
    import pyarrow as pa

    code_of: dict[str, int] = {}
    codes = [code_of.setdefault(value, len(code_of)) for value in values]
    indices = column_of(np.array(codes, dtype=np.int32))
    return pa.DictionaryArray.from_arrays(indices, text_column(list(code_of)))


def text_column(values: Sequence[str]) -> Any:
    """A pyarrow column of texts."""
    import pyarrow as pa

    encoded = [value.encode() for value in values]
    ends = np.cumsum([0, *map(len, encoded)]).astype(np.int32)
    data = pa.py_buffer(b"".join(encoded))
    return pa.StringArray.from_buffers(len(encoded), pa.py_buffer(ends), data)


def repeated_text(value: str, num: int) -> Any:
    """A pyarrow column of one text so many times."""
    import pyarrow as pa

    encoded = value.encode()
    ends = np.arange(num + 1, dtype=np.int32) * np.int32(len(encoded))
    return pa.StringArray.from_buffers(num, pa.py_buffer(ends), pa.py_buffer(encoded * num))


def places_of(column: Any, known: Any) -> NDArray[np.int32]:
    """Where each text of a column stands among the known ones; -1 where it does not.

    Args:
        column: texts, or a dictionary of them, without gaps.
        known: as `text_column` makes it.

    Raises:
        ValueError: the column has gaps.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    found = pc.index_in(_whole(column).cast(pa.string()), value_set=known)
    if not len(found):
        return np.zeros(0, dtype=np.int32)
    valid, values = found.buffers()
    places = np.frombuffer(values, np.int32, count=len(found), offset=4 * found.offset)
    if not found.null_count:
        return places
    bits = np.unpackbits(np.frombuffer(valid, np.uint8), bitorder="little")
    there = bits[found.offset : found.offset + len(found)].astype(np.bool_)
    return np.where(there, places, np.int32(-1))


def _whole(column: Any) -> Any:
    """The column as one array.

    Raises:
        ValueError: it has gaps.
    """
    if column.null_count:
        raise ValueError("a column has gaps")
    chunks = getattr(column, "chunks", None)
    if chunks is None:
        return column
    return chunks[0] if len(chunks) == 1 else column.unify_dictionaries().combine_chunks()
