"""`granctl embed`: what a network sees in every image."""

from __future__ import annotations

from typing import Annotated

import typer

from granctl.cli.buildoptions import takes
from granctl.cli.options import Json, Out, Quiet, RunFolder, Shards, WorkspaceFolder
from granctl.cli.trainoptions import MachineOptions, machine_options


@takes(machine_options)
def embed(
    machine: MachineOptions,
    run: RunFolder = None,
    shards: Shards = None,
    split: Annotated[str, typer.Option(help="Of the shard set: train, val or test.")] = "train",
    out: Out = None,
    json: Json = False,
    quiet: Quiet = False,
    workspace: WorkspaceFolder = None,
) -> None:
    """Write what a run's network sees in every image, as a Parquet file of features."""
    from granctl.cli.console import Session
    from granctl.train.device import Machine
    from granctl.train.embed import embed

    session = Session(workspace, as_json=json, quiet=quiet)
    run = session.given_or_newest(run, "run")
    shards = session.given_or_newest(shards, "shards")
    space, progress = session.workspace, session.progress
    session.emit(embed(space, run, shards, split, out, progress, Machine(**machine.fields)))
