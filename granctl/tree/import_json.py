"""The reader of JSON trees: Open Images' hierarchy, or nested objects with children."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from granctl.tree.draft import Draft, Imported
from granctl.tree.rows import read_text

_IDS = ("id", "LabelName", "name")
"""Keys of a node's id: the first that it has counts."""
_CHILDREN = ("children", "Subcategory")
_PARTS = "Part"
"""Open Images' parts of a thing (Human body > Human arm) are no kinds of it."""


class _Repeating(dict[str, Any]):
    """An object in which a key stands twice; JSON readers drop the first silently."""

    repeated: str = ""


def read_json_tree(path: Path, root: str | None = None) -> Imported:
    """Reads nested objects: an id, perhaps a name, and a list of children.

    The id is the value of `id`, `LabelName` or `name`; the children stand under `children` or
    `Subcategory`. A node that occurs under several parents, as in Open Images, is one node with
    several parents; its children may stand at one place or at each.

    Args:
        path: a JSON file: an object, or an array of them.
        root: the id of a made-up root over several roots.

    Raises:
        MissingInputError: there is no such file.
        TaxonomyFaultsError: every fault of the file, each with its path, such as
            `$.children[2]`.
    """
    draft = Draft(path.name)
    text = read_text(path, "JSON tree", draft)
    try:
        found = json.loads(text.content, object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        draft.fault(error.lineno, f"not JSON: {error.msg} (column {error.colno})")
    except RecursionError:
        draft.fault(path.name, "nested deeper than can be read")
    else:
        _Walk(draft).take(found)
    return draft.finish(root, {"json": text.sha256})


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = _Repeating(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        found.repeated = next(key for key in keys if keys.count(key) > 1)
    return found


class _Walk:
    """One walk over a JSON tree in document order; remembers where each node had which children."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._family_of: dict[str, tuple[set[str], str]] = {}
        self._edges: set[tuple[str, str]] = set()
        self._num_parts = 0

    def take(self, found: Any) -> None:
        tops = found if isinstance(found, list) else [found]
        here = ["$"] if tops is not found else [f"$[{i}]" for i in range(len(tops))]
        waiting = [(top, place, "") for top, place in zip(tops, here, strict=True)][::-1]
        while waiting:
            value, place, parent = waiting.pop()
            node = self._node(value, place)
            if node is None:
                continue
            if parent and (node, parent) not in self._edges:
                self._edges.add((node, parent))
                self._draft.edge(node, parent, place)
            below = self._children(value, node, place)
            waiting += [(child, where, node) for child, where in reversed(below)]
        if self._num_parts:
            self._draft.notes.append(
                f"left out, since parts are no kinds: {self._num_parts} under {_PARTS!r}"
            )

    def _node(self, value: Any, place: str) -> str | None:
        """The id of an object, which becomes known to the draft."""
        if not isinstance(value, dict):
            self._draft.fault(place, f"not an object but {json.dumps(value)[:40]}")
            return None
        if isinstance(value, _Repeating) and value.repeated:
            self._draft.fault(place, f"the key {value.repeated!r} stands there twice")
        node = _id_of(value)
        if not node:
            self._draft.fault(place, f"no id: none of {', '.join(_IDS)} is a text or an integer")
            return None
        name = value.get("name")
        self._draft.node(node, place, name if isinstance(name, str) else "")
        return node

    def _children(self, value: dict[str, Any], node: str, place: str) -> list[tuple[Any, str]]:
        below: list[tuple[Any, str]] = []
        for key in _CHILDREN:
            children = value.get(key)
            if children is not None and not isinstance(children, list):
                self._draft.fault(f"{place}.{key}", "not a list")
            elif children:
                below += [(child, f"{place}.{key}[{i}]") for i, child in enumerate(children)]
        parts = value.get(_PARTS)
        self._num_parts += len(parts) if isinstance(parts, list) else 0
        where_of: dict[str, str] = {}
        for child, where in below:
            child_id = _id_of(child) if isinstance(child, dict) else ""
            if child_id in where_of:
                problem = f"{child_id} under {node} stood in {where_of[child_id]} already"
                self._draft.fault(where, problem)
            elif child_id:
                where_of[child_id] = where
        if where_of:
            known, first = self._family_of.setdefault(node, (set(where_of), place))
            if known != set(where_of):
                problem = f"{node} has other children than in {first}; are these two nodes?"
                self._draft.fault(place, f"{problem} Give each an id of its own")
        return below


def _id_of(value: dict[str, Any]) -> str:
    """The id of an object; "" if it has none."""
    for key in _IDS:
        found = value.get(key)
        if isinstance(found, str) and found:
            return found
        if isinstance(found, int) and not isinstance(found, bool):
            return str(found)
    return ""
