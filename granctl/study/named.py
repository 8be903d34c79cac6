"""The files that a study names, and what they say: its own text says only what they are called."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from granctl.provenance import digest
from granctl.study.sourcecuts import REFERS, cuts_of
from granctl.study.studyfile import Study
from granctl.train.recipe import recipe_names
from granctl.workspace import MANIFEST_NAME

_WHOLE = 1 << 30
"""Bytes of a file that is read whole; of a larger one its size, head and tail are."""
_END = 1 << 24
_FEW = 8
"""Folders in a folder that are taken for splits, whose contents are listed too."""


def said_by_files(study: Study) -> dict[str, str]:
    """What the study calls each file that it names -> digest of what the file says.

    Of a folder of images it is that of the names at its top, for reading all would take hours.
    What does not lie there, or cannot be read, is left out: it is a name, or the cell that needs it
    will say so.

    Raises:
        BadOptionError: a cut that cannot be.
    """
    found = {recipe: digest(path.read_text()) for recipe, path in recipe_files(study).items()}
    for text, place in _places(study):
        with suppress(OSError):
            if (said := _said(Path(place))) is not None:
                found[text] = said
    return found


def recipe_files(study: Study) -> dict[str, Path]:
    """Of the study's recipes those that do not come with granctl, and their files."""
    own = (recipe for recipe in study.recipe if recipe not in recipe_names())
    return {recipe: Path(study.recipe_place(recipe)) for recipe in own}


def _places(study: Study) -> Iterator[tuple[str, str]]:
    """All by which the study may mean a file or a folder, but for recipes; and where it lies."""
    source = study.source_place
    if source != study.source and not Path(study.folder).is_relative_to(source):
        yield study.source, source  # else the workspace may lie in it, and what is made changes it
    if study.taxonomy is not None:
        yield study.taxonomy.path, study.beside(study.taxonomy.path)
    if study.label_list is not None and study.list_place(study.label_list) != study.label_list:
        yield study.label_list, study.list_place(study.label_list)
    cuts = list(cuts_of(study))
    names = {cut.name for cut in cuts}
    for cut in cuts:
        texts = (cut.table.nodes, *(getattr(cut.table, key) for key in REFERS))
        yield from ((text, study.beside(text)) for text in texts if text and text not in names)


def _said(path: Path) -> str | None:
    if path.is_file():
        return _of_file(path)
    if (path / MANIFEST_NAME).is_file():  # a shard set, beside which further files may be written
        return _of_file(path / MANIFEST_NAME)
    return digest(_names(path)) if path.is_dir() else None


def _of_file(path: Path) -> str:
    size = path.stat().st_size
    with path.open("rb") as file:
        if size <= _WHOLE:
            return hashlib.file_digest(file, "sha256").hexdigest()
        head = file.read(_END)
        file.seek(size - _END)
        return digest([size, *(hashlib.sha256(part).hexdigest() for part in (head, file.read()))])


def _names(folder: Path) -> list[list[str]]:
    """The names in a folder, and in the folders in it where these are as few as splits."""
    below = [entry.name for entry in os.scandir(folder) if entry.is_dir()]
    listed = [folder, *(folder / name for name in sorted(below) if len(below) <= _FEW)]
    return [sorted(n for n in os.listdir(path) if not n.startswith(".")) for path in listed]
