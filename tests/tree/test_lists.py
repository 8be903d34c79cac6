"""The embedded label lists and files of the user's own."""

from __future__ import annotations

import gzip
import hashlib
import itertools
from pathlib import Path

import numpy as np
import pytest

from granctl.errors import BadLabelListError, UnknownListError
from granctl.tree.cuts import nodes_of_labels
from granctl.tree.lists import ABOUT, load_list
from granctl.tree.parents import above, parent_rows
from granctl.tree.store import embedded_wordnet, embedded_wordnet_path
from granctl.tree.taxonomy import INSTANCE, below

TEDDY = "n04399382"


def _ids(name: str) -> tuple[str, ...]:
    return load_list(name).ids


def test_lists_hold_what_they_are_known_to_hold():
    """Sizes, and which list lies inside which."""
    sizes = {name: len(_ids(name)) for name in ABOUT}
    assert sizes == {
        "21843": 21843,
        "21841": 21841,
        "21842": 21842,
        "12k": 11821,
        "21k-P-fall11": 11221,
        "21k-P-winter21": 10450,
        "1k": 1000,
        "embedded": 10,
    }
    chain = ["21k-P-winter21", "21k-P-fall11", "12k", "21841", "21843"]
    assert all(set(_ids(a)) < set(_ids(b)) for a, b in itertools.pairwise(chain))
    assert set(_ids("21843")) - set(_ids("21841")) == {"n03931044", "n09859684"}
    assert set(_ids("21842")) - set(_ids("21841")) == {TEDDY}
    assert _ids("21842")[:1000] == _ids("1k"), "Microsoft's list puts the 1k first"


def test_labels_of_the_1k_that_other_lists_lack():
    """Teddy is in neither 21k list; 12k lacks seven, both 21k-P lists nine."""
    one_k = set(_ids("1k"))
    assert one_k - set(_ids("21843")) == {TEDDY}
    lacking = {name: len(one_k - set(_ids(name))) for name in ABOUT}
    assert (lacking["12k"], lacking["21k-P-fall11"], lacking["21k-P-winter21"]) == (7, 9, 9)


def test_every_label_of_every_list_is_a_node():
    """All lists are over the embedded taxonomy."""
    for name in ABOUT:
        assert len(nodes_of_labels(embedded_wordnet(), _ids(name), name)) == len(_ids(name))


def test_winter_is_fall_less_people():
    """The 771 labels that winter21-P lacks lie all under person."""
    wordnet = embedded_wordnet()
    gone = sorted(set(_ids("21k-P-fall11")) - set(_ids("21k-P-winter21")))
    people = below(wordnet, wordnet.index_of["n00007846"])
    assert len(gone) == 771
    assert people[[wordnet.index_of[i] for i in gone]].all()


def test_four_labels_have_instance_parents_only():
    """Sun, Genet, Gold-diggers' n11196627 and Stoker: walks over `@` alone stop at them."""
    wordnet = embedded_wordnet()
    only = []
    for label in _ids("21843"):
        start, end = wordnet.parent_offsets[wordnet.index_of[label] :][:2]
        if end > start and (wordnet.relations[start:end] == INSTANCE).all():
            only.append(label)
    assert only == ["n09450163", "n10994097", "n11196627", "n11318824"]


def test_leaves_inner_labels_and_ways_to_the_root():
    """17,254 leaves, 4,589 inner; 5,745 have several ways up over `@` and `@i`, at most 10."""
    wordnet, rows = embedded_wordnet(), {}
    for name in ("21843", "1k"):
        nodes = nodes_of_labels(wordnet, _ids(name), name)
        is_label = np.zeros(len(wordnet), bool)
        is_label[nodes] = True
        rows[name] = (nodes, above(wordnet, parent_rows(wordnet, "all-with-instances"), is_label))
    nodes, is_above = rows["21843"]
    assert (int((~is_above[nodes]).sum()), int(is_above[nodes].sum())) == (17254, 4589)
    ways = np.ones(len(wordnet), np.int64)
    for node in range(len(wordnet)):
        if len(parents := wordnet.parents_of(node)):
            ways[node] = ways[parents].sum()
    assert (int((ways[nodes] > 1).sum()), int(ways[nodes].max())) == (5745, 10)
    of_1k, above_1k = rows["1k"]
    assert int(is_above[of_1k].sum()) == 337, "inner in 21k"
    assert not above_1k[of_1k].any(), "none of the 1k lies above another"


