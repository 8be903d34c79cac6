"""Edge lists: what is read, in which order, and every fault with its line."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from granctl.errors import BadOptionError, MissingInputError, TaxonomyFaultsError
from granctl.tree.draft import Imported
from granctl.tree.import_edges import read_edges
from granctl.tree.taxonomy import HYPERNYM, INSTANCE, Taxonomy

PETS = "child,parent,relation,name\nanimal,,,animal\npet,animal,is_a,pet\ndog,animal,is_a,dog\n"
PETS += "dog,pet,is_a,\nRex,dog,instance_of,Rex the dog\n"
"""animal > pet, dog; pet > dog; dog > Rex, an instance."""


def _file(folder: Path, content: str | bytes, name: str = "edges.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def _parents(taxonomy: Taxonomy) -> dict[str, list[tuple[str, int]]]:
    offsets = taxonomy.parent_offsets
    return {
        node: [
            (taxonomy.ids[taxonomy.parents[at]], int(taxonomy.relations[at]))
            for at in range(offsets[i], offsets[i + 1])
        ]
        for i, node in enumerate(taxonomy.ids)
    }


def _faults(folder: Path, content: str | bytes, name: str = "edges.csv") -> list[str]:
    with pytest.raises(TaxonomyFaultsError) as caught:
        read_edges(_file(folder, content, name))
    return list(caught.value.faults)


def test_edges_with_relation_and_name(tmp_path: Path) -> None:
    """Parents keep the order of the rows, relations and names are taken."""
    imported = read_edges(_file(tmp_path, PETS))
    found = _parents(imported.taxonomy)
    assert found["dog"] == [("animal", HYPERNYM), ("pet", HYPERNYM)]
    assert found["Rex"] == [("dog", INSTANCE)]
    assert imported.taxonomy.name(imported.taxonomy.index_of["Rex"]) == "Rex the dog"
    assert imported.labels == ("Rex",)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.tsv", "child\tparent\ndog\tanimal\ncat\tanimal\n"),
        ("a.csv", "child;parent\ndog;animal\ncat;animal\n"),
        ("a.txt", "child\tparent\ndog\tanimal\ncat\tanimal\n"),
        ("a.txt", "animal dog\nanimal cat\n"),
        ("a.csv", "\ufeffParent,Child\r\n animal ,dog\r\n\r\nanimal,cat\r\n"),
        ("a.csv", 'child,parent\n"dog","animal"\ncat,animal'),
    ],
)
def test_delimiter_and_header_are_found(tmp_path: Path, name: str, content: str) -> None:
    """Commas, tabs, semicolons, blanks, quotes, a byte order mark: the same tree."""
    imported = read_edges(_file(tmp_path, content, name))
    assert imported.taxonomy.ids == ("animal", "dog", "cat")
    assert imported.labels == ("dog", "cat")


def test_two_columns_without_a_header_are_parent_and_child(tmp_path: Path) -> None:
    """As in ImageNet's is_a list; the assumption is told, and --columns turns it."""
    path = _file(tmp_path, "n1 n2\nn1 n3\n", "is_a.txt")
    imported = read_edges(path)
    assert imported.labels == ("n2", "n3")
    assert "read as parent, child" in imported.notes[0]
    turned = _file(tmp_path, "n2 n1\nn3 n1\n", "turned.txt")
    again = read_edges(turned, columns="child,parent")
    assert again.taxonomy.digest == imported.taxonomy.digest
    assert again.notes == ()


def test_columns_by_other_words_of_a_header(tmp_path: Path) -> None:
    """`--columns child=mid` reads the column mid."""
    path = _file(tmp_path, "up\tmid\tkind\na\tb\tSubcategory\n", "a.tsv")
    assert read_edges(path, "child=mid,parent=up,relation=kind").labels == ("b",)
    with pytest.raises(BadOptionError, match="no column 'midd'") as caught:
        read_edges(path, "child=midd,parent=up")
    assert caught.value.hint == "did you mean mid?"


@pytest.mark.parametrize("columns", ["child", "child,child", "child,father", "child=a,b", "_,_"])
def test_columns_that_mean_nothing(tmp_path: Path, columns: str) -> None:
    """Child and parent must be named once each."""
    with pytest.raises(BadOptionError, match="--columns"):
        read_edges(_file(tmp_path, "a,b\n"), columns)


def test_columns_beside_a_header_that_says_the_same(tmp_path: Path) -> None:
    """The header is no edge."""
    imported = read_edges(_file(tmp_path, "child,parent\ndog,animal\n"), "child,parent")
    assert imported.taxonomy.ids == ("animal", "dog")


def test_many_columns_without_known_words(tmp_path: Path) -> None:
    """Nothing is guessed."""
    with pytest.raises(BadOptionError, match="names no columns child and parent: a, b, c"):
        read_edges(_file(tmp_path, "a,b,c\n"))


def test_no_such_file(tmp_path: Path) -> None:
    """A folder is none either."""
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(MissingInputError):
            read_edges(path)


def test_all_faults_at_once_each_with_its_line(tmp_path: Path) -> None:
    """Duplicates, cycles, empty cells, ragged rows, bad UTF-8, several roots in one report."""
    content = b"child,parent\ndog,animal\ncat,animal\ndog,animal\na,b\nb,a\n,x\nfish\n"
    content += b"car,vehicle\nd\xff,animal\nself,self\nw,animal,3\n"
    faults = _faults(tmp_path, content)
    assert [fault.partition(": ")[0] for fault in faults] == [
        *("line 2", "line 4", "line 6", "line 7", "line 8", "line 10", "line 11", "line 12")
    ]
    assert faults == [
        "line 2: 2 roots, where one is taken: animal (line 2), vehicle (line 9);"
        " join them with --root NAME",
        "line 4: dog under animal stood in line 2 already",
        "line 6: b under a closes a cycle: a > b > a",
        "line 7: the child is empty",
        "line 8: 1 cell, where 2 are due",
        "line 10: not UTF-8: byte 0xff at column 2",
        "line 11: self under self closes a cycle: self > self",
        "line 12: 3 cells, where 2 are due",
    ]


