"""Exports: what other programs read from them is what the taxonomy or the label map says."""

from __future__ import annotations

import csv
import io
import json
import pickle
from pathlib import Path

import networkx as nx
import numpy as np
import pytest

from granctl.errors import BadOptionError
from granctl.tree.build import build_taxonomy
from granctl.tree.export_classes import (
    classes_csv,
    classes_json,
    lookup_table,
    npy,
    timm_class_map,
)
from granctl.tree.export_graph import dot, edges_csv, graphml, nested_json, to_networkx
from granctl.tree.import_edges import read_edges
from granctl.tree.import_json import read_json_tree
from granctl.tree.labelmap import LabelMap
from granctl.tree.store import embedded_wordnet
from granctl.tree.taxonomy import HYPERNYM, INSTANCE, Node, Taxonomy, below


@pytest.fixture
def pets() -> Taxonomy:
    r"""Seven nodes; dog has two parents, Rex is an instance, the name of cat needs quoting.

    animal > pet, carnivore; pet > dog; carnivore > dog, cat; dog > Rex (@i), pug.
    """
    rows = [
        ("animal", [], "animal"),
        ("pet", [("animal", HYPERNYM)], "pet"),
        ("carnivore", [("animal", HYPERNYM)], "carnivore"),
        ("dog", [("pet", HYPERNYM), ("carnivore", HYPERNYM)], "dog"),
        ("cat", [("carnivore", HYPERNYM)], 'cat, "Felis" \\ <catus> & co'),
        ("rex", [("dog", INSTANCE)], "Rex"),
        ("pug", [("dog", HYPERNYM)], "pug"),
    ]
    return build_taxonomy([Node(i, tuple(p), (n,), f"a {i}") for i, p, n in rows], "pets")


def _edges(taxonomy: Taxonomy) -> set[tuple[str, str, int]]:
    child = np.repeat(np.arange(len(taxonomy)), np.diff(taxonomy.parent_offsets))
    triples = zip(child, taxonomy.parents, taxonomy.relations, strict=True)
    return {(taxonomy.ids[c], taxonomy.ids[p], int(r)) for c, p, r in triples}


def test_networkx_has_the_same_edges_from_parent_to_child(pets: Taxonomy) -> None:
    """Ancestors in networkx are hypernyms; names, glosses and relations come along."""
    graph = to_networkx(pets)
    words = {HYPERNYM: "is_a", INSTANCE: "instance_of"}
    wanted = {(p, c, words[r]) for c, p, r in _edges(pets)}
    assert set(graph.edges(data="relation")) == wanted
    assert list(graph) == list(pets.ids)
    assert nx.ancestors(graph, "rex") == {"dog", "pet", "carnivore", "animal"}
    assert graph.nodes["rex"] == {"name": "Rex", "gloss": "a rex"}


def test_graphml_is_read_back_by_networkx(pets: Taxonomy) -> None:
    """The same graph, with names that XML must escape."""
    found = nx.parse_graphml(graphml(pets))
    wanted = to_networkx(pets)
    assert dict(found.nodes(data=True)) == dict(wanted.nodes(data=True))
    assert list(found.edges(data=True)) == list(wanted.edges(data=True))


def test_csv_is_imported_as_the_same_dag(pets: Taxonomy, tmp_path: Path) -> None:
    """Ids, parents in order, relations and names; the roots too."""
    path = tmp_path / "edges.csv"
    path.write_text(edges_csv(pets))
    found = read_edges(path).taxonomy
    assert found.ids == pets.ids
    for name in ("parents", "parent_offsets", "relations"):
        np.testing.assert_array_equal(getattr(found, name), getattr(pets, name))
    assert [found.name(n) for n in range(len(found))] == [pets.name(n) for n in range(len(pets))]


def test_the_csv_of_wordnet_is_imported_as_the_same_dag(tmp_path: Path) -> None:
    """82,115 nodes; the parents of each in file order."""
    wordnet, path = embedded_wordnet(), tmp_path / "edges.csv"
    path.write_text(edges_csv(wordnet))
    found = read_edges(path).taxonomy
    assert found.ids == wordnet.ids
    np.testing.assert_array_equal(found.parents, wordnet.parents)
    np.testing.assert_array_equal(found.relations, wordnet.relations)


def test_json_nests_each_node_under_all_its_parents(pets: Taxonomy, tmp_path: Path) -> None:
    """Children stand once, under the first parent; the JSON reader finds every edge."""
    text = nested_json(pets)
    pet, carnivore = json.loads(text)["children"]
    rex = {"id": "rex", "name": "Rex", "relation": "instance_of"}
    assert pet["children"][0]["children"] == [rex, {"id": "pug", "name": "pug"}]
    assert carnivore["children"][0] == {"id": "dog", "name": "dog"}
    path = tmp_path / "tree.json"
    path.write_text(text)
    found = read_json_tree(path).taxonomy
    assert {e[:2] for e in _edges(found)} == {e[:2] for e in _edges(pets)}


def test_json_of_a_part_is_one_object(pets: Taxonomy) -> None:
    """What lies under carnivore: parents outside are left out."""
    kept = below(pets, pets.index_of["carnivore"])
    found = json.loads(nested_json(pets, kept))
    assert found["id"] == "carnivore"
    assert [c["id"] for c in found["children"]] == ["dog", "cat"]
    assert [c["id"] for c in found["children"][0]["children"]] == ["rex", "pug"]


