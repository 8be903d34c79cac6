"""`granctl sweep`: a study from one file: its plan, its runs, how far it is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from granctl.cli.buildoptions import takes
from granctl.cli.launchoptions import StudyLaunch, check_alone, study_options
from granctl.cli.options import Json, Quiet, WorkspaceFolder

app = typer.Typer(help="Run a whole study from one file.", no_args_is_help=True)

StudyFile = Annotated[
    str,
    typer.Argument(
        metavar="STUDY", help="A TOML file, or the name of a study that comes with granctl."
    ),
]
Rate = Annotated[
    float | None,
    typer.Option(
        "--rate",
        help="Images a second that one device pretrains, to state hours.",
        show_default="as timed, where the recipe was",
        min=0.001,
    ),
]


@app.command("list")
def list_studies(
    json: Json = False, quiet: Quiet = False, workspace: WorkspaceFolder = None
) -> None:
    """List the studies that come with granctl, a line each: name, tab, what it asks."""
    from granctl.cli.console import Session
    from granctl.study.studyfile import study_sentences

    session = Session(workspace, as_json=json, quiet=quiet)
    found = study_sentences()
    lines = "\n".join(f"{name}\t{about}" for name, about in found.items())
    session.answer(lines, {"kind": "studies", "studies": found, "schema": 1})


@app.command()
def init(
    study: StudyFile,
    out: Annotated[
        Path | None, typer.Option("--out", help="The file to write.", show_default="NAME.toml")
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
    workspace: WorkspaceFolder = None,
) -> None:
    """Copy a study that comes with granctl, to be changed."""
    from granctl.cli.console import Session
    from granctl.study.studyfile import copy_study

    session = Session(workspace, as_json=json, quiet=quiet)
    path = copy_study(study, out)
    session.answer(str(path), {"kind": "study-file", "path": str(path), "schema": 1})


@app.command()
def plan(
    study: StudyFile,
    rate: Rate = None,
    json: Json = False,
    quiet: Quiet = False,
    workspace: WorkspaceFolder = None,
) -> None:
    """Print the cells of a study, and what it costs; nothing is run."""
    from granctl.cli.console import Session
    from granctl.study.costs import costs_of
    from granctl.study.plantable import cost_notes, cost_table, plan_record, plan_text
    from granctl.study.studyfile import load_study
    from granctl.study.studyplan import plan_study

    session = Session(workspace, as_json=json, quiet=quiet)
    planned = plan_study(load_study(study))
    costs = costs_of(session.workspace, planned, rate, session.progress)
    session.table(*cost_table(costs))
    for line in cost_notes(planned, costs):
        session.progress.note(line)
    session.answer(plan_text(planned), plan_record(planned, costs))


@app.command()
@takes(study_options)
def run(
    launch: StudyLaunch,
    study: StudyFile,
    processes: Annotated[
        int, typer.Option("--processes", help="Cells at a time, of one thread each.")
    ] = 1,
    cell: Annotated[
        list[str] | None,
        typer.Option("--cell", help="Only this cell and what it needs; may be given again."),
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
    workspace: WorkspaceFolder = None,
) -> None:
    """Make what is missing of a study; the same command goes on after any end."""
    from granctl.cli.console import Session
    from granctl.cli.launched import launched_study
    from granctl.study.studyfile import load_study
    from granctl.study.sweep import run_study

    check_alone(launch, processes)
    session = Session(workspace, as_json=json, quiet=quiet)
    asked, where = load_study(study), session.workspace
    if launch.slurm is not None:
        launched_study(session, launch, asked, cell or ())
    else:
        session.emit(run_study(where, asked, processes, session.progress, cell or ()))


@app.command()
def task(
    tasks: Annotated[Path, typer.Argument(help="tasks.json of what was submitted.")],
    array: Annotated[str, typer.Argument(help="One of its arrays, such as 03-transfer.")],
    index: Annotated[int, typer.Argument(help="The task of the array.")],
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Make one cell, as a task of a job array does; `run --launcher` submits those."""
    from granctl.cli.console import Session
    from granctl.study.onecell import make_one
    from granctl.train.world import place_of

    speaks = place_of(os.environ).rank == 0
    session = Session(None, as_json=json, quiet=quiet, speaks=speaks)
    made = make_one(tasks, array, index, session.progress)
    if speaks:
        session.answer(str(made.path), made.record())


@app.command()
def status(
    study: StudyFile,
    watch: Annotated[
        bool, typer.Option("--watch", help="Show it again every two seconds until it is whole.")
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
    workspace: WorkspaceFolder = None,
) -> None:
    """Say how far a study is: cells by stage and state, and the time left."""
    from granctl.cli.console import Session
    from granctl.launch.studyjobs import QueueLook
    from granctl.study.plantable import is_whole, status_table, status_text
    from granctl.study.studyfile import load_study
    from granctl.study.sweep import status_of

    session = Session(workspace, as_json=json, quiet=quiet)
    asked, look = load_study(study), QueueLook()

    def read() -> dict[str, Any]:
        return status_of(session.workspace, asked, look)

    found = session.follow(read, status_table, is_whole) if watch else read()
    session.table(*status_table(found))
    session.answer(status_text(found), found)
