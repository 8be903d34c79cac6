"""`granctl runs`: which runs there are, how far each is, its metrics as they come, and its end."""

from __future__ import annotations

from typing import Annotated

import typer

from granctl.cli.options import Json, Quiet, WorkspaceFolder

app = typer.Typer(help="Runs that are made, wait or have stopped.", no_args_is_help=True)

RunName = Annotated[
    str | None,
    typer.Argument(
        help="A run's folder, or the beginning of its digest or name.",
        metavar="[RUN]",
        show_default="the one begun last",
    ),
]
NumLines = Annotated[
    int, typer.Option("--lines", help="So many of the lines that are there.", min=0)
]


@app.command("list")
def list_runs(json: Json = False, quiet: Quiet = False, workspace: WorkspaceFolder = None) -> None:
    """List the runs of the workspace: state, step, rate, loss, time left, and where."""
    from granctl.cli.console import Session
    from granctl.cli.runview import runs_text
    from granctl.launch.runstate import run_states

    session = Session(workspace, as_json=json, quiet=quiet)
    found = run_states(session.workspace)
    records = [one.record() for one in found]
    session.answer(runs_text(found), {"kind": "runs", "runs": records, "schema": 1})


@app.command()
def show(
    run: RunName = None,
    json: Json = False,
    quiet: Quiet = False,
    workspace: WorkspaceFolder = None,
) -> None:
    """Show one run: how it stands, what was asked of what, its metrics, checkpoints and log."""
    from granctl.cli.console import Session
    from granctl.cli.runview import run_text
    from granctl.launch.runstate import chosen_run
    from granctl.launch.runwatch import show_run

    session = Session(workspace, as_json=json, quiet=quiet)
    record = show_run(chosen_run(session.workspace, run))
    session.answer(run_text(record), record)


@app.command()
def tail(
    run: RunName = None,
    lines: NumLines = 10,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with new lines until the run ends.")
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
    workspace: WorkspaceFolder = None,
) -> None:
    """Print the last lines of a run's metrics, and with --follow each new one."""
    from granctl.cli.console import Session
    from granctl.cli.runview import print_lines
    from granctl.launch.runstate import chosen_run

    session = Session(workspace, as_json=json, quiet=quiet)
    print_lines(session, chosen_run(session.workspace, run), lines, follow=follow)


@app.command()
def stop(
    run: RunName = None,
    json: Json = False,
    quiet: Quiet = False,
    workspace: WorkspaceFolder = None,
) -> None:
    """Tell who makes a run to end: it saves first, and the same command goes on later."""
    from granctl.cli.console import Session
    from granctl.launch.runstate import chosen_run
    from granctl.launch.runwatch import stop_run

    session = Session(workspace, as_json=json, quiet=quiet)
    record = stop_run(chosen_run(session.workspace, run))
    session.progress.note(f"told to end: {record['how']}")
    session.answer(record["path"], record)
