"""Facts about a cut, a tree or shards as lines, sizes as bars, label lists side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from granctl.cli.console import Session

WIDTH = 40
"""Characters of the longest bar."""
_EIGHTHS = " ▏▎▍▌▋▊▉"
_LEFT_OUT = {"kind", "made", "schema", "inputs", "params"}


def show_stats(session: Session, record: dict[str, Any]) -> None:
    """Prints the facts as the result, and draws the class sizes on stderr."""
    for title, rows in _histograms(record):
        session.stderr.print(bars(title, rows), markup=False, highlight=False, soft_wrap=True)
    session.answer(facts(record), record)


def facts(record: dict[str, Any]) -> str:
    """One fact a line, names in a column."""
    rows = [(name, _words(value)) for name, value in record.items() if name not in _LEFT_OUT]
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:{width}}  {value}" for name, value in rows)


def _words(value: Any) -> str:
    if isinstance(value, dict):
        inner = {name: v for name, v in value.items() if name != "bins"}
        return ", ".join(f"{name} {_words(v)}" for name, v in inner.items())
    if isinstance(value, list):
        return " ".join(str(v) for v in value)
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def _histograms(record: dict[str, Any]) -> list[tuple[str, list[tuple[str, int]]]]:
    found = []
    unit = "images" if record.get("keyed_by") == "image" else "labels"
    for field, what in (("labels_per_class", unit), ("images_per_class", "images")):
        sizes = record.get(field)
        if sizes is not None and not (what == unit == "images" and field == "images_per_class"):
            rows = [(_range(b["from"], b["to"]), b["classes"]) for b in sizes["bins"]]
            found.append((f"{what} a class: classes", rows))
    for field, what in (("levels", "level (all)"), ("depths", "depth (first)")):
        if field in record:
            rows = [(str(k), num) for k, num in enumerate(record[field])]
            found.append((f"{what}: classes", rows))
    return found


def _range(low: int, high: int) -> str:
    return f"{low:,}" if low == high else f"{low:,}-{high:,}"


def bars(title: str, rows: list[tuple[str, int]]) -> str:
    """A bar a row, its length in proportion to its number; what is not 0 has a bar.

    Example:
        >>> print(bars("classes", [("1", 8), ("2-3", 2), ("4-7", 0)]))
        classes
          1  ████████████████████████████████████████ 8
        2-3  ██████████ 2
        4-7  0
    """
    most = max((num for _, num in rows), default=0)
    width = max((len(name) for name, _ in rows), default=0)
    lines = [title]
    for name, num in rows:
        eighths = max(round(8 * WIDTH * num / most), 1) if num else 0
        bar = "█" * (eighths // 8) + (_EIGHTHS[eighths % 8] if eighths % 8 else "")
        lines.append(f"{name:>{width}}  {bar}{' ' if bar else ''}{num:,}")
    return "\n".join(lines)


def show_shards(session: Session, record: dict[str, Any]) -> None:
    """Shows what a shard set is like; the result is the page that was made, or the set."""
    from granctl.study.shardstats import bar_rows, fact_rows

    name = Path(record["path"]).name
    session.table(name, ["", *record["splits"]], fact_rows(record))
    for title, rows in bar_rows(record):
        session.stderr.print(bars(title, rows), markup=False, highlight=False, soft_wrap=True)
    session.answer(record.get("sheet", record["path"]), record)


def show_difference(session: Session, record: dict[str, Any]) -> None:
    """Prints a line a label that one list lacks, like diff; sums up on stderr."""
    a, b = record["a"], record["b"]
    session.progress.note(
        f"{a['name']}: {a['labels']:,} labels; {b['name']}: {b['labels']:,};"
        f" in both {record['both']:,}, of which {record['same_index']:,} have the same index"
    )
    if record["other_counts"]:
        session.progress.note(f"{record['other_counts']:,} labels have other counts")
    marks = (("-", record["only_a"]), ("+", record["only_b"]))
    lines = [f"{mark} {i['id']}  {i['name'] or ''}".rstrip() for mark, only in marks for i in only]
    session.answer("\n".join(lines), record)
