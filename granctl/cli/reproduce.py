"""`granctl reproduce`: the same number again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from granctl.cli.options import Json, Quiet, WorkspaceFolder


def reproduce(
    result: Annotated[Path, typer.Argument(metavar="RESULT", help="A result.json, or its folder.")],
    begin: Annotated[
        Literal["pretrain", "transfer"],
        typer.Option("--from", help="Train the run anew as well, or start from it as it is."),
    ] = "pretrain",
    tolerance: Annotated[
        float, typer.Option("--tolerance", help="By how much a number may differ.", min=0)
    ] = 0.0,
    json: Json = False,
    quiet: Quiet = False,
    workspace: WorkspaceFolder = None,
) -> None:
    """Run again what one result came from, and say whether the same numbers came out."""
    from granctl.cli.console import Session
    from granctl.study.reproduce import check_same, reproduce

    session = Session(workspace, as_json=json, quiet=quiet)
    record = reproduce(session.workspace, result, begin, tolerance, session.progress)
    session.answer(record["again"], record)
    check_same(record)
    session.progress.note("the same numbers came out")
