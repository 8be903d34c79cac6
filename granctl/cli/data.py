"""`granctl data`: where named data sets lie on this machine, and whether they are whole."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from granctl.cli.options import Json, Quiet, Seed, WorkspaceFolder

app = typer.Typer(help="Where in1k, in21k, inat21 ... lie on this machine.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The name of a data set, such as in1k.")]
Sample = Annotated[str, typer.Option(help="How many images are decoded: a number, or all.")]


@app.command()
def add(
    name: Name,
    folder: Annotated[Path, typer.Argument(help="A source of images, a shard set, real.json.")],
    json: Json = False,
    quiet: Quiet = False,
    workspace: WorkspaceFolder = None,
) -> None:
    """Say where a data set lies, once it is seen to be that; the name serves as --target."""
    from granctl.cli.console import Session
    from granctl.shards.datasets import add_data_set

    session = Session(workspace, as_json=json, quiet=quiet)
    record = add_data_set(session.workspace, name, folder, session.progress)
    session.answer(record["path"], {"kind": "data", **record, "schema": 1})


@app.command("list")
def list_data(json: Json = False, quiet: Quiet = False, workspace: WorkspaceFolder = None) -> None:
    """List the data sets that are known here, a line each: name, tab, folder."""
    from granctl.cli.console import Session
    from granctl.cli.dataview import sets_table
    from granctl.shards.datasets import list_data_sets

    session = Session(workspace, as_json=json, quiet=quiet)
    sets = list_data_sets(session.workspace)
    if sets:
        session.table(*sets_table(sets), texts=True)
    names = {name: found["path"] for name, found in sets.items()}
    lines = "\n".join(f"{name}\t{path}" for name, path in names.items())
    session.answer(lines, {"kind": "data", "names": names, "sets": sets, "schema": 1})


@app.command()
def check(
    name: Name,
    sample: Sample = "100",
    seed: Seed = 0,
    json: Json = False,
    quiet: Quiet = False,
    workspace: WorkspaceFolder = None,
) -> None:
    """Say whether a data set is whole: count each split and label, decode a sample of images."""
    from granctl.cli.console import Session
    from granctl.cli.dataview import counts_table
    from granctl.shards.datasets import check_data_set, check_whole

    session = Session(workspace, as_json=json, quiet=quiet)
    record = check_data_set(session.workspace, name, sample, seed, session.progress)
    session.table(*counts_table(record))
    session.answer(str(record["path"]), {"kind": "data", **record, "schema": 1})
    check_whole(record)
