"""Advice and judgements on disk: a folder with spec.json, one record, and manifest.json last."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from granctl.alone import making_alone
from granctl.files import read_json, write_json
from granctl.progress import Progress
from granctl.provenance import provenance
from granctl.workspace import Artefact, begin_folder, finish_folder, folder_state

SCHEMA = 1


def kept(
    kind: Literal["advice", "judgement"],
    folder: Path,
    identity: str,
    asked: Mapping[str, Any],
    inputs: Mapping[str, str],
    make: Callable[[], Mapping[str, Any]],
    progress: Progress,
) -> Artefact:
    """The record in a folder, made by the first who asks and read by all others.

    Args:
        kind: also the name of the record's file.
        folder: where it is, or will be.
        identity: the digest of what was asked.
        asked: what that is; the record has it, too.
        inputs: role -> digest.
        make: gives the record, JSON types.
        progress: told who is waited for.

    Raises:
        OutputExistsError: the folder holds something else.
        GranctlError: as `make`.
    """
    made = False
    path = folder / f"{kind}.json"
    if folder_state(folder, identity) != "whole":
        begin_folder(folder, identity, asked, inputs)
        with making_alone(folder, progress):
            if made := folder_state(folder, identity) != "whole":
                origin = provenance(asked, inputs)
                write_json(path, {**make(), "asked": asked, "provenance": origin})
                finish_folder(folder, {"kind": kind, "digest": identity, "schema": SCHEMA})
    details = read_json(path)
    return Artefact(kind=kind, path=folder, digest=identity, made=made, details=details)