def test_names_are_no_keys():
    """1,470 first lemmas, in lower case, name 3,243 labels; crane and maillot stand twice in 1k."""
    wordnet = embedded_wordnet()
    names, counts = np.unique(
        [wordnet.name(wordnet.index_of[i]).lower() for i in _ids("21843")], return_counts=True
    )
    assert ((counts > 1).sum(), counts[counts > 1].sum()) == (1470, 3243)
    names, counts = np.unique(
        [wordnet.name(wordnet.index_of[i]) for i in _ids("1k")], return_counts=True
    )
    assert names[counts > 1].tolist() == ["crane", "maillot"]


def test_a_file_of_ones_own(tmp_path: Path):
    """Ids, counts after a tab, comments and empty lines; the order is kept."""
    path = tmp_path / "mine.txt"
    path.write_text("# my labels\nn2\t7\n\nn1\t3\n")
    mine = load_list(str(path))
    assert (mine.name, mine.ids, mine.counts) == ("mine", ("n2", "n1"), (7, 3))


def test_the_digest_is_of_the_content(tmp_path: Path):
    """Name and packing do not count; order and counts do."""
    a, b, c, d = (tmp_path / n for n in ("a.txt", "b.txt.gz", "c.txt", "d.txt"))
    a.write_text("n1\nn2\n")
    b.write_bytes(gzip.compress(b"n1\nn2"))
    c.write_text("n2\nn1\n")
    d.write_text("n1\t1\nn2\t1\n")
    digests = [load_list(str(p)).digest for p in (a, b, c, d)]
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3


def test_faults_are_told_with_their_lines(tmp_path: Path):
    """A label twice, one without a count, a count that is none: all are named, in their order."""
    path = tmp_path / "bad.txt"
    path.write_text("n1\t3\nn1\t4\nn3\nn2\tmany\n")
    with pytest.raises(BadLabelListError) as caught:
        load_list(str(path))
    assert caught.value.message.splitlines() == [
        f"label list {path}: 3 faults",
        "  - line 2: n1 stood in line 1 already",
        "  - line 3: n3 has no count, where others have one",
        "  - line 4: 'many' is no number of images",
    ]


@pytest.mark.parametrize(
    ("content", "problem"),
    [(b"", "no label"), (b"n1\nn2\t3\n", "n1 has no count"), (b"\xff\xfe", "no text")],
)
def test_a_file_that_is_no_list_is_refused(tmp_path: Path, content: bytes, problem: str):
    """Empty, half counted, not text."""
    path = tmp_path / "bad.txt"
    path.write_bytes(content)
    with pytest.raises(BadLabelListError, match=problem):
        load_list(str(path))


def test_an_unknown_list_has_near_matches():
    """A slip in a name is answered with the nearest names."""
    with pytest.raises(UnknownListError) as caught:
        load_list("21k-p-fall")
    assert "21k-P-fall11" in caught.value.hint


def test_the_manifest_records_what_lies_there():
    """Size and sha256 of the taxonomy and of each list stand in data_manifests/README.md."""
    folder = embedded_wordnet_path().parent
    record = (folder / "README.md").read_text()
    for name in ("wordnet-3.0-nouns.npz", *(f"lists/{n}.txt.gz" for n in ABOUT)):
        content = (folder / name).read_bytes()
        row = f"| {name} | {len(content):,} | {hashlib.sha256(content).hexdigest()} |"
        assert row in record
