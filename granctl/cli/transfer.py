"""`granctl transfer`: what a representation is worth on a target."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from granctl.cli.buildoptions import takes
from granctl.cli.options import Init, Json, Out, Quiet, RunFolder, Seed, WorkspaceFolder
from granctl.cli.trainoptions import MachineOptions, Settings, machine_options
from granctl.cli.transferoptions import MethodOptions, method_options


class _Method(StrEnum):
    finetune = "finetune"
    linear = "linear"
    fewshot = "fewshot"
    knn = "knn"
    grouped = "grouped"
    scratch = "scratch"


class _Leaks(StrEnum):
    checksum = "checksum"
    perceptual = "perceptual"
    keep = "keep"


@takes(method_options, machine_options)
def transfer(
    how: MethodOptions,
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
        _Method,
        typer.Option(
            help="The whole network, a head alone, ridge regression on a few images, nearest"
            " neighbours, the run's own head, or no pretraining."
        ),
    ] = _Method.finetune,
    per_class: Annotated[
        int | None, typer.Option(help="Labelled images a class (default: all).")
    ] = None,
    steps: Annotated[int | None, typer.Option(help="(default: the recipe's).")] = None,
    score_on: Annotated[
        list[str] | None,
        typer.Option(
            help="A further held-out set of the target's classes, such as in1k-v2; repeatable."
        ),
    ] = None,
    leaks: Annotated[
        _Leaks,
        typer.Option(
            help="Held-out images that were pretrained on: found by equal bytes, by looks as well"
            " (and not scored), or kept."
        ),
    ] = _Leaks.checksum,
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
    """Measure a run by a target: its labelled images teach, its held-out ones are scored."""
    from granctl.cli.console import Session
    from granctl.train import transferspec as asked
    from granctl.train.device import Machine
    from granctl.train.transfer import TransferSpec, transfer

    session = Session(workspace, as_json=json, quiet=quiet)
    space, progress = session.workspace, session.progress
    if run is None and init is None and method != _Method.scratch:
        run = session.given_or_newest(run, "run")
    public = asked.public_of_options(init, recipe)
    table = asked.recipe_of_options(method.value, run, recipe, set_ or [], progress, public)
    on = asked.target_of_options(space, target, target_shards, target_labels, progress)
    given: dict[str, Any] = {"per_class": per_class, "steps": steps, **how.fields(method.value)}
    given |= {"score_on": tuple(score_on or ()), "leaks": leaks.value, "seed": seed}
    who: dict[str, Any] = {"method": method.value, "run": run, "init": public, "recipe": table}
    spec = TransferSpec(target=on, **who, **given)
    session.emit(transfer(space, spec, out, progress, Machine(**machine.fields)))
