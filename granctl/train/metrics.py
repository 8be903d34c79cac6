"""metrics.jsonl: one line an event of a training; cut back when a run goes on from before."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from granctl.files import make_folder, write_bytes, writing

METRICS_NAME = "metrics.jsonl"


class MetricsLog:
    """Appends lines to metrics.jsonl; every line has `step`, the steps taken so far."""

    def __init__(self, path: Path) -> None:
        self._path = path
        make_folder(path.parent)

    def cut_back(self, step: int) -> None:
        """Keeps the lines up to `step`: the later ones will be made again."""
        kept = [json.dumps(line) for line in read_metrics(self._path) if line["step"] <= step]
        write_bytes(self._path, "".join(f"{line}\n" for line in kept).encode())

    def write(self, **line: Any) -> None:
        """Appends one line; it is on its way to disk when this returns."""
        with writing(self._path), self._path.open("a") as file:
            file.write(json.dumps(line, allow_nan=False) + "\n")


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
