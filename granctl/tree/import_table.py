"""The reader of rank tables: a label a row, a rank a column; also iNaturalist's train.json."""

from __future__ import annotations

import hashlib
import json
import mmap
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from granctl.errors import BadOptionError, MissingInputError, near
from granctl.tree.draft import DEFAULT_ROOT, Draft, Imported
from granctl.tree.rows import Record, read_text, records_of, rows_of

INAT_RANKS = ("kingdom", "phylum", "class", "order", "family", "genus", "name")
INAT_ID = "image_dir_name"
"""The columns of iNaturalist 2021's categories: ranks from the top, and the class folder."""

_CATEGORIES = re.compile(rb'"categories"\s*:\s*\[')


def read_table(
    path: Path,
    columns: str | None = None,
    id_column: str | None = None,
    root: str | None = None,
) -> Imported:
    """Reads a rank table (CSV, TSV, or a JSON file with `categories`): a row is a label.

    A node above the labels has the path of its ranks as its id, `Animalia/Chordata/`, since names
    repeat (16 genus names of iNaturalist 2021 stand in two kingdoms). Labels keep the table's
    order.

    Args:
        path: the table; its first line names the columns.
        columns: the ranks from the top, by comma, the last one naming the label; None: those of
            iNaturalist 2021, if the table has them.
        id_column: the column of the label's id; None: image_dir_name of iNaturalist 2021, if
            `columns` is None and the table has it, else the last of `columns`.
        root: the id of the made-up root over the first rank; None: `root`.

    Raises:
        MissingInputError: there is no such file.
        BadOptionError: the table lacks a column.
        TaxonomyFaultsError: every fault of the table, each with its line or place.
    """
    draft = Draft(path.name)
    if path.suffix.lower() == ".json":
        names, records, sha256 = _categories(path, draft)
    else:
        text = read_text(path, "table", draft)
        rows = rows_of(text.content, path.suffix.lower(), draft)
        names, sha256 = (rows[0][1] if rows else []), text.sha256
        records = list(records_of(rows, draft))
    if names or not draft.faults:
        ranks, label_id = _chosen(names, columns, id_column, draft)
        take_ranks(draft, records, ranks, label_id)
    return draft.finish(root or DEFAULT_ROOT, {"table": sha256})


def take_ranks(
    draft: Draft, records: Iterable[Record], ranks: Sequence[str], label_id: str
) -> None:
    """Adds a label a record, and above it a node a rank, keyed by the path of ranks."""
    parts_of: dict[str, tuple[str, str]] = {}
    columns = list(dict.fromkeys((*ranks, label_id)))
    for place, cell_of in records:
        if not all(map(cell_of.get, columns)):
            for column in columns:
                if not cell_of.get(column):
                    draft.fault(place, f"{column} is empty")
            if cell_of.get(label_id):
                draft.new(cell_of[label_id], place)
            continue
        *above, name = (cell_of[rank] for rank in ranks)
        parent = ""
        for value in above:
            node = f"{parent}{value}/"
            parts = parts_of.get(node)
            if parts is None:
                parts_of[node] = (parent, value)
                draft.new(node, place, value)
                if parent:
                    draft.edge(node, parent, place)
            elif parts != (parent, value):  # a name with a slash in it
                other = " and ".join(filter(None, parts))
                draft.fault(place, f"the path {node} is also that of {other}")
            parent = node
        label = cell_of[label_id]
        is_new = label not in draft
        draft.new(label, place, name)
        if parent and is_new:
            draft.edge(label, parent, place)


def _chosen(
    names: Sequence[str], columns: str | None, id_column: str | None, draft: Draft
) -> tuple[tuple[str, ...], str]:
    """The ranks, and the column of the label's id."""
    if columns is not None:
        ranks = tuple(column.strip() for column in columns.split(","))
        label_id = id_column or ranks[-1]
    elif set(INAT_RANKS) <= set(names):
        ranks = INAT_RANKS
        label_id = id_column or (INAT_ID if INAT_ID in names else ranks[-1])
        draft.notes.append(f"ranks {','.join(ranks)} with ids from {label_id}, as iNaturalist's")
    else:
        problem = f"nothing says which columns are ranks; it has: {', '.join(names) or 'none'}"
        hint = "name them from the top to the label: `--columns kingdom,family,name`"
        raise BadOptionError("--columns", problem, hint)
    if len(set(ranks)) < len(ranks):
        raise BadOptionError("--columns", "a column stands there twice", "name each once")
    for option, column in [*(("--columns", rank) for rank in ranks), ("--id", label_id)]:
        if column not in names:
            like = near(column, names)
            hint = f"did you mean {like[0]}?" if like else f"it has: {', '.join(names)}"
            raise BadOptionError(option, f"{draft.source} has no column {column!r}", hint)
    return ranks, label_id


def _categories(path: Path, draft: Draft) -> tuple[list[str], list[Record], str]:
    """The records of a JSON file: its array `categories`, or the array that it is."""
    if not path.is_file():
        raise MissingInputError("table", path, "check the path; it must be a file")
    try:
        content = _array(path)
        found = json.loads(content)
    except ValueError as error:
        draft.fault(path.name, f"not JSON with an array of categories ({error})")
        return [], [], ""
    records: list[Record] = []
    names: dict[str, None] = {}
    for i, category in enumerate(found):
        place = f"categories[{i}]"
        if not isinstance(category, dict):
            draft.fault(place, "not an object")
            continue
        names |= dict.fromkeys(category)
        records.append((place, {key: _cell(value) for key, value in category.items()}))
    return list(names), records, hashlib.sha256(content).hexdigest()


def _cell(value: Any) -> str:
    return "" if value is None else str(value).strip()


def _array(path: Path) -> bytes:
    """The bytes of the array of categories; the images beside it, a gigabyte, are not parsed.

    Raises:
        ValueError: there is none.
    """
    if path.stat().st_size == 0:
        raise ValueError("the file is empty")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if content[:64].lstrip().startswith(b"["):
            return content[:]
        for found in _CATEGORIES.finditer(content):
            start = found.end() - 1
            end = _end_of_array(content, start)
            if end:
                return content[start:end]
    raise ValueError("no whole array named categories")


_BRACKETS = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]]', re.DOTALL)


def _end_of_array(content: mmap.mmap, start: int) -> int:
    """Where the array ends that begins at `start`; 0: it does not end."""
    depth = 0
    for token in _BRACKETS.finditer(content, start):
        mark = token[0]
        depth += (mark == b"[") - (mark == b"]")
        if depth == 0:
            return token.end()
    return 0
