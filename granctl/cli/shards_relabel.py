"""`granctl shards relabel` and `diff`: other classes for shards, and what differs between sets."""

from __future__ import annotations

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
