"""nltk's corpus: found where nltk finds it, read in the order of its file."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import pytest

from granctl.errors import MissingInputError, WrongWordNetError
from granctl.tree.import_nltk import read_nltk
from granctl.tree.lists import load_list
from granctl.tree.store import embedded_wordnet
from granctl.tree.taxonomy import HYPERNYM, INSTANCE

DEBIAN = Path("/usr/share/wordnet")
HEADER = "  1 This is no WordNet, but as one. WordNet {} Copyright 2006 by nobody.  \n"
SYNSETS = """\
00000001 03 n 01 entity 0 000 | all there is
00000002 03 n 01 plant 0 001 @ 00000001 n 0000 | it grows
00000003 03 n 02 animal 0 beast 0 001 @ 00000001 n 0000 | it moves
00000004 03 n 01 euglena 0 002 @ 00000003 n 0000 @ 00000002 n 0000 | it does both
00000005 03 n 01 Eve 0 002 ~ 00000001 n 0000 @i 00000003 n 0000 | one of them
"""
"""euglena's parents stand in the other order than their offsets."""


@pytest.fixture
def corpora(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of corpora that nltk looks into, and no other."""
    import nltk

    monkeypatch.setattr(nltk.data, "path", [str(tmp_path / "nltk_data")])
    folder = tmp_path / "nltk_data" / "corpora"
    folder.mkdir(parents=True)
    return folder


def _install(corpora: Path, version: str = "3.0") -> None:
    (corpora / "wordnet").mkdir()
    (corpora / "wordnet" / "data.noun").write_text(HEADER.format(version) + SYNSETS)


def test_parents_stand_in_file_order(corpora: Path) -> None:
    """Not in the order of nltk's set, which depends on PYTHONHASHSEED."""
    _install(corpora)
    taxonomy = read_nltk().taxonomy
    parents = taxonomy.parents_of(taxonomy.index_of["n00000004"])
    assert [taxonomy.ids[p] for p in parents] == ["n00000003", "n00000002"]
    assert taxonomy.lemmas(taxonomy.index_of["n00000003"]) == ["animal", "beast"]


def test_the_zip_as_it_was_downloaded(corpora: Path) -> None:
    """The corpus may lie there as it came, zipped: the same taxonomy."""
    with zipfile.ZipFile(corpora / "wordnet.zip", "w") as archive:
        archive.writestr("wordnet/", "")
        archive.writestr("wordnet/data.noun", HEADER.format("3.0") + SYNSETS)
    zipped = read_nltk().taxonomy
    _install(corpora)
    assert read_nltk().taxonomy.digest == zipped.digest


def test_another_version_is_refused(corpora: Path) -> None:
    """There is a corpus of 3.1 too, whose ids mean other things."""
    _install(corpora, "3.1")
    with pytest.raises(WrongWordNetError, match=r"3\.1"):
        read_nltk()


def test_no_corpus(corpora: Path) -> None:
    """The mend says how to get one."""
    with pytest.raises(MissingInputError) as caught:
        read_nltk()
    assert "nltk.downloader wordnet" in caught.value.hint


@pytest.mark.skipif(not DEBIAN.is_dir(), reason="Debian's package wordnet-base is not installed")
def test_the_whole_corpus_is_the_embedded_taxonomy(corpora: Path) -> None:
    """WordNet 3.0 as nltk would have it, against what comes with granctl."""
    (corpora / "wordnet").symlink_to(DEBIAN)
    assert read_nltk().taxonomy.digest == embedded_wordnet().digest


@pytest.mark.skipif(not DEBIAN.is_dir(), reason="Debian's package wordnet-base is not installed")
@pytest.mark.filterwarnings("ignore:The multilingual functions")
def test_parents_are_nltks_hypernyms(corpora: Path) -> None:
    """The sets of `@` and `@i` parents of all 21,843 labels and what lies above them."""
    from nltk.corpus.reader.wordnet import WordNetCorpusReader

    folder = corpora / "wordnet"
    shutil.copytree(DEBIAN, folder)
    # Two files that the package lacks; neither is read here.
    (folder / "lexnames").write_text("".join(f"{i:02}\tfile.{i}\t1\n" for i in range(45)))
    (folder / "index.sense").touch()
    reader, wordnet = WordNetCorpusReader(str(folder), None), embedded_wordnet()
    waiting, seen = list(load_list("21843").ids), set()
    while waiting:
        wnid = waiting.pop()
        if wnid in seen:
            continue
        seen.add(wnid)
        synset = reader.synset_from_pos_and_offset("n", int(wnid[1:]))
        node = wordnet.index_of[wnid]
        relations = wordnet.relations[slice(*wordnet.parent_offsets[node : node + 2])]
        for relation, theirs in (
            (HYPERNYM, synset.hypernyms()),
            (INSTANCE, synset.instance_hypernyms()),
        ):
            ours = {wordnet.ids[p] for p in wordnet.parents_of(node)[relations == relation]}
            assert ours == {f"n{up.offset():08d}" for up in theirs}, wnid
            waiting += ours
    assert len(seen) > 23_000
