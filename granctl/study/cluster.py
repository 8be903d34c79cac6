"""A study done by Slurm: its cells as job arrays, submitted once, waited for, gone on with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from granctl.alone import making_alone
from granctl.files import make_folder, write_bytes
from granctl.launch.commands import array_size, check_programs, queued
from granctl.launch.slurm import Ended, Queued, job_script
from granctl.launch.studyarrays import CellArray, Step, arrays_of
from granctl.launch.studyjobs import (
    InQueue,
    SlurmStudy,
    Submitted,
    Tasks,
    arrays_of_round,
    cells_in_queue,
    find_submitted,
    jobs_of,
    name_of_jobs,
    round_folder,
    script_of,
    slurm_folder,
    submit_round,
)
from granctl.launch.waiting import looks
from granctl.progress import Progress
from granctl.provenance import plain
from granctl.study.cells import Cell
from granctl.study.clusterfaults import begun, ends_of, fault_of, is_settled
from granctl.study.ledger import Entry, FolderLedger
from granctl.study.named import recipe_files
from granctl.study.studyfile import Study
from granctl.study.studyplan import StudyPlan, plan_study
from granctl.study.sweep import begin_study, chosen, finish_study, place_of, whole_cells
from granctl.workspace import Artefact, Workspace

_SETTLE_S = 60.0
"""How long a network disk may take to show what another machine wrote."""
_USUAL = {"", "None", "Resources", "Priority", "Dependency", "BeginTime", "JobArrayTaskLimit"}
"""Reasons to wait that pass by themselves."""


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """One call: the study, where it lies, and which cells are wanted."""

    workspace: Workspace
    plan: StudyPlan
    cells: tuple[Cell, ...]
    folder: Path
    how: SlurmStudy

    @property
    def study(self) -> Study:
        return self.plan.study

    @property
    def ledger(self) -> FolderLedger:
        return FolderLedger(self.folder)

    @property
    def name(self) -> str:
        return name_of_jobs(self.folder, self.study.digest)

    def done(self, cells: Sequence[Cell]) -> dict[str, Artefact]:
        """Those that are whole."""
        return whole_cells(self.ledger, cells)

    def left(self) -> list[Cell]:
        """The wanted cells that are not whole."""
        done = self.done(self.cells)
        return [cell for cell in self.cells if cell.name not in done]


def run_on_slurm(
    workspace: Workspace,
    study: Study,
    how: SlurmStudy,
    progress: Progress,
    only: Sequence[str] = (),
) -> Artefact:
    """Has Slurm make every cell that is not whole.

    Jobs of this study that are in the queue already are waited for, not doubled.

    Args:
        workspace: where everything goes; all machines must see it.
        study: what is asked.
        how: jobs and their resources, and whether to wait.
        progress: is told how far the jobs are.
        only: names of cells; they and all that they need. None named: all.

    Raises:
        SpecError, BadOptionError: the study contradicts itself, or `only` names no cell.
        NoSlurmError, SubmitRefusedError, QueueSilentError: Slurm is not there, or does not take it.
        JobEndedError: cells failed; all others are whole.
    """
    asked = _asked(workspace, study, how, only)
    if asked.left():
        check_programs()
        begin_study(workspace, study)
        submitted = _submitted(asked, progress)
        if not how.wait:
            return _unfinished(asked, submitted)
        seen = _wait(asked, submitted, progress)
        while _untried(asked, submitted):  # these jobs were others', or who submitted was killed
            submitted = _submitted(asked, progress)
            seen = _wait(asked, submitted, progress)
        if left := asked.left():
            raise fault_of(asked.folder, submitted, left, asked.ledger, seen)
    with making_alone(begin_study(workspace, study), progress):
        return finish_study(asked.folder, asked.plan, asked.done(asked.plan.cells))


def foresee_study(
    workspace: Workspace,
    study: Study,
    how: SlurmStudy,
    progress: Progress,
    only: Sequence[str] = (),
) -> tuple[str, dict[str, Any]]:
    """The scripts that `run_on_slurm` would submit, and a record with the numbers.

    Of a study that is whole, its path. Nothing is written; no Slurm is needed.

    Raises:
        SpecError, BadOptionError: as `run_on_slurm`.
    """
    asked = _asked(workspace, study, how, only)
    left = asked.left()
    record = {
        "kind": "slurm-jobs",
        "path": str(asked.folder),
        "digest": study.digest,
        "made": False,
        "schema": 1,
        "cells": len(asked.cells),
        "missing": len(left),
        "name": asked.name,
        "scripts": {},
    }
    if not left:
        progress.note("study is there already, whole: nothing to submit")
        return str(asked.folder), record
    folder = round_folder(asked.folder, _next_round(asked.folder))
    tasks = _tasks(asked, left, study)
    jobs = zip(tasks.arrays, jobs_of(tasks, how, asked.name, folder), strict=True)
    scripts = {str(script_of(folder, array)): job_script(job) for array, job in jobs}
    progress.note(f"{len(left)} of {len(asked.cells)} cells are missing; {_sentence(tasks)}")
    text = "\n".join(f"# {path}\n{script}" for path, script in scripts.items())
    return text, {**record, "scripts": scripts}


def _asked(workspace: Workspace, study: Study, how: SlurmStudy, only: Sequence[str]) -> _Asked:
    plan = plan_study(study)
    cells = tuple(chosen(plan.cells, only))
    folder = place_of(workspace, study)
    return _Asked(workspace=workspace, plan=plan, cells=cells, folder=folder, how=how)


# --- submitting ---------------------------------------------------------------------------------


def _submitted(asked: _Asked, progress: Progress) -> Submitted:
    """Submits what is missing, unless jobs of the study are in the queue; returns what is there."""
    make_folder(slurm_folder(asked.folder))
    with making_alone(slurm_folder(asked.folder), progress):
        if queued(asked.name):
            progress.note("jobs of this study are in the queue: no others are submitted")
            return find_submitted(asked.folder) or Submitted(name=asked.name, round=0)
        left, number = asked.left(), _next_round(asked.folder)
        if len(left) < len(asked.cells):
            whole = len(asked.cells) - len(left)
            progress.note(f"going on: {whole} of {len(asked.cells)} cells are whole")
        tasks = _tasks(asked, left, _kept(asked.study, round_folder(asked.folder, number)))
        for cell in left:
            asked.ledger.forget(cell)
        submitted = submit_round(asked.folder, tasks, asked.how, asked.name, number)
        progress.note(f"{len(left)} cells are submitted; {_sentence(tasks)}")
        return submitted


def _untried(asked: _Asked, submitted: Submitted) -> list[Cell]:
    """The wanted cells that are not whole and had no task in a round."""
    arrays = arrays_of_round(asked.folder, submitted)
    tried = {cell for array in arrays for cell in array.cells}
    return [cell for cell in asked.left() if cell.name not in tried]


def _next_round(folder: Path) -> int:
    last = find_submitted(folder)
    return last.round + 1 if last else 1


def _tasks(asked: _Asked, left: Sequence[Cell], study: Study) -> Tasks:
    """What tasks are told."""
    missing = {cell.name for cell in left}
    steps = [
        Step(
            name=cell.name,
            stage=cell.stage,
            needs=tuple(dict.fromkeys(n for n in cell.needs.values() if n in missing)),
        )
        for cell in left
    ]
    return Tasks(
        study=plain(study),
        folder=str(asked.folder),
        workspace=str(asked.workspace.root),
        gpus=min(asked.how.gpus_per_node, 1),
        arrays=tuple(arrays_of(steps, array_size())),
    )


def _kept(study: Study, folder: Path) -> Study:
    """The study with copies of its recipes' files, which may be changed before the jobs start."""
    copies = {}
    for number, (recipe, source) in enumerate(recipe_files(study).items()):
        # A folder each, for a recipe is called as its file.
        copy = folder / f"recipe-{number}" / source.name
        copy.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(copy, source.read_bytes())
        copies[recipe] = str(copy)
    return replace(study, recipe=tuple(copies.get(r, r) for r in study.recipe))


