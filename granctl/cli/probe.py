"""`granctl probe`: what networks see in the same held-out images, in numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from granctl.cli.buildoptions import takes
from granctl.cli.options import Init, Json, Out, Quiet, RunFolder, Seed, Shards, WorkspaceFolder
from granctl.cli.trainoptions import MachineOptions, machine_options


@takes(machine_options)
def probe(
    machine: MachineOptions,
    run: RunFolder = None,
    init: Init = None,
    with_: Annotated[
        list[str] | None,
        typer.Option("--with", help="A run, or timm:NAME, to compare with; may be repeated."),
    ] = None,
    shards: Shards = None,
    labels: Annotated[
        Path | None,
        typer.Option(help="A label map: the fine classes.", show_default="every label is one"),
    ] = None,
    coarse: Annotated[
        Path | None,
        typer.Option(help="A coarser label map: fine classes are told apart inside its classes."),
    ] = None,
    per_class: Annotated[
        int, typer.Option(help="Training images of each fine class for the read-out, at most.")
    ] = 100,
    seed: Seed = 0,
    out: Out = None,
    json: Json = False,
    quiet: Quiet = False,
    workspace: WorkspaceFolder = None,
) -> None:
    """Measure class separation, rank, likeness and linear read-out on held-out images."""
    from granctl.cli.console import Session
    from granctl.cli.probeview import probe_table
    from granctl.train.device import Machine
    from granctl.train.origin import named_origins
    from granctl.train.probe import ProbeSpec, probe

    session = Session(workspace, as_json=json, quiet=quiet)
    origin, shards = session.origin(run, init), session.given_or_newest(shards, "shards")
    maps: dict[str, Any] = {
        "labels": labels,
        "coarse": coarse,
        "others": named_origins(with_ or []),
    }
    spec = ProbeSpec(origin=origin, shards=shards, per_class=per_class, seed=seed, **maps)
    found = probe(session.workspace, spec, out, session.progress, Machine(**machine.fields))
    session.table(*probe_table(found.details))
    session.emit(found)
