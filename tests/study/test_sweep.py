"""A study runs what is missing, goes on after any end, and comes to the same numbers."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from killed_study import FEW, FORTY, STUDY, command, kill_at_random, numbers, weights

from granctl.errors import BadOptionError, CellsFailedError, StudyFileChangedError
from granctl.progress import Silent
from granctl.study.cells import Cell, run_cells
from granctl.study.costs import costs_of
from granctl.study.ledger import FolderLedger
from granctl.study.named import said_by_files
from granctl.study.results import load_results
from granctl.study.studyfile import load_study
from granctl.study.studyplan import plan_study
from granctl.study.sweep import begin_study, place_of, run_study, status_of
from granctl.train.recipe import recipe_text
from granctl.workspace import Artefact, Workspace

NUM_CELLS = 1 + 5 + 8 + 10
"""Shards; leaf, two depths, two random maps; four sources of two seeds; two more from scratch."""


@pytest.fixture
def study_path(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(STUDY)
    return path


def test_a_study_runs_once(study_path: Path, tmp_path: Path) -> None:
    """Every cell is made; the same study again finds all whole, and makes what was removed."""
    workspace, study = Workspace(tmp_path / "ws"), load_study(str(study_path))
    assert status_of(workspace, study)["states"]["waiting"] == NUM_CELLS
    done = run_study(workspace, study, 2, Silent())
    assert done.made
    assert done.details["whole"] == NUM_CELLS
    assert len(done.details["results"]) == 10
    assert json.loads((done.path / "manifest.json").read_text())["kind"] == "study"
    of_study = load_results([done.path])  # what `granctl report FOLDER` takes
    assert sorted(r["path"] for r in of_study) == sorted(done.details["results"])
    first = numbers(workspace)
    status = status_of(workspace, study)
    assert status["states"]["done"] == NUM_CELLS
    assert status["seconds_left"] == 0
    assert not run_study(workspace, study, 1, Silent()).made
    gone = Path(done.details["results"][0])
    gone.unlink()
    (gone.parent / "manifest.json").unlink()
    assert status_of(workspace, study)["states"]["waiting"] == 1
    run_study(workspace, study, 1, Silent())
    assert numbers(workspace) == first


def test_one_cell_and_what_it_needs(study_path: Path, tmp_path: Path) -> None:
    """A task of an array makes its own cell, and finds or makes what that needs."""
    workspace, study = Workspace(tmp_path / "ws"), load_study(str(study_path))
    part = run_study(workspace, study, 1, Silent(), only=["cut.depth-5"])
    assert [e.cell for e in _entries(workspace, study) if e.state == "done"] == ["cut.depth-5"]
    assert (part.made, part.whole, part.details["whole"]) == (True, False, 1)
    again = run_study(workspace, study, 1, Silent(), only=["cut.depth-5"])
    assert (again.made, again.whole) == (False, False)
    with pytest.raises(BadOptionError, match="no cell of the study"):
        run_study(workspace, study, 1, Silent(), only=["cut.depth-55"])


def test_the_last_cell_makes_the_study_whole(tmp_path: Path) -> None:
    """Cells of earlier calls count: the manifest is written by who makes the last one."""
    (tmp_path / "few.toml").write_text(FEW)
    workspace, study = Workspace(tmp_path / "ws"), load_study(str(tmp_path / "few.toml"))
    cells = plan_study(study).cells
    ledger = FolderLedger(begin_study(workspace, study))
    for cell in cells:
        if cell.name != "cut.leaf":
            made = tmp_path / cell.name
            made.touch()
            ledger.began(cell)
            ledger.made(cell, Artefact(kind="run", path=made, digest="0", made=True))
    done = run_study(workspace, study, 1, Silent(), only=["cut.leaf"])
    assert (done.whole, done.details["whole"], len(done.details["results"])) == (True, 4, 1)
    assert (done.path / "manifest.json").is_file()


def test_recipe_that_was_changed_is_refused(tmp_path: Path) -> None:
    """Cells of two recipes are no study; the file as it was goes on."""
    recipe, path = tmp_path / "mine.toml", tmp_path / "small.toml"
    recipe.write_text(recipe_text("embedded-resnet"))
    path.write_text(STUDY.replace('"embedded-resnet"', '"mine.toml"'))
    workspace, study = Workspace(tmp_path / "ws"), load_study(str(path))
    run_study(workspace, study, 1, Silent(), only=["cut.depth-5"])
    recipe.write_text(recipe_text("embedded-resnet") + "\n# another\n")
    with pytest.raises(StudyFileChangedError, match=r"mine.toml was changed since .*small-"):
        run_study(workspace, study, 1, Silent(), only=["cut.depth-6"])
    recipe.write_text(recipe_text("embedded-resnet"))
    run_study(workspace, study, 1, Silent(), only=["cut.depth-6"])


def test_files_of_a_study_are_part_of_what_it_is(tmp_path: Path) -> None:
    """Two folders with the same study and another tree beside it: one does not take the other's."""
    text = STUDY.replace("[set]", '[taxonomy]\nform = "edges"\npath = "e.tsv"\n[set]')
    workspace, tree = Workspace(tmp_path / "ws"), "shoe\tthings\nshirt\tthings\n"
    for folder, said in (("a", tree), ("b", tree + "hat\tthings\n"), ("c", tree)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "e.tsv").write_text(said)
        (tmp_path / folder / "st.toml").write_text(text)
    studies = {name: load_study(str(tmp_path / name / "st.toml")) for name in "abc"}
    folder = begin_study(workspace, studies["a"])
    with pytest.raises(StudyFileChangedError, match=r"e\.tsv was changed since"):
        begin_study(workspace, studies["b"])
    assert begin_study(workspace, studies["c"]) == folder
    spec = json.loads((folder / "spec.json").read_text())
    del spec["provenance"]["inputs"]["e.tsv"]  # as of a study begun before files were noted
    (folder / "spec.json").write_text(json.dumps(spec))
    begin_study(workspace, studies["b"])