def test_unknown_parent_where_roots_are_declared(tmp_path: Path) -> None:
    """A row with an empty parent declares the root; then every parent needs a row."""
    faults = _faults(tmp_path, "child,parent\nanimal,\ndog,anmal\ncat,animal\n")
    assert faults == ["line 3: the parent anmal of dog has no row of its own; did you mean animal?"]


def test_relation_and_name_faults(tmp_path: Path) -> None:
    """Open Images' Part is no relation of a hierarchy; a node has one name."""
    faults = _faults(tmp_path, PETS + "Rex,animal,Part,Max\ncat,animal,,cat\n")
    assert faults[0].startswith("line 7: the relation 'Part' is none of @, is_a")
    assert faults[1] == "line 7: Rex is named 'Max', but 'Rex the dog' in line 6"
    assert faults[2].startswith("line 8: the relation '' is empty")


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("", "edges.csv: it has no node"),
        ("child,parent\n", "edges.csv: it has no node"),
        ('child,parent\n"dog,animal\n', "line 2: not a row of CSV (unexpected end of data)"),
        ("child,parent\na\x01,b\n", "line 2: 'a\\x01' holds a control character or a blank"),
        ("child,parent\n#a,b\n", "line 2: #a begins like a comment of a label list"),
        ("child,parent\n".encode("utf-16"), "line 1: it is UTF-16, not UTF-8"),
    ],
)
def test_unreadable_files(tmp_path: Path, content: str | bytes, fault: str) -> None:
    """Each is a fault with its place, never a traceback."""
    assert any(fault in found for found in _faults(tmp_path, content))


def test_several_roots_are_joined_when_asked(tmp_path: Path) -> None:
    """The made-up root is told; a name that is taken is refused."""
    path = _file(tmp_path, "child,parent\ndog,animal\ncar,vehicle\n")
    imported = read_edges(path, root="thing")
    assert imported.taxonomy.ids[0] == "thing"
    assert len(imported.taxonomy.roots) == 1
    assert imported.notes == ("2 roots are joined under a made-up one, thing: animal, vehicle",)
    with pytest.raises(TaxonomyFaultsError, match="dog is a node already"):
        read_edges(path, root="dog")


def test_root_that_is_not_needed(tmp_path: Path) -> None:
    """One root stays the root; the user hears of it."""
    imported = read_edges(_file(tmp_path, "child,parent\ndog,animal\n"), root="thing")
    assert imported.taxonomy.ids == ("animal", "dog")
    assert "not needed" in imported.notes[0]


def test_cycle_faults_are_enough() -> None:
    """Without the edges that are named there is no cycle left; checked on two rings that meet."""
    from granctl.tree.draft import Draft

    edges = [("a", "b"), ("b", "c"), ("c", "a"), ("c", "d"), ("d", "b"), ("e", "a")]
    draft = Draft("rings")
    for i, (child, parent) in enumerate(edges, 1):
        draft.edge(child, parent, i)
    with pytest.raises(TaxonomyFaultsError) as caught:
        draft.finish(None, {})
    named = {int(f.split(":")[0].split()[1]) for f in caught.value.faults}
    assert named
    again = Draft("rings")
    for i, (child, parent) in enumerate(edges, 1):
        if i not in named:
            again.edge(child, parent, i)
    assert again.finish("top", {}).labels == ("e",)


def test_long_chain_does_not_overflow(tmp_path: Path) -> None:
    """20,000 nodes in a row, the deepest first."""
    lines = "".join(f"n{i},n{i + 1}\n" for i in range(20_000))
    imported = read_edges(_file(tmp_path, "child,parent\n" + lines))
    assert len(imported.taxonomy) == 20_001
    assert imported.labels == ("n0",)


names = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=6).filter(
    lambda text: not text.startswith("#")
)


@st.composite
def dags(draw: st.DrawFn) -> list[tuple[str, list[tuple[str, int]]]]:
    """Nodes with parents among those before them; the first is the one root."""
    ids = draw(st.lists(names, min_size=1, max_size=12, unique=True))
    nodes: list[tuple[str, list[tuple[str, int]]]] = [(ids[0], [])]
    for num, node in enumerate(ids[1:], 1):
        above = draw(st.lists(st.sampled_from(ids[:num]), min_size=1, max_size=3, unique=True))
        nodes.append((node, [(p, draw(st.sampled_from([HYPERNYM, INSTANCE]))) for p in above]))
    return nodes


@settings(max_examples=60, deadline=None)
@given(nodes=dags(), rnd=st.randoms(use_true_random=False))
def test_any_dag_survives_an_edge_list(
    nodes: list[tuple[str, list[tuple[str, int]]]],
    rnd: object,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Written as CSV in any order of nodes and read: the same nodes, parents, relations."""
    shuffled = list(nodes)
    rnd.shuffle(shuffled)  # type: ignore[attr-defined]
    path = tmp_path_factory.mktemp("dag") / "edges.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["child", "parent", "relation"])
        for node, parents in shuffled:
            for parent, relation in parents:
                writer.writerow([node, parent, "is_a" if relation == HYPERNYM else "instance_of"])
            if not parents:
                writer.writerow([node, "", ""])
    imported: Imported = read_edges(path)
    assert _parents(imported.taxonomy) == dict(nodes)
    inner = {p for _, parents in nodes for p, _ in parents}
    assert set(imported.labels) == {node for node, _ in nodes} - inner
