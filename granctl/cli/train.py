"""`granctl pretrain`, `embed`, `transfer` and `recipes`: train, embed, judge."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from granctl.cli.buildoptions import takes
from granctl.cli.launchoptions import TrainingLaunch, check_alone, training_options
from granctl.cli.options import Json, Out, Quiet, Seed, Shards, WorkspaceFolder
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

RunFolder = Annotated[
    Path | None, typer.Option("--run", help="A run of `granctl pretrain` (default: newest).")
]


class _Method(StrEnum):
    finetune = "finetune"
    linear = "linear"
    scratch = "scratch"


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


@takes(machine_options)
def transfer(
    machine: MachineOptions,
    run: RunFolder = None,
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
    recipe: Annotated[str | None, typer.Option(help="For --method scratch without a run.")] = None,
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
    if run is None and method != _Method.scratch:
        run = session.given_or_newest(run, "run")
    how = asked.recipe_of_options(method, run, recipe, set_ or [], progress)
    on = asked.target_of_options(space, target, target_shards, target_labels, progress)
    budget: dict[str, Any] = {"per_class": per_class, "steps": steps, "seed": seed}
    spec = TransferSpec(target=on, method=method.value, run=run, recipe=how, **budget)
    session.emit(transfer(space, spec, out, progress, Machine(**machine.fields)))


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
