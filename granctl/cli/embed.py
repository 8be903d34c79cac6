"""`granctl embed`: what a network sees in every image."""

from __future__ import annotations

import os
import sys
from typing import Annotated, Literal

import typer

from granctl.cli.buildoptions import takes
from granctl.cli.options import Init, Json, Out, Quiet, RunFolder, Shards, WorkspaceFolder
from granctl.cli.trainoptions import MachineOptions, machine_options
from granctl.launch.together import is_started, run_together, stay_with_parent
from granctl.train.world import place_of


@takes(machine_options)
def embed(
    machine: MachineOptions,
    run: RunFolder = None,
    init: Init = None,
    shards: Shards = None,
    split: Annotated[
        list[str] | None,
        typer.Option(help="train (default), val, test or all; may be repeated."),
    ] = None,
    dtype: Annotated[
        Literal["float32", "float16"], typer.Option(help="Of the numbers in the file.")
    ] = "float32",
    processes: Annotated[int, typer.Option(help="Of this machine, with parts each.", min=1)] = 1,
    out: Out = None,
    json: Json = False,
    quiet: Quiet = False,
    workspace: WorkspaceFolder = None,
) -> None:
    """Write what a network sees in every image, as a Parquet file; the same command goes on."""
    from granctl.cli.console import Session
    from granctl.train.device import Machine
    from granctl.train.embed import EmbedSpec, embed

    if processes > 1 and not is_started():
        raise typer.Exit(run_together(processes, sys.argv[1:]))
    stay_with_parent()
    speaks = place_of(os.environ).rank == 0
    session = Session(workspace, as_json=json, quiet=quiet, speaks=speaks)
    on, splits = Machine(**machine.fields), tuple(split or ["train"])
    origin, shards = session.origin(run, init), session.given_or_newest(shards, "shards")
    spec = EmbedSpec(origin=origin, shards=shards, splits=splits, dtype=dtype)
    session.emit(embed(session.workspace, spec, out, session.progress, on))
