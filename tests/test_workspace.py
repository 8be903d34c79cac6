"""Where things live: digests in names, newest, named data, unfinished folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from granctl.errors import (
    MissingInputError,
    NothingToUseError,
    OutputExistsError,
    UnknownDataError,
)
from granctl.workspace import (
    Artefact,
    Workspace,
    begin_folder,
    embedded,
    finish_folder,
    folder_state,
)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "ws")


def _artefact(path: Path) -> Artefact:
    return Artefact(kind="label-map", path=path, digest="ab" * 32, made=True)


def test_option_beats_environment_beats_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """--workspace, then $GRANCTL_WORKSPACE, then a folder here."""
    monkeypatch.setenv("GRANCTL_WORKSPACE", "/from/environment")
    assert Workspace.locate(tmp_path).root == tmp_path
    assert Workspace.locate().root == Path("/from/environment")
    monkeypatch.setenv("GRANCTL_WORKSPACE", "")
    assert Workspace.locate().root == Path.cwd() / "granctl-workspace"


def test_newest_is_what_was_marked_last(workspace: Workspace, tmp_path: Path) -> None:
    """A command without an input takes the newest; one that is gone is not taken."""
    with pytest.raises(NothingToUseError, match="label-map") as caught:
        workspace.newest("label-map")
    assert "granctl tree cut" in caught.value.hint
    (tmp_path / "map").write_text("")
    workspace.mark_newest(_artefact(tmp_path / "map"))
    assert workspace.newest("label-map") == tmp_path / "map"
    (tmp_path / "map").unlink()
    with pytest.raises(NothingToUseError):
        workspace.newest("label-map")


def test_array_task_neither_reads_nor_writes_newest(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tasks of an array run at once: what is newest would depend on the clock."""
    (tmp_path / "map").write_text("")
    workspace.mark_newest(_artefact(tmp_path / "map"))
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "3")
    with pytest.raises(NothingToUseError, match="a job of a cluster takes no newest one"):
        workspace.newest("label-map")
    workspace.mark_newest(_artefact(tmp_path / "other"))
    monkeypatch.delenv("SLURM_ARRAY_TASK_ID")
    assert workspace.newest("label-map") == tmp_path / "map"


def test_named_data_is_found_again_and_a_missing_one_says_the_mend(
    workspace: Workspace, tmp_path: Path
) -> None:
    """A name stands for a folder of this machine."""
    with pytest.raises(UnknownDataError, match="in1k") as caught:
        workspace.data_folder("in1k")
    assert "granctl data add in1k FOLDER" in caught.value.hint
    with pytest.raises(MissingInputError):
        workspace.add_data("in1k", tmp_path / "nowhere")
    (tmp_path / "images").mkdir()
    workspace.add_data("in1k", tmp_path / "images")
    assert workspace.data_folder("in1k") == tmp_path / "images"
    (tmp_path / "images").rmdir()
    with pytest.raises(MissingInputError, match="in1k"):
        workspace.data_folder("in1k")


def test_folder_is_absent_then_unfinished_then_whole(tmp_path: Path) -> None:
    """The spec comes first, the manifest last; another digest or a stranger's folder is refused."""
    path = tmp_path / "run"
    assert folder_state(path, "d1") == "absent"
    begin_folder(path, "d1", {"k": 1}, {})
    assert folder_state(path, "d1") == "unfinished"
    finish_folder(path, {"n": 1})
    assert folder_state(path, "d1") == "whole"
    with pytest.raises(OutputExistsError, match="another artefact"):
        folder_state(path, "d2")
    stranger = tmp_path / "stranger"
    stranger.mkdir()
    assert folder_state(stranger, "d1") == "absent"
    (stranger / "thesis.tex").write_text("")
    with pytest.raises(OutputExistsError, match="did not make"):
        folder_state(stranger, "d1")


def test_embedded_data_is_found() -> None:
    """One function finds the embedded data, in a checkout or in the wheel."""
    assert (embedded("licences") / "wordnet-3.0.txt").is_file()
