"""`granctl tree export`: a taxonomy or a label map as a file for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from granctl.cli.options import Json, Quiet, WorkspaceFolder

app = typer.Typer()


@app.command("export")
def export(
    out: Annotated[Path, typer.Option("--out", help="The file to write.")],
    format_: Annotated[
        str,
        typer.Option(
            "--format",
            help="Of a taxonomy: csv, json, dot, graphml. Of a label map: csv, json, lut, timm.",
        ),
    ] = "csv",
    labels: Annotated[
        Path | None,
        typer.Option("--labels", help="A label map (default for lut and timm: the newest)."),
    ] = None,
    taxonomy: Annotated[
        Path | None,
        typer.Option(
            "--taxonomy", help="As `granctl tree import` makes (default: WordNet 3.0 nouns)."
        ),
    ] = None,
    root: Annotated[
        str | None, typer.Option("--root", help="A wnid or a name: only what lies under it.")
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
    workspace: WorkspaceFolder = None,
) -> None:
    """Write a taxonomy or a label map as CSV, JSON, DOT, GraphML, a lookup table, for timm."""
    from granctl.cli.console import Session
    from granctl.tree.export import ExportSpec
    from granctl.tree.export import export as write

    session = Session(workspace, as_json=json, quiet=quiet)
    spec = ExportSpec(format=format_, labels=labels, taxonomy=taxonomy, root=root)
    if spec.needs_labels:
        found = session.given_or_newest(labels, "label-map")
        spec = ExportSpec(format=format_, labels=found, taxonomy=taxonomy, root=root)
    exported = write(spec, out, session.progress)
    session.answer(str(exported.path), exported.record())
