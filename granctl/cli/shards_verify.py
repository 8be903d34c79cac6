"""`granctl shards verify` and `stats`: is every byte what it should be, and what is in it?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, cast

import typer

from granctl.cli.buildoptions import Workers
from granctl.cli.options import Json, Quiet, Seed, Shards, WorkspaceFolder

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
    asked = {"source": source, "source_kind": source_kind, "labels": labels, "select": select}
    place = session.given_or_newest(shards, "shards")
    spec = VerifySpec(shards=place, repair=repair, workers=workers, **cast(Any, asked))
    report = verify_shards(session.workspace, spec, session.progress)
    session.answer(report.where, report.record())
    report.check()


@app.command()
def stats(
    shards: Shards = None,
    sheet: Annotated[
        Path | None, typer.Option(help="Write sample images of each class as one HTML page.")
    ] = None,
    classes: Annotated[int, typer.Option(help="With --sheet: most classes.")] = 48,
    images: Annotated[int, typer.Option(help="With --sheet: most images of a class.")] = 8,
    seed: Seed = 0,
    json: Json = False,
    quiet: Quiet = False,
    workspace: WorkspaceFolder = None,
) -> None:
    """Count what is in a shard set: images a label and class, their bytes, sizes and oddities."""
    from granctl.cli.console import Session
    from granctl.cli.statsview import show_shards
    from granctl.shards.index import ShardSet
    from granctl.study.sheet import statistics
    from granctl.study.sheetsample import SheetSpec

    session = Session(workspace, as_json=json, quiet=quiet)
    opened = ShardSet.open(session.given_or_newest(shards, "shards"))
    spec = SheetSpec(classes=classes, images=images, seed=seed)
    show_shards(session, statistics(session.workspace, opened, sheet, spec, session.progress))
