"""`granctl data`: where named data sets lie on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from granctl.cli.options import Json, Quiet, WorkspaceFolder

app = typer.Typer(help="Where in1k, in21k, inat21 ... lie on this machine.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The name of a data set, such as in1k.")]


@app.command()
def add(
    name: Name,
    folder: Annotated[Path, typer.Argument(help="A source of images or a shard set.")],
    json: Json = False,
    quiet: Quiet = False,
    workspace: WorkspaceFolder = None,
) -> None:
    """Say where a data set lies; the name then serves as --source and --target."""
    from granctl.cli.console import Session

    session = Session(workspace, as_json=json, quiet=quiet)
    found = session.workspace.add_data(name, folder)
    session.answer(str(found), {"kind": "data", "name": name, "path": str(found), "schema": 1})


@app.command("list")
def list_data(json: Json = False, quiet: Quiet = False, workspace: WorkspaceFolder = None) -> None:
    """List the data sets that are known here, a line each: name, tab, folder."""
    from granctl.cli.console import Session

    session = Session(workspace, as_json=json, quiet=quiet)
    names = {name: str(folder) for name, folder in session.workspace.data_names().items()}
    lines = "\n".join(f"{name}\t{folder}" for name, folder in sorted(names.items()))
    session.answer(lines, {"kind": "data", "names": names, "schema": 1})


@app.command()
def check(
    name: Name, json: Json = False, quiet: Quiet = False, workspace: WorkspaceFolder = None
) -> None:
    """Count the labels and images of a data set in each split; nothing is decoded."""
    from granctl.cli.console import Session
    from granctl.shards.source.resolve import count_images

    session = Session(workspace, as_json=json, quiet=quiet)
    record = count_images(session.workspace, name, session.progress)
    rows = [[split, f"{num:,}"] for split, num in record["splits"].items()]
    session.table(f"{name}: {record['labels']:,} labels", ["split", "images"], rows)
    session.answer(str(record["path"]), {"kind": "data", **record, "schema": 1})
