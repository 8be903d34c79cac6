"""A view: a folder that says labels and classes, and where the set lies whose bytes it means.

What it costs does not depend on the number of images: the manifest of the base is read, not its
index.
"""

from __future__ import annotations

import os
from pathlib import Path

from granctl.files import read_json
from granctl.shards.relabel.relabelling import Relabelling
from granctl.shards.store import url_of
from granctl.workspace import (
    MANIFEST_NAME,
    Artefact,
    begin_folder,
    finish_folder,
    folder_state,
)


def make_view(folder: Path, relabelling: Relabelling) -> Artefact:
    """Writes the view.

    Raises:
        OutputExistsError: the folder holds something else.
        OutputNotWritableError: no space, read-only, no permission.
    """
    where = relabelling.base.where
    manifest = relabelling.manifest()
    manifest["view"] = {
        "path": where if url_of(where) else os.path.abspath(where),
        "beside": "" if url_of(where) else os.path.relpath(where, folder),
        "content_digest": relabelling.base.digest,
    }
    state = folder_state(folder, relabelling.digest)
    if state == "whole" and read_json(folder / MANIFEST_NAME) == manifest:
        return relabelling.artefact(folder, "view", manifest, made=False)
    if state == "absent":
        begin_folder(folder, relabelling.digest, relabelling.identity, relabelling.inputs)
    finish_folder(folder, manifest)
    return relabelling.artefact(folder, "view", manifest, made=True)
