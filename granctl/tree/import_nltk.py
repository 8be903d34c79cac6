"""The reader of the WordNet that nltk has installed, with the pointers in file order."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from granctl.errors import MissingInputError
from granctl.tree.draft import Imported
from granctl.tree.wordnet import read_wordnet

_CORPUS = "corpora/wordnet"
_NOUNS = "data.noun"


def read_nltk() -> Imported:
    """Reads the noun hierarchy of nltk's corpus `wordnet`, unpacked or as the zip it comes in.

    nltk (3.9 and later) keeps pointers in an unsorted set, whose order depends on PYTHONHASHSEED.
    So nltk is asked where the corpus lies, and its data.noun is read, whose order is the truth.

    Raises:
        MissingInputError: nltk has no such corpus.
        WrongWordNetError: it is another version than 3.0.
        TaxonomyFaultsError: lines that cannot be read, or edges that are no DAG.
    """
    import nltk

    for name in (_CORPUS, f"{_CORPUS}.zip/wordnet/"):
        try:
            found = nltk.data.find(name)
        except LookupError:
            continue
        if isinstance(found, str):
            return Imported(taxonomy=read_wordnet(Path(found)), labels=())
        with TemporaryDirectory() as folder, found.join(_NOUNS).open() as nouns:
            (Path(folder) / _NOUNS).write_bytes(nouns.read())
            return Imported(taxonomy=read_wordnet(Path(folder)), labels=())
    raise MissingInputError(
        "nltk's corpus 'wordnet'",
        Path(_CORPUS),
        "install it with `python -m nltk.downloader wordnet`, or read a dict folder of"
        " WordNet 3.0 with `granctl tree import wordnet FOLDER`",
    )
