"""What became of each cell of a study: one small JSON a cell, in the study's folder.

<workspace>/studies/<name>-<digest>/
  spec.json        the study; written first
  cells/NAME.json  state (running, done, failed), artefact, seconds, host and pid
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
from granctl.study.cells import Cell
from granctl.workspace import MANIFEST_NAME, Artefact

CELLS = "cells"
State = Literal["waiting", "running", "stopped", "failed", "done"]
STATES: tuple[State, ...] = ("done", "running", "failed", "stopped", "waiting")


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """What the ledger says of one cell."""

    cell: str
    stage: str
    state: State
    """waiting: never begun; stopped: begun by a process that is gone."""
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
        self._write(cell, "running", {"host": socket.gethostname(), "pid": os.getpid()})

    def made(self, cell: Cell, artefact: Artefact) -> None:
        """Notes where it is, and how long it took."""
        seconds = time.monotonic() - self._began[cell.name]
        told = {"kind": artefact.kind, "path": str(artefact.path), "digest": artefact.digest}
        told_now = {"made": artefact.made, "seconds": round(seconds, 3)}
        self._write(cell, "done", {**told, **told_now, "details": _small(artefact.details)})

    def failed(self, cell: Cell, error: GranctlError) -> None:
        """Notes why."""
        self._write(cell, "failed", {"error": str(error), "exit_code": error.exit_code})

    def entries(self, cells: Sequence[Cell]) -> list[Entry]:
        """What is known of each cell, in their order."""
        return [self._entry(cell) for cell in cells]

    def _entry(self, cell: Cell) -> Entry:
        record = self._record(cell.name) or {"state": "waiting"}
        state: State = record["state"]
        if state == "running" and not _runs(record):
            state = "stopped"
        if state == "done" and not _is_whole(Path(record["path"])):
            state, record = "waiting", {}
        return Entry(
            cell=cell.name,
            stage=cell.stage,
            state=state,
            path=record.get("path"),
            seconds=record.get("seconds"),
            error=record.get("error"),
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


def _runs(record: Mapping[str, Any]) -> bool:
    """Whether the process that began a cell lives; one of another machine is believed."""
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
