"""What people see: results on stdout, everything else on stderr; imported in command bodies."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.table import Table

from granctl.progress import Progress, Silent
from granctl.workspace import Artefact, Kind, Workspace

PLAIN_LINE_EVERY_S = 5.0


class Session:
    """One command's view of the world: its workspace, its progress, its one result."""

    def __init__(self, workspace: Path | None, *, as_json: bool, quiet: bool) -> None:
        self.workspace = Workspace.locate(workspace)
        self.as_json = as_json
        self.stderr = Console(stderr=True, quiet=quiet, highlight=False)
        self.progress: Progress = Silent() if quiet else _shown(self.stderr)

    def given_or_newest(self, given: Path | None, kind: Kind) -> Path:
        """The path that was given, else the newest of the workspace, which is said.

        Raises:
            NothingToUseError: neither is there.
        """
        if given is not None:
            return given
        newest = self.workspace.newest(kind)
        self.progress.note(f"using the newest {kind}: {newest}")
        return newest

    def emit(self, artefact: Artefact) -> None:
        """Prints the one result and remembers it as the newest of its kind."""
        if not artefact.made:
            self.progress.note(f"{artefact.kind} is there already, whole: nothing to do")
        self.workspace.mark_newest(artefact)
        self.answer(str(artefact.path), artefact.record())

    def answer(self, text: str, record: Mapping[str, Any]) -> None:
        """Prints the result of a command that makes nothing: text, or one object with --json."""
        print(json.dumps(record, ensure_ascii=False) if self.as_json else text)  # noqa: T201

    def table(self, title: str, columns: list[str], rows: list[list[str]]) -> None:
        """Shows a table on stderr; the first column is text, the others are numbers."""
        table = Table(title=title, title_justify="left", header_style="bold")
        for i, column in enumerate(columns):
            table.add_column(column, justify="left" if i == 0 else "right")
        for row in rows:
            table.add_row(*row)
        self.stderr.print(table)


def _shown(stderr: Console) -> Progress:
    return _TerminalProgress(stderr) if stderr.is_terminal else _PlainProgress()


class _TerminalProgress:
    """A bar with count, rate and time left, one stage at a time."""

    def __init__(self, stderr: Console) -> None:
        self._stderr = stderr
        self._bars: Bars | None = None

    def start(self, label: str, total: int, unit: str) -> None:
        self.finish()
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn(unit),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
        )
        self._bars = Bars(*columns, console=self._stderr, transient=True)
        self._task = self._bars.add_task(label, total=total, note="")
        self._bars.start()

    def advance(self, num: int = 1, note: str = "") -> None:
        if self._bars is not None:
            self._bars.update(self._task, advance=num)
            if note:
                self._bars.update(self._task, note=note)

    def finish(self) -> None:
        if self._bars is not None:
            self._bars.stop()
            self._bars = None

    def note(self, text: str) -> None:
        self._stderr.print(text, soft_wrap=True, markup=False)


class _PlainProgress:
    """A line every few seconds and one at the end, for logs."""

    def start(self, label: str, total: int, unit: str) -> None:
        self._label, self._total, self._unit = label, total, unit
        self._done, self._note = 0, ""
        self._began = self._last = time.monotonic()

    def advance(self, num: int = 1, note: str = "") -> None:
        self._done += num
        self._note = note or self._note
        if time.monotonic() - self._last >= PLAIN_LINE_EVERY_S:
            self._last = time.monotonic()
            self._line()

    def finish(self) -> None:
        self._line()

    def note(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)  # noqa: T201

    def _line(self) -> None:
        took_s = max(time.monotonic() - self._began, 1e-9)
        rate = self._done / took_s
        left = f", {(self._total - self._done) / rate:.0f} s left" if rate > 0 else ""
        end = left if self._done < self._total else f" in {took_s:.1f} s"
        tail = f" ({self._note})" if self._note else ""
        speed = f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.2g}/s"
        self.note(f"{self._label}: {self._done}/{self._total} {self._unit}, {speed}{end}{tail}")
