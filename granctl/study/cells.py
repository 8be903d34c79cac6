"""Work that depends on work: cells of a study, run in this machine's processes in order of need."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from granctl.errors import CellsFailedError, GranctlError, WorkerDiedError
from granctl.processes import end_pool, leaving_when_ended, prepare_worker
from granctl.progress import Progress, Silent
from granctl.workspace import Artefact, Workspace


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One artefact to make, and the cells whose artefacts it is made from."""

    name: str
    """Unique in a study; shown while it runs."""
    stage: str = ""
    """The kind of work, for counts."""
    work: Callable[..., Artefact]
    """A module-level function `work(workspace, progress=..., **params, **paths of needs)`."""
    params: Mapping[str, Any] = field(default_factory=dict)
    """Arguments that are known before anything has run."""
    needs: Mapping[str, str] = field(default_factory=dict)
    """Argument -> name of the cell whose artefact's path it is."""


class Ledger(Protocol):
    """Who is told what becomes of cells, and knows which are whole already."""

    def known(self, cell: Cell) -> Artefact | None:
        """The whole artefact of a cell that an earlier call made."""

    def began(self, cell: Cell) -> None:
        """It is about to be made."""

    def made(self, cell: Cell, artefact: Artefact) -> None:
        """It is whole."""

    def failed(self, cell: Cell, error: GranctlError) -> None:
        """It could not be made."""


def run_cells(
    workspace: Workspace,
    cells: Sequence[Cell],
    processes: int,
    progress: Progress,
    ledger: Ledger | None = None,
    *,
    keep_going: bool = False,
) -> dict[str, Artefact]:
    """Makes every artefact, each as soon as those it needs are whole; name -> artefact.

    Every cell finds what is whole already, so the same call goes on after an interruption. Each
    process has one OpenMP thread: two threads on two busy cores were seen to cost 40 x.

    Args:
        workspace: where the artefacts go.
        cells: those that are needed stand before those that need them.
        processes: at least 1.
        progress: told each cell.
        ledger: knows what is whole, and is told what becomes of each cell.
        keep_going: a cell that fails takes only those with it that need it, and the faults are
            told at the end; else the first fault ends the others.

    Raises:
        GranctlError: the first fault of a cell.
        CellsFailedError: with `keep_going`: cells failed.
        WorkerDiedError: a process was killed.
        ValueError: a cell needs one that is not there.
    """
    _check_needs(cells)
    done: dict[str, Artefact] = {}
    if ledger is not None:
        done = {c.name: made for c in cells if (made := ledger.known(c)) is not None}
    waiting = [cell for cell in cells if cell.name not in done]
    running: dict[Future[Artefact], Cell] = {}
    faults: dict[str, GranctlError] = {}
    pool = ProcessPoolExecutor(
        processes, multiprocessing.get_context("spawn"), initializer=_prepare_worker
    )
    progress.start("study", len(waiting), "cells")
    finished = False
    try:
        while waiting or running:
            for cell in _ready(waiting, done, processes - len(running)):
                paths = {k: done[name].path for k, name in cell.needs.items()}
                if ledger is not None:
                    ledger.began(cell)
                running[pool.submit(_work, cell, workspace.root, paths)] = cell
                waiting.remove(cell)
            if not running:
                break
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                cell = running.pop(future)
                try:
                    done[cell.name] = future.result()
                except GranctlError as error:
                    if ledger is not None:
                        ledger.failed(cell, error)
                    if not keep_going:
                        raise
                    faults[cell.name] = error
                    progress.note(f"{cell.name} failed: {error}")
                else:
                    if ledger is not None:
                        ledger.made(cell, done[cell.name])
                progress.advance(1, note=cell.name)
        finished = True
    except BrokenProcessPool as error:
        names = [c.name for c in running.values()] or [cell.name]
        raise WorkerDiedError(names, "--processes") from error
    finally:
        end_pool(pool, finished=finished)
        progress.finish()
    if faults:
        raise CellsFailedError([f"{n}: {e}" for n, e in faults.items()], len(waiting))
    return done


def _ready(waiting: Sequence[Cell], done: Mapping[str, Artefact], most: int) -> list[Cell]:
    """The first cells all of whose needs are whole, at most as many as there is room for."""
    ready = (c for c in waiting if all(name in done for name in c.needs.values()))
    return [cell for cell, _ in zip(ready, range(most), strict=False)]


def _check_needs(cells: Sequence[Cell]) -> None:
    seen: set[str] = set()
    for cell in cells:
        if cell.name in seen or not seen.issuperset(cell.needs.values()):
            raise ValueError(f"cell {cell.name!r} is named twice or needs a later cell")
        seen.add(cell.name)


def _prepare_worker() -> None:
    prepare_worker()
    os.environ["OMP_NUM_THREADS"] = "1"


def _work(cell: Cell, root: Path, paths: Mapping[str, Path]) -> Artefact:
    with leaving_when_ended():
        return cell.work(Workspace(root), progress=Silent(), **cell.params, **paths)
