"""The options of work that a cluster's scheduler does: declared once."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import typer

from granctl.errors import BadOptionError

Launcher = Annotated[
    Literal["slurm"] | None,
    typer.Option("--launcher", help="Have a cluster do it: slurm.", show_default="this process"),
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
    partition: Annotated[
        str | None, typer.Option(help="With --launcher: where jobs run.", show_default="Slurm's")
    ] = None,
    time: Annotated[
        str | None,
        typer.Option(help="With --launcher: limit of each job, 04:00:00.", show_default="Slurm's"),
    ] = None,
    cpus_per_task: Annotated[
        int | None,
        typer.Option(help="With --launcher: processes of each job.", show_default="1", min=1),
    ] = None,
    sbatch: Annotated[
        list[str] | None,
        typer.Option(help="With --launcher: options for sbatch, '--qos=x'; may be given again."),
    ] = None,
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
        given = {"tasks": tasks, **resources, "dry-run": dry_run, "no-wait": no_wait}
        for name, value in given.items():
            if value:
                option = f"--{'sbatch' if name == 'extra' else name.replace('_', '-')}"
                raise BadOptionError(option, "nothing is launched", "give --launcher slurm too")
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
