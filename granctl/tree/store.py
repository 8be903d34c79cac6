"""The taxonomy's file: a zip of .npy members, texts read only when they are asked for."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from granctl.errors import ManifestMismatchError, MissingInputError
from granctl.files import replacing
from granctl.provenance import plain, provenance
from granctl.tree.taxonomy import LazyText, Taxonomy
from granctl.workspace import embedded

SCHEMA = 1
EMBEDDED = "wordnet-3.0-nouns.npz"
_STORED = ("lemmas",)
"""Not compressed: every cut reads the names, and unpacking them took a thirtieth of its time."""
_ARRAYS = ("rank_starts", "parent_offsets", "parents", "relations")
_DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, EOFError, LookupError),
    *(OSError, ValueError, TypeError, RuntimeError),
)
_MEND = "make it again with `granctl tree import`"


def save_taxonomy(taxonomy: Taxonomy, path: Path) -> None:
    """Writes a taxonomy; equal taxonomies made by equal commands give equal bytes."""
    head = {
        "schema": SCHEMA,
        "kind": "taxonomy",
        "digest": taxonomy.digest,
        "source": taxonomy.source,
        "num_nodes": len(taxonomy),
        "lemmas_sha256": taxonomy.lemma_texts.digest,
        "glosses_sha256": taxonomy.glosses.digest,
        "provenance": plain(provenance({"import": taxonomy.source}, taxonomy.inputs)),
    }
    members = {
        "head": json.dumps(head, sort_keys=True).encode(),
        "ids": "\n".join(taxonomy.ids).encode(),
        "lemmas": taxonomy.lemma_texts.encoded(),
        "glosses": taxonomy.glosses.encoded(),
    }
    arrays = {name: np.frombuffer(content, np.uint8) for name, content in members.items()}
    arrays |= {name: getattr(taxonomy, name) for name in _ARRAYS}
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, array, allow_pickle=False)
            # A fixed date, which is ZipInfo's default: the bytes do not tell when.
            member = zipfile.ZipInfo(f"{name}.npy")
            member.compress_type = zipfile.ZIP_STORED if name in _STORED else zipfile.ZIP_DEFLATED
            archive.writestr(member, buffer.getvalue(), compresslevel=9)


def load_taxonomy(path: Path) -> Taxonomy:
    """Reads a taxonomy and checks it against its digest; names and glosses wait in the file.

    Raises:
        MissingInputError: there is no such file.
        ManifestMismatchError: it is no taxonomy, or was changed.
    """
    if not path.is_file():
        raise MissingInputError("taxonomy", path, "make one with `granctl tree import`")
    with _damage_named(path):
        with zipfile.ZipFile(path) as archive:
            head: dict[str, Any] = json.loads(_member(archive, "head").tobytes())
            ids = tuple(_member(archive, "ids").tobytes().decode().split("\n"))
            arrays = {name: _member(archive, name) for name in _ARRAYS}
        digests = {name: str(head[f"{name}_sha256"]) for name in ("lemmas", "glosses")}
        texts = {
            name: LazyText(partial(_read_text, path, name, digest), len(ids), digest)
            for name, digest in digests.items()
        }
        taxonomy = Taxonomy(
            source=head["source"],
            ids=ids,
            lemma_texts=texts["lemmas"],
            glosses=texts["glosses"],
            inputs=head["provenance"]["inputs"],
            **arrays,
        )
    if taxonomy.digest != head["digest"]:
        raise ManifestMismatchError(path, "its content is not what was written", _MEND)
    return taxonomy


def _member(archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
    content = archive.read(f"{name}.npy")
    array: NDArray[Any] = np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
    return array


def _read_text(path: Path, name: str, digest: str) -> bytes:
    with _damage_named(path), zipfile.ZipFile(path) as archive:
        content = _member(archive, name).tobytes()
        if hashlib.sha256(content).hexdigest() != digest:
            raise ValueError(f"the {name} are not what was written")
    return content


@contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    """Whatever the zip and its members stumble over becomes one error that names the file."""
    try:
        yield
    # A changed byte can be a bad checksum, a broken stream, an unknown method, a wrong header.
    except _DAMAGE as error:
        raise ManifestMismatchError(path, f"not a taxonomy ({error})", _MEND) from error


def embedded_wordnet_path() -> Path:
    """Where the embedded noun hierarchy of WordNet 3.0 lies."""
    return embedded(EMBEDDED)


@cache
def embedded_wordnet() -> Taxonomy:
    """The noun hierarchy of WordNet 3.0: 82,115 nodes; read once a process.

    Example:
        >>> wordnet = embedded_wordnet()
        >>> wordnet.name(wordnet.index_of["n02084071"])
        'dog'
    """
    return load_taxonomy(embedded_wordnet_path())
