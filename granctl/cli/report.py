"""`granctl report`: what the results say, as a page, tables and figures."""

from __future__ import annotations

from enum import StrEnum
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


class _By(StrEnum):
    loss = "loss"
    margin = "margin"
    mistakes = "mistakes"


def report(
    results: Results = None,
    difficulty: Annotated[
        str | None,
        typer.Option(
            metavar="CUT",
            help="Score every source on easy and hard images too, as judged by the networks that"
            " were pretrained on this cut under other seeds: depth-5.",
            show_default=False,
        ),
    ] = None,
    by: Annotated[
        _By | None,
        typer.Option(
            help="With --difficulty: what tells a hard image (default: loss).", show_default=False
        ),
    ] = None,
    bins: Annotated[
        int | None,
        typer.Option(
            help="With --difficulty: bins of equal size, from easy to hard (default: 5).",
            show_default=False,
        ),
    ] = None,
    out: Out = None,
    workspace: WorkspaceFolder = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Means and deviations over seeds, the curve, the cuts: one page, tables and figures."""
    from granctl.cli.console import Session
    from granctl.study import difficultyview
    from granctl.study.difficulty import DifficultySpec
    from granctl.study.report import report_of
    from granctl.study.table import terminal_table

    session = Session(workspace, as_json=json, quiet=quiet)
    hard = DifficultySpec.from_options(difficulty, by.value if by else None, bins)
    made = report_of(session.workspace, results or [], out, session.progress, hard)
    artefact, panels, binned = made
    session.table(*terminal_table(panels))
    if binned:
        session.table(*difficultyview.terminal_table(binned))
    session.progress.note(f"the page: {artefact.details['page']}")
    session.emit(artefact)