def test_folders_and_large_files_are_told_apart_cheaply(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder by the names at its top; a file that is too large to read by its two ends."""
    text = STUDY.replace("seeds = 2", 'seeds = 2\nsource = "pics"\nlabel_list = "mine.txt"')
    (tmp_path / "st.toml").write_text(text)
    (tmp_path / "pics/train/cat").mkdir(parents=True)
    (tmp_path / "mine.txt").write_text("a" * 100)
    study = load_study(str(tmp_path / "st.toml"))
    first = said_by_files(study)
    assert set(first) == {"pics", "mine.txt"}
    (tmp_path / "pics/train/dog").mkdir()
    assert said_by_files(study)["pics"] != first["pics"]
    monkeypatch.setattr("granctl.study.named._WHOLE", 10)
    monkeypatch.setattr("granctl.study.named._END", 10)
    large = said_by_files(study)["mine.txt"]
    (tmp_path / "mine.txt").write_text("a" * 99 + "b")
    assert large not in (first["mine.txt"], said_by_files(study)["mine.txt"])


def _entries(workspace: Workspace, study: object) -> list:
    plan = plan_study(study)  # type: ignore[arg-type]
    return FolderLedger(place_of(workspace, plan.study)).entries(plan.cells)


def _text(workspace: Workspace, progress: object, text: str, **needs: Path) -> Artefact:
    if text.startswith("bad"):
        raise BadOptionError("--depth", f"{text} is too deep", "less")
    path = workspace.root / text
    path.write_text(text)
    return Artefact(kind="result", path=path, digest=text, made=True)


def test_a_failed_cell_takes_only_those_with_it_that_need_it(tmp_path: Path) -> None:
    """The others are made, all faults are told at the end, and the ledger says why."""
    cells = [
        Cell(name=name, work=_text, params={"text": name}, needs=needs)
        for name, needs in (("bad", {}), ("a", {}), ("c", {"x": "bad"}), ("d", {"x": "a"}))
    ]
    ledger = FolderLedger(tmp_path / "study")
    with pytest.raises(CellsFailedError, match="bad is too deep") as caught:
        run_cells(Workspace(tmp_path), cells, 1, Silent(), ledger, keep_going=True)
    assert "1 that need them" in str(caught.value)
    assert caught.value.exit_code == 4
    states = {e.cell: e.state for e in ledger.entries(cells)}
    assert states == {"bad": "failed", "a": "done", "c": "waiting", "d": "done"}
    assert {e.cell: e.error for e in ledger.entries(cells)}["bad"] is not None


def test_costs_are_counted_before_anything_runs(study_path: Path, tmp_path: Path) -> None:
    """Images, steps and hours by hand: 512 images in 2 steps, 8 runs; transfers of 2 steps."""
    plan = plan_study(load_study(str(study_path)))
    costs = costs_of(Workspace(tmp_path / "ws"), plan, 100.0, Silent())
    assert costs["images"] == 12_000
    assert [row["steps"] for row in costs["sources"]] == [2] * 4
    assert [row["runs"] for row in costs["sources"]] == [2] * 4
    pretrained = 8 * 512
    batch = plan.recipe.finetune.batch_size
    assert costs["images_seen"] == pretrained + 10 * 2 * batch
    assert costs["hours"] == pytest.approx(costs["images_seen"] / 100 / 3600, abs=0.005)
    assert not (tmp_path / "ws").exists()


def check_killed(
    study_path: Path, tmp_path: Path, processes: int, kills: int, between: tuple[float, float]
) -> None:
    """An undisturbed study, and one whose processes are killed: the same numbers and weights."""
    calm, killed = Workspace(tmp_path / "calm"), Workspace(tmp_path / "killed")
    run_study(calm, load_study(str(study_path)), processes, Silent())
    words = command(study_path, killed.root, "--processes", str(processes))
    assert len(kill_at_random(words, kills, 7, between)) == kills
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    assert numbers(killed) == numbers(calm)
    assert weights(killed) == weights(calm)
    assert not list(killed.root.rglob("*.tmp"))


def test_a_killed_study_ends_with_the_same_numbers(tmp_path: Path) -> None:
    """Few cells, a SIGKILL to all processes, the same command again."""
    path = tmp_path / "few.toml"
    path.write_text(FEW)
    check_killed(path, tmp_path, 1, 1, (2.0, 5.0))


@pytest.mark.slow
def test_a_study_killed_three_times_ends_with_the_same_numbers(tmp_path: Path) -> None:
    """44 small cells, three SIGKILLs to all processes at random moments."""
    path = tmp_path / "forty.toml"
    path.write_text(FORTY)
    assert len(plan_study(load_study(str(path))).cells) == 44
    check_killed(path, tmp_path, 2, 3, (2.0, 20.0))
