"""`granctl theory`: the paper's data model and network, run, varied and reported."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from granctl.cli.options import Json, Out, Quiet, WorkspaceFolder

app = typer.Typer(
    help="Run the paper's theory: why coarse labels miss rare features.", no_args_is_help=True
)

Parameters = Annotated[
    list[str] | None,
    typer.Option("--set", help="Change a parameter of the theory: k=4; may be repeated."),
]
LabelSpaces = Annotated[
    list[str] | None,
    typer.Option(
        "--labels",
        help="A label space to train under: coarse, fine, merged:4, split:32, random:16,"
        " random-inside:16, misaligned:4, sample; may be repeated (default: coarse and fine).",
        show_default=False,
    ),
]
Seeds = Annotated[int, typer.Option("--seeds", help="Seeds 0, 1 ... of everything.")]
Processes = Annotated[
    int | None,
    typer.Option(
        "--processes",
        help="Trainings at a time, of one thread each.",
        show_default="one a processor",
    ),
]


@app.command()
def run(
    set_: Parameters = None,
    labels: LabelSpaces = None,
    seeds: Seeds = 5,
    processes: Processes = None,
    out: Out = None,
    json: Json = False,
    quiet: Quiet = False,
    workspace: WorkspaceFolder = None,
) -> None:
    """Train on coarse and on fine labels, and measure what was learnt, in seconds."""
    from granctl.cli.console import Session
    from granctl.processes import default_workers
    from granctl.study.theoryasked import asked_run
    from granctl.study.theoryrun import run_theory
    from granctl.study.theorytable import run_table

    session = Session(workspace, as_json=json, quiet=quiet)
    asked = asked_run(set_ or [], labels or [], seeds)
    workers = default_workers() if processes is None else processes
    made = run_theory(session.workspace, asked, out, workers, session.progress)
    session.table(*run_table(made.details))
    session.emit(made)


@app.command()
def sweep(
    vary: Annotated[
        str,
        typer.Option(
            "--vary",
            metavar="NAME=VALUE,VALUE",
            help="A parameter and its values, or classes=2,4,16, or labels=coarse,merged:4,fine.",
        ),
    ],
    set_: Parameters = None,
    labels: LabelSpaces = None,
    seeds: Seeds = 5,
    processes: Processes = None,
    out: Out = None,
    json: Json = False,
    quiet: Quiet = False,
    workspace: WorkspaceFolder = None,
) -> None:
    """Run at several values of one parameter; the same command goes on after any end."""
    from granctl.cli.console import Session
    from granctl.processes import default_workers
    from granctl.study.theoryasked import asked_sweep
    from granctl.study.theoryrun import run_theory
    from granctl.study.theorytable import sweep_table

    session = Session(workspace, as_json=json, quiet=quiet)
    asked = asked_sweep(set_ or [], vary, labels or [], seeds)
    workers = default_workers() if processes is None else processes
    made = run_theory(session.workspace, asked, out, workers, session.progress)
    session.table(*sweep_table(made.details))
    session.emit(made)


@app.command()
def report(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[RUN|SWEEP]...",
            help="Folders that `theory run` and `sweep` made (default: all of the workspace).",
            show_default=False,
        ),
    ] = None,
    out: Out = None,
    json: Json = False,
    quiet: Quiet = False,
    workspace: WorkspaceFolder = None,
) -> None:
    """Show runs and sweeps as one page with figures and tables: contrast, ratio, sweeps."""
    from granctl.cli.console import Session
    from granctl.study.theorypage import theory_report

    session = Session(workspace, as_json=json, quiet=quiet)
    made = theory_report(session.workspace, paths or [], out, session.progress)
    session.progress.note(f"the page: {made.details['page']}")
    session.emit(made)