def test_several_roots_stand_side_by_side() -> None:
    """An array in JSON, a row without a parent each in CSV; a lone node is not lost."""
    nodes = [Node(i, (), (i,)) for i in ("a", "b")] + [Node("c", (("b", HYPERNYM),), ("c",))]
    forest = build_taxonomy(nodes, "two roots")
    tops = json.loads(nested_json(forest))
    assert tops[0] == {"id": "a", "name": "a"}
    assert [c["id"] for c in tops[1]["children"]] == ["c"]
    assert edges_csv(forest).splitlines()[1:] == ["a,,,a", "b,,,b", "c,b,is_a,c"]
    assert set(to_networkx(forest)) == {"a", "b", "c"}


def test_json_of_a_very_deep_tree_is_written() -> None:
    """5,000 nodes in a row: deeper than Python's stack."""
    rows = [Node("n0", (), ("n",))]
    rows += [Node(f"n{i}", ((f"n{i - 1}", HYPERNYM),), ("n",)) for i in range(1, 5000)]
    text = nested_json(build_taxonomy(rows, "a row"))
    assert text.count('"id"') == 5000
    assert text.count("[") == text.count("]") == 4999


def test_dot_quotes_names_and_dashes_instances(pets: Taxonomy) -> None:
    """One line a node and one an edge."""
    lines = dot(pets).splitlines()
    assert lines[0] == 'digraph "pets" {'
    assert '  "dog" -> "rex" [style=dashed];' in lines
    assert '  "carnivore" -> "cat";' in lines
    assert r'  "cat" [label="cat, \"Felis\" \\ <catus> & co"];' in lines
    assert len(lines) == 3 + len(pets) + len(pets.parents) + 1


@pytest.fixture
def several() -> LabelMap:
    """Labels a (classes 1 and 0), b (none), c (class 1)."""
    return LabelMap(
        labels=("a", "b", "c"),
        offsets=np.array([0, 2, 2, 3]),
        classes=np.array([1, 0, 1], np.int32),
        class_ids=("x", "y"),
        class_names=("ex", "why"),
        method="level",
    )


@pytest.fixture
def single() -> LabelMap:
    """Labels a (class 1), b (none), c (class 0), d (class 1)."""
    fields = {"class_ids": ("x", "y"), "class_names": ("ex", "why"), "method": "depth"}
    return LabelMap.from_single(list("abcd"), np.array([1, -1, 0, 1]), **fields)


def test_lookup_table_holds_the_first_class_or_minus_one(single: LabelMap, several: LabelMap):
    """Int64, in the list's order, and read back by numpy without pickle."""
    assert lookup_table(several).tolist() == [1, -1, 1]
    found = np.load(io.BytesIO(npy(lookup_table(single))), allow_pickle=False)
    assert found.dtype == np.int64
    assert found.tolist() == [1, -1, 0, 1]


def test_json_of_classes_holds_all_of_them(single: LabelMap, several: LabelMap) -> None:
    """Integers where no label has several classes, else lists."""
    assert json.loads(classes_json(single)) == {"a": 1, "b": -1, "c": 0, "d": 1}
    assert json.loads(classes_json(several)) == {"a": [1, 0], "b": [], "c": [1]}


def test_csv_of_classes_has_a_row_a_label_and_class(several: LabelMap) -> None:
    """Ids and names of the classes stand beside the index."""
    rows = list(csv.reader(io.StringIO(classes_csv(several))))
    assert rows[0] == ["label", "class", "class_id", "class_name"]
    assert rows[1:3] == [["a", "1", "y", "why"], ["a", "0", "x", "ex"]]
    assert rows[3:] == [["b", "", "", ""], ["c", "1", "y", "why"]]


class _NoGlobals(pickle.Unpickler):
    """As strict as timm's own reader of class maps."""

    def find_class(self, module: str, name: str):
        raise pickle.UnpicklingError(f"{module}.{name}")


def test_timm_pickle_is_a_plain_dict(single: LabelMap) -> None:
    """Strings and integers only, which a reader that loads no class accepts."""
    found = _NoGlobals(io.BytesIO(timm_class_map(single, ".pkl"))).load()
    assert found == {"a": 1, "c": 0, "d": 1}
    assert {type(v) for v in found.values()} == {int}


def test_timm_text_numbers_labels_by_line() -> None:
    """Line k is the label of class k, whatever the order of the list."""
    fields = {"class_ids": ("x", "y", "z"), "class_names": ("x", "y", "z"), "method": "leaf"}
    leaf = LabelMap.from_single(["a", "b", "c"], np.array([2, 0, 1]), **fields)
    lines = io.StringIO(timm_class_map(leaf, ".txt").decode())
    assert {line.strip(): k for k, line in enumerate(lines)} == {"a": 2, "b": 0, "c": 1}


def test_timm_text_is_refused_where_it_cannot_say_the_map(single: LabelMap, several: LabelMap):
    """Two labels of one class, or two classes of one label; and a suffix that timm rejects."""
    for label_map in (single, several):
        with pytest.raises(BadOptionError, match="a class of its own"):
            timm_class_map(label_map, ".txt")
    with pytest.raises(BadOptionError, match="by its suffix"):
        timm_class_map(single, ".json")
