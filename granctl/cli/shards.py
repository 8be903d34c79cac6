"""`granctl shards`: images to WebDataset shards, and what is in them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from granctl.cli.buildoptions import BuildOptions, OnBadImage, Workers, build_options, takes
from granctl.cli.options import Json, Quiet, Shards, WorkspaceFolder

app = typer.Typer(help="Images in, WebDataset shards out.", no_args_is_help=True)

Planned = Annotated[
    Path, typer.Argument(help="The folder that `granctl shards plan` printed.", metavar="PLAN")
]


@app.command()
@takes(build_options)
def build(
    options: BuildOptions,
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
    from granctl.study.building import build_anything, build_spec

    session = Session(workspace, as_json=json, quiet=quiet)
    spec = build_spec(options.fields, options.labels, options.resize, options.quality)
    asked = (session.workspace, spec, options.out, plan, task, workers)
    session.emit(build_anything(*asked, session.progress))


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
    json: Json = False,
    quiet: Quiet = False,
    workspace: WorkspaceFolder = None,
) -> None:
    """Make a planned shard set whole, once its tasks have packed every shard."""
    from granctl.cli.console import Session
    from granctl.shards.build.write import finish_shards

    session = Session(workspace, as_json=json, quiet=quiet)
    session.emit(finish_shards(plan, on_bad_image, session.progress))


@app.command()
def show(
    key: Annotated[
        str | None, typer.Argument(help="Show this image instead: a key, such as 000000042.")
    ] = None,
    shards: Shards = None,
    json: Json = False,
    quiet: Quiet = False,
    workspace: WorkspaceFolder = None,
) -> None:
    """Show images a label and split, or everything about one image."""
    from granctl.cli.console import Session
    from granctl.shards.index import ShardSet
    from granctl.shards.show import describe, describe_image, image_table, label_table

    session = Session(workspace, as_json=json, quiet=quiet)
    opened = ShardSet.open(session.given_or_newest(shards, "shards"))
    record = describe_image(opened, key) if key else describe(opened)
    session.table(*(image_table(record) if key else label_table(opened)))
    session.answer(str(record["path"]), record)
