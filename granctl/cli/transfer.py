"""`granctl transfer`: what a representation is worth on a target."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from granctl.cli.buildoptions import takes
from granctl.cli.options import Init, Json, Out, Quiet, RunFolder, Seed, WorkspaceFolder
from granctl.cli.trainoptions import MachineOptions, Settings, machine_options


class _Method(StrEnum):
    finetune = "finetune"
    linear = "linear"
    scratch = "scratch"


@takes(machine_options)
def transfer(
    machine: MachineOptions,
    run: RunFolder = None,
    init: Init = None,
    target: Annotated[
        str,
        typer.Option(
            help="NAME[@CUT]: embedded, a name of `granctl data list`, a folder or a shard set;"
            " CUT is leaf, depth-D or level-K."
        ),
    ] = "embedded",
    target_shards: Annotated[Path | None, typer.Option(help="In place of --target.")] = None,
    target_labels: Annotated[Path | None, typer.Option(help="With --target-shards.")] = None,
    method: Annotated[
        _Method, typer.Option(help="The whole network, a head alone, or no pretraining.")
    ] = _Method.finetune,
    per_class: Annotated[
        int | None, typer.Option(help="Labelled images a class (default: all).")
    ] = None,
    steps: Annotated[int | None, typer.Option(help="(default: the recipe's).")] = None,
    recipe: Annotated[
        str | None, typer.Option(help="For --method scratch without a run, and with --init.")
    ] = None,
    set_: Settings = None,
    seed: Seed = 0,
    out: Out = None,
    json: Json = False,
    quiet: Quiet = False,
    workspace: WorkspaceFolder = None,
) -> None:
    """Train on a target's labelled images and score its held-out ones, each once."""
    from granctl.cli.console import Session
    from granctl.train import transferspec as asked
    from granctl.train.device import Machine
    from granctl.train.transfer import TransferSpec, transfer

    session = Session(workspace, as_json=json, quiet=quiet)
    space, progress = session.workspace, session.progress
    if run is None and init is None and method != _Method.scratch:
        run = session.given_or_newest(run, "run")
    public = asked.public_of_options(init, recipe)
    how = asked.recipe_of_options(method, run, recipe, set_ or [], progress, public)
    on = asked.target_of_options(space, target, target_shards, target_labels, progress)
    budget: dict[str, Any] = {"per_class": per_class, "steps": steps, "seed": seed}
    spec = TransferSpec(target=on, method=method.value, run=run, init=public, recipe=how, **budget)
    session.emit(transfer(space, spec, out, progress, Machine(**machine.fields)))
