"""Text tables as rows with their line numbers: CSV, TSV, or columns set apart by blanks."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from granctl.errors import MissingInputError
from granctl.tree.draft import Draft, Place

Row = tuple[int, list[str]]
"""The line on which a row begins, and its cells without blanks at their ends."""
Record = tuple[Place, Mapping[str, str]]
"""A place and what stands there, by column."""

_BLANKS = " "
_MARKS_OF_UTF16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, slots=True)
class Text:
    """A text file, and what identifies its content."""

    content: str
    sha256: str


def read_text(path: Path, what: str, draft: Draft) -> Text:
    """A UTF-8 file; each line that is not UTF-8 becomes a fault of the draft.

    Raises:
        MissingInputError: there is no such file; `what` says which was meant.
    """
    if not path.is_file():
        raise MissingInputError(what, path, "check the path; it must be a file")
    content = path.read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    if content.startswith(_MARKS_OF_UTF16):
        draft.fault(1, "it is UTF-16, not UTF-8: save it as UTF-8")
        return Text("", sha256)
    try:
        return Text(content.decode("utf-8-sig"), sha256)
    except UnicodeDecodeError:
        for number, line in enumerate(content.split(b"\n"), 1):
            try:
                line.decode()
            except UnicodeDecodeError as error:
                found = line[error.start]
                draft.fault(number, f"not UTF-8: byte 0x{found:02x} at column {error.start + 1}")
        return Text(content.decode("utf-8-sig", "replace"), sha256)


def rows_of(text: str, suffix: str, draft: Draft) -> list[Row]:
    """All rows but empty ones; faults of the CSV syntax go to the draft.

    The delimiter follows from the suffix (.csv, .tsv), else from the first line: tab, comma,
    semicolon, or blanks. Quotes mean something in CSV only: species names hold bare ones in TSV.
    """
    delimiter = _delimiter(text, suffix)
    if delimiter == _BLANKS:
        lines = enumerate(text.split("\n"), 1)
        return [(number, line.split()) for number, line in lines if line.strip()]
    source = io.StringIO(text, newline="")
    if delimiter == "\t":
        reader = csv.reader(source, delimiter=delimiter, quoting=csv.QUOTE_NONE, strict=True)
    else:
        reader = csv.reader(source, delimiter=delimiter, strict=True)
    rows: list[Row] = []
    while True:
        start = reader.line_num + 1
        try:
            cells = [cell.strip() for cell in next(reader)]
        except StopIteration:
            return rows
        except csv.Error as error:
            draft.fault(start, f"not a row of CSV ({error})")
            continue
        if any(cells):
            rows.append((start, cells))


def _delimiter(text: str, suffix: str) -> str:
    first = next((line for line in text.split("\n") if line.strip()), "")
    if suffix in (".tsv", ".tab"):
        return "\t"
    likely = (",", ";", "\t") if suffix == ".csv" else ("\t", ",", ";")
    return next((mark for mark in likely if mark in first), "," if suffix == ".csv" else _BLANKS)


def records_of(rows: list[Row], draft: Draft) -> Iterator[Record]:
    """Rows under a header, the first row, as records; ragged rows become faults of the draft."""
    if not rows:
        return
    first, header = rows[0]
    for name in {n for n in header if header.count(n) > 1}:
        draft.fault(first, f"the column {name!r} stands there {header.count(name)} times")
    for number, cells in rows[1:]:
        if fits(number, cells, len(header), draft):
            yield number, dict(zip(header, cells, strict=True))


def fits(number: int, cells: list[str], num: int, draft: Draft) -> bool:
    """Whether a row has as many cells as there are columns; if not, that is a fault."""
    if len(cells) != num:
        draft.fault(
            number, f"{len(cells)} cell{'s' if len(cells) > 1 else ''}, where {num} are due"
        )
    return len(cells) == num
