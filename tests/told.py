"""What a test looks at afterwards: the notes of a progress, the files of a folder."""

from __future__ import annotations

from pathlib import Path

from granctl.progress import Silent


class Told(Silent):
    """A progress that remembers the notes, and how much of each stage was done."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.done: dict[str, int] = {}
        self._stage = ""

    def start(self, label: str, total: int, unit: str) -> None:
        """Remembers the stage."""
        self._stage = label
        self.done.setdefault(label, 0)

    def advance(self, num: int = 1, note: str = "") -> None:
        """Counts."""
        self.done[self._stage] += num

    def note(self, text: str) -> None:
        """Remembers it."""
        self.notes.append(text)


def all_bytes(folder: Path) -> dict[str, bytes]:
    """Every file below a folder: relative name -> content."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}
