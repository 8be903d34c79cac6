"""The parts of a report beside its panels, each only where there is something to show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from granctl.files import make_folder, write_bytes
from granctl.study.aligned import alignment_part
from granctl.study.difficulty import DifficultyPanel
from granctl.study.difficultypart import difficulty_part
from granctl.study.examples import examples_part
from granctl.study.grid import grid_files
from granctl.study.levelscores import levels_part
from granctl.study.lineprint import draw_lines
from granctl.study.losscurves import losses_part
from granctl.study.methods import methods_part
from granctl.study.published import published_part
from granctl.study.spent import costs_part
from granctl.study.summary import Panel
from granctl.study.webpage import Part
from granctl.workspace import Workspace

FIGURES, TABLES = "figures", "tables"


@dataclass(frozen=True, kw_only=True, slots=True)
class Parts:
    """What stands before and behind the drawing of the cuts."""

    before: tuple[Part, ...] = ()
    behind: tuple[Part, ...] = ()

    @property
    def all(self) -> tuple[Part, ...]:
        """In the order of the page."""
        return self.before + self.behind


def report_parts(
    workspace: Workspace, panels: Sequence[Panel], difficulty: Sequence[DifficultyPanel]
) -> Parts:
    """The parts of a page; label maps, runs and images are looked for in the workspace."""
    before = [methods_part(panels), published_part(panels)]
    behind = [
        alignment_part(workspace, panels),
        levels_part(panels),
        difficulty_part(difficulty),
        examples_part(workspace, panels),
        losses_part(panels),
        costs_part(panels),
    ]
    return Parts(
        before=tuple(part for part in before if part is not None),
        behind=tuple(part for part in behind if part is not None),
    )


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
