"""What people see: results on stdout, everything else on stderr; imported in command bodies."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from granctl.progress import Progress, Silent
from granctl.workspace import Artefact, Kind, Workspace

if TYPE_CHECKING:
    from rich.console import Console

    from granctl.train.origin import Origin

PLAIN_LINE_EVERY_S = 5.0
FOLLOW_EVERY_S = 2.0


class Session:
    """One command's view of the world: its workspace, its progress, its one result."""

    def __init__(
        self, workspace: Path | None, *, as_json: bool, quiet: bool, speaks: bool = True
    ) -> None:
        """Of several processes that run one command, one `speaks`."""
        self.workspace = Workspace.locate(workspace)
        self.as_json = as_json
        self.quiet = quiet = quiet or not speaks
        self._speaks = speaks
        self.progress: Progress = Silent() if quiet else self._shown()

    @cached_property
    def stderr(self) -> Console:
        """Where tables and bars go; rich is loaded for those who look, not in a pipeline."""
        from granctl.cli.terminal import console

        return console(quiet=self.quiet)

    def _shown(self) -> Progress:
        if not sys.stderr.isatty():
            return _PlainProgress()
        from granctl.cli.terminal import TerminalProgress

        return TerminalProgress(self.stderr)

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

    def origin(self, run: Path | None, init: str | None) -> Origin:
        """The network of `--run` or `--init`, else the newest run, which is said.

        Raises:
            NothingToUseError: nothing was given, and there is no run.
            GranctlError: it is not there, or damaged.
        """
        from granctl.train.origin import open_origin

        if init is None:
            run = self.given_or_newest(run, "run")
        return open_origin(run, init)

    def emit(self, artefact: Artefact) -> None:
        """Prints the one result and remembers it as the newest of its kind."""
        if not self._speaks:
            return
        if not artefact.made and artefact.whole:
            self.progress.note(f"{artefact.kind} is there already, whole: nothing to do")
        self.workspace.mark_newest(artefact)
        self.answer(str(artefact.path), artefact.record())

    def answer(self, text: str, record: Mapping[str, Any]) -> None:
        """Prints the result of a command that makes nothing: text, or one object with --json."""
        print(json.dumps(record, ensure_ascii=False) if self.as_json else text)  # noqa: T201

    def table(
        self, title: str, columns: list[str], rows: list[list[str]], *, texts: bool = False
    ) -> None:
        """Shows a table on stderr; the first column is text, the others are numbers, or `texts`."""
        if self.quiet:
            return
        from granctl.cli.terminal import table_of

        self.stderr.print(table_of(title, columns, rows, texts=texts))

    def follow(
        self,
        read: Callable[[], dict[str, Any]],
        table: Callable[[dict[str, Any]], tuple[str, list[str], list[list[str]]]],
        ended: Callable[[dict[str, Any]], bool],
    ) -> dict[str, Any]:
        """Shows a table anew every two seconds until what is read has ended; returns the last."""
        from granctl.cli.terminal import live, table_of

        with live(self.stderr) as view:
            while not ended(found := read()):
                view.update(table_of(*table(found)), refresh=True)
                time.sleep(FOLLOW_EVERY_S)
        return found


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
