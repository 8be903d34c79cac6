"""Work that depends on work: cells of a study, run in this machine's processes in order of need."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from granctl.errors import WorkerDiedError
from granctl.progress import Progress, Silent
from granctl.workspace import Artefact, Workspace


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One artefact to make, and the cells whose artefacts it is made from."""

    name: str
    """Unique in a study; shown while it runs."""
    work: Callable[..., Artefact]
    """A module-level function `work(workspace, progress=..., **params, **paths of needs)`."""
    params: Mapping[str, Any] = field(default_factory=dict)
    """Arguments that are known before anything has run."""
    needs: Mapping[str, str] = field(default_factory=dict)
    """Argument -> name of the cell whose artefact's path it is."""


def run_cells(
    workspace: Workspace, cells: Sequence[Cell], processes: int, progress: Progress
) -> dict[str, Artefact]:
    """Makes every artefact, each as soon as those it needs are whole; name -> artefact.

    Every cell finds what is whole already, so the same call goes on after an interruption. Each
    process has one OpenMP thread: two threads on two busy cores were seen to cost 40 x.

    Raises:
        GranctlError: the first fault of a cell; the others that run then are ended.
        WorkerDiedError: a process was killed.
        ValueError: a cell needs one that is not there.
    """
    _check_needs(cells)
    done: dict[str, Artefact] = {}
    waiting = list(cells)
    running: dict[Future[Artefact], Cell] = {}
    pool = ProcessPoolExecutor(
        processes, multiprocessing.get_context("spawn"), initializer=_prepare_worker
    )
    progress.start("study", len(cells), "cells")
    try:
        while waiting or running:
            for cell in [c for c in waiting if all(n in done for n in c.needs.values())]:
                paths = {k: done[name].path for k, name in cell.needs.items()}
                running[pool.submit(_work, cell, workspace.root, paths)] = cell
                waiting.remove(cell)
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                cell = running.pop(future)
                done[cell.name] = future.result()
                progress.advance(1, note=cell.name)
    except BrokenProcessPool as error:
        raise WorkerDiedError([c.name for c in running.values()] or [cell.name]) from error
    finally:
        _end(pool, finished=not running and not waiting)
        progress.finish()
    return done


def _check_needs(cells: Sequence[Cell]) -> None:
    seen: set[str] = set()
    for cell in cells:
        if cell.name in seen or not seen.issuperset(cell.needs.values()):
            raise ValueError(f"cell {cell.name!r} is named twice or needs a later cell")
        seen.add(cell.name)


def _prepare_worker() -> None:
    """Ctrl-C reaches the parent alone, which ends the workers; one thread each.

    A worker that is ended unwinds, so that what it was writing is removed.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _unwind)
    os.environ["OMP_NUM_THREADS"] = "1"


def _unwind(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _work(cell: Cell, root: Path, paths: Mapping[str, Path]) -> Artefact:
    try:
        return cell.work(Workspace(root), progress=Silent(), **cell.params, **paths)
    except SystemExit as ended:
        # The pool would hand it to the parent as the cell's result, and take the next cell.
        os._exit(int(ended.code or 0))


def _end(pool: ProcessPoolExecutor, *, finished: bool) -> None:
    """Waits for an idle pool; ends the processes of one that still works, by pid."""
    processes = list((pool._processes or {}).values())
    pool.shutdown(wait=finished, cancel_futures=True)
    if not finished:
        for process in processes:
            process.terminate()
            process.join()
