"""Running a study: what is missing of it, in order of need; and how far it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from granctl.alone import making_alone
from granctl.errors import BadOptionError, StudyFileChangedError
from granctl.files import read_json
from granctl.launch.studyjobs import InQueue, find_submitted, look_into_queue
from granctl.progress import Progress
from granctl.provenance import plain, provenance
from granctl.study.cells import Cell, run_cells
from granctl.study.ledger import STATES, FolderLedger
from granctl.study.named import said_by_files
from granctl.study.studyfile import SCHEMA, Study
from granctl.study.studyplan import STAGES, StudyPlan, plan_study
from granctl.study.studytables import slug
from granctl.workspace import (
    SPEC_NAME,
    Artefact,
    Workspace,
    begin_folder,
    finish_folder,
    folder_state,
)


def place_of(workspace: Workspace, study: Study) -> Path:
    """The study's folder in a workspace."""
    return workspace.place("study", slug(study.name), study.digest)


def run_study(
    workspace: Workspace,
    study: Study,
    processes: int,
    progress: Progress,
    only: Sequence[str] = (),
) -> Artefact:
    """Makes every cell that is not whole; a cell that fails takes those with it that need it.

    Args:
        workspace: where everything goes.
        study: what is asked.
        processes: at least 1, of one thread each.
        progress: told each cell.
        only: names of cells; they and all that they need. None named: all.

    Raises:
        SpecError: the study contradicts itself.
        BadOptionError: `only` names no cell, or there is no process.
        StudyFileChangedError: a file that the study names said something else when it was begun.
        CellsFailedError: cells failed; all others are whole.
        WorkerDiedError: a process was killed.
    """
    if processes < 1:
        raise BadOptionError("--processes", f"{processes} is below 1", "give 1 or more")
    plan = plan_study(study)
    cells = chosen(plan.cells, only)
    folder = begin_study(workspace, study)
    with making_alone(folder, progress):
        ledger = FolderLedger(folder)
        done = run_cells(workspace, cells, processes, progress, ledger, keep_going=True)
        return finish_study(folder, plan, whole_cells(ledger, plan.cells) | done)


def whole_cells(ledger: FolderLedger, cells: Sequence[Cell]) -> dict[str, Artefact]:
    """Name -> artefact of the cells that are whole."""
    return {c.name: made for c in cells if (made := ledger.known(c)) is not None}


def begin_study(workspace: Workspace, study: Study) -> Path:
    """The study's folder, with what is asked in it.

    Raises:
        StudyFileChangedError: a file that the study names said something else when it was begun.
    """
    folder, inputs = place_of(workspace, study), said_by_files(study)
    if folder_state(folder, study.digest) == "absent":
        begin_folder(folder, study.digest, _asked(study), inputs)
    then = read_json(folder / SPEC_NAME)["provenance"]["inputs"]
    for name, said in inputs.items():
        if then.get(name, said) != said:
            raise StudyFileChangedError(name, folder)
    return folder


def finish_study(folder: Path, plan: StudyPlan, done: Mapping[str, Artefact]) -> Artefact:
    """The study as far as it is made; with its manifest where every cell is.

    Args:
        folder: the study's.
        plan: of the study.
        done: every cell of it that is whole, not only those of this call.
    """
    study = plan.study
    whole = len(done) == len(plan.cells)
    details = _details(plan, done)
    made = any(artefact.made for artefact in done.values())
    if whole and folder_state(folder, study.digest) != "whole":
        made = True
        head = {"kind": "study", "schema": SCHEMA, "digest": study.digest}
        inputs = read_json(folder / SPEC_NAME)["provenance"]["inputs"]
        finish_folder(folder, {**head, **details, "provenance": provenance(_asked(study), inputs)})
    return Artefact(
        kind="study", path=folder, digest=study.digest, made=made, whole=whole, details=details
    )


def _asked(study: Study) -> dict[str, Any]:
    return {**plain(study), "folder": None}


def chosen(cells: Sequence[Cell], only: Sequence[str]) -> list[Cell]:
    """The named cells and all that they need, in order; all cells where none is named."""
    by_name = {cell.name: cell for cell in cells}
    if unknown := [name for name in only if name not in by_name]:
        hint = "`granctl sweep plan STUDY` lists the cells"
        raise BadOptionError("--cell", f"{unknown[0]!r} is no cell of the study", hint)
    if not only:
        return list(cells)
    wanted, open_ = set[str](), list(only)
    while open_:
        name = open_.pop()
        if name not in wanted:
            wanted.add(name)
            open_ += by_name[name].needs.values()
    return [cell for cell in cells if cell.name in wanted]


def _details(plan: StudyPlan, done: Mapping[str, Artefact]) -> dict[str, Any]:
    results = [str(done[c.name].path) for c in plan.of_stage("transfer") if c.name in done]
    runs = [str(done[c.name].path) for c in plan.of_stage("pretrain") if c.name in done]
    return {
        "name": plan.study.name,
        "cells": len(plan.cells),
        "whole": len(done),
        "runs": runs,
        "results": results,
    }


def status_of(
    workspace: Workspace,
    study: Study,
    look: Callable[[Path], Mapping[str, InQueue] | None] = look_into_queue,
) -> dict[str, Any]:
    """How far a study is; nothing is run.

    Cells whose tasks Slurm has are queued or running; where it cannot be asked, those that began
    are believed to run.

    The fields: name, path, cells (number), states (state -> number), stages (stage -> state ->
    number), failed (cell -> error), running (names), jobs (the name of Slurm's jobs that were
    submitted last, or None), seconds_left (of one process: the mean time of the finished
    cells of each stage times those that are left; None until each such stage has one).

    Args:
        workspace: where it is.
        study: what is asked.
        look: says what Slurm has of it, by the study's folder.

    Raises:
        SpecError: the study contradicts itself.
    """
    plan = plan_study(study)
    folder = place_of(workspace, study)
    submitted, queue = find_submitted(folder), look(folder)
    entries = FolderLedger(folder).entries(plan.cells, queue)
    counts = Counter((e.stage, e.state) for e in entries)
    stages = {
        stage: {state: counts[stage, state] for state in STATES}
        for stage in STAGES
        if any(e.stage == stage for e in entries)
    }
    took = {
        stage: [e.seconds for e in entries if e.stage == stage and e.seconds is not None]
        for stage in stages
    }
    left = {stage: sum(n for s, n in row.items() if s != "done") for stage, row in stages.items()}
    known = all(took[stage] for stage, num in left.items() if num)
    seconds = sum(sum(took[s]) / len(took[s]) * n for s, n in left.items() if n) if known else None
    return {
        "name": study.name,
        "path": str(folder),
        "cells": len(entries),
        "states": {state: sum(e.state == state for e in entries) for state in STATES},
        "stages": stages,
        "failed": {e.cell: e.error for e in entries if e.state == "failed"},
        "running": [e.cell for e in entries if e.state == "running"],
        "jobs": submitted.name if submitted else None,
        "seconds_left": None if seconds is None else round(seconds, 1),
    }
