"""Cells run in order of need, in processes, and say what failed."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from granctl.errors import BadOptionError, WorkerDiedError
from granctl.files import replacing
from granctl.progress import Progress, Silent
from granctl.study.cells import Cell, run_cells
from granctl.workspace import Artefact, Workspace


def write_text(workspace: Workspace, progress: Progress, text: str, **needs: Path) -> Artefact:
    """Writes its text and that of the cells it needs; the pid tells which process did it."""
    path = workspace.root / f"{text}.txt"
    made = not path.exists()
    if made:
        path.write_text(text + "".join(p.read_text() for p in needs.values()))
    details = {"pid": os.getpid(), "threads": os.environ["OMP_NUM_THREADS"]}
    return Artefact(kind="result", path=path, digest=text, made=made, details=details)


def fail(workspace: Workspace, progress: Progress) -> Artefact:
    raise BadOptionError("--depth", "19 is too deep", "the deepest is 18")


def die(workspace: Workspace, progress: Progress) -> Artefact:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def sleep(workspace: Workspace, progress: Progress) -> Artefact:
    (workspace.root / "asleep").write_text(str(os.getpid()))
    time.sleep(600)
    raise AssertionError


def write_slowly(workspace: Workspace, progress: Progress) -> Artefact:
    with replacing(workspace.root / "slow") as temporary:
        temporary.write_text("half")
        (workspace.root / "asleep").write_text(str(os.getpid()))
        time.sleep(600)
    raise AssertionError


def fail_late(workspace: Workspace, progress: Progress) -> Artefact:
    for _ in range(600):
        if (workspace.root / "asleep").exists():
            raise BadOptionError("--depth", "19 is too deep", "the deepest is 18")
        time.sleep(0.05)
    raise AssertionError


def _cell(name: str, work: Any = write_text, **needs: str) -> Cell:
    return Cell(
        name=name, work=work, params={"text": name} if work is write_text else {}, needs=needs
    )


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


def test_cell_gets_the_paths_of_what_it_needs(workspace: Workspace) -> None:
    """A diamond: the last cell sees what the two before it made from the first."""
    cells = [_cell("a"), _cell("b", x="a"), _cell("c", x="a"), _cell("d", x="b", y="c")]
    done = run_cells(workspace, cells, 2, Silent())
    assert done["d"].path.read_text() == "dbaca"
    assert {a.details["threads"] for a in done.values()} == {"1"}
    assert os.getpid() not in {a.details["pid"] for a in done.values()}


def test_same_cells_again_find_everything_whole(workspace: Workspace) -> None:
    """A study that ran is not run again."""
    cells = [_cell("a"), _cell("b", x="a")]
    assert all(a.made for a in run_cells(workspace, cells, 1, Silent()).values())
    assert not any(a.made for a in run_cells(workspace, cells, 1, Silent()).values())


def test_fault_of_a_cell_reaches_the_caller_and_ends_the_others(workspace: Workspace) -> None:
    """The error keeps its sentence and its mend across the process; sleepers are ended."""
    with pytest.raises(BadOptionError, match="too deep") as caught:
        run_cells(workspace, [_cell("s", sleep), _cell("f", fail)], 2, Silent())
    assert caught.value.hint == "the deepest is 18"
    asleep = workspace.root / "asleep"
    if asleep.exists():
        with pytest.raises(ProcessLookupError):
            os.kill(int(asleep.read_text()), 0)


def test_killed_worker_is_named(workspace: Workspace) -> None:
    """A process that is gone is a fault of the run, with a mend."""
    with pytest.raises(WorkerDiedError, match="made: d"):
        run_cells(workspace, [_cell("d", die)], 1, Silent())


@pytest.mark.parametrize("cells", [[_cell("a"), _cell("a")], [_cell("a", x="b"), _cell("b")]])
def test_cells_that_do_not_fit_are_refused(workspace: Workspace, cells: list[Cell]) -> None:
    """Names are unique, and a cell stands after those it needs."""
    with pytest.raises(ValueError, match="needs a later cell"):
        run_cells(workspace, cells, 1, Silent())


def test_ended_worker_leaves_nothing_half_written(workspace: Workspace) -> None:
    """The fault of one cell ends the others, and what they were writing is removed."""
    with pytest.raises(BadOptionError):
        run_cells(workspace, [_cell("a", write_slowly), _cell("b", fail_late)], 2, Silent())
    assert [p.name for p in workspace.root.iterdir()] == ["asleep"]
