"""The options of a build of shards, which several commands take: declared once."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from granctl.cli.options import Out, Seed

OnBadImage = Annotated[
    Literal["fail", "skip"],
    typer.Option(help="Images that cannot be used: stop, or leave them out."),
]
Workers = Annotated[
    int | None,
    typer.Option("--workers", help="Processes.", show_default="the processors, at most 8", min=1),
]


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildOptions:
    """What was given."""

    fields: dict[str, Any]
    """Of `BuildSpec`."""
    resize: int | None
    quality: int | None
    labels: Path | None
    out: Path | None


def build_options(
    source: Annotated[
        str, typer.Option(help="A folder or file of images, or the name of a data set.")
    ] = "embedded",
    labels: Annotated[
        Path | None,
        typer.Option("--labels", help="A label map for .cls (default: each label is a class)."),
    ] = None,
    out: Out = None,
    seed: Seed = 0,
    on_bad_image: OnBadImage = "fail",
    order: Annotated[
        Literal["shuffled", "source", "blocks", "stratified", "balanced"],
        typer.Option(help="Order of the images."),
    ] = "shuffled",
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
        Literal["proportional", "equal"],
        typer.Option(help="How --images are shared out among labels."),
    ] = "proportional",
    per_class: Annotated[int | None, typer.Option(help="Most training images a class.")] = None,
    duplicates: Annotated[
        Literal["keep", "report", "drop"],
        typer.Option(help="Images that stand more than once."),
    ] = "keep",
    near_duplicates: Annotated[
        int | None, typer.Option(help="Bits of 64 in which perceptual hashes may differ, 0 to 4.")
    ] = None,
    audit: Annotated[
        Literal["structure", "decode"],
        typer.Option(help="How far each image is checked: structure, or every pixel."),
    ] = "structure",
    resize: Annotated[
        int | None, typer.Option(help="Encode anew: JPEG of this short side in pixels.")
    ] = None,
    quality: Annotated[
        int | None, typer.Option(help="Of JPEG, with --resize.", show_default="90")
    ] = None,
) -> BuildOptions:
    """The options; typer reads this signature."""
    where = {"source": source, "source_kind": source_kind, "seed": seed}
    which = {"images": images, "share": share, "per_class": per_class}
    how = {"order": order, "on_bad_image": on_bad_image, "holdout_frac": holdout_frac}
    most = {"shard_images": shard_images, "shard_bytes": shard_bytes, "audit": audit}
    twice = {"duplicates": duplicates, "near_duplicates": near_duplicates}
    fields: dict[str, Any] = {**where, **which, **how, **most, **twice}
    return BuildOptions(fields=fields, resize=resize, quality=quality, labels=labels, out=out)


def takes(*options: Callable[..., Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A decorator: the command's first arguments are what `options` make of options of their own.

    Args:
        options: functions whose signatures typer reads; one for each of the first arguments.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        theirs = [inspect.signature(one, eval_str=True).parameters for one in options]
        ours = list(inspect.signature(command, eval_str=True).parameters.values())[len(options) :]

        @wraps(command)
        def wrapped(**given: Any) -> None:
            made = [
                one(**{name: given.pop(name) for name in names})
                for one, names in zip(options, theirs, strict=True)
            ]
            command(*made, **given)

        parameters = [*(one for names in theirs for one in names.values()), *ours]
        by_name = inspect.Parameter.KEYWORD_ONLY  # so that one without a default may stand last
        signature = inspect.Signature([one.replace(kind=by_name) for one in parameters])
        wrapped.__signature__ = signature  # type: ignore[attr-defined]
        wrapped.__annotations__ = {one.name: one.annotation for one in parameters}
        return wrapped

    return decorate
