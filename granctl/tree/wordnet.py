"""The reader of WordNet's noun file (data.noun): ids, pointers up in file order, names, glosses."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

from granctl.errors import MissingInputError, TaxonomyFaultsError, WrongWordNetError
from granctl.tree.build import build_taxonomy
from granctl.tree.taxonomy import HYPERNYM, INSTANCE, Node, Taxonomy

VERSION = "3.0"
_RELATION_OF_POINTER = {"@": HYPERNYM, "@i": INSTANCE}
_HEADER_VERSION = re.compile(r"WordNet (\d+\.\d+) Copyright")


def read_wordnet(folder: Path) -> Taxonomy:
    """The noun hierarchy of a WordNet 3.0 dict folder.

    An id is `n` and the eight digits of the synset's offset (wnid). The order of parents is the
    order of the `@` and `@i` pointers in the file. The format: man 5 wndb of WordNet 3.0.

    Raises:
        MissingInputError: the folder has no data.noun.
        WrongWordNetError: the header names another version, or none.
        TaxonomyFaultsError: lines that cannot be read, or edges that are no DAG.
    """
    path = folder / "data.noun"
    if not path.is_file():
        raise MissingInputError("data.noun", path, "give the dict folder of WordNet 3.0")
    content = path.read_bytes()
    lines = content.decode("utf-8", "replace").split("\n")
    found = _HEADER_VERSION.search("\n".join(lines[:40]))
    if found is None or found[1] != VERSION:
        raise WrongWordNetError(path, found[1] if found else "of an unknown version")
    nodes, faults = [], []
    for number, line in _synset_lines(lines):
        try:
            nodes.append(_node(line))
        except (ValueError, IndexError):
            faults.append(f"line {number}: not a synset: {line[:60]!r}")
    if faults:
        raise TaxonomyFaultsError(str(path), faults)
    inputs = {"data.noun": hashlib.sha256(content).hexdigest()}
    return build_taxonomy(nodes, f"WordNet {VERSION} nouns", inputs)


def _synset_lines(lines: list[str]) -> Iterator[tuple[int, str]]:
    # The licence at the top is the lines that begin with two spaces.
    return ((i, line) for i, line in enumerate(lines, 1) if line and not line.startswith("  "))


def _node(line: str) -> Node:
    """A line: offset file type w_cnt(hex) (word id)* p_cnt (symbol offset pos s/t)* | gloss."""
    data, bar, gloss = line.partition(" | ")
    if not bar:
        raise ValueError("no gloss")
    fields = data.split(" ")
    num_words = int(fields[3], 16)
    lemmas = tuple(word.replace("_", " ") for word in fields[4 : 4 + 2 * num_words : 2])
    at = 4 + 2 * num_words
    pointers = fields[at + 1 : at + 1 + 4 * int(fields[at])]
    parents = tuple(
        (_wnid(offset), _RELATION_OF_POINTER[symbol])
        for symbol, offset in zip(pointers[::4], pointers[1::4], strict=True)
        if symbol in _RELATION_OF_POINTER
    )
    return Node(_wnid(fields[0]), parents, lemmas, gloss.strip())


def _wnid(offset: str) -> str:
    if len(offset) != 8 or not offset.isdigit():
        raise ValueError(f"not an offset: {offset!r}")
    return f"n{offset}"
