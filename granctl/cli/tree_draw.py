"""`granctl tree draw`: a taxonomy and cuts through it as an interactive page or a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from granctl.cli.options import Json, Out, Quiet, WorkspaceFolder

app = typer.Typer()


@app.command("draw")
def draw(
    labels: Annotated[
        list[Path] | None,
        typer.Option("--labels", help="A label map to colour by; may be given several times."),
    ] = None,
    format_: Annotated[
        str, typer.Option("--format", help="html: a page to explore; svg: a picture.")
    ] = "html",
    shape: Annotated[
        str, typer.Option(help="icicle or sunburst; the page starts with it and has both.")
    ] = "icicle",
    root: Annotated[
        str | None, typer.Option("--root", help="A wnid or a name: only what lies under it.")
    ] = None,
    weights: Annotated[str, typer.Option(help="What a width counts: labels or images.")] = "labels",
    shards: Annotated[
        Path | None, typer.Option(help="A shard set that says how many images a label has.")
    ] = None,
    list_: Annotated[
        str | None,
        typer.Option(
            "--list",
            help="Label list: a name of `granctl tree lists`, or a file.",
            show_default="the labels of --labels, else 21843",
        ),
    ] = None,
    taxonomy: Annotated[
        Path | None,
        typer.Option(
            "--taxonomy", help="As `granctl tree import` makes.", show_default="WordNet 3.0 nouns"
        ),
    ] = None,
    out: Out = None,
    json: Json = False,
    quiet: Quiet = False,
    workspace: WorkspaceFolder = None,
) -> None:
    """Draw the tree, coloured by cuts: icicle and sunburst in one page, or a picture."""
    from granctl.cli.console import Session
    from granctl.cli.treeview import asked_node
    from granctl.study.treedraw import DrawSpec, draw_tree

    session = Session(workspace, as_json=json, quiet=quiet)
    node = asked_node(session, taxonomy, root)
    look = {"format": format_, "shape": shape, "weights": weights}
    inputs = {"labels": tuple(labels or ()), "list": list_, "root": node}
    spec = DrawSpec.from_options({**inputs, "shards": shards, "taxonomy": taxonomy, **look})
    session.emit(draw_tree(session.workspace, spec, out, session.progress))
