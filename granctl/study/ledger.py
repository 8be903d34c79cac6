"""What became of each cell of a study: one small JSON a cell, in the study's folder.

<workspace>/studies/<name>-<digest>/
  spec.json        the study; written first
  cells/NAME.json  state (running, done, failed), artefact, seconds, host and pid, Slurm's task
  manifest.json    written when every cell is whole
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from granctl.errors import GranctlError
from granctl.files import read_json, write_json
from granctl.launch.studyjobs import InQueue
from granctl.study.cells import Cell
from granctl.workspace import MANIFEST_NAME, Artefact

CELLS = "cells"
State = Literal["waiting", "queued", "running", "stopped", "failed", "done"]
STATES: tuple[State, ...] = ("done", "running", "queued", "failed", "stopped", "waiting")


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """What the ledger says of one cell."""

    cell: str
    stage: str
    state: State
    """waiting: never begun; queued: its task waits in Slurm's queue; stopped: begun by a process,
    or a task, that is gone."""
    path: str | None = None
    seconds: float | None = None
    """Wall time of the call that made it."""
    error: str | None = None


class FolderLedger:
    """The ledger of one study's folder; each cell's file is replaced whole."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / CELLS
        self._began: dict[str, float] = {}

    def known(self, cell: Cell) -> Artefact | None:
        """The artefact of a cell that is done, unless it has been removed since."""
        record = self._record(cell.name)
        if record is None or record["state"] != "done" or not _is_whole(Path(record["path"])):
            return None
        return Artefact(
            kind=record["kind"],
            path=Path(record["path"]),
            digest=record["digest"],
            made=False,
            details=record["details"],
        )

    def began(self, cell: Cell) -> None:
        """Notes which process of which machine makes it."""
        self._began[cell.name] = time.monotonic()
        place = {"host": socket.gethostname(), "pid": os.getpid(), "task": slurm_task(os.environ)}
        self._write(cell, "running", place)

    def made(self, cell: Cell, artefact: Artefact) -> None:
        """Notes where it is, and how long it took."""
        seconds = time.monotonic() - self._began[cell.name]
        told = {"kind": artefact.kind, "path": str(artefact.path), "digest": artefact.digest}
        told_now = {"made": artefact.made, "seconds": round(seconds, 3)}
        self._write(cell, "done", {**told, **told_now, "details": _small(artefact.details)})

    def failed(self, cell: Cell, error: GranctlError) -> None:
        """Notes why."""
        self._write(cell, "failed", {"error": str(error), "exit_code": error.exit_code})

    def said(self, cell: Cell) -> State:
        """What was written last of a cell, whatever became of its artefact."""
        state: State = (self._record(cell.name) or {"state": "waiting"})["state"]
        return state

    def forget(self, cell: Cell) -> None:
        """Whatever became of it before does not count any more: it is about to be tried again."""
        self._path(cell.name).unlink(missing_ok=True)

    def entries(
        self, cells: Sequence[Cell], queue: Mapping[str, InQueue] | None = None
    ) -> list[Entry]:
        """What is known of each cell, in their order.

        Args:
            cells: of the study.
            queue: those whose tasks Slurm has, waiting or running; None: it could not be asked.
        """
        return [self._entry(cell, queue) for cell in cells]

    def _entry(self, cell: Cell, queue: Mapping[str, InQueue] | None) -> Entry:
        record = self._record(cell.name) or {"state": "waiting"}
        state: State = record["state"]
        if state != "done" and queue and cell.name in queue:
            state = queue[cell.name]
        elif state == "running" and not _runs(record, queue):
            state = "stopped"
        if state == "done" and not _is_whole(Path(record["path"])):
            state, record = "waiting", {}
        return Entry(
            cell=cell.name,
            stage=cell.stage,
            state=state,
            path=record.get("path"),
            seconds=record.get("seconds"),
            error=record.get("error") if state == "failed" else None,
        )

    def _record(self, name: str) -> dict[str, Any] | None:
        path = self._path(name)
        return read_json(path) if path.is_file() else None

    def _write(self, cell: Cell, state: str, facts: Mapping[str, Any]) -> None:
        head = {"cell": cell.name, "stage": cell.stage, "state": state, "at": int(time.time())}
        write_json(self._path(cell.name), {**head, **facts})

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.json"


def _is_whole(path: Path) -> bool:
    """Whether an artefact lies there still; a folder is whole with its manifest."""
    return (path / MANIFEST_NAME).is_file() if path.is_dir() else path.is_file()


def slurm_task(environment: Mapping[str, str]) -> str | None:
    """The task of Slurm that an environment is of, as `12_3`; None where it is of none."""
    array, index = (environment.get(f"SLURM_ARRAY_{word}_ID") for word in ("JOB", "TASK"))
    return f"{array}_{index}" if array and index else None


def _runs(record: Mapping[str, Any], queue: Mapping[str, InQueue] | None) -> bool:
    """Whether the process that began a cell lives; one of another machine is believed.

    Of a task it is Slurm who knows, and its queue does not have this one.
    """
    if record.get("task"):
        return queue is None
    if record["host"] != socket.gethostname():
        return True
    try:
        os.kill(record["pid"], 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _small(details: Mapping[str, Any]) -> dict[str, Any]:
    """The single values of an artefact's details: enough for costs and tables."""
    return {
        key: value
        for key, value in details.items()
        if value is None or isinstance(value, (str, int, float, bool))
    }
