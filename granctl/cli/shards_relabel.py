"""`granctl shards relabel` and `diff`: other classes for shards, and what differs between sets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from granctl.cli.buildoptions import Workers
from granctl.cli.options import Json, Labels, Out, Quiet, Shards, WorkspaceFolder

app = typer.Typer()


@app.command()
def relabel(
    shards: Shards = None,
    labels: Labels = None,
    also: Annotated[
        list[str] | None,
        typer.Option(help="A further label set, NAME=MAP; may be given again.", metavar="NAME=MAP"),
    ] = None,
    materialise: Annotated[
        bool, typer.Option("--materialise", help="Write new shards instead of a view.")
    ] = False,
    in_place: Annotated[
        bool, typer.Option("--in-place", help="Write into the shards that are there.")
    ] = False,
    out: Out = None,
    workers: Workers = None,
    json: Json = False,
    quiet: Quiet = False,
    workspace: WorkspaceFolder = None,
) -> None:
    """Give a shard set other classes: as a view (no image is copied), anew, or in place."""
    from granctl.cli.console import Session
    from granctl.study import relabelling

    session = Session(workspace, as_json=json, quiet=quiet)
    ours = session.given_or_newest(shards, "shards")
    label_map = session.given_or_newest(labels, "label-map")
    how = relabelling.way(materialise=materialise, in_place=in_place)
    asked = (session.workspace, ours, label_map, also or [], how, out, workers)
    session.emit(relabelling.relabel(*asked, session.progress))


@app.command()
def diff(
    a: Annotated[Path, typer.Argument(help="A shard set: a folder, s3:// or https://.")],
    b: Annotated[Path, typer.Argument(help="Another one.")],
    names: Annotated[int, typer.Option(help="Name so many differences of each kind.", min=0)] = 3,
    read_bytes: Annotated[
        bool, typer.Option("--bytes", help="Compare the shards byte by byte (reads them all).")
    ] = False,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="Exit with 1 where they differ.")
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
    workspace: WorkspaceFolder = None,
) -> None:
    """Say what differs between two shard sets: images, labels, splits, classes, order, shards."""
    from granctl.cli.console import Session
    from granctl.shards.diff.difference import diff_shards
    from granctl.shards.diff.show import difference_tables
    from granctl.shards.index import ShardSet

    session = Session(workspace, as_json=json, quiet=quiet)
    sets = ShardSet.open(a), ShardSet.open(b)
    record = diff_shards(*sets, session.progress, names=names, read_bytes=read_bytes)
    for table in difference_tables(record):
        session.table(*table)
    session.answer("same" if record["same"] else "different", record)
    if exit_code and not record["same"]:
        raise typer.Exit(1)
