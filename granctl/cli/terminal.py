"""A terminal's bars and tables; loads rich, so it is imported for those who look."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def console(*, quiet: bool) -> Console:
    """Standard error; numbers and paths keep their colour."""
    return Console(stderr=True, quiet=quiet, highlight=False)


def table_of(
    title: str, columns: list[str], rows: list[list[str]], *, texts: bool = False
) -> Table:
    """A table whose first column is text and whose others are numbers, or `texts` too.

    Cells are no markup.
    """
    table = Table(
        title=title,
        title_justify="left",
        header_style="bold",
        box=SIMPLE_HEAD,
        pad_edge=False,
        show_header=any(columns),
    )
    for i, column in enumerate(columns):
        table.add_column(column, justify="left" if i == 0 or texts else "right")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    return table


def picture_of(pixels: NDArray[np.uint8]) -> Text:
    """A picture of half blocks: a character has one pixel above and one below.

    Args:
        pixels: uint8, shape (height, width, 3), height even.
    """
    lines = []
    for upper, lower in zip(pixels[::2].tolist(), pixels[1::2].tolist(), strict=True):
        line = Text()
        for above, below in zip(upper, lower, strict=True):
            style = f"rgb({','.join(map(str, above))}) on rgb({','.join(map(str, below))})"
            line.append("▀", style)
        lines.append(line)
    return Text("\n").join(lines)


def live(stderr: Console) -> Live:
    """A place in the terminal whose content is replaced."""
    return Live(console=stderr, transient=True, auto_refresh=False)


class TerminalProgress:
    """A bar with count, rate and time left, one stage at a time."""

    def __init__(self, stderr: Console) -> None:
        self._stderr = stderr
        self._bars: Bars | None = None

    def start(self, label: str, total: int, unit: str) -> None:
        """Draws an empty bar."""
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
        """Fills the bar by `num`."""
        if self._bars is not None:
            self._bars.update(self._task, advance=num)
            if note:
                self._bars.update(self._task, note=note)

    def finish(self) -> None:
        """Takes the bar away."""
        if self._bars is not None:
            self._bars.stop()
            self._bars = None

    def note(self, text: str) -> None:
        """Prints a sentence above the bar."""
        self._stderr.print(text, soft_wrap=True, markup=False)
