"""The options of work that a cluster's scheduler does: declared once."""

from __future__ import annotations

import os
import shlex
from collections.abc import Container, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from granctl.errors import BadOptionError

Launcher = Annotated[
    Literal["slurm"] | None,
    typer.Option("--launcher", help="Have a cluster do it: slurm.", show_default="this process"),
]
Partition = Annotated[
    str | None, typer.Option(help="With --launcher: where jobs run.", show_default="Slurm's")
]
TimeLimit = Annotated[
    str | None,
    typer.Option(help="With --launcher: limit of each job, 04:00:00.", show_default="Slurm's"),
]
Sbatch = Annotated[
    list[str] | None,
    typer.Option(help="With --launcher: options for sbatch, '--qos=x'; may be given again."),
]


@dataclass(frozen=True, kw_only=True, slots=True)
class LaunchOptions:
    """What was given; None: the work is done in this process."""

    slurm: dict[str, Any] | None
    """Of `SlurmBuild`, but for the resources."""
    resources: dict[str, Any]
    """Of `Resources`."""
    dry_run: bool


def launch_options(
    launcher: Launcher = None,
    tasks: Annotated[
        int | None,
        typer.Option(help="With --launcher: jobs of the array.", show_default="64", min=1),
    ] = None,
    partition: Partition = None,
    time: TimeLimit = None,
    cpus_per_task: Annotated[
        int | None,
        typer.Option(help="With --launcher: processes of each job.", show_default="1", min=1),
    ] = None,
    sbatch: Sbatch = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="With --launcher: print the scripts, submit nothing.")
    ] = False,
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="With --launcher: end when the jobs are submitted.")
    ] = False,
) -> LaunchOptions:
    """The options; typer reads this signature.

    Raises:
        BadOptionError: there is no --launcher that they could be for.
    """
    words = tuple(word for text in sbatch or () for word in _words(text))
    asked = {"partition": partition, "time": time, "cpus_per_task": cpus_per_task, "extra": words}
    resources = {name: value for name, value in asked.items() if value}
    if launcher is None:
        _refuse({"tasks": tasks, **resources, "dry-run": dry_run, "no-wait": no_wait})
        return LaunchOptions(slurm=None, resources={}, dry_run=False)
    slurm = {"wait": not no_wait, **({"tasks": tasks} if tasks else {})}
    return LaunchOptions(slurm=slurm, resources=resources, dry_run=dry_run)


def _words(text: str) -> list[str]:
    """As a shell would split them."""
    try:
        return shlex.split(text)
    except ValueError as error:
        problem = f"{text!r} is no list of options ({error})"
        raise BadOptionError("--sbatch", problem, "close what is quoted") from error


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingLaunch:
    """What was given; None: the training runs in this process."""

    slurm: dict[str, Any] | None
    """Of `SlurmTraining`, but for the resources."""
    resources: dict[str, Any]
    """Of `Resources`."""
    dry_run: bool


def training_options(
    launcher: Launcher = None,
    nodes: Annotated[
        int | None, typer.Option(help="With --launcher: machines.", show_default="1", min=1)
    ] = None,
    gpus_per_node: Annotated[
        int | None,
        typer.Option(help="With --launcher: GPUs of each, a process each.", min=0),
    ] = None,
    tasks_per_node: Annotated[
        int | None,
        typer.Option(help="With --launcher, without GPUs: processes of each node.", min=1),
    ] = None,
    partition: Partition = None,
    time: TimeLimit = None,
    cpus_per_task: Annotated[
        int | None,
        typer.Option(help="With --launcher: CPUs of each process.", show_default="1", min=1),
    ] = None,
    sbatch: Sbatch = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="With --launcher: print the script and an estimate."),
    ] = False,
    images_per_second: Annotated[
        float | None,
        typer.Option(help="With --dry-run: of all processes together, as it was measured."),
    ] = None,
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="With --launcher: end when the job is submitted.")
    ] = False,
) -> TrainingLaunch:
    """The options of a training; typer reads this signature.

    Raises:
        BadOptionError: there is no --launcher that they could be for.
    """
    extra = tuple(word for text in sbatch or () for word in _words(text))
    own = {"nodes": nodes, "gpus_per_node": gpus_per_node, "images_per_second": images_per_second}
    own["tasks_per_node"] = tasks_per_node or gpus_per_node or None
    asked = {"partition": partition, "time": time, "cpus_per_task": cpus_per_task, "extra": extra}
    resources = {name: value for name, value in asked.items() if value}
    if launcher is None:
        given = {**own, "tasks_per_node": tasks_per_node, **resources}
        _refuse({**given, "dry-run": dry_run, "no-wait": no_wait})
        return TrainingLaunch(slurm=None, resources={}, dry_run=False)
    slurm = {"wait": not no_wait, **{name: value for name, value in own.items() if value}}
    return TrainingLaunch(slurm=slurm, resources=resources, dry_run=dry_run)


