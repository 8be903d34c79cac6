"""The options of trainings, which several commands take: declared once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from granctl.cli.options import Labels, Seed, Shards
from granctl.train.recipe import Recipe, load_recipe, settings

if TYPE_CHECKING:
    from granctl.cli.console import Session

Settings = Annotated[
    list[str] | None,
    typer.Option("--set", help="Change a value of the recipe: optimizer.lr=0.1; may be repeated."),
]


@dataclass(frozen=True, kw_only=True, slots=True)
class PretrainOptions:
    """What is to be trained."""

    shards: Path | None
    labels: Path | None
    recipe: Recipe
    recipe_name: str
    """As it was given, or the path of its file."""
    fields: dict[str, Any]
    """Further ones of `PretrainSpec`."""

    def inputs(self, session: Session) -> dict[str, Any]:
        """`shards` and `labels`, else the newest."""
        return {
            "shards": session.given_or_newest(self.shards, "shards"),
            "labels": session.given_or_newest(self.labels, "label-map"),
        }


def pretrain_options(
    shards: Shards = None,
    labels: Labels = None,
    also: Annotated[
        list[Path] | None,
        typer.Option(help="A label map of a further level (semantic softmax); may be repeated."),
    ] = None,
    fine: Annotated[
        Path | None,
        typer.Option(help="A finer label map, of the head; its classes add up to --labels'."),
    ] = None,
    recipe: Annotated[
        str, typer.Option(help="A name of `granctl recipes list`, or a TOML file.")
    ] = "embedded-resnet",
    epochs: Annotated[
        int | None, typer.Option(help="Passes over the images (default: the recipe's).")
    ] = None,
    set_: Settings = None,
    images: Annotated[
        int | None, typer.Option(help="Train on so many images, chosen by the seed.")
    ] = None,
    seed: Seed = 0,
) -> PretrainOptions:
    """Gathers them.

    Raises:
        UserError: there is no such recipe, or a value that it cannot have.
    """
    chosen = load_recipe(recipe, settings(set_ or [], epochs=epochs))
    fields = {"seed": seed, "images": images, "also": tuple(also or ()), "fine": fine}
    return PretrainOptions(
        shards=shards, labels=labels, recipe=chosen, recipe_name=recipe, fields=fields
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class KeepOptions:
    """How often a run keeps itself, and what stays."""

    fields: dict[str, Any]
    """Of `Keep`."""


def keep_options(
    checkpoint_every: Annotated[
        int | None,
        typer.Option(help="Steps.", show_default="each epoch and each 10 minutes", min=1),
    ] = None,
    checkpoint_minutes: Annotated[
        float, typer.Option(help="At most between two of them inside an epoch.", min=0.0)
    ] = 10.0,
    keep: Annotated[int, typer.Option(help="Newest checkpoints that stay.", min=2)] = 2,
    keep_every: Annotated[
        int | None, typer.Option(help="Checkpoints of every so many steps stay too.", min=1)
    ] = None,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Metrics for TensorBoard too.")
    ] = False,
) -> KeepOptions:
    """Gathers them."""
    fields: dict[str, Any] = {"every_steps": checkpoint_every, "every_s": 60.0 * checkpoint_minutes}
    fields |= {"newest": keep, "marks": keep_every, "tensorboard": tensorboard}
    return KeepOptions(fields=fields)


@dataclass(frozen=True, kw_only=True, slots=True)
class MachineOptions:
    """Where it is computed."""

    fields: dict[str, Any]
    """Of `Machine`."""


def machine_options(
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    threads: Annotated[
        int, typer.Option(help="CPU threads; runs repeat bit for bit with one.", min=1)
    ] = 1,
    workers: Annotated[
        int | None,
        typer.Option(
            help="Processes that decode large images (default: one a core, less one).", min=0
        ),
    ] = None,
) -> MachineOptions:
    """Gathers them."""
    return MachineOptions(fields={"device": device, "threads": threads, "workers": workers})


@dataclass(frozen=True, kw_only=True, slots=True)
class ComputingOptions:
    """How a network is trained, where that changes time and memory alone."""

    fields: dict[str, Any]
    """Of `Machine`."""


def computing_options(
    compile_: Annotated[
        bool,
        typer.Option("--compile", help="Compile the network; needs a C++ compiler, or Triton."),
    ] = False,
    recompute: Annotated[
        bool,
        typer.Option("--recompute", help="Compute blocks again on the way back, to save memory."),
    ] = False,
    fsdp: Annotated[
        bool,
        typer.Option("--fsdp", help="Each process holds a part of the weights, not all (FSDP2)."),
    ] = False,
) -> ComputingOptions:
    """Gathers them."""
    return ComputingOptions(fields={"compile": compile_, "recompute": recompute, "fsdp": fsdp})
