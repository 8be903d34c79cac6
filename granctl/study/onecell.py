"""One cell of a study, made by a task of a job array."""

from __future__ import annotations

import os
from pathlib import Path

from granctl.errors import (
    BadOptionError,
    CellNotReadyError,
    GranctlError,
    MissingInputError,
    NoDeviceError,
    StoppedError,
    TakenOverError,
)
from granctl.launch.studyjobs import GPU_STAGES, Tasks, mark_of, read_tasks
from granctl.launch.waiting import looks
from granctl.progress import Progress
from granctl.spec import parse
from granctl.study.cells import Cell
from granctl.study.ledger import FolderLedger
from granctl.study.studyfile import Study
from granctl.study.studyplan import plan_study
from granctl.train.device import Machine, open_device
from granctl.train.world import place_of
from granctl.workspace import Artefact, Workspace

SETTLE_S = 60.0
"""How long a network disk may take to show what another machine wrote."""


def make_one(path: Path, array: str, index: int, progress: Progress) -> Artefact:
    """Makes the cell of one task; what it needs must be whole.

    Of several processes that train together each calls it, and the first writes the ledger.

    Args:
        path: tasks.json of a round.
        array: which of its arrays.
        index: of the task.
        progress: is told how far it is.

    Raises:
        MissingInputError: there is no such file.
        BadOptionError: it has no such task.
        CellNotReadyError: what the cell needs is not whole.
        GranctlError: as the cell's own command.
    """
    tasks = read_tasks(path)
    if tasks is None:
        raise MissingInputError("tasks of a study", path, "`granctl sweep run` submits them")
    study = parse(Study, tasks.study, str(path))
    cells = {cell.name: cell for cell in plan_study(study).cells}
    cell = cells[_name(tasks, array, index)]
    ledger = FolderLedger(Path(tasks.folder))
    known = ledger.known(cell)
    if known is not None:
        return known
    paths = _needed(ledger, cell, cells)
    first = place_of(os.environ).rank == 0
    if first:
        ledger.began(cell)
    workspace = Workspace(Path(tasks.workspace))
    try:
        if tasks.gpus and cell.stage in GPU_STAGES:
            _check_gpu()
        made = cell.work(workspace, progress=progress, **cell.params, **paths)
    except StoppedError:
        if first:
            mark_of(path, array, index).touch()
        raise
    except TakenOverError:
        raise  # another start goes on
    except GranctlError as error:
        if first:
            ledger.failed(cell, error)
        raise
    if first:
        ledger.made(cell, made)
    return made


def _check_gpu() -> None:
    """Raises BadOptionError on a node without a GPU: it is to be told of, not to be computed on."""
    try:
        open_device(Machine(device="cuda"))
    except NoDeviceError as error:
        what = f"a node that has none of them ({error.message})"
        raise BadOptionError("--gpus-per-node", what, "name a partition of GPUs") from error


def _name(tasks: Tasks, array: str, index: int) -> str:
    for one in tasks.arrays:
        if one.name == array and index in one.indices:
            return one.cells[one.indices.index(index)]
    hint = f"arrays: {', '.join(one.name for one in tasks.arrays)}"
    raise BadOptionError("ARRAY INDEX", f"{array} {index} is no task of this round", hint)


def _needed(ledger: FolderLedger, cell: Cell, cells: dict[str, Cell]) -> dict[str, Path]:
    """Argument -> path of what the cell needs; waits for the disk, not for work.

    Raises:
        CellNotReadyError: it is not whole.
    """
    looking = looks()
    while True:
        passed = next(looking)
        found = {key: ledger.known(cells[name]) for key, name in cell.needs.items()}
        paths = {key: made.path for key, made in found.items() if made is not None}
        missing = [name for key, name in cell.needs.items() if key not in paths]
        if not missing:
            return paths
        said = {ledger.said(cells[name]) for name in missing}
        if passed > SETTLE_S or not said & {"running", "done"}:
            raise CellNotReadyError(cell.name, missing)
