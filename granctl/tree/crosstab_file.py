"""The crosstab of two label maps as a table on disk: CSV or Parquet, by the file's ending."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from granctl.errors import BadOptionError, OutputExistsError
from granctl.files import write_bytes
from granctl.provenance import plain

SUFFIXES = (".csv", ".parquet")
_META = "granctl.crosstab"


def check_suffix(path: Path) -> None:
    """Checks before any work that the form of the table is known.

    Raises:
        BadOptionError: the name ends in neither .csv nor .parquet.
    """
    if path.suffix not in SUFFIXES:
        problem = f"{path.name!r} says neither CSV nor Parquet"
        raise BadOptionError("--crosstab", problem, "let the name end in .csv or .parquet")


def write_crosstab(
    path: Path, columns: Mapping[str, Sequence[str | int]], about: Mapping[str, Any]
) -> bool:
    """Writes the columns, a row a cell; whether anything was written.

    Args:
        path: ends in .csv or .parquet. If it holds these very bytes nothing is done.
        columns: equally long, texts or integers.
        about: what was compared, from what; kept in the metadata of Parquet.

    Raises:
        OutputExistsError: something else is there.
        OutputNotWritableError: no space, read-only, no permission.
    """
    content = _csv(columns) if path.suffix == ".csv" else _parquet(columns, about)
    if path.exists():
        if path.is_file() and path.read_bytes() == content:
            return False
        raise OutputExistsError(path, "something else than this crosstab", "--crosstab")
    write_bytes(path, content)
    return True


def _csv(columns: Mapping[str, Sequence[str | int]]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return out.getvalue().encode()


def _parquet(columns: Mapping[str, Sequence[str | int]], about: Mapping[str, Any]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    text = json.dumps(plain(about), sort_keys=True, ensure_ascii=False)
    table = pa.table(dict(columns)).replace_schema_metadata({_META: text})
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    content: bytes = sink.getvalue().to_pybytes()
    return content
