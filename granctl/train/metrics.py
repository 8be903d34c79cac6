"""metrics.jsonl: one line an event of a training; cut back when a run goes on from before."""

from __future__ import annotations

import json
import os
import statistics
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from granctl.errors import MissingExtraError, OutputNotWritableError
from granctl.files import make_folder, write_bytes, writing

METRICS_NAME = "metrics.jsonl"
_RATE_LINES = 20
"""Of which the rate is taken: the first lines of a start are slow."""
_TAIL_BYTES = 1 << 14


class MetricsLog:
    """Appends lines to metrics.jsonl; every line has `step`, the steps taken so far."""

    def __init__(self, path: Path, *, tensorboard: bool = False) -> None:
        """Makes the folder.

        Args:
            path: of the file.
            tensorboard: writes the numbers as events into the folder `tensorboard` beside it too.

        Raises:
            MissingExtraError: tensorboard is not installed.
        """
        self._path = path
        self._board = _Board(path.parent / "tensorboard") if tensorboard else None
        make_folder(path.parent)

    def cut_back(self, step: int) -> None:
        """Keeps the lines up to `step`: the later ones will be made again."""
        kept = [json.dumps(line) for line in read_metrics(self._path) if line["step"] <= step]
        write_bytes(self._path, "".join(f"{line}\n" for line in kept).encode())
        if self._board is not None:
            self._board.cut_back(step)

    def write(self, **line: Any) -> None:
        """Appends one line; it is on its way to disk when this returns.

        Raises:
            OutputNotWritableError: no space, or another refusal; no part of the line stays.
        """
        text = json.dumps(line, allow_nan=False) + "\n"
        size = self._path.stat().st_size if self._path.exists() else 0
        try:
            with writing(self._path), self._path.open("a") as file:
                file.write(text)
        except OutputNotWritableError:
            with suppress(OSError):
                os.truncate(self._path, size)
            raise
        if self._board is not None:
            self._board.write(line)


class _Board:
    """The same numbers for TensorBoard."""

    def __init__(self, folder: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise MissingExtraError("--tensorboard", "tensorboard") from error
        self._make: Any = SummaryWriter
        self._folder = folder

    def cut_back(self, step: int) -> None:
        """Later events of an earlier start are not shown any more."""
        self._writer = self._make(str(self._folder), purge_step=step + 1)

    def write(self, line: Mapping[str, Any]) -> None:
        """Each number of a line under its own name."""
        for name, value in line.items():
            if name != "step" and value is not None:
                self._writer.add_scalar(name, value, line["step"])
        self._writer.flush()


def rate_of(lines: Sequence[Mapping[str, Any]]) -> float | None:
    """Images a second: the median of the newest lines; None where none says it."""
    rates = [line["images_per_s"] for line in lines[-_RATE_LINES:] if line.get("images_per_s")]
    return statistics.median(rates) if rates else None


def newest_metrics(path: Path) -> list[dict[str, Any]]:
    """The last lines of a metrics.jsonl, some dozens; the file may be long."""
    try:
        with path.open("rb") as file:
            at = max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES)
            file.seek(at)
            text = file.read()
    except OSError:
        return []
    whole = text[: text.rfind(b"\n") + 1].splitlines()
    return [json.loads(line) for line in whole[1 if at else 0 :]]


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The lines of a metrics.jsonl; a last line that a kill cut short is left out."""
    if not path.is_file():
        return []
    lines = []
    for text in path.read_text().splitlines():
        try:
            lines.append(json.loads(text))
        except ValueError:
            break
    return lines


class MetricsTail:
    """The lines of a metrics.jsonl that were not there the last time one looked."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file, self._at = 0, 0

    def more(self) -> list[dict[str, Any]]:
        """Whole lines since the last call; all of them again where the file was cut back."""
        try:
            with self._path.open("rb") as file:
                known = os.fstat(file.fileno())
                if known.st_ino != self._file or known.st_size < self._at:
                    self._file, self._at = known.st_ino, 0
                file.seek(self._at)
                text = file.read()
        except OSError:
            return []
        whole = text[: text.rfind(b"\n") + 1]
        self._at += len(whole)
        return [json.loads(line) for line in whole.splitlines()]
