"""How named data sets look in a terminal: a line each, or the counts of one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Table = tuple[str, list[str], list[list[str]]]
"""Title, columns, rows."""


def sets_table(sets: Mapping[str, Mapping[str, Any]]) -> Table:
    """Every data set with what was counted when it was added or checked."""
    rows = [
        [
            name,
            _kind(found),
            _number(found["labels"]),
            ", ".join(f"{num:,} {split}" for split, num in (found["splits"] or {}).items())
            or _number(found["images"]),
            found["path"] if found["there"] else f"{found['path']} (is not there)",
        ]
        for name, found in sets.items()
    ]
    return "data sets", ["name", "kind", "labels", "images", "where"], rows


def counts_table(record: Mapping[str, Any]) -> Table:
    """The counts of one data set, and how many of its images were decoded."""
    rows = [[split, f"{num:,}"] for split, num in record["splits"].items()]
    rows = rows or [["images", f"{record['images']:,}"]]
    if record["decoded"]:
        rows.append(["decoded", f"{record['decoded']['images']:,}"])
        rows.append(["broken", f"{len(record['decoded']['broken']):,}"])
    state = "" if not record["known"] else " (whole)" if record["whole"] else " (not whole)"
    return f"{record['name']}{state}: {record['labels']:,} labels", ["split", "images"], rows


def _kind(found: Mapping[str, Any]) -> str:
    release = f" ({found['release']})" if found["release"] else ""
    return f"{found['form'] or 'not counted'}{release}"


def _number(num: int | None) -> str:
    return "" if num is None else f"{num:,}"
