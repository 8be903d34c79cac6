"""`granctl pretrain` and `granctl recipes`: a training, and what it is."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from granctl.cli.buildoptions import takes
from granctl.cli.launchoptions import TrainingLaunch, check_alone, training_options
from granctl.cli.options import Json, Out, Quiet, WorkspaceFolder
from granctl.cli.trainoptions import (
    ComputingOptions,
    KeepOptions,
    MachineOptions,
    PretrainOptions,
    Settings,
    computing_options,
    keep_options,
    machine_options,
    pretrain_options,
)
from granctl.launch.together import is_started, run_together, stay_with_parent
from granctl.train.world import place_of

recipes = typer.Typer(help="What a training is: named, cited recipes.", no_args_is_help=True)


@takes(pretrain_options, keep_options, machine_options, computing_options, training_options)
def pretrain(
    asked: PretrainOptions,
    keep: KeepOptions,
    machine: MachineOptions,
    computing: ComputingOptions,
    launch: TrainingLaunch,
    context: typer.Context,
    processes: Annotated[
        int, typer.Option(help="Of this machine, which train together.", min=1)
    ] = 1,
    out: Out = None,
    json: Json = False,
    quiet: Quiet = False,
    workspace: WorkspaceFolder = None,
) -> None:
    """Train a network to tell a label map's classes apart; the same command again goes on."""
    from granctl.cli.console import Session
    from granctl.cli.launched import launched
    from granctl.train.asked import PretrainSpec
    from granctl.train.device import Machine
    from granctl.train.pretrain import Keep, pretrain

    check_alone(launch, processes)
    if processes > 1 and not is_started():
        raise typer.Exit(run_together(processes, sys.argv[1:]))
    stay_with_parent()
    speaks = place_of(os.environ).rank == 0
    session = Session(workspace, as_json=json, quiet=quiet, speaks=speaks)
    spec = PretrainSpec(**asked.inputs(session), recipe=asked.recipe, **asked.fields)
    if launch.slurm is not None:
        launched(session, launch, spec, out, asked.recipe_name, context)
    else:
        on, kept = Machine(**machine.fields, **computing.fields), Keep(**keep.fields)
        session.emit(pretrain(session.workspace, spec, out, session.progress, on, kept))


@recipes.command("list")
def list_recipes(json: Json = False, quiet: Quiet = False) -> None:
    """List the recipes that come with granctl, a line each: name, tab, sentence."""
    from granctl.cli.console import Session
    from granctl.train.recipe import recipe_sentences

    session = Session(None, as_json=json, quiet=quiet)
    found = recipe_sentences()
    lines = "\n".join(f"{name}\t{about}" for name, about in found.items())
    session.answer(lines, {"kind": "recipes", "recipes": found, "schema": 1})


@recipes.command()
def show(
    name: Annotated[str, typer.Argument(help="A name, or a TOML file.")],
    set_: Settings = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Print a recipe: its file with the sources, or with --json every value as it is used."""
    from granctl.cli.console import Session
    from granctl.provenance import plain
    from granctl.train.recipe import load_recipe, recipe_text, settings

    recipe = load_recipe(name, settings(set_ or []))
    record = {"kind": "recipe", "recipe": plain(recipe), "schema": 1}
    Session(None, as_json=json, quiet=quiet).answer(recipe_text(name), record)
