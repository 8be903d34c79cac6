"""`granctl report` from the command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from made_up_study import TARGETS, fake_result, u_curve, write_result


@pytest.fixture
def results(workspace_folder: Path) -> Path:
    """A workspace with the results of one target, 2 seeds; its results folder."""
    folder = workspace_folder / "results"
    for record in u_curve(seeds=[0, 1], targets=TARGETS[:1]):
        write_result(folder, record)
    return folder


def test_report_prints_its_folder_and_a_table(granctl: Callable, results: Path) -> None:
    """Stdout is the folder; the table with means goes to stderr; again: nothing to do."""
    first = granctl("report")
    assert (first.path / "report.html").is_file()
    assert "kmeans-40" in first.err
    assert "±" in first.err
    second = granctl("report")
    assert second.path == first.path
    assert "there already, whole" in second.err


def test_json_has_targets_answers_and_rows(granctl: Callable, results: Path) -> None:
    """The object of --json."""
    record = granctl("report", "--json").json
    assert record["kind"] == "report"
    assert record["made"] is True
    assert record["targets"] == ["embedded@depth-7"]
    assert record["results"] == 16
    assert Path(record["page"]).is_file()
    leaf = next(r for r in record["rows"] if r["source"] == "leaf")
    assert leaf["top1_n"] == 2
    assert 0 < leaf["top1_mean"] < 1
    assert len(record["answers"]) == 1


def test_results_can_be_named(granctl: Callable, results: Path, tmp_path: Path) -> None:
    """Only the named ones are read, and --out says where the report goes."""
    names = sorted(results.glob("*/result.json"))[:3]
    outcome = granctl("report", *names, "--out", tmp_path / "here", "--quiet")
    assert outcome.path == tmp_path / "here"
    assert outcome.err == ""
    assert granctl("report", *names, "--out", tmp_path / "here", "--json").json["results"] == 3


def test_mixed_targets_are_reported_apart(granctl: Callable, workspace_folder: Path) -> None:
    """Results of two targets give two tables in one report."""
    for record in u_curve(seeds=[0]):
        write_result(workspace_folder / "results", record)
    assert granctl("report", "--json").json["targets"] == [t for t, _, _ in TARGETS]


def test_no_results(granctl: Callable) -> None:
    """An empty workspace: exit 2, and the command that makes a result."""
    outcome = granctl("report")
    assert outcome.code == 2
    assert "no result was given, and workspace" in outcome.err
    assert "hint: make one with `granctl transfer`" in outcome.err
    assert outcome.out == ""


def test_a_path_that_is_not_there(granctl: Callable, tmp_path: Path) -> None:
    """A missing path: exit 2, the path, the mend."""
    outcome = granctl("report", tmp_path / "nowhere")
    assert outcome.code == 2
    assert f"result not found: {tmp_path / 'nowhere'}" in outcome.err


def test_a_result_that_is_no_json(granctl: Callable, results: Path) -> None:
    """A damaged file: exit 3, the path."""
    path = sorted(results.glob("*/result.json"))[0]
    path.write_text("{")
    outcome = granctl("report")
    assert outcome.code == 3
    assert f"{path}: not JSON" in outcome.err


def test_json_that_is_no_result(granctl: Callable, tmp_path: Path) -> None:
    """Another JSON file: exit 3, what it is."""
    (tmp_path / "other.json").write_text('{"kind": "run"}')
    outcome = granctl("report", tmp_path / "other.json")
    assert outcome.code == 3
    assert "is not a result: kind is 'run', not 'result'" in outcome.err


def test_results_that_cannot_share_a_mean(granctl: Callable, workspace_folder: Path) -> None:
    """One target with two test sets: exit 2, both files."""
    for record in (fake_result(cut="leaf"), fake_result(cut="depth-5", n=500, seed=1)):
        write_result(workspace_folder / "results", record)
    outcome = granctl("report")
    assert outcome.code == 2
    assert "n is" in outcome.err
    assert "or name the results that belong together" in outcome.err


def test_out_that_holds_something_else(granctl: Callable, results: Path, tmp_path: Path) -> None:
    """A folder with other files: exit 2, nothing written."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    outcome = granctl("report", "--out", tmp_path / "mine")
    assert outcome.code == 2
    assert "nothing was written" in outcome.err


def test_a_place_that_cannot_be_written(granctl: Callable, results: Path, tmp_path: Path) -> None:
    """A file where a folder is needed: exit 2 with the mend."""
    (tmp_path / "file").write_text("")
    outcome = granctl("report", "--out", tmp_path / "file" / "report")
    assert outcome.code == 2
    assert "cannot write" in outcome.err
