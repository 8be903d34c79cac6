"""Fixtures of the study room."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from generated_images import write_source
from made_features import write_features_of, write_within
from made_parts import write_rich
from made_up_study import u_curve, write_result, write_study

from granctl.progress import Silent
from granctl.shards.build.write import BuildSpec, build_shards
from granctl.shards.index import ShardSet
from granctl.study.difficulty import DifficultySpec
from granctl.study.report import report_of
from granctl.workspace import Artefact, Workspace


@pytest.fixture(scope="session")
def results_made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """48 made-up results: 8 sources, 2 targets, 3 seeds."""
    folder = tmp_path_factory.mktemp("study") / "results"
    for record in u_curve():
        write_result(folder, record)
    return folder


@pytest.fixture
def study(results_made_once: Path, workspace_folder: Path) -> Path:
    """The results folder of a workspace that holds only results."""
    return shutil.copytree(results_made_once, workspace_folder / "results")


@pytest.fixture(scope="session")
def whole_study(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace with cuts, runs and the 48 results that came from them; not to be changed."""
    workspace = Workspace(tmp_path_factory.mktemp("whole") / "workspace")
    write_study(workspace)
    return workspace


@pytest.fixture(scope="session")
def rich(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A small study with images, maps, runs and predictions; not to be changed."""
    return write_rich(tmp_path_factory.mktemp("rich"))


@pytest.fixture(scope="session")
def rich_report(rich: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Artefact:
    """Its report, with two bins of difficulty."""
    out = tmp_path_factory.mktemp("parts") / "out"
    return report_of(rich, [], out, Silent(), DifficultySpec(cut="depth-1", bins=2))[0]


@pytest.fixture(scope="session")
def clustered(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """18 training images of 6 labels in shards, their features, a cut of 4 and 2 labels."""
    root = tmp_path_factory.mktemp("cuts")
    spec = BuildSpec(source=str(write_source(root / "source")))
    shards = build_shards(Workspace(root), spec, None, Silent()).path
    return {
        "shards": shards,
        "features": write_features_of(root / "f.parquet", ShardSet.open(shards)),
        "within": write_within(root / "within.parquet", [0, 0, 0, 0, 1, 1]),
    }