@dataclass(frozen=True, kw_only=True, slots=True)
class StudyLaunch:
    """What was given; None: the cells are made by this machine."""

    slurm: dict[str, Any] | None
    """Of `SlurmStudy`, but for the resources."""
    resources: dict[str, Any]
    """Of `Resources`."""
    dry_run: bool


def study_options(
    launcher: Launcher = None,
    at_once: Annotated[
        int | None,
        typer.Option(
            help="With --launcher: tasks of each array at a time.", show_default="Slurm's", min=1
        ),
    ] = None,
    nodes: Annotated[
        int | None,
        typer.Option(help="With --launcher: machines of a pretraining.", show_default="1", min=1),
    ] = None,
    gpus_per_node: Annotated[
        int | None,
        typer.Option(
            help="With --launcher: GPUs of a pretraining on each, a process each;"
            " embeddings and transfers then have one.",
            min=0,
        ),
    ] = None,
    tasks_per_node: Annotated[
        int | None,
        typer.Option(
            help="With --launcher, without GPUs: processes of a pretraining on each node.", min=1
        ),
    ] = None,
    partition: Partition = None,
    time: TimeLimit = None,
    cpus_per_task: Annotated[
        int | None,
        typer.Option(help="With --launcher: CPUs of each process.", show_default="1", min=1),
    ] = None,
    sbatch: Sbatch = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="With --launcher: print the scripts, submit nothing.")
    ] = False,
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="With --launcher: end when the jobs are submitted.")
    ] = False,
) -> StudyLaunch:
    """The options of a study; typer reads this signature.

    Raises:
        BadOptionError: there is no --launcher that they could be for.
    """
    extra = tuple(word for text in sbatch or () for word in _words(text))
    own = {"at_once": at_once, "nodes": nodes, "gpus_per_node": gpus_per_node}
    asked = {"partition": partition, "time": time, "cpus_per_task": cpus_per_task, "extra": extra}
    resources = {name: value for name, value in asked.items() if value}
    if launcher is None:
        given = {**own, "tasks_per_node": tasks_per_node, **resources}
        _refuse({**given, "dry-run": dry_run, "no-wait": no_wait})
        return StudyLaunch(slurm=None, resources={}, dry_run=False)
    own["tasks_per_node"] = tasks_per_node or gpus_per_node
    slurm = {"wait": not no_wait, **{name: value for name, value in own.items() if value}}
    return StudyLaunch(slurm=slurm, resources=resources, dry_run=dry_run)


def check_alone(launch: TrainingLaunch | StudyLaunch, processes: int) -> None:
    """Raises where processes of this machine were asked for, and others are to be launched.

    Raises:
        BadOptionError: both.
    """
    if launch.slurm is not None and processes > 1:
        hint = "give --nodes with --gpus-per-node or --tasks-per-node"
        raise BadOptionError("--processes", "the launcher starts the processes", hint)


def given_words(context: typer.Context, leave_out: Container[str]) -> tuple[str, ...]:
    """The options that were given, as words for the same command elsewhere; all paths whole.

    Args:
        context: of the command.
        leave_out: names of parameters.
    """
    words: list[str] = []
    for parameter in context.command.params:
        name = parameter.name or ""
        source = context.get_parameter_source(name)
        if name in leave_out or source is None or source.name != "COMMANDLINE":
            continue
        option, value = max(parameter.opts, key=len), context.params[name]
        if isinstance(value, bool):
            words.append(option if value else max(parameter.secondary_opts, key=len))
            continue
        for one in value if isinstance(value, (list, tuple)) else [value]:
            words += [option, os.path.abspath(one) if isinstance(one, Path) else str(one)]
    return tuple(words)


def _refuse(given: Mapping[str, Any]) -> None:
    """Raises BadOptionError for the first option that was given without a launcher."""
    for name, value in given.items():
        if value:
            option = f"--{'sbatch' if name == 'extra' else name.replace('_', '-')}"
            raise BadOptionError(option, "nothing is launched", "give --launcher slurm too")
