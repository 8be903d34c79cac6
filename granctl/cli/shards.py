"""`granctl shards`: images to WebDataset shards, and what is in them."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from granctl.cli.options import Json, Out, Quiet, Seed, Shards, WorkspaceFolder

app = typer.Typer(help="Images in, WebDataset shards out.", no_args_is_help=True)


class _OnBadImage(StrEnum):
    fail = "fail"
    skip = "skip"


class _OnDuplicate(StrEnum):
    keep = "keep"
    report = "report"
    drop = "drop"


class _Order(StrEnum):
    shuffled = "shuffled"
    source = "source"
    blocks = "blocks"
    stratified = "stratified"
    balanced = "balanced"


class _Share(StrEnum):
    proportional = "proportional"
    equal = "equal"


@app.command()
def build(
    source: Annotated[
        str, typer.Option(help="A folder or file of images, or the name of a data set.")
    ] = "embedded",
    labels: Annotated[
        Path | None,
        typer.Option("--labels", help="A label map for .cls (default: each label is a class)."),
    ] = None,
    out: Out = None,
    seed: Seed = 0,
    on_bad_image: Annotated[
        _OnBadImage, typer.Option(help="Images that do not decode: stop, or leave them out.")
    ] = _OnBadImage.fail,
    order: Annotated[_Order, typer.Option(help="Order of the images.")] = _Order.shuffled,
    shard_images: Annotated[int, typer.Option(help="Most images in a shard.")] = 10_000,
    shard_bytes: Annotated[int, typer.Option(help="Most bytes in a shard.")] = 256 * 2**20,
    holdout_frac: Annotated[
        float, typer.Option(help="Part of each label held out where a source has one split.")
    ] = 0.1,
    source_kind: Annotated[
        str | None,
        typer.Option(help="What --source is: folders, tars, imagenet1k, inat, webdataset ..."),
    ] = None,
    images: Annotated[int | None, typer.Option(help="Training images in all.")] = None,
    share: Annotated[
        _Share, typer.Option(help="How --images are shared out among labels.")
    ] = _Share.proportional,
    per_class: Annotated[int | None, typer.Option(help="Most training images a class.")] = None,
    duplicates: Annotated[
        _OnDuplicate, typer.Option(help="Images that stand more than once.")
    ] = _OnDuplicate.keep,
    near_duplicates: Annotated[
        int | None, typer.Option(help="Bits of 64 in which perceptual hashes may differ, 0 to 4.")
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
    workspace: WorkspaceFolder = None,
) -> None:
    """Write images as WebDataset shards with an index; the same command again goes on."""
    from granctl.cli.console import Session
    from granctl.shards.write import BuildSpec
    from granctl.study.lookup import build_under_labels

    session = Session(workspace, as_json=json, quiet=quiet)
    where = {"source": source, "source_kind": source_kind, "seed": seed}
    which = {"images": images, "share": share.value, "per_class": per_class}
    how = {"order": order.value, "on_bad_image": on_bad_image.value, "holdout_frac": holdout_frac}
    most = {"shard_images": shard_images, "shard_bytes": shard_bytes}
    twice = {"duplicates": duplicates.value, "near_duplicates": near_duplicates}
    given: dict[str, Any] = {**where, **which, **how, **most, **twice}
    spec = BuildSpec(**given)
    session.emit(build_under_labels(session.workspace, spec, labels, out, session.progress))


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
