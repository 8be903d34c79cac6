"""A difference of shard sets for people: how much, and the first of each kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Table = tuple[str, list[str], list[list[str]]]
"""Title, columns, rows."""

_SAID = {
    ("place", True): "the same files",
    ("bytes", True): "the same bytes",
    ("sizes", None): "equal sizes, bytes not compared",
}
_KINDS = {
    "only_a": "only in A",
    "only_b": "only in B",
    "label": "label changed",
    "split": "split changed",
}


def difference_tables(record: Mapping[str, Any]) -> list[Table]:
    """What differs, in numbers; and the first differences, where there are any."""
    images, changed = record["images"], record["changed"]
    lines = {
        "images in both": images["both"],
        "images only in A": images["only_a"],
        "images only in B": images["only_b"],
        "label changed": changed["label"],
        "split changed": changed["split"],
        "classes changed": changed["classes"],
        **{f"classes_{name} changed": num for name, num in changed["also"].items()},
        "order changed": changed["order"],
    }
    rows = [[name, f"{num:,}"] for name, num in lines.items()]
    shards = record["shards"]
    differ = f"{shards['differ']} differ"
    rows.append(["shards", _SAID.get((shards["compared"], shards["same"]), differ)])
    paths = [record[side]["path"].rstrip("/") for side in ("a", "b")]
    names = [path.rpartition("/")[2] for path in paths]
    one, other = paths if names[0] == names[1] else names
    title = f"A {one}\nB {other}"
    tables = [(title, ["", "images"], rows)]
    first = record["examples"]
    examples = [
        [said, one.get("a", ""), one.get("b", "")]
        for kind, said in _KINDS.items()
        for one in first[kind]
    ]
    examples += [
        [f"classes of {one['label']}, {one['images']:,} images", f"{one['a']}", f"{one['b']}"]
        for one in first["classes"]
    ]
    examples += [["shard", name, name] for name in shards["first"]]
    if examples:
        tables.append(("the first", ["", "A", "B"], examples))
    return tables
