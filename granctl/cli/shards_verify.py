"""`granctl shards verify`: is every byte of a shard set what it should be?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

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
    repair: Annotated[
        bool, typer.Option("--repair", help="Set damaged files aside and make whole ones.")
    ] = False,
    source: Annotated[
        str | None,
        typer.Option(help="With --repair: where the source lies now.", show_default="as built"),
    ] = None,
    source_kind: Annotated[
        str | None, typer.Option(help="With --repair: what --source is, as for a build.")
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            "--labels",
            help="With --repair: the label map of the build.",
            show_default="found by its digest",
        ),
    ] = None,
    workers: Workers = None,
    json: Json = False,
    quiet: Quiet = False,
    workspace: WorkspaceFolder = None,
) -> None:
    """Check every byte of a shard set; exit code 3 and a list where something is wrong."""
    from granctl.cli.console import Session
    from granctl.shards.verify.report import code_lines, code_record
    from granctl.study.verifying import VerifySpec, verify_shards

    session = Session(workspace, as_json=json, quiet=quiet)
    if list_checks:
        session.answer(code_lines(), code_record())
        return
    asked: dict[str, Any] = {
        "source": source,
        "source_kind": source_kind,
        "labels": labels,
        "select": select,
    }
    place = session.given_or_newest(shards, "shards")
    spec = VerifySpec(shards=place, repair=repair, workers=workers, **asked)
    report = verify_shards(session.workspace, spec, session.progress)
    session.answer(report.where, report.record())
    report.check()
