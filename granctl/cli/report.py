"""`granctl report`: what the results say, as a page, tables and figures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from granctl.cli.options import Json, Out, Quiet, WorkspaceFolder

Results = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="[RESULT]...",
        help="result.json files, their folders, or folders of results (default: all of the"
        " workspace).",
        show_default=False,
    ),
]


def report(
    results: Results = None,
    out: Out = None,
    workspace: WorkspaceFolder = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Means and deviations over seeds, the curve, the cuts: one page, tables and figures."""
    from granctl.cli.console import Session
    from granctl.study.report import report_of
    from granctl.study.table import terminal_table

    session = Session(workspace, as_json=json, quiet=quiet)
    artefact, panels = report_of(session.workspace, results or [], out, session.progress)
    session.table(*terminal_table(panels))
    session.progress.note(f"the page: {artefact.details['page']}")
    session.emit(artefact)
