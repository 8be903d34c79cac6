"""Columns for Parquet by their buffers: what goes in comes out, in pieces or whole."""

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest

from granctl.shards.columns import coded_column, column_of, numbers_of
from granctl.shards.indexfile import texts


@pytest.mark.parametrize("kind", [np.int32, np.int64, np.uint8])
def test_numbers_come_back_as_they_went_in(kind):
    """A column, a slice of one and one in chunks hold the numbers, in their type."""
    values = np.arange(7, dtype=kind)
    column = column_of(values)
    assert column.type == pa.from_numpy_dtype(values.dtype)
    for given, expected in [
        (column, values.tolist()),
        (column[2:5], [2, 3, 4]),
        (pa.chunked_array([column[4:], column[:1]]), [4, 5, 6, 0]),
        (pa.chunked_array([], column.type), []),
    ]:
        assert numbers_of(given, kind).tolist() == expected


def test_texts_are_coded_in_the_order_in_which_they_are_seen():
    """The dictionary lists each text once, where it first stands."""
    column = coded_column(["b", "a", "b", "é"])
    assert column.to_pylist() == ["b", "a", "b", "é"]
    assert column.dictionary.to_pylist() == ["b", "a", "é"]
    assert coded_column([]).to_pylist() == []


@pytest.mark.parametrize("values", [["b", "a", "b"], ["é", "", "ab", "日本"], [""], []])
def test_texts_come_back_from_strings_and_dictionaries(values):
    """Also letters of several bytes, a slice, and a column in chunks."""
    for column in (pa.array(values, pa.string()), coded_column(values)):
        assert texts(column) == values
        assert texts(column[1:]) == values[1:]
        assert texts(pa.chunked_array([column[1:], column[:1]])) == values[1:] + values[:1]


def test_columns_do_not_load_pandas():
    """A fresh process that writes and reads columns ends without pandas."""
    program = (
        "import sys, numpy as np; from granctl.shards.columns import *;"
        "from granctl.shards.indexfile import texts; numbers_of(column_of(np.arange(3)), np.int64);"
        "texts(coded_column(['a'])); sys.exit('pandas' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
