"""Makes a taxonomy's file from someone else's files."""

from __future__ import annotations

from pathlib import Path

from granctl.errors import DataError, OutputExistsError
from granctl.progress import Progress
from granctl.provenance import short
from granctl.tree.store import load_taxonomy, save_taxonomy
from granctl.tree.wordnet import VERSION, read_wordnet
from granctl.workspace import Artefact, Workspace


def import_wordnet(
    workspace: Workspace, folder: Path, out: Path | None, progress: Progress
) -> Artefact:
    """The noun hierarchy of a WordNet dict folder as a taxonomy file.

    Raises:
        MissingInputError: the folder has no data.noun.
        WrongWordNetError: it is not WordNet 3.0.
        TaxonomyFaultsError: it cannot be read.
        OutputExistsError: `out` holds something else.
    """
    taxonomy = read_wordnet(folder)
    progress.note(f"{taxonomy.source}: {len(taxonomy)} nodes, {len(taxonomy.parents)} edges")
    place = workspace.place("taxonomy", f"wordnet-{VERSION}", taxonomy.digest, ".npz")
    path = out or place
    made = not _is_there(path, taxonomy.digest, is_ours=out is None)
    if made:
        save_taxonomy(taxonomy, path)
    return Artefact(
        kind="taxonomy",
        path=path,
        digest=taxonomy.digest,
        made=made,
        details={
            "source": taxonomy.source,
            "nodes": len(taxonomy),
            "edges": len(taxonomy.parents),
            "inputs": taxonomy.inputs,
        },
    )


def _is_there(path: Path, digest: str, *, is_ours: bool) -> bool:
    if not path.exists():
        return False
    try:
        found = load_taxonomy(path).digest
    except DataError as error:
        if is_ours:  # damaged, at a place that is named by its digest: made again
            return False
        raise OutputExistsError(path, "something that is no whole taxonomy") from error
    if found != digest:
        raise OutputExistsError(path, f"another taxonomy (digest {short(found)})")
    return True
