"""Building, saving and loading a taxonomy; looking nodes up."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from granctl.errors import (
    AmbiguousNameError,
    ManifestMismatchError,
    TaxonomyFaultsError,
    UnknownNodeError,
)
from granctl.tree.build import build_taxonomy
from granctl.tree.names import find, resolve
from granctl.tree.store import embedded_wordnet, load_taxonomy, save_taxonomy
from granctl.tree.taxonomy import HYPERNYM, INSTANCE, Node, Taxonomy, below


def _node(name: str, *parents: str) -> Node:
    return Node(name, tuple((p, HYPERNYM) for p in parents), (name,), f"what {name} means")


@pytest.fixture
def small() -> Taxonomy:
    """Roots animal and pet, dog under both (pet first), Lassie an instance of dog."""
    lassie = Node("Lassie", (("dog", INSTANCE),), ("Lassie", "the dog"), "a film star")
    return build_taxonomy(
        [lassie, _node("dog", "pet", "animal"), _node("animal"), _node("pet")], "t"
    )


def test_parents_come_before_children_and_keep_their_order(small: Taxonomy):
    """Nodes are in topological order; the parents of each stay in file order."""
    dog = small.index_of["dog"]
    assert [small.ids[p] for p in small.parents_of(dog)] == ["pet", "animal"]
    assert all((small.parents_of(i) < i).all() for i in range(len(small)))
    assert small.relations[small.parent_offsets[small.index_of["Lassie"]]] == INSTANCE


def test_arrays_cannot_be_changed(small: Taxonomy):
    """A taxonomy is immutable."""
    with pytest.raises(ValueError, match="read-only"):
        small.parents[0] = 0


def test_all_faults_are_told_at_once():
    """Duplicate ids, unknown parents and a missing name stand in one error."""
    nodes = [_node("a"), _node("a"), _node("b", "nobody"), Node("c", (), ())]
    with pytest.raises(TaxonomyFaultsError) as caught:
        build_taxonomy(nodes, "bad")
    assert len(caught.value.faults) == 3
    assert "nobody" in caught.value.message


def test_a_cycle_is_named_around():
    """The ids of a cycle are listed; what hangs under it is no second fault."""
    with pytest.raises(TaxonomyFaultsError, match="1 fault") as caught:
        build_taxonomy([_node("a", "c"), _node("b", "a"), _node("c", "b"), _node("d", "a")], "bad")
    assert "a > c > b > a" in caught.value.message


def test_a_file_gives_back_the_same_taxonomy_and_the_same_bytes(small: Taxonomy, tmp_path: Path):
    """Save, load, save: equal digest, texts and bytes."""
    one, two = tmp_path / "one.npz", tmp_path / "two.npz"
    save_taxonomy(small, one)
    again = load_taxonomy(one)
    save_taxonomy(again, two)
    assert again.digest == small.digest
    assert again.lemmas(again.index_of["Lassie"]) == ["Lassie", "the dog"]
    assert list(again.glosses) == list(small.glosses)
    assert one.read_bytes() == two.read_bytes()


@pytest.mark.parametrize("cut", [0, 100, -30])
def test_a_truncated_file_is_refused(small: Taxonomy, tmp_path: Path, cut: int):
    """A file of which a part is missing is no taxonomy."""
    path = tmp_path / "t.npz"
    save_taxonomy(small, path)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(ManifestMismatchError):
        load_taxonomy(path)


def test_one_changed_byte_anywhere_is_found(small: Taxonomy, tmp_path: Path):
    """Whatever byte is changed, the damage is an error at the latest when texts are read."""
    path = tmp_path / "t.npz"
    save_taxonomy(small, path)
    whole, found = path.read_bytes(), 0
    for place in range(0, len(whole), 37):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        try:
            again = load_taxonomy(path)
            texts = [*again.lemma_texts, *again.glosses]
        except ManifestMismatchError:
            found += 1
        else:
            # Bytes that carry nothing (dates, padding) may differ.
            assert texts == [*small.lemma_texts, *small.glosses]
            assert again.digest == small.digest
    assert found > len(whole) / 37 / 2


def test_the_constructor_refuses_a_parent_below_its_child(small: Taxonomy):
    """Arrays that are in no topological order are refused."""
    with pytest.raises(ValueError, match="rank"):
        Taxonomy(
            source="bad",
            ids=("a", "b"),
            rank_starts=np.array([0, 1, 2], np.int32),
            parent_offsets=np.array([0, 0, 1], np.int32),
            parents=np.array([1], np.int32),
            relations=np.array([0], np.uint8),
            lemma_texts=small.lemma_texts,
            glosses=small.glosses,
        )


def test_texts_answer_like_a_list(small: Taxonomy):
    """One, a slice, from the end, beyond the end."""
    texts = list(small.glosses)
    assert [small.glosses[i] for i in range(len(small))] == texts
    assert small.glosses[1:3] == texts[1:3]
    assert small.glosses[-1] == texts[-1]
    with pytest.raises(IndexError):
        small.glosses[len(small)]


def test_names_are_looked_up_without_regard_to_case_and_underscores():
    """A lemma is found as it stands in WordNet's file, too."""
    wordnet = embedded_wordnet()
    assert wordnet.ids[resolve(wordnet, "Domestic_Dog")] == "n02084071"
    assert wordnet.ids[resolve(wordnet, "n02084071")] == "n02084071"


def test_an_ambiguous_name_lists_candidates_with_glosses_the_largest_first():
    """Of the seven dogs, the animal comes first, for most lies below it."""
    wordnet = embedded_wordnet()
    assert wordnet.ids[find(wordnet, "dog")[0]] == "n02084071"
    with pytest.raises(AmbiguousNameError, match="7 nodes are named 'dog'") as caught:
        resolve(wordnet, "dog")
    assert "a smooth-textured sausage" in caught.value.message


@pytest.mark.parametrize(
    ("typo", "meant"), [("n02084072", "n02084071 (dog)"), ("poodel", "poodle"), ("DOGG", "dog")]
)
def test_an_unknown_node_has_near_matches(typo: str, meant: str):
    """A slip in an id or a name is answered with what is near."""
    with pytest.raises(UnknownNodeError) as caught:
        resolve(embedded_wordnet(), typo)
    assert meant in caught.value.hint


def test_below_is_the_set_of_descendants():
    """Descendants by arrays equal descendants by a plain walk."""
    wordnet = embedded_wordnet()
    dog = wordnet.index_of["n02084071"]
    waiting, met = [dog], {dog}
    while waiting:
        for child in wordnet.children_of(waiting.pop()).tolist():
            if child not in met:
                met.add(child)
                waiting.append(child)
    assert set(np.flatnonzero(below(wordnet, dog)).tolist()) == met


def test_loading_needs_no_heavy_package():
    """A taxonomy loads without nltk, pandas, pyarrow, scikit-learn or torch."""
    code = (
        "import sys; from granctl.tree.store import embedded_wordnet; embedded_wordnet().name(0);"
        "print({'nltk','pandas','pyarrow','sklearn','scipy','torch'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
