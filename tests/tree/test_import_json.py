"""JSON trees: Open Images' form, nested children, nodes with several parents, faults by path."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from granctl.errors import MissingInputError, TaxonomyFaultsError
from granctl.tree.draft import Imported
from granctl.tree.import_json import read_json_tree

OPEN_IMAGES = {
    "LabelName": "/m/thing",
    "Subcategory": [
        {"LabelName": "/m/clothing", "Subcategory": [{"LabelName": "/m/helmet"}]},
        {
            "LabelName": "/m/sports",
            "Subcategory": [{"LabelName": "/m/helmet"}, {"LabelName": "/m/ball"}],
            "Part": [{"LabelName": "/m/net"}],
        },
    ],
}
"""A helmet is clothing and sports equipment; a net is a part."""


def _read(folder: Path, tree: Any, root: str | None = None) -> Imported:
    path = folder / "tree.json"
    path.write_text(tree if isinstance(tree, str) else json.dumps(tree, indent=1))
    return read_json_tree(path, root)


def _faults(folder: Path, tree: Any) -> list[str]:
    with pytest.raises(TaxonomyFaultsError) as caught:
        _read(folder, tree)
    return list(caught.value.faults)


def test_open_images_form(tmp_path: Path) -> None:
    """A node under two parents is one node with both, in file order; parts are no kinds."""
    imported = _read(tmp_path, OPEN_IMAGES)
    taxonomy = imported.taxonomy
    parents = taxonomy.parents_of(taxonomy.index_of["/m/helmet"])
    assert [taxonomy.ids[p] for p in parents] == ["/m/clothing", "/m/sports"]
    assert imported.labels == ("/m/helmet", "/m/ball")
    assert imported.notes == ("left out, since parts are no kinds: 1 under 'Part'",)


def test_children_with_ids_and_names(tmp_path: Path) -> None:
    """The generic form; an integer id is taken as text."""
    tree = {"id": 0, "name": "all", "children": [{"id": 1, "name": "a"}, {"id": 2, "name": "a"}]}
    imported = _read(tmp_path, tree)
    assert imported.labels == ("1", "2")
    assert [imported.taxonomy.name(i) for i in range(3)] == ["all", "a", "a"]
    names = {"name": "all", "children": [{"name": "a", "children": None}, {"name": "b"}]}
    assert _read(tmp_path, names).labels == ("a", "b")


def test_a_repeated_subtree_is_read_once(tmp_path: Path) -> None:
    """Its children may stand at one place, or at each."""
    whole = {"id": "x", "children": [{"id": "y"}]}
    for other in (whole, {"id": "x"}):
        below = [{"id": "a", "children": [whole]}, {"id": "b", "children": [other]}]
        imported = _read(tmp_path, {"id": "r", "children": below})
        assert imported.taxonomy.ids == ("r", "a", "b", "x", "y")
        assert len(imported.taxonomy.parents) == 5


def test_all_faults_at_once_each_with_its_path(tmp_path: Path) -> None:
    """Cycles, duplicates, missing ids, wrong types, unlike children of one id."""
    tree = """{"id": "r", "children": [
        {"id": "a", "children": [{"id": "r"}, {"id": "b"}, {"id": "b"}]},
        {"name": ""}, 3, {"id": "c", "children": {"id": "d"}},
        {"id": "e", "children": [{"id": "a", "children": [{"id": "z"}]}]},
        {"id": "f", "id": "g"}, {"id": 1.5}]}"""
    assert _faults(tmp_path, tree) == [
        "$.children[0].children[2]: b under a stood in $.children[0].children[1] already",
        "$.children[1]: no id: none of id, LabelName, name is a text or an integer",
        "$.children[2]: not an object but 3",
        "$.children[3].children: not a list",
        "$.children[4].children[0]: a has other children than in $.children[0];"
        " are these two nodes? Give each an id of its own",
        "$.children[5]: the key 'id' stands there twice",
        "$.children[6]: no id: none of id, LabelName, name is a text or an integer",
        "$.children[0].children[0]: r under a closes a cycle: a > r > a",
    ]


def test_several_roots(tmp_path: Path) -> None:
    """An array of trees is refused, or joined under --root."""
    trees = [{"id": "a"}, {"id": "b", "children": [{"id": "c"}]}]
    (fault,) = _faults(tmp_path, trees)
    assert fault == (
        "$[0]: 2 roots, where one is taken: a ($[0]), b ($[1]); join them with --root NAME"
    )
    assert _read(tmp_path, trees, "all").taxonomy.ids == ("all", "a", "b", "c")


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ('{"id": "a",\n "children": [}', "line 2: not JSON: Expecting value (column 15)"),
        ("", "line 1: not JSON: Expecting value (column 1)"),
        ("[]", "tree.json: it has no node"),
        ('"a"', '$: not an object but "a"'),
        ('{"id": "\\ud800"}', "$: '\\ud800' holds a control character or a blank at an end"),
        ("[" * 100_000, "tree.json: nested deeper than can be read"),
    ],
)
def test_unreadable_files(tmp_path: Path, content: str, fault: str) -> None:
    """Each is a fault with its place, never a traceback."""
    assert _faults(tmp_path, content)[0] == fault


def test_bad_utf8_and_no_file(tmp_path: Path) -> None:
    """The line of the byte is named."""
    (tmp_path / "bad.json").write_bytes(b'{"id": "a",\n "children": [{"id": "\xe9"}]}')
    with pytest.raises(TaxonomyFaultsError, match="line 2: not UTF-8: byte 0xe9 at column 23"):
        read_json_tree(tmp_path / "bad.json")
    with pytest.raises(MissingInputError):
        read_json_tree(tmp_path / "none.json")
