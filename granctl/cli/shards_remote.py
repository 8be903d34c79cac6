"""`granctl shards upload` and `export`: shard sets for other machines and other programs."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from granctl.cli.options import Json, Quiet, Shards, WorkspaceFolder

app = typer.Typer()


class _Form(StrEnum):
    timm = "timm"
    wids = "wids"
    dali = "dali"
    open_clip = "open-clip"
    all = "all"


@app.command()
def upload(
    url: Annotated[str, typer.Argument(help="Where to: s3://BUCKET/PREFIX.")],
    shards: Shards = None,
    json: Json = False,
    quiet: Quiet = False,
    workspace: WorkspaceFolder = None,
) -> None:
    """Copy a shard set to s3://; the same command again goes on."""
    from granctl.cli.console import Session
    from granctl.shards.remote.upload import upload_shards

    session = Session(workspace, as_json=json, quiet=quiet)
    folder = session.given_or_newest(shards, "shards")
    record = upload_shards(folder, url, session.progress)
    session.answer(str(record["path"]), record)


@app.command()
def export(
    indexes: Annotated[
        list[_Form] | None,
        typer.Option(help="For which reader; may be given again.", show_default="all"),
    ] = None,
    md5: Annotated[
        bool, typer.Option("--md5", help="With the MD5 of each shard, for wids (reads it all).")
    ] = False,
    shards: Shards = None,
    json: Json = False,
    quiet: Quiet = False,
    workspace: WorkspaceFolder = None,
) -> None:
    """Write the indexes for timm, wids, DALI and open_clip again, as after a build."""
    from granctl.cli.console import Session
    from granctl.shards.foreign import export_indexes
    from granctl.shards.index import ShardSet

    session = Session(workspace, as_json=json, quiet=quiet)
    opened = ShardSet.open(session.given_or_newest(shards, "shards"))
    forms = [form.value for form in indexes or [_Form.all]]
    record = export_indexes(opened, forms, session.progress, md5=md5)
    session.answer(str(record["path"]), record)
