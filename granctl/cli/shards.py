"""`granctl shards`: images to WebDataset shards, and what is in them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from granctl.cli.buildoptions import BuildOptions, OnBadImage, Workers, build_options, takes
from granctl.cli.launchoptions import Launcher, LaunchOptions, launch_options
from granctl.cli.options import Json, Quiet, Shards, WorkspaceFolder

app = typer.Typer(help="Images in, WebDataset shards out.", no_args_is_help=True)

Planned = Annotated[
    Path, typer.Argument(help="The folder that `granctl shards plan` printed.", metavar="PLAN")
]


@app.command()
@takes(build_options, launch_options)
def build(
    options: BuildOptions,
    launch: LaunchOptions,
    plan: Annotated[
        Path | None, typer.Option(help="Pack what is missing of this plan (a folder).")
    ] = None,
    task: Annotated[
        str | None, typer.Option(help="With --plan: only this task's shards, 0/64 to 63/64.")
    ] = None,
    workers: Workers = None,
    json: Json = False,
    quiet: Quiet = False,
    workspace: WorkspaceFolder = None,
) -> None:
    """Write images as WebDataset shards with an index; the same command again goes on."""
    from granctl.cli.console import Session
    from granctl.study.building import AskedBuild, build_anything, build_spec
    from granctl.study.launching import foresee_build, launch_build, slurm_build

    session = Session(workspace, as_json=json, quiet=quiet)
    spec = build_spec(options.fields, options.labels, options.resize, options.quality)
    asked = AskedBuild(spec=spec, out=options.out, plan=plan, task=task, workers=workers)
    here = (session.workspace, asked, session.progress)
    if launch.slurm is None:
        session.emit(build_anything(*here))
    elif launch.dry_run:
        session.answer(*foresee_build(*here, slurm_build(launch.slurm, launch.resources)))
    else:
        session.emit(launch_build(*here, slurm_build(launch.slurm, launch.resources)))


@app.command()
@takes(build_options)
def plan(
    options: BuildOptions,
    json: Json = False,
    quiet: Quiet = False,
    workspace: WorkspaceFolder = None,
) -> None:
    """Plan shards for tasks to build: what a build would write, and how much."""
    from granctl.cli.console import Session
    from granctl.shards.build.write import plan_build
    from granctl.study.building import build_spec

    session = Session(workspace, as_json=json, quiet=quiet)
    spec = build_spec(options.fields, options.labels, options.resize, options.quality)
    session.emit(plan_build(session.workspace, spec, options.out, session.progress))


@app.command()
def finish(
    plan: Planned,
    on_bad_image: Annotated[
        OnBadImage | None,
        typer.Option(help="Images that cannot be used.", show_default="as planned"),
    ] = None,
    launcher: Launcher = None,
    json: Json = False,
    quiet: Quiet = False,
    workspace: WorkspaceFolder = None,
) -> None:
    """Make a planned shard set whole, once its tasks have packed every shard."""
    from granctl.cli.console import Session
    from granctl.launch.shardbuild import finish_or_again
    from granctl.shards.build.write import finish_shards

    session = Session(workspace, as_json=json, quiet=quiet)
    end = finish_or_again if launcher else finish_shards
    session.emit(end(plan.absolute(), on_bad_image, session.progress))


@app.command()
def show(
    key: Annotated[
        str | None, typer.Argument(help="Show this image instead: a key, such as 000000042.")
    ] = None,
    save: Annotated[
        Path | None, typer.Option(help="With KEY: write the image to this file or folder.")
    ] = None,
    shards: Shards = None,
    json: Json = False,
    quiet: Quiet = False,
    workspace: WorkspaceFolder = None,
) -> None:
    """Show images a label and split, or everything about one image, and the image itself."""
    from granctl.cli.console import Session
    from granctl.cli.imageview import show_image, show_set
    from granctl.shards.index import ShardSet

    session = Session(workspace, as_json=json, quiet=quiet)
    opened = ShardSet.open(session.given_or_newest(shards, "shards"))
    if key is None:
        show_set(session, opened, save)
    else:
        show_image(session, opened, key, save)
