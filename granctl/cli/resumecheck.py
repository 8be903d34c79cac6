"""`granctl resume-check`: whether a run goes on as if nothing had been."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from granctl.cli.buildoptions import takes
from granctl.cli.options import Json, Quiet, Seed, WorkspaceFolder
from granctl.cli.trainoptions import MachineOptions, machine_options


@takes(machine_options)
def resume_check(
    machine: MachineOptions,
    run: Annotated[
        Path | None, typer.Argument(metavar="RUN", help="Its folder (default: newest).")
    ] = None,
    kills: Annotated[int, typer.Option(help="Copies that are killed.", min=1)] = 3,
    steps: Annotated[int, typer.Option(help="Of each copy.", min=2)] = 20,
    processes: Annotated[int, typer.Option(help="That train together.", min=1)] = 1,
    tolerance: Annotated[
        float, typer.Option(help="By how much a number of the end may differ.", min=0)
    ] = 0.0,
    shards: Annotated[
        Path | None, typer.Option(help="Of the run (default: found in the workspace).")
    ] = None,
    labels: Annotated[Path | None, typer.Option(help="Likewise.")] = None,
    seed: Seed = 0,
    json: Json = False,
    quiet: Quiet = False,
    workspace: WorkspaceFolder = None,
) -> None:
    """Kill short copies of a run at random steps; they must end as an undisturbed one does."""
    from granctl.cli.console import Session
    from granctl.study.resuming import check_resumed, resume_check
    from granctl.train.device import Machine
    from granctl.train.resumecheck import CheckSpec

    session = Session(workspace, as_json=json, quiet=quiet)
    check = CheckSpec(steps=steps, kills=kills, processes=processes, seed=seed)
    run, on = session.given_or_newest(run, "run"), Machine(**machine.fields)
    place, told = session.workspace, session.progress
    record = resume_check(place, run, check, tolerance, on, told, shards, labels)
    session.answer("the same" if record["same"] else "not the same", record)
    check_resumed(record, machine.fields["device"])
