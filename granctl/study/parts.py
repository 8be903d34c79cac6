"""The parts of a report beside its panels, each only where there is something to show."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from granctl.files import make_folder, write_bytes
from granctl.study.grid import grid_files
from granctl.study.lineprint import draw_lines
from granctl.study.methods import methods_part
from granctl.study.summary import Panel
from granctl.study.webpage import Part

FIGURES, TABLES = "figures", "tables"


def report_parts(panels: Sequence[Panel]) -> tuple[Part, ...]:
    """The parts in the order of the page."""
    found = [methods_part(panels)]
    return tuple(part for part in found if part is not None)


def write_parts(folder: Path, parts: Sequence[Part]) -> None:
    """Writes every figure into figures/ and every table into tables/.

    Raises:
        OutputNotWritableError: a file cannot be written.
    """
    for part in parts:
        for figure in part.figures:
            make_folder(folder / FIGURES)
            stem = folder / FIGURES / figure.name
            draw_lines(figure, stem.with_suffix(".svg"), stem.with_suffix(".png"))
        for grid in part.grids:
            make_folder(folder / TABLES)
            for name, text in grid_files(grid).items():
                write_bytes(folder / TABLES / name, text.encode())