def _sentence(tasks: Tasks) -> str:
    numbers = Counter(array.stage for array in tasks.arrays for _ in array.cells)
    cells = ", ".join(f"{num} {stage}" for stage, num in numbers.items())
    num = len(tasks.arrays)
    return f"{num} job array{'' if num == 1 else 's'}: {cells}"


def _unfinished(asked: _Asked, submitted: Submitted) -> Artefact:
    details = {
        "name": asked.study.name,
        "cells": len(asked.plan.cells),
        "missing": len(asked.left()),
        "jobs": {"name": submitted.name, "arrays": submitted.jobs},
    }
    return Artefact(
        kind="study",
        path=asked.folder,
        digest=asked.study.digest,
        made=True,
        whole=False,
        details=details,
    )


# --- waiting ------------------------------------------------------------------------------------


def _wait(asked: _Asked, submitted: Submitted, progress: Progress) -> dict[str, Ended]:
    """Waits until no job of the study is left.

    Ctrl-C ends the waiting alone, as one expects of a queue; it is said how to end the jobs.

    Returns:
        Cell -> how its task ended, of those that failed while this looked: Slurm soon forgets.
    """
    arrays = arrays_of_round(asked.folder, submitted)
    left, alive, seen = asked.left(), set[str](), dict[str, Ended]()
    logs = round_folder(asked.folder, submitted.round)
    progress.note(f"jobs: `squeue --name={submitted.name}`; logs: {logs}")
    progress.start("study on Slurm", len(left), "cells")
    told: set[str] = set()
    try:
        for _ in looks():
            queue = queued(submitted.name)
            if not queue:
                _settle(asked, submitted, arrays)
            states = cells_in_queue(submitted, arrays, queue)
            entries = asked.ledger.entries(left, states)
            done = {entry.cell for entry in entries if entry.state == "done"}
            left = [cell for cell in left if cell.name not in done]
            gone = [cell for cell in begun(left) if cell.name in alive - set(states)]
            seen |= ends_of(submitted, arrays, gone)
            alive = set(states)
            progress.advance(len(done), _state(states, entries))
            for note in _notes(entries, seen, queue):
                if note not in told:
                    told.add(note)
                    progress.note(note)
            if not queue:
                return seen
    except (KeyboardInterrupt, SystemExit):
        progress.note(f"the jobs go on; to end them: `scancel --name={submitted.name}`")
        raise
    finally:
        progress.finish()
    return seen


def _state(states: Mapping[str, InQueue], entries: Sequence[Entry]) -> str:
    """How far it is, beside the bar."""
    jobs = Counter(states.values())
    failed = sum(entry.state == "failed" for entry in entries)
    bad = f", {failed} failed" if failed else ""
    return f"{jobs['running']} running, {jobs['queued']} queued{bad}"


def _notes(
    entries: Sequence[Entry], seen: Mapping[str, Ended], queue: Sequence[Queued]
) -> Iterator[str]:
    """What failed, and why jobs wait where that does not pass by itself."""
    for entry in entries:
        if entry.state == "failed":
            yield f"{entry.cell} failed: {entry.error}"
        elif entry.cell in seen and entry.state == "stopped":
            yield f"{entry.cell} {seen[entry.cell].sentence()}"
    for reason in sorted({one.reason for one in queue if one.is_pending} - _USUAL):
        yield f"jobs wait, and Slurm says why: {reason}"


def _settle(asked: _Asked, submitted: Submitted, arrays: Sequence[CellArray]) -> None:
    """Waits for a network disk to show cells whose tasks ended well."""
    for passed in looks():
        if passed > _SETTLE_S or is_settled(submitted, arrays, asked.left()):
            return
