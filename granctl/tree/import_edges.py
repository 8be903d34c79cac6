"""The reader of edge lists: a child and its parent a row, perhaps a relation and a name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from granctl.errors import BadOptionError, near
from granctl.tree.draft import Draft, Imported
from granctl.tree.rows import fits, read_text, rows_of
from granctl.tree.taxonomy import HYPERNYM, INSTANCE

ROLES = ("child", "parent", "relation", "name")
SKIP = "_"
"""Stands for a column without a meaning here."""
RELATIONS = {
    **dict.fromkeys(("@", "is_a", "hypernym", "subcategory"), HYPERNYM),
    **dict.fromkeys(("@i", "instance_of", "instance", "instance_hypernym"), INSTANCE),
}
_HINT = (
    "say what the columns are: `--columns child,parent,_` for a file without a header, or"
    " `--columns child=ITS_COLUMN,parent=ITS_COLUMN` for one with other words in its header"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Layout:
    index_of: dict[str, int]
    """Role -> column."""
    num: int
    """Columns a row must have."""
    has_header: bool


def read_edges(path: Path, columns: str | None = None, root: str | None = None) -> Imported:
    """Reads an edge list; the order of a node's parents is that of the rows.

    A header names the columns `child` and `parent`, and perhaps `relation` (is_a, instance_of)
    and `name` (of the child). A row with an empty parent declares a root; if any does, a parent
    without a row of its own is unknown. Two columns without a header are `parent child`, as in
    the is_a list that ImageNet publishes.

    Args:
        path: the file; the delimiter follows from its suffix or is found out.
        columns: `parent,child` for a file without a header, `child=a,parent=b` for another header.
        root: the id of a made-up root over several roots.

    Raises:
        MissingInputError: there is no such file.
        BadOptionError: nothing says which columns are child and parent.
        TaxonomyFaultsError: every fault of the file, each with its line.
    """
    draft = Draft(path.name)
    text = read_text(path, "edge list", draft)
    rows = rows_of(text.content, path.suffix.lower(), draft)
    if rows:
        layout = _layout(rows[0][1], columns, draft)
        for number, cells in rows[1:] if layout.has_header else rows:
            if fits(number, cells, layout.num, draft):
                cell_of = {role: cells[i] for role, i in layout.index_of.items()}
                _take(number, cell_of, draft)
    return draft.finish(root, {"edges": text.sha256})


def _take(number: int, cell_of: dict[str, str], draft: Draft) -> None:
    child, parent = cell_of["child"], cell_of["parent"]
    word = cell_of.get("relation", "@")
    relation = RELATIONS.get(word.lower())
    if not child:
        draft.fault(number, "the child is empty")
    if parent and relation is None:
        known = ", ".join(RELATIONS)
        problem = f"is none of {known}" if word else f"is empty (known: {known})"
        draft.fault(number, f"the relation {word!r} {problem}")
    if not child:
        return
    if parent:
        draft.edge(child, parent, number, HYPERNYM if relation is None else relation)
        draft.name(child, number, cell_of.get("name", ""))
    else:
        draft.node(child, number, cell_of.get("name", ""))


def _layout(first: list[str], columns: str | None, draft: Draft) -> _Layout:
    words = [word.lower() for word in first]
    if columns is not None and "=" in columns:
        return _by_header(first, dict(_pair(part) for part in columns.split(",")))
    if columns is not None:
        roles = [role.strip() for role in columns.split(",")]
        _check_roles([role for role in roles if role != SKIP])
        index_of = {role: i for i, role in enumerate(roles) if role != SKIP}
        return _Layout(index_of=index_of, num=len(roles), has_header=words == roles)
    if {"child", "parent"} <= set(words):
        unread = [word for word in words if word not in ROLES]
        if unread:
            draft.notes.append(f"columns that were not read: {', '.join(unread)}")
        index_of = {role: words.index(role) for role in ROLES if role in words}
        return _Layout(index_of=index_of, num=len(first), has_header=True)
    if len(first) == 2:
        draft.notes.append(
            "no header: read as parent, child, as in ImageNet's is_a list;"
            " if it is the other way round, say --columns child,parent"
        )
        return _Layout(index_of={"parent": 0, "child": 1}, num=2, has_header=False)
    shown = ", ".join(first[:8])
    raise BadOptionError("--columns", f"line 1 names no columns child and parent: {shown}", _HINT)


def _pair(part: str) -> tuple[str, str]:
    role, equals, column = part.partition("=")
    if not equals:
        raise BadOptionError("--columns", f"{part!r} lacks a =", _HINT)
    return role.strip(), column.strip()


def _by_header(first: list[str], column_of: dict[str, str]) -> _Layout:
    _check_roles(list(column_of))
    for column in column_of.values():
        if column not in first:
            like = near(column, first)
            hint = f"did you mean {like[0]}?" if like else f"line 1 has: {', '.join(first)}"
            raise BadOptionError("--columns", f"line 1 has no column {column!r}", hint)
    index_of = {role: first.index(column) for role, column in column_of.items()}
    return _Layout(index_of=index_of, num=len(first), has_header=True)


def _check_roles(roles: list[str]) -> None:
    for role in roles:
        if role not in ROLES:
            problem = f"{role!r} is no meaning of a column (known: {', '.join(ROLES)}, {SKIP})"
            raise BadOptionError("--columns", problem, _HINT)
    if len(set(roles)) < len(roles) or not {"child", "parent"} <= set(roles):
        raise BadOptionError("--columns", "child and parent must stand there once each", _HINT)
