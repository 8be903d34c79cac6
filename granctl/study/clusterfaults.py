"""Why no job of a study is left and cells are not whole: which failed, how, and what they said."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from granctl.errors import GranctlError, NotSharedError, listing
from granctl.launch.commands import ended
from granctl.launch.slurm import UNKNOWN, Ended
from granctl.launch.studyarrays import CellArray
from granctl.launch.studyjobs import Submitted, arrays_of_round, log_of, round_folder
from granctl.launch.waiting import tail_of
from granctl.study.cells import Cell
from granctl.study.ledger import FolderLedger


class _Task(NamedTuple):
    """The task of a cell, and how it ended."""

    array: CellArray
    number: int
    job: str
    end: Ended


def fault_of(
    folder: Path, submitted: Submitted, left: Sequence[Cell], ledger: FolderLedger
) -> GranctlError:
    """Names the cells that failed, how each ended, and the log of the first with its last lines.

    Those that were never begun because what they need is not whole are counted.
    """
    arrays = arrays_of_round(folder, submitted)
    missing = {cell.name for cell in left}
    failed = [cell for cell in left if not missing & set(cell.needs.values())]
    task_of = _ends(submitted, arrays, failed)
    errors = {e.cell: e.error for e in ledger.entries(failed, {}) if e.error is not None}
    # what says why stands first; a task that was cancelled has another mend than those that failed
    ranked = sorted(failed, key=lambda c: (c.name not in errors, task_of[c.name].end is UNKNOWN))
    said = listing([_said(c.name, task_of[c.name], errors.get(c.name)) for c in ranked])
    rest = len(left) - len(failed)
    waiting = f", and {rest} that need them were not begun" if rest else ""
    first = task_of[ranked[0].name]
    log = log_of(round_folder(folder, submitted.round), first.array, first.number)
    kind = first.end.error()
    if first.end.state == "FAILED" and not log.is_file():
        kind = NotSharedError
    noun = "cell" if len(failed) == 1 else "cells"
    return kind(f"{len(failed)} {noun} of the study failed{waiting}: {said}", log, tail_of(log))


def is_settled(submitted: Submitted, arrays: Sequence[CellArray], left: Sequence[Cell]) -> bool:
    """Whether no task ended well whose cell is not seen to be whole."""
    tasks = _ends(submitted, arrays, left)
    return all(task.end.state != "COMPLETED" for task in tasks.values())


def _ends(
    submitted: Submitted, arrays: Sequence[CellArray], cells: Sequence[Cell]
) -> dict[str, _Task]:
    """Cell -> its task, and how that ended; Slurm is asked once an array."""
    wanted = {cell.name for cell in cells}
    found: dict[str, _Task] = {}
    for array in arrays:
        mine = [(i, c) for i, c in zip(array.indices, array.cells, strict=True) if c in wanted]
        job = submitted.jobs[array.name]
        known = ended(job) if mine else {}
        for index, cell in mine:
            found[cell] = _Task(array, index, job, known.get(index, UNKNOWN))
    return found


def _said(cell: str, task: _Task, error: str | None) -> str:
    why = f": {error}" if error else ""
    return f"{cell} (task {task.job}_{task.number}) {task.end.sentence()}{why}"
