"""Why no job of a study is left and cells are not whole: which failed, how, and what they said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from granctl.errors import GranctlError, NotSharedError, listing
from granctl.launch.commands import ended
from granctl.launch.slurm import UNKNOWN, Ended
from granctl.launch.studyarrays import CellArray
from granctl.launch.studyjobs import Submitted, arrays_of_round, log_of, round_folder
from granctl.launch.waiting import tail_of
from granctl.study.cells import Cell
from granctl.study.ledger import FolderLedger


def fault_of(
    folder: Path,
    submitted: Submitted,
    left: Sequence[Cell],
    ledger: FolderLedger,
    seen: Mapping[str, Ended],
) -> GranctlError:
    """Names the cells that failed, how each ended, and the log of the first with its last lines.

    Those that were never begun because what they need is not whole are counted.

    Args:
        folder: the study's.
        submitted: the last round; each cell that is left had a task in it.
        left: the cells that are not whole.
        ledger: of the study.
        seen: how tasks ended, where somebody looked in time.
    """
    arrays = arrays_of_round(folder, submitted)
    failed = begun(left)
    known = {cell: end for cell, end in seen.items() if end is not UNKNOWN}
    ends = ends_of(submitted, arrays, failed) | known
    errors = {e.cell: e.error for e in ledger.entries(failed, {}) if e.error is not None}
    # what says why stands first: its log is shown
    ranked = sorted((c.name for c in failed), key=lambda c: (c not in errors, ends[c] is UNKNOWN))
    task_of = {c: (a, i) for a in arrays for i, c in zip(a.indices, a.cells, strict=True)}
    said = []
    for name in ranked:
        array, index = task_of[name]
        why = f": {errors[name]}" if name in errors else ""
        task = f"{submitted.jobs[array.name]}_{index}"
        said.append(f"{name} (task {task}) {ends[name].sentence()}{why}")
    rest = len(left) - len(failed)
    waiting = f", and {rest} that need them were not begun" if rest else ""
    first = ends[ranked[0]]
    log = log_of(round_folder(folder, submitted.round), *task_of[ranked[0]])
    kind = NotSharedError if first.state == "FAILED" and not log.is_file() else first.error()
    num = f"{len(failed)} cell{'' if len(failed) == 1 else 's'}"
    return kind(f"{num} of the study failed{waiting}: {listing(said)}", log, tail_of(log))


def begun(left: Sequence[Cell]) -> list[Cell]:
    """Of the cells that are not whole, those that could be made: all that they need is whole."""
    missing = {cell.name for cell in left}
    return [cell for cell in left if not missing & set(cell.needs.values())]


def is_settled(submitted: Submitted, arrays: Sequence[CellArray], left: Sequence[Cell]) -> bool:
    """Whether no task ended well whose cell is not seen to be whole."""
    ends = ends_of(submitted, arrays, left).values()
    return all(one.state != "COMPLETED" for one in ends)


def ends_of(
    submitted: Submitted, arrays: Sequence[CellArray], cells: Sequence[Cell]
) -> dict[str, Ended]:
    """Cell -> how its task ended, as far as Slurm still knows; it is asked once an array."""
    wanted = {cell.name for cell in cells}
    found: dict[str, Ended] = {}
    for array in arrays:
        mine = [(i, c) for i, c in zip(array.indices, array.cells, strict=True) if c in wanted]
        known = ended(submitted.jobs[array.name]) if mine else {}
        found |= {cell: known.get(index, UNKNOWN) for index, cell in mine}
    return found
