"""`granctl demo`: the whole road on the embedded images."""

from __future__ import annotations

from typing import Annotated

import typer

from granctl.cli.options import Json, Out, Quiet, WorkspaceFolder


def demo(
    seeds: Annotated[int, typer.Option(help="Runs of every source.")] = 3,
    processes: Annotated[int, typer.Option(help="Processes, of one thread each.")] = 2,
    per_class: Annotated[int, typer.Option(help="Labelled images a class of the targets.")] = 20,
    recipe: Annotated[str, typer.Option(help="A recipe's name or TOML file.")] = "embedded-resnet",
    out: Out = None,
    json: Json = False,
    quiet: Quiet = False,
    workspace: WorkspaceFolder = None,
) -> None:
    """Ask the paper's question in small: cut, shard, pretrain, transfer and report, in minutes."""
    from granctl.cli.console import Session
    from granctl.study.demo import DemoSpec, demo
    from granctl.study.table import terminal_table

    session = Session(workspace, as_json=json, quiet=quiet)
    spec = DemoSpec(recipe=recipe, seeds=seeds, processes=processes, per_class=per_class)
    report, panels = demo(session.workspace, spec, out, session.progress)
    session.table(*terminal_table(panels))
    session.progress.note(f"the page: {report.details['page']}")
    session.emit(report)
