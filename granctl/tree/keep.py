"""Keeps an imported hierarchy in the workspace: the taxonomy, and beside it the list of labels."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from granctl.errors import GranctlError, OutputExistsError
from granctl.files import write_bytes
from granctl.progress import Progress
from granctl.provenance import digest, short
from granctl.tree.lists import DEFAULT_LIST, LabelList, load_list
from granctl.tree.store import embedded_wordnet, load_taxonomy, save_taxonomy
from granctl.tree.taxonomy import Taxonomy
from granctl.workspace import Artefact, Workspace

if TYPE_CHECKING:  # cutting needs the lists of this module, but no reader
    from granctl.tree.draft import Imported

_SUFFIX = ".npz"
_LIST_SUFFIX = ".labels.txt"


def keep_taxonomy(
    workspace: Workspace, imported: Imported, out: Path | None, progress: Progress
) -> Artefact:
    """Writes what a reader found, unless it is there already.

    Raises:
        OutputExistsError: `out` holds something else.
        OutputNotWritableError: no space, no permission.
    """
    for note in imported.notes:
        progress.note(note)
    taxonomy = imported.taxonomy
    labels = LabelList(name="labels", ids=imported.labels) if imported.labels else None
    identity = taxonomy.digest
    if labels is not None:
        parts = {"taxonomy": taxonomy.digest, "labels": labels.digest}
        identity = digest({"kind": "taxonomy", "schema": 1, **parts})
    path = out or workspace.place("taxonomy", _word(taxonomy.source), identity, _SUFFIX)
    is_whole = _is_whole(path, taxonomy, labels, is_ours=out is None)
    if not is_whole:
        if labels is not None:
            write_bytes(list_beside(path), "\n".join([*labels.ids, ""]).encode())
        save_taxonomy(taxonomy, path)  # last: whoever finds it finds the list too
    details = size_of(taxonomy)
    details |= {"inputs": dict(taxonomy.inputs), "taxonomy_digest": taxonomy.digest}
    details |= {"labels": len(labels.ids) if labels else None}
    details |= {"list": str(list_beside(path)) if labels else None}
    details |= {"list_digest": labels.digest if labels else None}
    return Artefact(kind="taxonomy", path=path, digest=identity, made=not is_whole, details=details)


def _word(source: str) -> str:
    """A source as it stands in a file name: `birds` for `birds.tsv`."""
    stem = re.sub(r"\.(csv|tsv|tab|txt|json)$", "", source, flags=re.IGNORECASE)
    return re.sub(r"[^\w.-]+", "-", stem).strip("-.") or "taxonomy"


def size_of(taxonomy: Taxonomy) -> dict[str, Any]:
    """Its size: nodes, edges, roots, leaves, depth (longest path), nodes with many parents."""
    has_child = np.zeros(len(taxonomy), bool)
    has_child[taxonomy.parents] = True
    return {
        "source": taxonomy.source,
        "nodes": len(taxonomy),
        "edges": len(taxonomy.parents),
        "roots": len(taxonomy.roots),
        "leaves": int((~has_child).sum()),
        "depth": len(taxonomy.rank_starts) - 2,
        "many_parents": int((np.diff(taxonomy.parent_offsets) > 1).sum()),
    }


def list_beside(path: Path) -> Path:
    """Where the label list of a taxonomy lies: `birds.npz` has `birds.labels.txt`."""
    return path.with_name(path.name.removesuffix(_SUFFIX) + _LIST_SUFFIX)


def chosen_labels(name: str | None, taxonomy: Taxonomy, path: Path | None) -> LabelList:
    """The label list of that name; None: the list beside the taxonomy, else its leaves.

    The labels of WordNet (`path` None: the embedded one) are those of ImageNet-21k.

    Raises:
        UnknownListError: there is no such list.
        BadLabelListError: it has faults.
    """
    if name is not None:
        return load_list(name)
    if path is not None and list_beside(path).is_file():
        return load_list(str(list_beside(path)))
    if path is None or taxonomy.digest == embedded_wordnet().digest:
        return load_list(DEFAULT_LIST)
    has_child = np.zeros(len(taxonomy), bool)
    has_child[taxonomy.parents] = True
    leaves = tuple(taxonomy.ids[i] for i in np.flatnonzero(~has_child))
    return LabelList(name="leaves", ids=leaves)


def _is_whole(path: Path, taxonomy: Taxonomy, labels: LabelList | None, *, is_ours: bool) -> bool:
    """Whether the taxonomy and its list lie there already.

    At our own place, which is named by its digest, whatever is damaged is made again.
    """
    beside = list_beside(path)
    found_list = _digest_of_list(beside) if beside.exists() else None
    found = _digest_of_taxonomy(path) if path.exists() else None
    expected_list = labels.digest if labels else None
    if not is_ours:
        if found not in (None, taxonomy.digest):
            holds = f"another taxonomy (digest {short(found)})" if found else _NO_TAXONOMY
            raise OutputExistsError(path, holds)
        if found_list not in (None, expected_list):
            raise OutputExistsError(beside, "another list of labels")
    return found == taxonomy.digest and found_list == expected_list


_NO_TAXONOMY = "something that is no whole taxonomy"


def _digest_of_taxonomy(path: Path) -> str:
    """The digest of a whole taxonomy in a file; "" if it is none."""
    try:
        return load_taxonomy(path).digest
    except (GranctlError, OSError):
        return ""


def _digest_of_list(path: Path) -> str:
    try:
        return load_list(str(path)).digest
    except (GranctlError, OSError):
        return ""
