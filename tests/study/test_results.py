"""Reading result.json files, and the frame of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from made_up_study import fake_result, write_result

import granctl as package
from granctl.errors import (
    ManifestMismatchError,
    MissingInputError,
    NotAResultError,
    NothingToUseError,
)
from granctl.files import write_json
from granctl.study.results import load_results
from granctl.workspace import Workspace


def test_workspace_gives_its_whole_results(study: Path, workspace_folder: Path) -> None:
    """All finished results are found; one without manifest is not taken for whole."""
    one = next(iter(sorted(study.glob("*/manifest.json"))))
    assert len(load_results(Workspace(workspace_folder))) == 48
    one.unlink()
    assert len(load_results(Workspace(workspace_folder))) == 47


def test_a_file_its_folder_and_the_folder_above_are_all_understood(study: Path) -> None:
    """The same result named three ways counts once."""
    file = sorted(study.glob("*/result.json"))[0]
    assert len(load_results([file])) == 1
    assert len(load_results([file, file.parent])) == 1
    assert len(load_results([file, study])) == 48


def test_no_results_say_how_to_make_one(tmp_path: Path) -> None:
    """An empty workspace names the command that makes a result."""
    with pytest.raises(NothingToUseError) as caught:
        load_results(Workspace(tmp_path))
    assert "granctl transfer" in caught.value.hint


def test_a_missing_path_is_named(tmp_path: Path) -> None:
    """A path that is not there, or a folder without results, is the user's to mend."""
    for path in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(MissingInputError, match="result not found"):
            load_results([path])


def test_a_file_that_is_no_json_is_damaged(tmp_path: Path) -> None:
    """Text that is not JSON is a data error with the path."""
    (tmp_path / "result.json").write_text("top1: 0.8")
    with pytest.raises(ManifestMismatchError, match="not JSON"):
        load_results([tmp_path / "result.json"])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"top1": None}, "top1 is None"),
        ({"top1": 83.1}, "not a fraction"),
        ({"kind": "run"}, "kind is 'run'"),
        ({"source": {"cut": "leaf"}}, r"source\.method is missing; source\.classes_present"),
        ({"source": 3}, "neither an object nor null"),
        ({"seed": True}, "seed is True"),
    ],
)
def test_a_record_with_faults_is_no_result(tmp_path: Path, change: dict, said: str) -> None:
    """Each fault of a result.json is named."""
    path = write_result(tmp_path, fake_result(cut="leaf"))
    write_json(path, {**fake_result(cut="leaf"), **change})
    with pytest.raises(NotAResultError, match=said):
        load_results([path])


def test_frame_has_a_row_a_result(study: Path) -> None:
    """`granctl.results()` reads the workspace of the environment; sources are flat columns."""
    frame = package.results()
    assert len(frame) == 48
    means = frame.groupby(["target", "source_cut"]).top1.mean()
    assert means["embedded@depth-7", "leaf"] == pytest.approx(0.8328, abs=1e-4)
    assert frame[frame.method == "scratch"].source_cut.isna().all()


def test_importing_the_package_loads_no_pandas() -> None:
    """`import granctl` stays light: pandas comes with the first call."""
    program = "import sys, granctl; print('pandas' in sys.modules or 'numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr


def test_unknown_attribute_of_the_package() -> None:
    """A name that is not there is still an AttributeError."""
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = package.nothing  # type: ignore[attr-defined]
