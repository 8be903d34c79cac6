"""The options that many commands share, declared once so that they read and mean the same."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

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
Out = Annotated[
    Path | None,
    typer.Option("--out", help="Where to write.", show_default="in the workspace, by digest"),
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
        "--shards", help="A shard set, as `granctl shards build` makes.", show_default="newest"
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
