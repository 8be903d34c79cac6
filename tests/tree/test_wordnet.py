"""The reader of data.noun, and the embedded file against a raw parse of it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from granctl.errors import MissingInputError, TaxonomyFaultsError, WrongWordNetError
from granctl.tree.store import embedded_wordnet
from granctl.tree.taxonomy import HYPERNYM, INSTANCE
from granctl.tree.wordnet import read_wordnet

DEBIAN = Path("/usr/share/wordnet")
needs_wordnet = pytest.mark.skipif(
    not (DEBIAN / "data.noun").is_file(), reason="Debian's wordnet-base is not installed"
)
HEADER = "  1 This software ...  \n  14 WordNet {} Copyright 2006 by Princeton University.  \n"
ENTITY = "00001740 03 n 01 entity 0 001 ~ 00001930 n 0000 | that which is  \n"
THING = (
    "00001930 03 n 02 physical_entity 0 thing 1 003 @ 00001740 n 0000 + 01 a 0000 @i 00001740 n"
    " 0000 | an entity; | with a bar  \n"
)


def _folder(tmp_path: Path, text: str) -> Path:
    (tmp_path / "data.noun").write_text(text)
    return tmp_path


def _raw(line: str) -> tuple[str, list[tuple[str, str]], list[str], str]:
    """The other way to read a line: by counting fields with an iterator."""
    fields = iter(line.split())
    wnid = "n" + next(fields)
    next(fields), next(fields)
    lemmas = [(next(fields), next(fields))[0] for _ in range(int(next(fields), 16))]
    pointers = [tuple(next(fields) for _ in range(4)) for _ in range(int(next(fields)))]
    up = [("n" + p[1], p[0]) for p in pointers if p[0] in ("@", "@i")]
    return (
        wnid,
        up,
        [name.replace("_", " ") for name in lemmas],
        line[line.index("|") + 1 :].strip(),
    )


@needs_wordnet
def test_the_embedded_nouns_are_those_of_data_noun():
    """Every id, parent with relation, order, lemma and gloss equals a raw parse of the file."""
    wordnet = embedded_wordnet()
    lines = [li for li in (DEBIAN / "data.noun").read_text().splitlines() if li[0] != " "]
    assert len(lines) == len(wordnet) == 82115
    relation = {"@": HYPERNYM, "@i": INSTANCE}
    names, glosses = list(wordnet.lemma_texts), list(wordnet.glosses)
    offsets, parents = wordnet.parent_offsets.tolist(), wordnet.parents.tolist()
    for line in lines:
        wnid, up, lemmas, gloss = _raw(line)
        node = wordnet.index_of[wnid]
        edges = range(offsets[node], offsets[node + 1])
        found = [(wordnet.ids[parents[e]], int(wordnet.relations[e])) for e in edges]
        assert found == [(p, relation[r]) for p, r in up], wnid
        assert names[node].split("\x1f") == lemmas
        assert glosses[node] == gloss


@needs_wordnet
def test_the_embedded_file_is_what_import_makes():
    """The embedded taxonomy's digest is that of `tree import wordnet` on Debian's folder."""
    taxonomy = read_wordnet(DEBIAN)
    content = (DEBIAN / "data.noun").read_bytes()
    assert taxonomy.digest == embedded_wordnet().digest
    assert embedded_wordnet().inputs == {"data.noun": hashlib.sha256(content).hexdigest()}


def test_both_relations_are_kept_in_file_order(tmp_path: Path):
    """`@` and `@i` are told apart, other pointers are left out, names lose their underscores."""
    taxonomy = read_wordnet(
        _folder(
            tmp_path,
            HEADER.format("3.0")
            + ENTITY
            + THING.replace("@i 00001740", "@i 00001741")
            + ENTITY.replace("00001740", "00001741", 1),
        )
    )
    node = taxonomy.index_of["n00001930"]
    assert [taxonomy.ids[p] for p in taxonomy.parents_of(node)] == ["n00001740", "n00001741"]
    assert taxonomy.relations.tolist() == [HYPERNYM, INSTANCE]
    assert taxonomy.lemmas(node) == ["physical entity", "thing"]
    assert taxonomy.glosses[node] == "an entity; | with a bar"


@pytest.mark.parametrize("version", ["3.1", "2.1"])
def test_another_version_is_refused_by_its_header(tmp_path: Path, version: str):
    """The sentence says which version it is and why its ids are of no use."""
    with pytest.raises(WrongWordNetError, match=f"is WordNet {version}, by its header"):
        read_wordnet(_folder(tmp_path, HEADER.format(version) + ENTITY))


def test_a_file_without_header_is_refused(tmp_path: Path):
    """A file that does not say which WordNet it is is not taken for 3.0."""
    with pytest.raises(WrongWordNetError, match="unknown version"):
        read_wordnet(_folder(tmp_path, ENTITY))


def test_bad_lines_are_named_all_at_once(tmp_path: Path):
    """Each line that is no synset is listed with its number."""
    text = HEADER.format("3.0") + "nonsense\n" + ENTITY + "0000194 03 n 01 | x\n"
    with pytest.raises(TaxonomyFaultsError) as caught:
        read_wordnet(_folder(tmp_path, text))
    assert [fault.split(":")[0] for fault in caught.value.faults] == ["line 3", "line 5"]


def test_an_empty_folder_is_no_wordnet(tmp_path: Path):
    """Without data.noun the error names the path that was looked for."""
    with pytest.raises(MissingInputError, match=r"data\.noun"):
        read_wordnet(tmp_path)
