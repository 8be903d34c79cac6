"""The options that many commands share, declared once so that they read and mean the same."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from granctl.errors import BadUrlError

_UPLOAD = "write to a folder; `granctl shards upload` takes a shard set to s3://"

Json = Annotated[
    bool, typer.Option("--json", help="Print one JSON object on stdout instead of the path.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no notes on stderr.")]
WorkspaceFolder = Annotated[
    Path | None,
    typer.Option(
        "--workspace",
        help="Folder of artefacts.",
        show_default="$GRANCTL_WORKSPACE, else ./granctl-workspace",
    ),
]


def _a_folder(path: Path | None) -> Path | None:
    """Refuses a URL, which would become a folder of that name.

    Raises:
        BadUrlError: it is a URL.
    """
    if path is not None and str(path).startswith(("s3:/", "http:/", "https:/")):
        problem = "--out is a folder of this machine"
        raise BadUrlError(str(path).replace(":/", "://", 1), problem, _UPLOAD)
    return path


Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        help="Where to write.",
        show_default="in the workspace, by digest",
        callback=_a_folder,
    ),
]
Seed = Annotated[int, typer.Option("--seed", help="Every random choice follows from it.")]
Labels = Annotated[
    Path | None,
    typer.Option(
        "--labels", help="A label map, as `granctl tree cut` makes.", show_default="newest"
    ),
]
Shards = Annotated[
    Path | None,
    typer.Option(
        "--shards", help="A shard set: a folder, s3:// or https://.", show_default="newest"
    ),
]
Counts = Annotated[
    Path | None,
    typer.Option("--counts", help="Weigh labels by images: a file of label, tab, images."),
]
Source = Annotated[
    str | None,
    typer.Option("--source", help="A folder of images, or the name of a data set."),
]
RunFolder = Annotated[
    Path | None, typer.Option("--run", help="A run of `granctl pretrain` (default: newest).")
]
Init = Annotated[
    str | None,
    typer.Option(
        "--init",
        help="Public weights in place of --run: timm:NAME, or timm:NAME=FILE with their file.",
        metavar="timm:NAME[=FILE]",
    ),
]
