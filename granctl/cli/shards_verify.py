"""`granctl shards verify`: is every byte of a shard set what it should be?"""

from __future__ import annotations

from typing import Annotated

import typer

from granctl.cli.buildoptions import Workers
from granctl.cli.options import Json, Quiet, Shards, WorkspaceFolder

app = typer.Typer()


@app.command()
def verify(
    shards: Shards = None,
    select: Annotated[
        str | None,
        typer.Option(help="Only these checks: codes or their beginnings, E301 or E1,W."),
    ] = None,
    list_checks: Annotated[
        bool, typer.Option("--list", help="Show the table of checks, and do nothing else.")
    ] = False,
    workers: Workers = None,
    json: Json = False,
    quiet: Quiet = False,
    workspace: WorkspaceFolder = None,
) -> None:
    """Check every byte of a shard set; exit code 3 and a list where something is wrong."""
    from granctl.cli.console import Session
    from granctl.shards.verify.report import code_lines, code_record
    from granctl.shards.verify.verify import verify_shards

    session = Session(workspace, as_json=json, quiet=quiet)
    if list_checks:
        return session.answer(code_lines(), code_record())
    place = session.given_or_newest(shards, "shards")
    report = verify_shards(place, select, workers, session.progress)
    session.answer(report.where, report.record())
    report.check()
